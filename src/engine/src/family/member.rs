//! A member's side: it joins, waits for the root's word, and saves itself when it is told to.
//!
//! ```text
//!   thread `mana-member`     Stop ──> a checkpoint is asked for, as `mana checkpoint` would
//!                            the rest ──> ORDERS ──> the leader, where it would write an image of its own
//!                            End ──> the process ends
//!   the root has gone        it may have executed another program, which listens at the same name: joins again
//! ```

use std::collections::VecDeque;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mana_descriptors::own_locks;
use mana_image::Written;
use mana_split::descriptors;
use mana_split::hooks;
use mana_split::signals;
use mana_split::thread_image::ThreadImage;

use super::wire::{Open, Order, Place, Report, Said, receive, send, send_descriptors};
use super::{Member, address, copy_above, failed, os};
use crate::error::EngineError;
use crate::{checkpoint, cut, surroundings};

/// Whether this process is a member.
static IS_MEMBER: AtomicBool = AtomicBool::new(false);
/// The connection to the root.
static ROOT: Mutex<Option<Arc<UnixStream>>> = Mutex::new(None);
/// The root's attempt that the leader has still to take part in; 0: there is none.
static WANTED: AtomicU64 = AtomicU64::new(0);
/// The one that it takes, or took, part in.
static ATTEMPT: AtomicU64 = AtomicU64::new(0);
/// What the leader is to do.
static ORDERS: Mutex<VecDeque<Order>> = Mutex::new(VecDeque::new());
static ORDERED: Condvar = Condvar::new();

/// How often, and how many times, a member tries to reach a root that has gone.
const AGAIN_EVERY: Duration = Duration::from_millis(100);
const TRIES: u32 = 600;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether this process is a member of another one's family.
pub fn is_one() -> bool {
    IS_MEMBER.load(Ordering::Acquire)
}

/// This process is a member.
pub fn become_one() {
    IS_MEMBER.store(true, Ordering::Release);
    hooks::count_as_child(true);
}

/// This process becomes a job of its own: to the root it is as if it ran without `mana`.
pub fn leave() {
    IS_MEMBER.store(false, Ordering::Release);
    hooks::count_as_child(false);
    if let Some(root) = lock(&ROOT).take() {
        // Its thread ends then.
        let _ = root.shutdown(std::net::Shutdown::Both);
    }
}

/// Holds what is here while the process forks.
pub fn hold() -> impl Sized {
    (lock(&ROOT), lock(&ORDERS))
}

/// This process has been forked: the connection is its parent's.
pub fn forget() {
    // It is closed by its number.
    std::mem::forget(lock(&ROOT).take());
    lock(&ORDERS).clear();
    WANTED.store(0, Ordering::Release);
}

/// Connects to the root.
pub fn connect() -> Result<UnixStream, EngineError> {
    UnixStream::connect_addr(&address()?)
        .map_err(|source| os("joining the program that has started this one", source))
}

/// Begins to listen to the root at the other end of `socket`.
pub fn serve(socket: UnixStream) -> Result<(), EngineError> {
    let socket = Arc::new(socket);
    *lock(&ROOT) = Some(socket.clone());
    signals::spawn_lower("mana-member", 0, move || listen(socket))
        .map(drop)
        .map_err(|source| os("making the thread that listens to the root", source))
}

fn listen(mut socket: Arc<UnixStream>) {
    loop {
        match receive(&socket) {
            Ok(Order::Stop(attempt)) => {
                WANTED.store(attempt, Ordering::Release);
                // Not the one that may be under way: its leader may have let go already.
                if !cut::request_another() {
                    abandoned("it is about to end");
                }
            }
            // Not by way of exit handlers: the program is to look killed.
            Ok(Order::End) => checkpoint::end_process(),
            Ok(order) => order_leader(order),
            Err(_) => {
                order_leader(Order::GoOn(u64::MAX));
                match join_again(&socket) {
                    Some(joined) => socket = joined,
                    None => return,
                }
            }
        }
    }
}

fn order_leader(order: Order) {
    lock(&ORDERS).push_back(order);
    ORDERED.notify_all();
}

