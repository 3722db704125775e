//! The program's timers: setitimer(2), alarm(2), timer_create(2).
//!
//! ```text
//!   timer_create   hook -> the kernel -> Entry: what was asked for        (a table, as the hook cannot allocate)
//!   cut            export: what each has left, and its interval
//!   restart        import: timers with the same ids; set when all threads exist, just before they go on
//! ```
//!
//! Time is not spent while a program is saved: a timer has as much left at the restart as at the cut.

#![expect(unsafe_code, reason = "system calls about timers")]
// # Safety
// The hooks run with any TLS or none: no allocation, no panic, no lock. `export` and `import` run with the lower TLS live.

use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::numbers;
use crate::sys;

/// `struct sigevent` as the kernel has it, 64 bytes.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
struct SignalEvent {
    value: u64,
    signal: i32,
    notify: i32,
    tid: i32,
    rest: [i32; 11],
}

/// SIGEV_THREAD_ID of <signal.h>: a bit of `notify`.
const SIGEV_THREAD_ID: i32 = 4;
/// What timer_create(2) does without a sigevent.
const DEFAULT_SIGNAL: i32 = libc::SIGALRM;

/// How many timers a program can have of which mana knows.
const TIMERS_MAX: usize = 1024;

/// A timer that the program has made; `id` is [`FREE`] or [`CLAIMED`] while there is none.
struct Entry {
    id: AtomicI32,
    clock: AtomicI32,
    signal: AtomicI32,
    notify: AtomicI32,
    /// As the upper half knows it.
    tid: AtomicI32,
    value: AtomicU64,
}

const FREE: i32 = -1;
const CLAIMED: i32 = -2;

static TABLE: [Entry; TIMERS_MAX] = [const {
    Entry {
        id: AtomicI32::new(FREE),
        clock: AtomicI32::new(0),
        signal: AtomicI32::new(0),
        notify: AtomicI32::new(0),
        tid: AtomicI32::new(0),
        value: AtomicU64::new(0),
    }
}; TIMERS_MAX];

impl Entry {
    /// Takes a free entry.
    fn claim() -> Option<&'static Self> {
        TABLE.iter().find(|entry| {
            entry
                .id
                .compare_exchange(FREE, CLAIMED, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
        })
    }

    fn fill(&self, id: i32, clock: i32, event: &SignalEvent) {
        self.clock.store(clock, Ordering::Relaxed);
        self.signal.store(event.signal, Ordering::Relaxed);
        self.notify.store(event.notify, Ordering::Relaxed);
        self.tid.store(event.tid, Ordering::Relaxed);
        self.value.store(event.value, Ordering::Relaxed);
        self.id.store(id, Ordering::Release);
    }
}

/// The process has been forked: timers are its parent's.
pub(crate) fn forget() {
    for entry in &TABLE {
        entry.id.store(FREE, Ordering::Relaxed);
    }
}

/// timer_create(2) of the upper half.
#[must_use]
pub(crate) fn hook_create(args: [u64; 6]) -> i64 {
    let [clock, event, id, ..] = args;
    // One more than there is room for: what the kernel says of one more than it has room for.
    let Some(entry) = Entry::claim() else {
        return -i64::from(libc::EAGAIN);
    };
    // SAFETY: the application's pointer, null or to a sigevent, as natively.
    let asked = unsafe { (event as *const SignalEvent).as_ref() }.copied();
    let mut kernels = asked;
    if let Some(event) = &mut kernels {
        event.tid = numbers::tid_of_kernel(event.tid);
    }
    let kernels = kernels
        .as_ref()
        .map_or(0, |event| std::ptr::from_ref(event) as u64);
    let kernels_clock = numbers::clock_of_kernel(clock as i32) as u64;
    // SAFETY: the application's own call, with the thread's number as the kernel knows it.
    let result = unsafe {
        sys::raw(
            libc::SYS_timer_create,
            [kernels_clock, kernels, id, 0, 0, 0],
        )
    };
    if result != 0 {
        entry.id.store(FREE, Ordering::Release);
        return result;
    }
    // SAFETY: the kernel has just written the id there.
    let id = unsafe { (id as *const i32).read_unaligned() };
    let event = asked.unwrap_or(SignalEvent {
        value: id as u64,
        signal: DEFAULT_SIGNAL,
        notify: libc::SIGEV_SIGNAL,
        tid: 0,
        rest: [0; 11],
    });
    entry.fill(id, clock as i32, &event);
    result
}

/// timer_delete(2) of the upper half.
#[must_use]
pub(crate) fn hook_delete(args: [u64; 6]) -> i64 {
    let id = args[0] as i32;
    // Before the call: the kernel may give the id to another thread's timer as soon as it is free.
    let entry = TABLE
        .iter()
        .find(|entry| id >= 0 && entry.id.load(Ordering::Acquire) == id);
    if let Some(entry) = entry {
        entry.id.store(CLAIMED, Ordering::Release);
    }
    // SAFETY: takes no pointer.
    let result = unsafe { sys::raw(libc::SYS_timer_delete, args) };
    if let Some(entry) = entry {
        let now = if result == 0 { FREE } else { id };
        entry.id.store(now, Ordering::Release);
    }
    result
}

