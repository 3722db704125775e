//! The root's side: who there is, and what they are told at a checkpoint.

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::IntoRawFd;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mana_descriptors::{Lent, StoredFile};
use mana_image::Written;
use mana_split::sysv::Segment;
use mana_split::thread::Tid;
use mana_split::{children, park};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;

use super::register::{self, Peer};
use super::wire::{Order, Place, Report, Said, receive, receive_descriptors, send};
use super::{Member, failed};
use crate::error::EngineError;

/// Those that have been told to stop in this attempt.
static TOLD: Mutex<Vec<Arc<Peer>>> = Mutex::new(Vec::new());
/// Those of them that have, in the order of their images.
static STOPPED: Mutex<Vec<Stopped>> = Mutex::new(Vec::new());

/// Counts the attempts.
static ATTEMPT: AtomicU64 = AtomicU64::new(0);

/// How long a process may take to stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// A member that is stopped.
#[derive(Debug, Clone)]
pub struct Stopped {
    peer: Arc<Peer>,
    /// The member.
    pub member: Member,
    /// What the kernel calls its parent.
    parent: Tid,
}

impl Stopped {
    /// What the kernel calls it.
    pub fn pid(&self) -> Tid {
        self.peer.pid
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Holds what is here while the process forks.
pub fn hold() -> impl Sized {
    (lock(&TOLD), lock(&STOPPED))
}

/// This process has been forked: the members are its parent's.
pub fn forget() {
    // The sockets are closed by their numbers.
    std::mem::forget(std::mem::take(&mut *lock(&TOLD)));
    std::mem::forget(std::mem::take(&mut *lock(&STOPPED)));
}

/// Stops all members; the root's own threads are parked. Returns them as the program knows them.
pub fn stop() -> Result<Vec<Stopped>, EngineError> {
    let until = Instant::now() + PATIENCE;
    let attempt = ATTEMPT.fetch_add(1, Ordering::AcqRel) + 1;
    let mut next = 0;
    let mut search = Search::default();
    loop {
        tell_joined(&mut next, attempt)?;
        let outstanding = collect_stopped(&mut search)?;
        if let Some(pid) = outstanding {
            search.refuse_held(pid)?;
        }
        // One that is about to join no more may have joined since.
        if outstanding.is_none() && search.is_complete()? && !tell_joined(&mut next, attempt)? {
            break;
        }
        if Instant::now() > until {
            let name = outstanding.map_or_else(|| "a child".into(), |pid| format!("child {pid}"));
            return Err(failed(&name, "it has not stopped within a minute"));
        }
    }
    let mut stopped = lock(&STOPPED);
    stopped.sort_by_key(|stopped| stopped.member.pid);
    let own = std::process::id() as Tid;
    let family: HashSet<Tid> = stopped.iter().map(Stopped::pid).chain([own]).collect();
    for one in stopped.iter_mut() {
        if !family.contains(&one.parent) {
            one.member.parent = 0;
        }
    }
    Ok(stopped.clone())
}

/// Tells those to stop that have joined, from the one numbered `next` on; whether there are any.
fn tell_joined(next: &mut u64, attempt: u64) -> Result<bool, EngineError> {
    let joined = register::joined_since(next)?;
    let any = !joined.is_empty();
    for peer in joined {
        if send(&peer.socket, &Order::Stop(attempt)).is_ok() {
            lock(&TOLD).push(Arc::new(peer));
        }
    }
    Ok(any)
}

/// What a process says in this attempt.
fn hear(peer: &Peer) -> io::Result<Report> {
    loop {
        let Said { attempt, report } = receive(&peer.socket)?;
        if attempt == ATTEMPT.load(Ordering::Acquire) {
            return Ok(report);
        }
    }
}

/// Takes the reports that have come, for some milliseconds; one that is still to come.
fn collect_stopped(search: &mut Search) -> Result<Option<Tid>, EngineError> {
    let waiting = lock(&TOLD).clone();
    let is_stopped = |peer: &Arc<Peer>| {
        lock(&STOPPED)
            .iter()
            .any(|one| Arc::ptr_eq(&one.peer, peer))
    };
    let waiting: Vec<_> = waiting
        .into_iter()
        .filter(|peer| !is_stopped(peer))
        .collect();
    let mut polled: Vec<_> = waiting
        .iter()
        .map(|peer| PollFd::new(&peer.socket, PollFlags::IN))
        .collect();
    let moment = Timespec {
        tv_sec: 0,
        tv_nsec: 2_000_000,
    };
    // An error is an early return.
    let _ = poll(&mut polled, Some(&moment));
    let mut left = None;
    for (peer, polled) in waiting.iter().zip(&polled) {
        if polled.revents().is_empty() {
            left = Some(peer.pid);
            continue;
        }
        match hear(peer) {
            Ok(Report::Stopped(member, parent)) => lock(&STOPPED).push(Stopped {
                peer: peer.clone(),
                member,
                parent,
            }),
            Ok(Report::Failed(why)) => return Err(failed(&format!("child {}", peer.pid), &why)),
            Ok(_) => return Err(failed(&format!("child {}", peer.pid), "it answers wrongly")),
            // It ends.
            Err(_) => {
                search.ending.insert(peer.pid, Instant::now());
                lock(&TOLD).retain(|one| !Arc::ptr_eq(one, peer));
            }
        }
    }
    Ok(left)
}

/// Looks for children of those that are stopped.
#[derive(Default)]
struct Search {
    /// Those that have been woken, and since when.
    woken: HashMap<Tid, Instant>,
    /// Those whose connection or memory has gone, and since when.
    ending: HashMap<Tid, Instant>,
    /// Those that a signal has stopped, and since when.
    held: HashMap<Tid, Instant>,
}

/// How long a process may take to end whose connection has: how it ends is part of the image. One that goes on runs outside.
const TO_END: Duration = Duration::from_secs(2);
/// How long a dormant child may take to join. One that cannot runs outside.
const TO_WAKE: Duration = Duration::from_secs(5);
/// For so long a signal may have stopped a process: it may be about to be continued.
const TO_CONTINUE: Duration = Duration::from_secs(1);

impl Search {
    /// Whether nobody is about to join. Wakes those that are dormant.
    fn is_complete(&mut self) -> Result<bool, EngineError> {
        let known: HashSet<Tid> = lock(&TOLD).iter().map(|peer| peer.pid).collect();
        let lower = children::of_lower_half();
        let own = children::all()
            .into_iter()
            .filter(|pid| !lower.contains(pid));
        let theirs = known.iter().flat_map(|&pid| children::all_of(pid));
        let others: HashSet<Tid> = own
            .chain(theirs)
            .filter(|pid| !known.contains(pid))
            .collect();
        let mut is_complete = true;
        for pid in others {
            if self.is_expected(pid) {
                self.refuse_held(pid)?;
                is_complete = false;
            }
        }
        Ok(is_complete)
    }

    /// Refuses to wait for a process that is stopped by a signal: the program would stand still as long.
    fn refuse_held(&mut self, pid: Tid) -> Result<(), EngineError> {
        if !children::is_stopped(pid) {
            self.held.remove(&pid);
            return Ok(());
        }
        let since = self.held.entry(pid).or_insert_with(Instant::now);
        if since.elapsed() < TO_CONTINUE {
            return Ok(());
        }
        let why =
            format!("a signal has stopped it; `kill -CONT {pid}` lets it be part of checkpoints");
        Err(failed(&format!("child {pid}"), &why))
    }

    /// Whether a process is about to join, or to end.
    fn is_expected(&mut self, pid: Tid) -> bool {
        // One that executes `mana` between the two looks is neither dormant nor joining to them, so it takes a third.
        is_joining(pid) || self.is_ending(pid) || self.wake(pid) || is_joining(pid)
    }

    /// Whether a process is about to end, and can still be expected to.
    fn is_ending(&mut self, pid: Tid) -> bool {
        if children::has_no_memory(pid) {
            self.ending.entry(pid).or_insert_with(Instant::now);
        }
        let since = self.ending.get(&pid);
        since.is_some_and(|since| since.elapsed() < TO_END) && children::lives(pid)
    }

    /// Wakes a child that has been forked; whether it is one, and can still be expected.
    fn wake(&mut self, pid: Tid) -> bool {
        if !park::wake(pid) {
            return false;
        }
        let since = self.woken.entry(pid).or_insert_with(Instant::now);
        since.elapsed() < TO_WAKE
    }
}

/// Whether the process is a `mana` that a program has executed: it joins, or becomes what it is to run without `mana`.
fn is_joining(pid: Tid) -> bool {
    // The kernel calls it so, by the last part of /proc/self/exe, until it has joined and takes the program's name.
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    name.trim_end() == "exe" && park::is_mana(pid)
}

/// What the members have open and mapped.
#[derive(Debug, Default)]
pub struct Borrowed {
    /// Duplicates of their descriptors, in the order of the members; they are the caller's to close.
    pub descriptors: Vec<Vec<Lent>>,
    /// Files that they map and that have to be made again.
    pub mapped: Vec<StoredFile>,
    /// Likewise segments without a key.
    pub segments: Vec<Segment>,
}

/// Asks all that are stopped.
pub fn borrow() -> Result<Borrowed, EngineError> {
    let stopped = lock(&STOPPED);
    let mut all = Borrowed::default();
    for one in stopped.iter() {
        let one = borrow_of(&one.peer)?;
        all.descriptors.extend(one.descriptors);
        all.mapped.extend(one.mapped);
        all.segments.extend(one.segments);
    }
    Ok(all)
}

fn borrow_of(peer: &Peer) -> Result<Borrowed, EngineError> {
    let failed = |why: String| failed(&format!("child {}", peer.pid), &why);
    let io = |error: io::Error| failed(error.to_string());
    send(&peer.socket, &Order::Lend).map_err(io)?;
    let (numbers, mapped, segments) = match hear(peer).map_err(io)? {
        Report::Lent(numbers, mapped, segments) => (numbers, mapped, segments),
        Report::Failed(why) => return Err(failed(why)),
        _ => return Err(failed("it answers wrongly".into())),
    };
    let lent = receive_descriptors(&peer.socket, numbers.len()).map_err(io)?;
    let lent = lent.into_iter().zip(numbers);
    let lent = lent.map(|(here, open)| Lent {
        number: open.number,
        here: here.into_raw_fd(),
        close_on_exec: open.close_on_exec,
        locks: open.locks,
    });
    Ok(Borrowed {
        descriptors: vec![lent.collect()],
        mapped,
        segments,
    })
}

/// Has all that are stopped write their images.
pub fn begin_to_write(directory: &Path, rank: u32) -> Result<(), EngineError> {
    let stopped = lock(&STOPPED);
    let own = std::process::id() as Tid;
    let family: Vec<Tid> = stopped.iter().map(Stopped::pid).chain([own]).collect();
    for (child, one) in (1..).zip(stopped.iter()) {
        let place = Place {
            directory: directory.to_owned(),
            rank,
            child,
            family: family.clone(),
        };
        send(&one.peer.socket, &Order::Write(place))
            .map_err(|error| failed(&format!("child {}", one.pid()), &error.to_string()))?;
    }
    Ok(())
}

/// Waits for their reports.
pub fn written() -> Result<Vec<Written>, EngineError> {
    let stopped = lock(&STOPPED);
    let report = |one: &Stopped| {
        let failed = |why: &str| failed(&format!("child {}", one.pid()), why);
        match hear(&one.peer) {
            Ok(Report::Written(written)) => Ok(*written),
            Ok(Report::Failed(why)) => Err(failed(&why)),
            Ok(_) => Err(failed("it answers wrongly")),
            Err(_) => Err(failed("it has ended while it was saved")),
        }
    };
    stopped.iter().map(report).collect()
}

/// The attempt is over: the members go on.
pub fn go_on() {
    let attempt = ATTEMPT.load(Ordering::Acquire);
    for peer in lock(&TOLD).drain(..) {
        // One that has gone needs no word.
        let _ = send(&peer.socket, &Order::GoOn(attempt));
    }
    lock(&STOPPED).clear();
}

/// The job ends: returns when the members have.
pub fn end() {
    let told = lock(&TOLD);
    for peer in told.iter() {
        let _ = send(&peer.socket, &Order::End);
    }
    for peer in told.iter() {
        while receive::<Said>(&peer.socket).is_ok() {}
    }
}