fn next_order() -> Order {
    let mut orders = lock(&ORDERS);
    loop {
        match orders.pop_front() {
            Some(order) => return order,
            None => {
                orders = ORDERED.wait(orders).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

/// Joins the program that the root has become, if it has.
fn join_again(gone: &UnixStream) -> Option<Arc<UnixStream>> {
    let number = gone.as_raw_fd();
    for _ in 0..TRIES {
        if !is_one() {
            return None;
        }
        if let Ok(socket) = connect()
            && let Ok(socket) = copy_above(&socket, number)
        {
            let _ = descriptors::note_lower_half();
            let socket = Arc::new(socket);
            *lock(&ROOT) = Some(socket.clone());
            return Some(socket);
        }
        std::thread::sleep(AGAIN_EVERY);
    }
    let Member { pid, name, .. } = Member::this();
    tracing::warn!(
        "the program has ended that has started process {pid} ({name}): it runs on, and no more checkpoints are made of it"
    );
    None
}

/// Tells the root. One that has gone is found out by the thread that listens to it.
fn report(report: Report) {
    let attempt = ATTEMPT.load(Ordering::Acquire);
    let said = Said { attempt, report };
    let root = lock(&ROOT).clone();
    if let Some(root) = root
        && let Err(error) = send(&root, &said)
    {
        tracing::debug!("the root does not listen: {error}");
    }
}

/// The attempt of this process has come to nothing.
pub fn abandoned(reason: &str) {
    let wanted = WANTED.swap(0, Ordering::AcqRel);
    if wanted != 0 {
        ATTEMPT.store(wanted, Ordering::Release);
    }
    report(Report::Failed(reason.to_owned()));
}

/// The leader's part, all threads being parked: it does what the root says until that lets it go on.
pub fn take_part(threads: &[ThreadImage]) -> Result<(), EngineError> {
    let attempt = WANTED.swap(0, Ordering::AcqRel);
    if attempt == 0 {
        return Ok(()); // the root's attempt is over
    }
    ATTEMPT.store(attempt, Ordering::Release);
    report(Report::Stopped(Member::this(), super::parent()));
    loop {
        match next_order() {
            Order::Lend => lend()?,
            Order::Write(place) => report(match write(&place, threads) {
                Ok(written) => Report::Written(Box::new(written)),
                Err(error) => Report::Failed(crate::entry::with_causes(&error)),
            }),
            // An earlier one's may have come when nobody waited for it.
            Order::GoOn(over) if over >= attempt => return Ok(()),
            Order::GoOn(_) | Order::Stop(_) | Order::End | Order::Place(..) | Order::Run(_) => {}
        }
    }
}

fn write(place: &Place, threads: &[ThreadImage]) -> Result<Written, EngineError> {
    checkpoint::write_child(
        &place.directory,
        place.rank,
        place.child,
        &place.family,
        threads,
    )
}

/// Sends duplicates of the program's descriptors.
fn lend() -> Result<(), EngineError> {
    let root = lock(&ROOT).clone();
    let root = root.ok_or_else(|| failed("the root", "it has gone"))?;
    let numbers = surroundings::owned()?;
    let open = |number| {
        Some(Open {
            number,
            close_on_exec: closes_on_exec(number)?,
            locks: own_locks(number),
        })
    };
    let open: Vec<Open> = numbers.into_iter().filter_map(open).collect();
    let (files, segments) = checkpoint::mapped()?;
    let said = Said {
        attempt: ATTEMPT.load(Ordering::Acquire),
        report: Report::Lent(open.clone(), files, segments),
    };
    let sent = send(&root, &said).and_then(|()| {
        let descriptors: Vec<BorrowedFd<'_>> =
            open.iter().map(|open| borrow(open.number)).collect();
        send_descriptors(&root, &descriptors)
    });
    sent.map_err(|source| os("sending descriptors", source))
}

/// Whether execve(2) closes a descriptor; `None` if it is not open.
fn closes_on_exec(number: RawFd) -> Option<bool> {
    let flags = rustix::io::fcntl_getfd(borrow(number)).ok()?;
    Some(flags.contains(rustix::io::FdFlags::CLOEXEC))
}

#[expect(
    unsafe_code,
    reason = "a number of the program's, which is stopped: nobody closes it meanwhile"
)]
fn borrow(number: RawFd) -> BorrowedFd<'static> {
    // SAFETY: it is not -1, and used while all threads of the program are parked; if it is not open, calls say so.
    unsafe { BorrowedFd::borrow_raw(number) }
}