/// The clock of the program's timer `id`.
pub(crate) fn clock_of(id: i32) -> Option<libc::clockid_t> {
    let mut entries = TABLE.iter();
    let entry = entries.find(|entry| id >= 0 && entry.id.load(Ordering::Acquire) == id)?;
    Some(entry.clock.load(Ordering::Relaxed))
}

// ---- Of our own ------------------------------------------------------------------------------------------------------

/// Makes a timer that sends this process `signal`; its id, if the kernel has one. The program does not know it.
pub(crate) fn make_own(signal: i32) -> Option<i32> {
    let event = SignalEvent {
        value: 0,
        signal,
        notify: libc::SIGEV_SIGNAL,
        tid: 0,
        rest: [0; 11],
    };
    let mut id = 0;
    let args = [
        libc::CLOCK_MONOTONIC as u64,
        (&raw const event) as u64,
        (&raw mut id) as u64,
        0,
        0,
        0,
    ];
    // SAFETY: reads the one and writes the other.
    let made = unsafe { sys::raw(libc::SYS_timer_create, args) };
    (made == 0).then_some(id)
}

/// Has it send the signal once, after so long.
pub(crate) fn set_own(id: i32, after_ns: i64) {
    let once: Span = [0, 0, 0, after_ns];
    let args = [id as u64, 0, once.as_ptr() as u64, 0, 0, 0];
    // SAFETY: reads an itimerspec. It is ours, so this does not fail.
    unsafe { sys::raw(libc::SYS_timer_settime, args) };
}

/// The timer is not needed any more.
pub(crate) fn delete_own(id: i32) {
    // SAFETY: takes no pointer.
    unsafe { sys::raw(libc::SYS_timer_delete, [id as u64, 0, 0, 0, 0, 0]) };
}

// ---- Checkpoint and restart --------------------------------------------------------------------------------------

/// Interval and what is left, in seconds and micro- or nanoseconds each, as the kernel has it.
type Span = [i64; 4];

/// A timer of timer_create(2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Timer {
    id: i32,
    clock: i32,
    signal: i32,
    notify: i32,
    tid: i32,
    value: u64,
    span: Span,
}

/// The program's timers, for the image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timers {
    /// ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF.
    intervals: [Span; 3],
    timers: Vec<Timer>,
}

fn ask(what: &str, number: i64, args: [u64; 6]) -> Result<()> {
    // SAFETY: the callers below pass locals of the types that the calls take.
    unsafe { sys::call(number, args) }
        .map(drop)
        .map_err(|errno| Error::raw(what, errno))
}

/// The program's timers now, while it is stopped.
///
/// # Errors
/// [`Error::Os`] when the kernel does not tell.
pub fn export() -> Result<Timers> {
    let mut found = Timers::default();
    for (which, span) in found.intervals.iter_mut().enumerate() {
        let args = [which as u64, span.as_mut_ptr() as u64, 0, 0, 0, 0];
        ask("getitimer", libc::SYS_getitimer, args)?;
    }
    for entry in &TABLE {
        let id = entry.id.load(Ordering::Acquire);
        if id < 0 {
            continue;
        }
        let mut span: Span = [0; 4];
        let args = [id as u64, span.as_mut_ptr() as u64, 0, 0, 0, 0];
        ask("timer_gettime", libc::SYS_timer_gettime, args)?;
        found.timers.push(Timer {
            id,
            clock: entry.clock.load(Ordering::Relaxed),
            signal: entry.signal.load(Ordering::Relaxed),
            notify: entry.notify.load(Ordering::Relaxed),
            tid: entry.tid.load(Ordering::Relaxed),
            value: entry.value.load(Ordering::Relaxed),
            span,
        });
    }
    Ok(found)
}

/// Whether a timer that had `before` left has ended by the time when it has `now`.
fn has_ended(before: &Span, now: &Span) -> bool {
    let left = |span: &Span| (span[2], span[3]);
    left(before) != (0, 0) && (left(now) == (0, 0) || left(now) > left(before))
}

impl Timers {
    /// Whether one of these, or more, has ended since it was as in `before`.
    pub(crate) fn have_ended_since(&self, before: &Self) -> bool {
        let spans = |timers: &Self| -> Vec<Span> {
            let made = timers.timers.iter().map(|timer| timer.span);
            timers.intervals.iter().copied().chain(made).collect()
        };
        let pairs = spans(before).into_iter().zip(spans(self));
        pairs
            .into_iter()
            .any(|(before, now)| has_ended(&before, &now))
    }

