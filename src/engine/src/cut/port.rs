//! The agent's view of the cut: what comes down the tree, and what this rank says.
//!
//! ```text
//!   agent thread   on_broadcast --> the rank's machine, attention of the threads, times, outcome
//!                  report       <-- the machine, and once stopping: threads parked, messages, what is pending
//!                  prepare, commit  on rank 0 only
//! ```
//!
//! Runs on the agent's thread, under the lock of the cut.

use std::sync::atomic::Ordering;
use std::time::Instant;

use mana_agent::RankPort;
use mana_drain::{Activity, Broadcast, Phase, Report};
use mana_split::park;

use super::{CHANGED, COMMITTED, ENDED, Times, activity, all_parked, cut, set_pending};
use crate::messages::say;
use crate::tools::deliver::raise;
use crate::tools::events;
use crate::{checkpoint, family, foreign};

/// The agent's view of this rank.
pub(super) struct Port;

impl RankPort for Port {
    fn on_broadcast(&self, broadcast: &Broadcast) {
        let mut guard = cut();
        let Some(cut) = guard.get() else { return };
        cut.rank.on_broadcast(broadcast);
        if broadcast.is_final() {
            cut.parked.clear();
            cut.sweep = None;
        }
        match broadcast {
            Broadcast::Intent { .. } => {
                cut.taken = false;
                cut.pending = None;
                cut.sweep = None;
                cut.times = Times {
                    intent: Some(Instant::now()),
                    ..Times::default()
                };
                set_pending(true);
                if let Some(reason) = foreign::refusal() {
                    cut.rank.fail(reason.to_owned());
                }
            }
            Broadcast::Write { number, .. } => {
                cut.number = *number;
                cut.times.write = Some(Instant::now());
            }
            Broadcast::Committed { number, kill, .. } => {
                raise(events::COMMITTED, [*number, cut.times.conclude()]);
                finish_attempt(*number, *kill);
            }
            Broadcast::Aborted { reason, .. } => {
                set_pending(false);
                family::root::go_on();
                checkpoint::abandoned(reason);
                let ended = ENDED.fetch_add(1, Ordering::Release) + 1;
                raise(events::ABANDONED, [ended, cut.times.conclude()]);
            }
            Broadcast::Stop { .. } => cut.times.stop = Some(Instant::now()),
            Broadcast::Targets { .. } => {}
        }
        drop(guard);
        CHANGED.notify_all();
    }

    fn report(&self) -> Report {
        let mut guard = cut();
        let Some(cut) = guard.get() else {
            return Report::default();
        };
        let activity = if cut.rank.phase() >= Phase::Stop {
            activity(cut)
        } else {
            Activity::default()
        };
        cut.rank.report(&activity)
    }

    fn stop_threads(&self) -> bool {
        // Parked threads look again who of them leads: the one that did may have been replaced, or have ended.
        CHANGED.notify_all();
        if cut().get().is_some_and(|cut| all_parked(cut)) {
            return true;
        }
        if let Err(error) = park::signal_upper_threads() {
            tracing::warn!("cannot signal the program's threads: {error}");
        }
        false
    }

    fn prepare(&self) -> Result<u64, String> {
        checkpoint::prepare().map_err(|error| crate::entry::with_causes(&error))
    }

    fn refused(&self, reason: &str) {
        say!("mana: no checkpoint: {reason}");
        ENDED.fetch_add(1, Ordering::Release);
    }

    fn commit(&self, number: u64) -> Result<(), String> {
        checkpoint::commit(number).map_err(|error| crate::entry::with_causes(&error))
    }
}

/// A checkpoint is whole.
fn finish_attempt(number: u64, kill: bool) {
    COMMITTED.fetch_add(1, Ordering::Release);
    set_pending(false);
    ENDED.fetch_add(1, Ordering::Release);
    if kill {
        family::root::end();
        checkpoint::end_job(number);
    }
    family::root::go_on();
}
