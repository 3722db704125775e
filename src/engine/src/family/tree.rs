//! A restart makes all processes of a program again, each as a child of its parent, before any of them has a second thread.
//!
//! ```text
//!   root     fork ──────────────────────────> member 1     fork ─────────────> member 3, its child
//!            fork ──────────> member 2
//!            fork ──> _  fork ──────────────> member 4, whose parent had ended
//!            MPI, memory      memory            memory                          memory
//!            <───────────────── Loaded ──────────────────────────────────────────
//!            opens all files ── Place ─────────────────────────────────────────>  its numbers
//!            <───────────────── Ready ───────────────────────────────────────────
//!            ────────────────── Run: what everybody is called ─────────────────>  process group
//! ```
//!
//! One that fails says why, and the root gives up; one that finds the root gone ends.

#![expect(unsafe_code, reason = "fork")]
// # Safety
// `fork` runs while the process has one thread, in the lower half, and no upper half yet.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use mana_descriptors::{FileId, MemberDescriptors, Restored, Stored};
use mana_image::{Checkpoint, Manifest};
use mana_split::numbers::{self, Renumbered};
use mana_split::thread::Tid;
use rustix::process::{Pid, WaitOptions, waitpid};

use super::wire::{Order, Report, Said, receive, receive_descriptors, send, send_descriptors};
use super::{Member, copy_above, failed, os, register};
use crate::error::EngineError;
use crate::restart;
use crate::shared_mappings::{self, Made};
use crate::surroundings::{self, Surroundings};

/// The root's connections to the processes that it has made; none where the program is one process.
#[derive(Debug, Default)]
pub struct Tree {
    /// In the order of their images.
    members: Vec<(Member, UnixStream)>,
    /// What the kernel calls them, once they have said so.
    pids: Vec<Tid>,
}

/// What a member finds when it is made.
#[derive(Debug)]
pub struct Place<'a> {
    /// The checkpoint, and of which rank it is the `child`-th child, from 1.
    pub checkpoint: &'a Checkpoint,
    /// The rank.
    pub rank: u32,
    /// Which.
    pub child: u32,
    /// Who it was.
    pub member: &'a Member,
}

/// Makes the members of `rank`'s family. In these it does not return.
pub fn fork(
    checkpoint: &Checkpoint,
    manifest: &Manifest,
    rank: u32,
    members: &[Member],
) -> Result<Tree, EngineError> {
    if manifest.children(rank) != members.len() {
        return Err(EngineError::State(format!(
            "rank {rank} had {} children, and {} have images",
            members.len(),
            manifest.children(rank)
        )));
    }
    // All are to know the same one.
    let _ = super::name();
    let mut ends = Vec::with_capacity(members.len());
    for _ in members {
        let (here, there) =
            UnixStream::pair().map_err(|source| os("making a socket for a child", source))?;
        ends.push((Some(here), Some(there)));
    }
    let family = Family {
        checkpoint,
        rank,
        members,
    };
    family.grow(None, &mut ends)?;
    let own = ends.into_iter().filter_map(|(here, _)| here);
    Ok(Tree {
        members: members.iter().cloned().zip(own).collect(),
        pids: Vec::new(),
    })
}

/// Both ends of the sockets, as far as they are still open here.
type Ends = [(Option<UnixStream>, Option<UnixStream>)];

struct Family<'a> {
    checkpoint: &'a Checkpoint,
    rank: u32,
    members: &'a [Member],
}

