//! What the leader does until nothing is under way any more: receives what has arrived, and tests what is pending.

use std::sync::atomic::Ordering;

use mana_drain::Phase;
use mana_native::Native;

use super::{Sweep, all_parked, cut};
use crate::engine::{native, state};
use crate::error::MpiError;
use crate::p2p::{self, COUNTERS};
use crate::windows;

/// Receives what has arrived and tests what is pending. `true` when that changed what this rank reports.
pub(super) fn drain_step() -> Result<bool, MpiError> {
    // The attempt may end meanwhile and the next one begin, with threads that have run on: what was seen in this one is
    // nothing that the next one may report.
    let epoch = cut().get().map(|cut| cut.rank.epoch());
    let Some(epoch) = epoch else { return Ok(false) };
    let Ok(native) = native() else {
        return Ok(publish_pending(epoch, 0, None));
    };
    let received_before = COUNTERS.received.load(Ordering::Relaxed);
    let sweep = sweep_if_parked(epoch);
    let comms = state().comms.slots();
    for comm in comms {
        p2p::drain_comm(native, comm)?;
    }
    let mut changed = false;
    if let Some(mut sweep) = sweep {
        store_matched(native)?;
        // Before this rank says that nothing is pending: others still serve what it has asked of their memory.
        windows::flush_used()?;
        // Not under the lock of the cut: a test may run user operations.
        let pending = sweep.step()?;
        changed = publish_pending(epoch, pending, Some(sweep));
    }
    Ok(changed || COUNTERS.received.load(Ordering::Relaxed) != received_before)
}

/// Publishes how many operations are not complete in attempt `epoch`, and keeps the requests that are to be tested further.
fn publish_pending(epoch: u64, pending: u64, sweep: Option<Sweep>) -> bool {
    let mut guard = cut();
    let Some(cut) = guard.get() else { return false };
    if cut.rank.epoch() != epoch || cut.rank.phase() != Phase::Stop {
        return false;
    }
    cut.sweep = sweep;
    cut.pending.replace(pending) != Some(pending)
}

/// The requests to test, once every thread is parked. That is looked at only where a thread has parked since they were
/// listed: it may have started some.
fn sweep_if_parked(epoch: u64) -> Option<Sweep> {
    let threads = {
        let mut guard = cut();
        let cut = guard.get()?;
        let threads = cut.parked.len();
        if let Some(sweep) = cut.sweep.take()
            && sweep.is_for(epoch, threads)
        {
            return Some(sweep);
        }
        if !all_parked(cut) {
            return None;
        }
        threads
    };
    Some(Sweep::begin(epoch, threads))
}

/// Receives messages that are out of matching into memory that the image holds.
fn store_matched(native: &'static Native) -> Result<(), MpiError> {
    let held: Vec<_> = state()
        .messages
        .iter()
        .filter(|(_, m)| m.bytes.is_none())
        .map(|(id, m)| (id, m.native, m.completion))
        .collect();
    for (id, message, completion) in held {
        let bytes = p2p::receive_packed(native, message, &completion)?;
        if let Some(matched) = state().messages.get_mut(id) {
            matched.bytes = Some(bytes);
            matched.native = 0;
        }
    }
    Ok(())
}
