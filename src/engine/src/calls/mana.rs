//! `mana.h`: what a program may ask of mana itself. Its functions return numbers of their own, not error codes: the
//! program's MPI error handlers have no part in them.

use std::sync::atomic::{AtomicU32, Ordering};

use mana_drain::Verdict;
use mana_record_replay::address::UpperAddress;

use crate::args::Args;
use crate::engine::state;
use crate::error::Call;
use crate::messages::say;
use crate::progress::{self, CallProgress};
use crate::{callback, cut, wait};

/// The program goes on after a checkpoint.
const CONTINUED: i32 = 0;
/// The program was restarted from the checkpoint it asked for.
const RESTARTED: i32 = 1;
/// The checkpoint comes later: others are in a collective that this process has yet to join.
const LATER: i32 = 2;
/// It did not work; a message says why.
const FAILED: i32 = -1;

/// `mana_checkpoint()`: asks for a checkpoint and waits until it is taken or given up.
pub fn mana_checkpoint(a: &mut Args<'_>) -> Call {
    let result = if progress::resume(a).is_some() {
        RESTARTED
    } else if let Some(reason) = refusal() {
        say!("mana: mana_checkpoint: no checkpoint: {reason}");
        FAILED
    } else {
        wait_for_checkpoint(a)
    };
    progress::clear(a);
    a.set_result(result);
    Ok(())
}

/// Why the calling thread cannot ask for a checkpoint and wait for it.
fn refusal() -> Option<&'static str> {
    if callback::is_running() {
        return Some(
            "it was called in a function that MPI calls back; the checkpoint would wait for that to return",
        );
    }
    if CRITICAL_DEPTH.load(Ordering::Relaxed) > 0 {
        return Some("it was called between mana_critical_begin and mana_critical_end");
    }
    None
}

/// Asks, and waits. One that is coming up already is the one asked for.
fn wait_for_checkpoint(a: &mut Args<'_>) -> i32 {
    let Some(request) = cut::request() else {
        say!(
            "mana: mana_checkpoint: no checkpoint: they are taken between MPI_Init and MPI_Finalize"
        );
        return FAILED;
    };
    progress::record(a, CallProgress::Checkpoint);
    if !wait::for_checkpoint(a.frame(), &request) {
        return LATER;
    }
    if request.succeeded() {
        CONTINUED
    } else {
        FAILED
    }
}

/// How many critical parts the program is in. Zero in every image.
static CRITICAL_DEPTH: AtomicU32 = AtomicU32::new(0);

/// `mana_critical_begin()`: the outermost one waits while a checkpoint is coming up. Before `MPI_Init` there are no
/// checkpoints, so there it only counts.
pub fn mana_critical_begin(a: &mut Args<'_>) -> Call {
    let mut patience = wait::Patience::new();
    while cut::with_rank(|rank| rank.critical_begin()) == Some(Verdict::Hold) {
        wait::keep_moving();
        patience.pause(a);
    }
    let depth = CRITICAL_DEPTH.fetch_add(1, Ordering::Relaxed) + 1;
    a.set_result(depth as i32);
    Ok(())
}

/// `mana_critical_end()`.
pub fn mana_critical_end(a: &mut Args<'_>) -> Call {
    let less = |depth: u32| depth.checked_sub(1);
    match CRITICAL_DEPTH.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less) {
        Ok(depth) => {
            cut::with_rank(|rank| rank.critical_end());
            a.set_result(depth as i32 - 1);
        }
        Err(_) => a.set_result(FAILED),
    }
    Ok(())
}

/// The program enters MPI within critical parts: they count for the cut from now on.
pub fn carry_critical_parts() {
    for _ in 0..CRITICAL_DEPTH.load(Ordering::Relaxed) {
        cut::with_rank(|rank| rank.critical_begin());
    }
}

/// `mana_on_restart(function, state)`.
pub fn mana_on_restart(a: &mut Args<'_>) -> Call {
    if a.is_null(0) {
        a.set_result(FAILED);
        return Ok(());
    }
    let (function, argument) = (UpperAddress(a.raw(0)), a.raw(1));
    state().restarts.add(function, argument);
    Ok(())
}

/// `mana_restart_count()`.
pub fn mana_restart_count(a: &mut Args<'_>) -> Call {
    let count = state().restarts.count();
    a.set_result(count as i32);
    Ok(())
}
