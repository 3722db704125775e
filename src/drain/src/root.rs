//! The root: decides from the merged report of all ranks what comes next. It lives at rank 0.
//!
//! ```text
//!   Idle ──request──► Converge ──nobody behind──► Stopping ──all parked, nothing in flight──► Preparing
//!    ▲                 │   ▲ targets                                                           │ directory
//!    │                 └───┘                                                                   ▼
//!    └──committed / aborted── Committing ◄──all written────────────────────────────────────── Writing
//! ```
//!
//! While converging there are three reasons to let collectives pass:
//! - a rank is *behind*: another has started a collective that it has not; it may start that many;
//! - *all* members are held before the next one while somebody elsewhere is behind: he may wait for what one
//!   of them does after it, so they may go. Nobody waits for anything else then, so this settles by itself;
//! - somebody is behind and nothing has moved for a while: see `root/patience.rs`.
pub(crate) mod patience;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::{Broadcast, Gid, Report, Tally};

/// What the caller is to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Send to all ranks, the own one included.
    Broadcast(Broadcast),
    /// Make the checkpoint's directory, then call [`Root::on_prepared`].
    Prepare,
    /// Every image is written: commit the checkpoint, then call [`Root::on_committed`].
    Commit {
        /// Number of the checkpoint's directory.
        number: u64,
    },
}

/// Why a request for a checkpoint was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// One is being made.
    #[error("a checkpoint is being made already")]
    Busy,
    /// A rank is gone, so no image of the job can be whole.
    #[error("no checkpoints any more: {0}")]
    Disabled(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Stage {
    Idle,
    Converge,
    Stopping,
    Preparing,
    Writing,
    Committing,
}

/// What the root has allowed on one communicator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Grant {
    target: u64,
    /// All members were held before it, so it needs nobody's help to be reached.
    reached_by_itself: bool,
}

/// The state machine that decides.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Root {
    size: u32,
    epoch: u64,
    number: u64,
    stage: Stage,
    kill: bool,
    grants: BTreeMap<Gid, Grant>,
    latest: Report,
    /// How often patience has run out in this attempt.
    impatience: u32,
    disabled: Option<String>,
}

impl Root {
    /// The root of a job of `size` ranks.
    #[must_use]
    pub fn new(size: u32) -> Root {
        Root {
            size,
            epoch: 0,
            number: 0,
            stage: Stage::Idle,
            kill: false,
            grants: BTreeMap::new(),
            latest: Report::default(),
            impatience: 0,
            disabled: None,
        }
    }