    /// Makes them again and sets them. All threads exist, and block their signals.
    pub(crate) fn import(&self) -> Result<()> {
        // In their order, so that where the kernel chooses the ids it comes by each.
        let mut timers: Vec<&Timer> = self.timers.iter().collect();
        timers.sort_by_key(|timer| timer.id);
        for timer in timers {
            timer.make()?;
        }
        for (which, span) in self.intervals.iter().enumerate() {
            let args = [which as u64, span.as_ptr() as u64, 0, 0, 0, 0];
            ask("setitimer", libc::SYS_setitimer, args)?;
        }
        Ok(())
    }
}

impl Timer {
    fn make(&self) -> Result<()> {
        let event = SignalEvent {
            value: self.value,
            signal: self.signal,
            notify: self.notify,
            tid: self.tid,
            rest: [0; 11],
        };
        let mut kernels = event;
        if self.notify & SIGEV_THREAD_ID != 0 {
            kernels.tid = numbers::tid_of_kernel(self.tid);
        }
        create_with_id(self.id, numbers::clock_of_kernel(self.clock), &kernels)?;
        let entry = Entry::claim().ok_or_else(|| Error::Restore {
            why: format!("more than {TIMERS_MAX} timers"),
        })?;
        entry.fill(self.id, self.clock, &event);
        let args = [self.id as u64, 0, self.span.as_ptr() as u64, 0, 0, 0];
        ask("timer_settime", libc::SYS_timer_settime, args)
    }
}

/// PR_TIMER_CREATE_RESTORE_IDS of <linux/prctl.h>, since Linux 6.15: timer_create(2) takes the id that it is told.
const PR_TIMER_CREATE_RESTORE_IDS: u64 = 77;

/// Lets the program say which id a timer gets; `false` where the kernel does not know how.
fn choose_ids(on: bool) -> bool {
    let args = [PR_TIMER_CREATE_RESTORE_IDS, u64::from(on), 0, 0, 0, 0];
    // SAFETY: takes no pointer.
    unsafe { sys::raw(libc::SYS_prctl, args) == 0 }
}

/// Makes the timer `wanted`.
fn create_with_id(wanted: i32, clock: i32, event: &SignalEvent) -> Result<()> {
    let chosen = choose_ids(true);
    let made = create_until(wanted, clock, event);
    if chosen {
        choose_ids(false);
    }
    made
}

/// A kernel that chooses the id takes the next one that is free: what it gives before that is given back.
fn create_until(wanted: i32, clock: i32, event: &SignalEvent) -> Result<()> {
    let mut before = -1;
    loop {
        let mut id = wanted;
        let args = [
            clock as i64 as u64,
            std::ptr::from_ref(event) as u64,
            (&raw mut id) as u64,
            0,
            0,
            0,
        ];
        ask("timer_create", libc::SYS_timer_create, args)?;
        if id == wanted {
            return Ok(());
        }
        ask(
            "timer_delete",
            libc::SYS_timer_delete,
            [id as u64, 0, 0, 0, 0, 0],
        )?;
        if id > wanted || id <= before {
            return Err(Error::Restore {
                why: format!(
                    "the program's timer {wanted} cannot be made again under this number: the kernel gives {id} \
                     (Linux 6.15 and later can be told)"
                ),
            });
        }
        before = id;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One test: ids are one per process.
    #[test]
    fn timers_come_back_under_their_ids() {
        let event = SignalEvent {
            value: 5,
            signal: 0,
            notify: libc::SIGEV_NONE,
            tid: 0,
            rest: [0; 11],
        };
        let mut ids = [0_i32; 3];
        for id in &mut ids {
            let args = [
                libc::CLOCK_MONOTONIC as u64,
                (&raw const event) as u64,
                std::ptr::from_mut(id) as u64,
                0,
                0,
                0,
            ];
            assert_eq!(hook_create(args), 0);
        }
        let hour: Span = [0, 7, 3600, 0];
        let set = [ids[1] as u64, 0, hour.as_ptr() as u64, 0, 0, 0];
        ask("timer_settime", libc::SYS_timer_settime, set).unwrap();
        assert_eq!(hook_delete([ids[0] as u64, 0, 0, 0, 0, 0]), 0);
        assert!(hook_delete([ids[0] as u64, 0, 0, 0, 0, 0]) < 0);
        let saved = export().unwrap();
        let found: Vec<i32> = saved.timers.iter().map(|timer| timer.id).collect();
        assert_eq!(found, ids[1..]);
        for id in found {
            assert_eq!(hook_delete([id as u64, 0, 0, 0, 0, 0]), 0);
        }
        assert_eq!(export().unwrap().timers, []);
        if !choose_ids(true) {
            return; // this kernel's ids only go up: in a fresh process they fit, here they cannot
        }
        choose_ids(false);
        saved.import().unwrap();
        let again = export().unwrap();
        let [_, interval, left, _] = again.timers[0].span;
        assert!(interval == 7 && (3000..=3600).contains(&left));
        assert_eq!(again.timers.len(), 2);
    }
}
