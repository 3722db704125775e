//! What a rank, or a subtree of ranks, has to say; and how two such reports become one.
//!
//! Merging is commutative and associative, so the tree's shape does not matter. Within a phase every field of
//! a rank's report only moves one way, so a mixture of old and new reports never claims more than is true.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Gid;

/// What a set of ranks knows about one communicator's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tally {
    /// Members of the communicator, in this set of ranks or not.
    pub size: u32,
    /// The most collectives any of these ranks has started.
    pub max: u64,
    /// How many of them have started that many.
    pub at_max: u32,
    /// How many of those are held before collective `max + 1`.
    pub want: u32,
    /// How many of the held ones are initiating a nonblocking collective.
    pub want_nonblocking: u32,
    /// How many members have reported it, at whatever count.
    pub seen: u32,
}

impl Tally {
    /// The larger clock wins; what held ranks behind it want is no news, they are let through anyway.
    fn merge(self, other: Tally) -> Tally {
        let seen = self.seen + other.seen;
        match self.max.cmp(&other.max) {
            std::cmp::Ordering::Greater => Tally { seen, ..self },
            std::cmp::Ordering::Less => Tally { seen, ..other },
            std::cmp::Ordering::Equal => Tally {
                seen,
                at_max: self.at_max + other.at_max,
                want: self.want + other.want,
                want_nonblocking: self.want_nonblocking + other.want_nonblocking,
                ..self
            },
        }
    }

    /// Some member has started fewer than another. (Members that have started none are not reported.)
    pub(crate) fn has_laggards(&self) -> bool {
        self.max > 0 && self.at_max < self.size
    }

    /// All members have reported it, so each node knows below which children they are.
    pub(crate) fn is_located(&self) -> bool {
        self.seen == self.size
    }

    /// All members have started the same number and none asks for more: nothing for the root to do.
    fn is_settled(&self) -> bool {
        self.at_max == self.size && self.want == 0
    }
}

/// Ranks that cannot take part, and why: how many, and the lowest few by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Failures {
    /// How many ranks failed.
    pub count: u32,
    /// World rank and error of the lowest-numbered ones.
    pub first: BTreeMap<u32, String>,
}

impl Failures {
    /// How many errors are carried in full: enough to see a pattern, few enough for a job of any size.
    pub const NAMED: usize = 4;

    pub(crate) fn one(rank: u32, error: String) -> Failures {
        Failures {
            count: 1,
            first: BTreeMap::from([(rank, error)]),
        }
    }

    fn merge(&mut self, other: &Failures) {
        self.count += other.count;
        for (&rank, error) in &other.first {
            self.first.insert(rank, error.clone());
        }
        while self.first.len() > Failures::NAMED {
            self.first.pop_last();
        }
    }

    /// The failures as one line for people.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut lines: Vec<String> = self
            .first
            .iter()
            .map(|(rank, error)| format!("rank {rank}: {error}"))
            .collect();
        let unnamed = self.count as usize - self.first.len();
        if unnamed > 0 {
            lines.push(format!("and {unnamed} more ranks"));
        }
        lines.join("; ")
    }
}

/// The state of a rank, or the sum over a subtree, in one attempt at a checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Report {
    /// The attempt; reports of an earlier one are stale and are not merged.
    pub epoch: u64,
    /// Ranks that have heard of the attempt (each counts itself).
    pub ranks: u32,
    /// Ranks that are in MPI_Finalize or past it.
    pub finished: u32,
    /// Clocks that not all members are known to agree on; only while converging.
    pub clocks: BTreeMap<Gid, Tally>,
    /// Ranks all of whose threads are parked. They send nothing any more.
    pub parked: u32,
    /// Messages the parked ranks have sent since they started, to any rank.
    pub sent: u64,
    /// Messages the parked ranks have received, into buffers or into the engine's queue.
    pub received: u64,
    /// Sends and nonblocking collectives of parked ranks that are not complete.
    pub pending: u64,
    /// Ranks that have written their image.
    pub written: u32,
    /// Ranks that could not.
    pub failures: Failures,
}

impl Report {
    /// Adds another rank's or subtree's report of the same attempt.
    pub fn merge(&mut self, other: &Report) {
        debug_assert_eq!(
            self.epoch, other.epoch,
            "reports of two attempts have nothing in common"
        );
        self.ranks += other.ranks;
        self.finished += other.finished;
        for (&gid, &theirs) in &other.clocks {
            self.clocks
                .entry(gid)
                .and_modify(|ours| *ours = ours.merge(theirs))
                .or_insert(theirs);
        }
        self.parked += other.parked;
        self.sent += other.sent;
        self.received += other.received;
        self.pending += other.pending;
        self.written += other.written;
        self.failures.merge(&other.failures);
    }

    /// Leaves out what the root need not know. A communicator that is settled within a subtree stays so until
    /// a member is held before its next collective, and then it is reported again.
    pub(crate) fn drop_settled(&mut self) {
        self.clocks.retain(|_, tally| !tally.is_settled());
    }
}
