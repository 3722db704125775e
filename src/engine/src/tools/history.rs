//! Counters that go on over restarts.
//!
//! ```text
//!   a life:      live counters 0 ... n          total = history + live - folded
//!   an image:    history := total, folded := live    (the life that goes on counts nothing twice)
//!   a restart:   history from the image, live and folded 0
//! ```

use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};

use crate::engine::State;
use crate::{cut, p2p::COUNTERS};

/// What is counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    /// Messages whose sending was initiated.
    pub sent: u64,
    /// Messages received from the library below, into the program's buffers or the queue.
    pub received: u64,
    /// Checkpoints committed.
    pub committed: u64,
    /// Attempts that came to nothing.
    pub abandoned: u64,
    /// Nanoseconds in each phase of checkpoints.
    pub phases_ns: [u64; 3],
}

impl Counts {
    /// Those of this life.
    fn live() -> Self {
        Self {
            sent: COUNTERS.sent.load(Ordering::Relaxed),
            received: COUNTERS.received.load(Ordering::Relaxed),
            committed: cut::committed(),
            abandoned: cut::abandoned(),
            phases_ns: cut::phase_times_ns(),
        }
    }

    /// Element by element.
    fn combine(self, other: Self, with: impl Fn(u64, u64) -> u64) -> Self {
        let mut phases_ns = self.phases_ns;
        for (mine, theirs) in phases_ns.iter_mut().zip(other.phases_ns) {
            *mine = with(*mine, theirs);
        }
        Self {
            sent: with(self.sent, other.sent),
            received: with(self.received, other.received),
            committed: with(self.committed, other.committed),
            abandoned: with(self.abandoned, other.abandoned),
            phases_ns,
        }
    }
}

/// Counters of the job so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    before: Counts,
    #[serde(skip)]
    folded: Counts,
}

impl History {
    /// What was counted since the job began.
    pub fn totals(&self) -> Counts {
        self.before
            .combine(Counts::live(), u64::wrapping_add)
            .combine(self.folded, u64::wrapping_sub)
    }

    /// Takes this life's counters in, for an image.
    fn fold(&mut self) {
        let live = Counts::live();
        self.before = self
            .before
            .combine(live, u64::wrapping_add)
            .combine(self.folded, u64::wrapping_sub);
        self.folded = live;
    }
}

/// Makes the state ready to be written.
pub fn fold(state: &mut State) {
    state.tools.history.fold();
    super::deliver::store_raised(state);
}

/// The state was restored: the checkpoint that it comes from was committed after it was written.
pub fn restored(state: &mut State) {
    state.tools.history.before.committed += 1;
    super::deliver::registrations_changed(state);
}
