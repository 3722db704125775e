//! What a run of the torture has to show.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// What was counted, of one way or of all.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Tally {
    /// Programs brought to their end.
    pub programs: u64,
    /// Checkpoints committed.
    pub checkpoints: u64,
    /// Restarts from one.
    pub restarts: u64,
    /// Faults after which the program was brought to its end: the sum of the next three.
    pub faults: u64,
    /// Every process killed at once.
    pub killed_all: u64,
    /// One rank killed.
    pub killed_rank: u64,
    /// Ended by `mana checkpoint --kill`.
    pub ended_by_command: u64,
    /// Faults while a checkpoint was being written.
    pub during_checkpoint: u64,
    /// Faults during a restart.
    pub during_restart: u64,
    /// Runs whose output was not the undisturbed run's.
    pub mismatches: u64,
    /// Jobs that did not get on any more.
    pub hangs: u64,
    /// Jobs that failed by themselves.
    pub crashes: u64,
    /// Restarts by MPI.
    pub restarts_under: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// Adds what another way has counted.
    pub fn add(&mut self, other: &Self) {
        let sums = [
            (&mut self.programs, other.programs),
            (&mut self.checkpoints, other.checkpoints),
            (&mut self.restarts, other.restarts),
            (&mut self.faults, other.faults),
            (&mut self.killed_all, other.killed_all),
            (&mut self.killed_rank, other.killed_rank),
            (&mut self.ended_by_command, other.ended_by_command),
            (&mut self.during_checkpoint, other.during_checkpoint),
            (&mut self.during_restart, other.during_restart),
            (&mut self.mismatches, other.mismatches),
            (&mut self.hangs, other.hangs),
            (&mut self.crashes, other.crashes),
        ];
        for (sum, more) in sums {
            *sum += more;
        }
        for (mpi, restarts) in &other.restarts_under {
            *self.restarts_under.entry(mpi).or_default() += restarts;
        }
    }

    /// What went wrong, in number.
    pub fn failures(&self) -> u64 {
        self.mismatches + self.hangs + self.crashes
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} programs, {} checkpoints, {} restarts, {} faults survived ({} in a checkpoint, {} in a restart); \
             {} mismatches, {} hangs, {} crashes",
            self.programs,
            self.checkpoints,
            self.restarts,
            self.faults,
            self.during_checkpoint,
            self.during_restart,
            self.mismatches,
            self.hangs,
            self.crashes
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn ways_add_up() {
        let mut all = Tally::default();
        let way = Tally {
            checkpoints: 3,
            hangs: 1,
            restarts_under: [("one", 2)].into(),
            ..Tally::default()
        };
        all.add(&way);
        all.add(&way);
        assert_eq!((all.checkpoints, all.failures()), (6, 2));
        assert_eq!(all.restarts_under["one"], 4);
    }
}
