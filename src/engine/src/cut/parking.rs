//! Threads of the program that stop: at a safe point or where the signal finds them, they park until the attempt is over; one
//! of them, the leader, drains and writes meanwhile.

use std::sync::atomic::Ordering;

use mana_drain::Phase;
use mana_split::frame::CrossFrame;
use mana_split::park::{self, Interrupted};
use mana_split::thread::ThreadBlock;
use mana_split::thread_image::{ThreadImage, capture_cross};

use super::draining::drain_step;
use super::{ATTENTION, CHANGED, COUNTING, cut, has_attention, pending, wake_agent};
use crate::engine::state;
use crate::family::forked;
use crate::{at_safe_point, checkpoint};

/// The safe point at which a call of `function` begins or ends.
#[inline]
pub fn call_boundary(frame: &mut CrossFrame, function: &'static str) {
    if has_attention() {
        attend(frame, function);
    }
}

#[cold]
fn attend(frame: &mut CrossFrame, function: &str) {
    if ATTENTION.load(Ordering::Relaxed) & COUNTING != 0 {
        at_safe_point::pass(frame, function);
    }
    safe_point(frame);
}

/// A safe point in a call: parks the thread if every thread is to stop.
#[inline]
pub fn safe_point(frame: &mut CrossFrame) {
    if pending() {
        park_if_stopping(frame);
    }
}

#[cold]
fn park_if_stopping(frame: &mut CrossFrame) {
    // Not on the thread's own stack: the image holds it, and it must not change while it is written.
    if is_stopping(cut().phase()) {
        park::on_parking_stack(|| stop_here(|| capture_cross(frame)));
    }
}

/// The checkpoint signal took a thread in upper-half code.
pub fn interrupted(interrupted: &Interrupted) {
    if forked::is_dormant() {
        return forked::wake();
    }
    stop_here(|| interrupted.capture());
}

/// Parks the calling thread while all are to stop; returns at once in other phases.
fn stop_here(capture: impl FnOnce() -> mana_split::Result<ThreadImage>) {
    if !is_stopping(cut().phase()) {
        return;
    }
    match capture() {
        Ok(image) => stay_parked(&image),
        // Upper code runs on top of this call: the thread goes on and parks when that has returned.
        Err(mana_split::Error::InCallback { .. }) => {}
        Err(error) => fail(&format!("a thread cannot be described: {error}")),
    }
}

fn is_stopping(phase: Phase) -> bool {
    matches!(phase, Phase::Stop | Phase::Write)
}

/// Stays parked until the attempt is over, draining and writing if this thread leads.
///
/// Invariant: a thread is in `parked` only while it is in this loop. Being there and leaving are decided under the lock
/// under which the phase changes, so a report never counts a thread that runs on.
fn stay_parked(image: &ThreadImage) {
    let tid = rustix::thread::gettid().as_raw_nonzero().get();
    loop {
        let newly = {
            let mut guard = cut();
            let Some(cut) = guard.get() else { return };
            if !is_stopping(cut.rank.phase()) {
                return;
            }
            cut.parked.insert(tid, image.clone()).is_none()
        };
        if newly {
            wake_agent();
            CHANGED.notify_all();
        }
        if is_leader(tid) {
            lead();
        } else {
            sleep_while_stopped();
        }
    }
}

/// Whether the parked thread `tid` is the one to drain and write.
fn is_leader(tid: i32) -> bool {
    let init_thread_fs = state().init_thread_fs;
    let mut guard = cut();
    let Some(cut) = guard.get() else { return false };
    match cut
        .parked
        .iter()
        .find(|(_, image)| image.upper_fs == init_thread_fs)
    {
        Some(init) => *init.0 == tid,
        None => !init_thread_lives(init_thread_fs) && cut.parked.keys().next() == Some(&tid),
    }
}

/// Whether the thread that initialised MPI still runs.
fn init_thread_lives(init_thread_fs: u64) -> bool {
    let mut blocks = ThreadBlock::all().filter(|block| block.upper_fs() == init_thread_fs);
    park::upper_threads().is_ok_and(|threads| blocks.any(|block| threads.contains(&block.tid())))
}

/// Sleeps until the phase ends or another thread parks or goes.
fn sleep_while_stopped() {
    let guard = cut();
    if is_stopping(guard.phase()) {
        drop(guard.wait());
    }
}

/// One step of the leader: drains while stopping, writes at the cut.
fn lead() {
    let (phase, taken, number) = {
        let mut guard = cut();
        let phase = guard.phase();
        let Some(cut) = guard.get() else { return };
        let taken = cut.taken;
        cut.taken |= phase == Phase::Write;
        (phase, taken, cut.number)
    };
    match phase {
        Phase::Stop => match drain_step() {
            Ok(true) => wake_agent(),
            Ok(false) => std::thread::yield_now(),
            Err(error) => fail(&format!("draining messages: {error}")),
        },
        Phase::Write if !taken => write_image(number),
        Phase::Write => {
            let guard = cut();
            if guard.phase() == Phase::Write {
                drop(guard.wait());
            }
        }
        Phase::Idle | Phase::Converge => {}
    }
}

/// This rank cannot take part in the attempt.
fn fail(reason: &str) {
    if let Some(cut) = cut().get() {
        cut.taken = true;
        cut.rank.fail(reason.to_string());
    }
    wake_agent();
}

/// Writes this rank's image and reports how it went.
fn write_image(number: u64) {
    let threads: Vec<ThreadImage> = match cut().get() {
        Some(cut) => cut.parked.values().cloned().collect(),
        None => return,
    };
    match checkpoint::write(number, &threads) {
        Ok(()) => {
            if let Some(cut) = cut().get() {
                cut.rank.wrote();
            }
            wake_agent();
        }
        Err(error) => fail(&crate::entry::with_causes(&error)),
    }
}