    /// Whether no attempt is under way.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.stage == Stage::Idle
    }

    /// Whether the clocks are being made equal; only then does patience matter.
    #[must_use]
    pub fn is_converging(&self) -> bool {
        self.stage == Stage::Converge
    }

    /// Why a request would not be taken now, if so.
    #[must_use]
    pub fn refusal(&self) -> Option<Refused> {
        if let Some(reason) = &self.disabled {
            return Some(Refused::Disabled(reason.clone()));
        }
        (!self.is_idle()).then_some(Refused::Busy)
    }

    /// Begins an attempt at a checkpoint; with `kill`, the job ends once it is saved.
    ///
    /// # Errors
    /// If one is under way, or a rank has been lost.
    pub fn request(&mut self, kill: bool) -> Result<Broadcast, Refused> {
        if let Some(refused) = self.refusal() {
            return Err(refused);
        }
        self.epoch += 1;
        self.stage = Stage::Converge;
        self.kill = kill;
        self.grants.clear();
        self.latest = Report::default();
        self.impatience = 0;
        Ok(Broadcast::Intent { epoch: self.epoch })
    }

    /// Takes the merged report of all ranks, as [`crate::Node::take_report`] at rank 0 gives it.
    pub fn on_report(&mut self, report: Report) -> Vec<Step> {
        if self.is_idle() || report.epoch != self.epoch {
            return Vec::new();
        }
        self.latest = report;
        if self.latest.finished > 0 {
            return self.abort("the program is in MPI_Finalize");
        }
        match self.stage {
            _ if self.latest.failures.count > 0 && self.stage < Stage::Writing => {
                self.abort(&self.latest.failures.describe())
            }
            Stage::Converge if self.latest.ranks == self.size => self.converge(),
            Stage::Stopping if self.is_drained() => {
                self.stage = Stage::Preparing;
                vec![Step::Prepare]
            }
            Stage::Writing => self.collect_images(),
            Stage::Idle
            | Stage::Converge
            | Stage::Stopping
            | Stage::Preparing
            | Stage::Committing => Vec::new(),
        }
    }

    /// The checkpoint's directory is there, with its number; or why not.
    pub fn on_prepared(&mut self, prepared: Result<u64, String>) -> Vec<Step> {
        if self.stage != Stage::Preparing {
            return Vec::new();
        }
        match prepared {
            Ok(number) => {
                self.stage = Stage::Writing;
                self.number = number;
                vec![Step::Broadcast(Broadcast::Write {
                    epoch: self.epoch,
                    number,
                })]
            }
            Err(reason) => self.abort(&reason),
        }
    }

    /// The checkpoint is committed, or why not.
    pub fn on_committed(&mut self, committed: Result<(), String>) -> Vec<Step> {
        if self.stage != Stage::Committing {
            return Vec::new();
        }
        if let Err(reason) = committed {
            return self.abort(&reason);
        }
        self.stage = Stage::Idle;
        let (epoch, number, kill) = (self.epoch, self.number, self.kill);
        vec![Step::Broadcast(Broadcast::Committed {
            epoch,
            number,
            kill,
        })]
    }

    /// A rank is gone for good. What is under way ends, and no more checkpoints are made: `reason` names it.
    pub fn disable(&mut self, reason: &str) -> Vec<Step> {
        self.disabled.get_or_insert_with(|| reason.to_owned());
        self.abort(reason)
    }

    /// Ends the attempt under way, if there is one.
    fn abort(&mut self, reason: &str) -> Vec<Step> {
        if self.is_idle() {
            return Vec::new();
        }
        self.stage = Stage::Idle;
        vec![Step::Broadcast(Broadcast::Aborted {
            epoch: self.epoch,
            reason: reason.to_owned(),
        })]
    }

    fn target(&self, gid: Gid) -> u64 {
        self.grants.get(&gid).map_or(0, |grant| grant.target)
    }

    /// Not all members have started what one has started or may start.
    fn is_behind(&self, gid: Gid, tally: &Tally) -> bool {
        tally.has_laggards() || tally.max < self.target(gid)
    }

    /// A rank that is behind may have to get past other collectives first. (Unless it was held at the very
    /// gate that has been opened.)
    fn somebody_needs_help(&self) -> bool {
        self.latest.clocks.iter().any(|(&gid, tally)| {
            let by_itself = |grant: &Grant| grant.reached_by_itself && grant.target >= tally.max;
            self.is_behind(gid, tally) && !self.grants.get(&gid).is_some_and(by_itself)
        })
    }

    /// All ranks have heard the intent. Communicators missing from the report are settled.
    fn converge(&mut self) -> Vec<Step> {
        let clocks = &self.latest.clocks;
        let catch_up: Vec<(Gid, u64)> = clocks
            .iter()
            .filter(|&(&gid, tally)| tally.has_laggards() && tally.max > self.target(gid))
            .map(|(&gid, tally)| (gid, tally.max))
            .collect();
        let mut steps = Vec::new();
        if !catch_up.is_empty() {
            steps.push(self.allow(catch_up, false));
        }
        if self.somebody_needs_help() {
            let go = self.all_held();
            if !go.is_empty() {
                steps.push(self.allow(go, true));
            }
        } else if !self
            .latest
            .clocks
            .iter()
            .any(|(&gid, tally)| self.is_behind(gid, tally))
        {
            self.stage = Stage::Stopping;
            steps.push(Step::Broadcast(Broadcast::Stop { epoch: self.epoch }));
        }
        steps
    }

    /// Communicators all of whose members are held before the same next collective.
    fn all_held(&self) -> Vec<(Gid, u64)> {
        let held =
            |gid: Gid, tally: &Tally| tally.want == tally.size && tally.max >= self.target(gid);
        self.latest
            .clocks
            .iter()
            .filter(|&(&gid, tally)| held(gid, tally))
            .map(|(&gid, tally)| (gid, tally.max + 1))
            .collect()
    }

    fn allow(&mut self, allowed: Vec<(Gid, u64)>, reached_by_itself: bool) -> Step {
        for &(gid, target) in &allowed {
            let grant = Grant {
                target,
                reached_by_itself,
            };
            self.grants.insert(gid, grant);
        }
        let is_located = |(gid, _): &(Gid, u64)| {
            let tally = self.latest.clocks.get(gid);
            tally.is_some_and(Tally::is_located)
        };
        let (targets, to_all) = allowed.into_iter().partition(is_located);
        Step::Broadcast(Broadcast::Targets {
            epoch: self.epoch,
            targets,
            to_all,
        })
    }

    /// Nothing is in flight. A parked rank sends nothing, so `sent` is final; `received` only grows and
    /// `pending` only falls, so old reports cannot pretend it.
    fn is_drained(&self) -> bool {
        let all = &self.latest;
        all.parked == self.size && all.sent == all.received && all.pending == 0
    }

    /// An attempt that failed somewhere ends only when all have stopped writing.
    fn collect_images(&mut self) -> Vec<Step> {
        if self.latest.written + self.latest.failures.count < self.size {
            return Vec::new();
        }
        if self.latest.failures.count > 0 {
            return self.abort(&self.latest.failures.describe());
        }
        self.stage = Stage::Committing;
        vec![Step::Commit {
            number: self.number,
        }]
    }
}