impl Family<'_> {
    /// Makes the children of one of them, or of the root, and theirs.
    fn grow(&self, parent: Option<usize>, ends: &mut Ends) -> Result<(), EngineError> {
        for child in 0..self.members.len() {
            if self.parent_of(child) != parent {
                continue;
            }
            let is_orphan = self.members[child].parent == 0;
            // SAFETY: see above.
            match unsafe { libc::fork() } {
                -1 => return Err(os("making a child", io::Error::last_os_error())),
                0 if is_orphan => self.leave_child(child, ends),
                0 => self.become_child(child, ends),
                between if is_orphan => wait_for(between, &self.members[child])?,
                _ => {}
            }
        }
        for (_, there) in ends.iter_mut() {
            *there = None;
        }
        Ok(())
    }

    /// Which of them is the parent of `child`: where that is not one of them, the root takes its place.
    fn parent_of(&self, child: usize) -> Option<usize> {
        let parent = self.members[child].parent;
        let found = self.members.iter().position(|member| member.pid == parent);
        found.filter(|&parent| parent != child)
    }

    /// Makes a child, and ends: that is nobody's in the program then.
    fn leave_child(&self, child: usize, ends: &mut Ends) -> ! {
        // SAFETY: see above; `_exit` takes no pointer, and does not return.
        unsafe {
            match libc::fork() {
                0 => self.become_child(child, ends),
                -1 => libc::_exit(1),
                _ => libc::_exit(0),
            }
        }
    }

    fn become_child(&self, child: usize, ends: &mut Ends) -> ! {
        let socket = ends[child].1.take();
        for (here, _) in ends.iter_mut() {
            *here = None;
        }
        let place = Place {
            checkpoint: self.checkpoint,
            rank: self.rank,
            child: child as u32 + 1,
            member: &self.members[child],
        };
        let failure = match self.grow(Some(child), ends) {
            Err(error) => error,
            Ok(()) => match socket
                .as_ref()
                .map(|socket| restart::become_member(&place, socket))
            {
                Some(Err(error)) => error,
                Some(Ok(never)) => match never {},
                None => failed("a child", "it has no socket"),
            },
        };
        if let Some(socket) = &socket {
            let _ = say(socket, Report::Failed(crate::entry::with_causes(&failure)));
        }
        // SAFETY: takes no pointer, and does not return.
        unsafe { libc::_exit(1) }
    }
}

/// Waits for the process that has made `member`.
fn wait_for(pid: Tid, member: &Member) -> Result<(), EngineError> {
    let ended = waitpid(Pid::from_raw(pid), WaitOptions::empty())
        .map_err(|errno| os("waiting for the process that makes a child", errno.into()))?;
    match ended.and_then(|(_, status)| status.exit_status()) {
        Some(0) => Ok(()),
        _ => Err(failed(&called(member), "it could not be forked")),
    }
}

fn say(socket: &UnixStream, report: Report) -> io::Result<()> {
    send(socket, &Said { attempt: 0, report })
}

// ---- The root ----------------------------------------------------------------------------------------------------------

impl Tree {
    /// Whether the program is one process.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Moves the sockets out of the way of the program's numbers.
    pub fn move_above(&mut self, above: RawFd) -> Result<(), EngineError> {
        for (_, socket) in &mut self.members {
            *socket = copy_above(socket, above)?;
        }
        Ok(())
    }

    /// Opens what all have open and makes what they share. Sends each its own, once it has its memory.
    pub fn hand_out(&mut self, saved: &Surroundings) -> Result<Made, EngineError> {
        let Restored { stored, members } = surroundings::open(&saved.descriptors)?;
        let segments = shared_mappings::make(&saved.segments)?;
        let (ids, files): (Vec<FileId>, Vec<&OwnedFd>) = stored.iter().unzip();
        let mut descriptors = members.into_iter();
        for (index, (member, socket)) in self.members.iter().enumerate() {
            match hear(member, socket)? {
                Report::Loaded(pid) => self.pids.push(pid),
                _ => return Err(failed(&called(member), "it answers wrongly")),
            }
            let own = descriptors.next().unwrap_or_default();
            let borrowed = own.iter().chain(files.iter().copied());
            let borrowed: Vec<BorrowedFd<'_>> = borrowed.map(AsFd::as_fd).collect();
            let own = saved.descriptors.member(index);
            send(socket, &Order::Place(own, ids.clone(), segments.clone()))
                .and_then(|()| send_descriptors(socket, &borrowed))
                .map_err(|error| failed(&called(member), &error.to_string()))?;
        }
        Ok(Made { stored, segments })
    }

