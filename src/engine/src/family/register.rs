//! Who has joined: a thread with a table of descriptors of its own, so that no socket of it takes a number of the program's, and the
//! program cannot close one.
//!
//! ```text
//!   members ── connect ──> thread `mana-family`: listener, sockets        its own table
//!                               │  pair of sockets
//!   leader, all threads parked ─┴─ joined_since(n): duplicates of those that have joined since
//! ```

#![expect(unsafe_code, reason = "a thread that leaves the table of descriptors")]
// # Safety
// The thread is the lower half's, with all signals blocked. It closes numbers of its own table only.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Mutex, PoisonError};

use mana_split::signals;
use mana_split::thread::Tid;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::sockopt::socket_peercred;
use rustix::time::Timespec;
use serde::{Deserialize, Serialize};

use super::wire::{receive, receive_descriptors, send, send_descriptors};
use super::{address, os};
use crate::error::EngineError;

/// A process that has joined.
#[derive(Debug)]
pub(super) struct Peer {
    /// What the kernel calls it.
    pub(super) pid: Tid,
    pub(super) socket: UnixStream,
}

/// What is asked of the thread.
#[derive(Debug, Serialize, Deserialize)]
enum Ask {
    /// Send those that have joined, from this one on: the next one's number, what they are called, and their sockets.
    Joined(u64),
    /// Add the process whose socket follows.
    Add(Tid),
}

/// The other end of the thread's pair.
static THREAD: Mutex<Option<UnixStream>> = Mutex::new(None);

/// Begins to listen for members, once.
pub fn listen() -> Result<(), EngineError> {
    let failed = |doing: &'static str| move |source| os(doing, source);
    if THREAD
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .is_some()
    {
        return Ok(());
    }
    let listener = UnixListener::bind_addr(&address()?)
        .map_err(failed("listening for the program's children"))?;
    let (here, there) =
        UnixStream::pair().map_err(failed("making the pair of sockets of its register"))?;
    *THREAD.lock().unwrap_or_else(PoisonError::into_inner) = Some(here);
    let (told, is_apart) = std::sync::mpsc::channel();
    let body = move || {
        let apart = leave_table(&[listener.as_raw_fd(), there.as_raw_fd()]);
        let goes_on = apart.is_ok();
        // Nobody has stopped waiting for it.
        let _ = told.send((apart, listener.as_raw_fd(), there.as_raw_fd()));
        if goes_on {
            Register::new(listener, there).serve();
        }
    };
    signals::spawn_lower("mana-family", 0, body)
        .map_err(failed("making the register of the program's children"))?;
    let (apart, listener, there) = is_apart
        .recv()
        .map_err(|_| os("making the register", io::ErrorKind::BrokenPipe.into()))?;
    apart.map_err(failed("giving the register a table of its own"))?;
    for number in [listener, there] {
        // SAFETY: this table's numbers, whose owners have gone to the thread's.
        unsafe { libc::close(number) };
    }
    Ok(())
}