    /// Waits until all are ready, and lets them run: this process, which the program calls `upper`, is next.
    pub fn run(self, upper: Tid) -> Result<(), EngineError> {
        for (member, socket) in &self.members {
            match hear(member, socket)? {
                Report::Ready => {}
                _ => return Err(failed(&called(member), "it answers wrongly")),
            }
        }
        let restored = self.restored(upper);
        for ((member, socket), pid) in self.members.iter().zip(&self.pids) {
            send(socket, &Order::Run(restored.clone()))
                .map_err(|error| failed(&called(member), &error.to_string()))?;
            register::add(*pid, socket)?;
        }
        numbers::set_family(&restored);
        Ok(())
    }

    /// What all are called; the program calls the root `upper`.
    fn restored(&self, upper: Tid) -> Vec<Renumbered> {
        let root = Renumbered {
            upper,
            kernel: std::process::id() as Tid,
            parent: 0,
        };
        let numbers = self.members.iter().zip(&self.pids);
        let kernel_of = |parent: Tid| {
            if parent == 0 {
                return 0;
            }
            let found = numbers
                .clone()
                .find(|((member, _), _)| member.pid == parent);
            // As in `Family::parent_of`.
            found.map_or(root.kernel, |(_, pid)| *pid)
        };
        let members = numbers.clone().map(|((member, _), pid)| Renumbered {
            upper: member.pid,
            kernel: *pid,
            parent: kernel_of(member.parent),
        });
        members.chain([root]).collect()
    }
}

fn called(member: &Member) -> String {
    format!("child {} ({})", member.pid, member.name)
}

fn hear(member: &Member, socket: &UnixStream) -> Result<Report, EngineError> {
    match receive::<Said>(socket).map(|said| said.report) {
        Ok(Report::Failed(why)) => Err(failed(&called(member), &why)),
        Ok(report) => Ok(report),
        Err(_) => Err(failed(
            &called(member),
            "it has ended while it was made again",
        )),
    }
}

// ---- A member ------------------------------------------------------------------------------------------------------------

/// Says that the memory is in place, and puts the descriptors in theirs.
pub fn take_descriptors(socket: &UnixStream) -> Result<(MemberDescriptors, Made), EngineError> {
    let failed = |source| os("getting the descriptors from the root", source);
    say(socket, Report::Loaded(std::process::id() as Tid)).map_err(failed)?;
    let Order::Place(descriptors, ids, segments) = receive(socket).map_err(failed)? else {
        return Err(super::failed("the root", "it answers wrongly"));
    };
    let own = descriptors.numbers.len();
    let mut received = receive_descriptors(socket, own + ids.len()).map_err(failed)?;
    let files = received.split_off(own);
    let files = ids.into_iter().zip(files).collect();
    descriptors.place(received)?;
    let stored = Stored::received(files);
    Ok((descriptors, Made { stored, segments }))
}

/// Leads a session or a group of its own, if the member did.
pub fn lead(member: &Member) {
    // It is a fresh child, so nothing is in the way; where something is, it stays in its parent's.
    if member.session == member.pid {
        let _ = rustix::process::setsid();
    } else if member.group == member.pid {
        let _ = rustix::process::setpgid(None, None);
    }
}

/// Says that all is ready, and waits for the word to run.
pub fn wait_to_run(socket: &UnixStream, member: &Member) -> Result<(), EngineError> {
    let failed = |source| os("waiting for the other processes", source);
    say(socket, Report::Ready).map_err(failed)?;
    let Order::Run(restored) = receive(socket).map_err(failed)? else {
        return Err(super::failed("the root", "it answers wrongly"));
    };
    numbers::set_family(&restored);
    let leader = restored.iter().find(|one| one.upper == member.group);
    if let Some(leader) = leader.filter(|leader| leader.upper != member.pid) {
        // The group of a process that leads none any more is the parent's.
        let _ = rustix::process::setpgid(None, Pid::from_raw(leader.kernel));
    }
    Ok(())
}