/// Gives the calling thread a table of descriptors of its own, with these alone.
fn leave_table(kept: &[RawFd]) -> io::Result<()> {
    // SAFETY: takes no pointer.
    if unsafe { libc::unshare(libc::CLONE_FILES) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut kept = kept.to_vec();
    kept.sort_unstable();
    let ends = kept.iter().map(|number| number - 1).chain([RawFd::MAX]);
    let starts = [0].into_iter().chain(kept.iter().map(|number| number + 1));
    for (first, last) in starts.zip(ends) {
        if first > last {
            continue;
        }
        // SAFETY: the table is this thread's alone, and it uses none of these.
        let closed = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
        if closed != 0 {
            close_each(first, last)?;
        }
    }
    Ok(())
}

/// The same on a kernel without close_range(2).
fn close_each(first: RawFd, last: RawFd) -> io::Result<()> {
    let open: Vec<RawFd> = std::fs::read_dir("/proc/thread-self/fd")?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    for number in open
        .into_iter()
        .filter(|number| (first..=last).contains(number))
    {
        // SAFETY: as above; the list's own is closed already.
        unsafe { libc::close(number) };
    }
    Ok(())
}

/// What the thread keeps.
struct Register {
    listener: UnixListener,
    asked: UnixStream,
    /// Those that have joined and not gone, with the number of each.
    peers: Vec<(u64, Peer)>,
    next: u64,
}

impl Register {
    fn new(listener: UnixListener, asked: UnixStream) -> Self {
        Self {
            listener,
            asked,
            peers: Vec::new(),
            next: 0,
        }
    }

    /// Runs until the process ends.
    fn serve(mut self) {
        loop {
            let mut polled = [
                PollFd::new(&self.listener, PollFlags::IN),
                PollFd::new(&self.asked, PollFlags::IN),
            ];
            // An error is an early return.
            let _ = poll(&mut polled, None);
            let [joins, asks] = polled.map(|one| one.revents());
            if !joins.is_empty() {
                self.accept();
            }
            if !asks.is_empty() && self.answer().is_err() {
                return; // the process ends
            }
        }
    }

    fn accept(&mut self) {
        let Ok((socket, _)) = self.listener.accept() else {
            return;
        };
        let Ok(peer) = socket_peercred(&socket) else {
            return;
        };
        if peer.uid == rustix::process::geteuid() {
            self.add(peer.pid.as_raw_nonzero().get(), socket);
        }
    }

    /// Adds one, and forgets those that have gone.
    fn add(&mut self, pid: Tid, socket: UnixStream) {
        self.peers.retain(|(_, peer)| !has_gone(&peer.socket));
        self.peers.push((self.next, Peer { pid, socket }));
        self.next += 1;
    }

    fn answer(&mut self) -> io::Result<()> {
        match receive(&self.asked)? {
            Ask::Add(pid) => {
                let socket = receive_descriptors(&self.asked, 1)?;
                if let Some(socket) = socket.into_iter().next() {
                    self.add(pid, socket.into());
                }
                send(&self.asked, &())
            }
            Ask::Joined(from) => {
                // Whoever has connected by now has joined.
                while is_ready(&self.listener) {
                    self.accept();
                }
                let joined = || self.peers.iter().filter(|(number, _)| *number >= from);
                let pids: Vec<Tid> = joined().map(|(_, peer)| peer.pid).collect();
                send(&self.asked, &(self.next, pids))?;
                let sockets: Vec<BorrowedFd<'_>> =
                    joined().map(|(_, peer)| peer.socket.as_fd()).collect();
                send_descriptors(&self.asked, &sockets)
            }
        }
    }
}

fn is_ready(listener: &UnixListener) -> bool {
    let mut polled = [PollFd::new(listener, PollFlags::IN)];
    poll(&mut polled, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

fn has_gone(socket: &UnixStream) -> bool {
    let mut polled = [PollFd::new(socket, PollFlags::empty())];
    let found = poll(&mut polled, Some(&Timespec::default()));
    found.is_ok() && polled[0].revents().contains(PollFlags::HUP)
}

/// Holds what is here while the process forks.
pub fn hold() -> impl Sized {
    THREAD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// This process has been forked: the register is its parent's.
pub fn forget() {
    let mut thread = THREAD.lock().unwrap_or_else(PoisonError::into_inner);
    // It is closed by its number.
    std::mem::forget(thread.take());
}

/// Asks the thread, if there is one.
fn ask<T>(question: impl FnOnce(&UnixStream) -> io::Result<T>) -> Result<Option<T>, EngineError> {
    let thread = THREAD.lock().unwrap_or_else(PoisonError::into_inner);
    let answer = thread.as_ref().map(question).transpose();
    answer.map_err(|source| os("asking who has joined", source))
}

/// Who has joined, from the one numbered `next` on, which becomes the number of the next one to join.
pub(super) fn joined_since(next: &mut u64) -> Result<Vec<Peer>, EngineError> {
    let from = *next;
    let answer = ask(|thread| {
        send(thread, &Ask::Joined(from))?;
        let (next, pids): (u64, Vec<Tid>) = receive(thread)?;
        let sockets = receive_descriptors(thread, pids.len())?;
        Ok((next, pids, sockets))
    })?;
    let Some((now, pids, sockets)) = answer else {
        return Ok(Vec::new());
    };
    *next = now;
    let peers = pids.into_iter().zip(sockets);
    Ok(peers
        .map(|(pid, socket)| Peer {
            pid,
            socket: socket.into(),
        })
        .collect())
}

/// Adds a process that a restart has made.
pub(super) fn add(pid: Tid, socket: &UnixStream) -> Result<(), EngineError> {
    ask(|thread| {
        send(thread, &Ask::Add(pid))?;
        send_descriptors(thread, &[socket.as_fd()])?;
        receive::<()>(thread)
    })?;
    Ok(())
}
