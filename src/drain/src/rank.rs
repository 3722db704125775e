//! One rank's part in the cut: the gates before collectives, and what the rank reports.
//!
//! ```text
//!          Intent            Stop             Write           Committed
//!   Idle ──────────► Converge ────────► Stop ────────► Write ───────────► Idle
//!    ▲   no gates     gates closed,      threads park,  image is           │
//!    │                the rest runs      then drain     written            │
//!    └────────────────────── Aborted (from any phase) ◄────────────────────┘
//! ```
//!
//! Invariant: from `Intent` on this rank starts collective k on a communicator only if the root allowed
//! counts up to k. So once the root has seen that all ranks heard the intent, no clock passes what it allowed.
//!
//! The caller must make three things one step (it holds a lock around this object): asking [`Rank::may_start`]
//! and counting; taking a broadcast; and making a report. Between `Enter` and the native call is no safe point.
use std::collections::BTreeMap;

use crate::report::{Failures, Report, Tally};
use crate::{Broadcast, ClockId, Clocks, Gid, RegisterError, Start};

/// Where this rank is in an attempt at a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// No checkpoint under way.
    Idle,
    /// Collectives are held at their gates unless the root lets them pass; everything else runs.
    Converge,
    /// Every thread parks at its next safe point, and receives what arrives while parked.
    Stop,
    /// At the cut: the image is to be written, once, and reported by [`Rank::wrote`] or [`Rank::fail`].
    Write,
}

/// Whether a thread may start a collective.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub enum Verdict {
    /// It is counted as started: enter the native call, with no safe point before it.
    Enter,
    /// Not now: keep MPI making progress, be ready to park, and ask again when a broadcast arrived.
    Hold,
}

/// What the engine counts itself, as of the moment of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Activity {
    /// Upper-half threads that are parked at a safe point. Read this before the counters below.
    pub threads_parked: u32,
    /// Upper-half threads there are.
    pub threads_total: u32,
    /// Messages whose sending was initiated, since the job started. Messages to oneself count,
    /// those to `MPI_PROC_NULL` do not, nor those whose cancellation succeeded.
    pub sent: u64,
    /// Messages whose receiving is complete, into a program's buffer or into the engine's queue.
    pub received: u64,
    /// Sends and nonblocking collectives of this rank that are not complete.
    pub pending: u64,
}

/// The state machine of one rank.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rank {
    me: u32,
    phase: Phase,
    epoch: u64,
    clocks: Clocks,
    /// What the root allowed in this attempt, also for communicators that this rank does not know yet.
    targets: BTreeMap<Gid, u64>,
    critical: ClockId,
    critical_depth: u32,
    finished: bool,
    written: bool,
    failure: Option<String>,
    changed: bool,
}

/// A critical section is a communicator of two members that are both this rank: `begin` is a collective that
/// one has started, `end` is the other one's. So a rank inside is behind, and gates and targets apply.
const CRITICAL_SIZE: u32 = 2;

impl Rank {
    /// The machine of world rank `me`, with no communicators yet.
    #[must_use]
    pub fn new(me: u32) -> Rank {
        let mut clocks = Clocks::default();
        let critical = clocks
            .register(Gid::critical(me), CRITICAL_SIZE)
            .expect("the first clock has no rival");
        Rank {
            me,
            phase: Phase::Idle,
            epoch: 0,
            clocks,
            targets: BTreeMap::new(),
            critical,
            critical_depth: 0,
            finished: false,
            written: false,
            failure: None,
            changed: false,
        }
    }

    /// Where this rank is. The engine looks at it at safe points.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The attempt under way, or the last one.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The clocks, for looking at.
    #[must_use]
    pub fn clocks(&self) -> &Clocks {
        &self.clocks
    }

    /// Gives a communicator of `size` members a clock; see [`Clocks::register`].
    ///
    /// # Errors
    /// If `gid` is known with another size.
    pub fn register(&mut self, gid: Gid, size: u32) -> Result<ClockId, RegisterError> {
        self.clocks.register(gid, size)
    }

    /// The communicator was freed here; see [`Clocks::retire`].
    pub fn retire(&mut self, id: ClockId) {
        self.clocks.retire(id);
    }

    /// Whether others are in a collective that this rank has yet to join: there is no cut before it goes on.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        let target = |gid: &Gid| self.targets.get(gid).copied().unwrap_or(0);
        self.phase == Phase::Converge
            && self
                .clocks
                .iter()
                .any(|clock| clock.started < target(&clock.gid))
    }

    /// A thread comes to a collective on communicator `id`. Ask again after `Hold`, until `Enter`; a thread
    /// that asked must go on asking (the root may count on it).
    #[inline]
    pub fn may_start(&mut self, id: ClockId, start: Start) -> Verdict {
        if self.phase == Phase::Idle {
            self.clocks.start(id);
            return Verdict::Enter;
        }
        self.may_start_gated(id, start)
    }

    fn may_start_gated(&mut self, id: ClockId, start: Start) -> Verdict {
        let clock = self.clocks.get_mut(id);
        // Alone on its communicator a rank is always in step.
        let allowed = clock.size == 1
            || self
                .targets
                .get(&clock.gid)
                .is_some_and(|&target| clock.started < target);
        if self.phase == Phase::Converge && allowed {
            self.clocks.start(id);
            self.changed = true;
            return Verdict::Enter;
        }
        self.changed |= clock.want.replace(start) != Some(start);
        Verdict::Hold
    }

    /// The program enters a section in which this rank must not be checkpointed. Sections nest, also across
    /// threads. Answers as [`Rank::may_start`] does: between intent and cut the outermost one is held, unless
    /// a rank that is inside one waits for it.
    pub fn critical_begin(&mut self) -> Verdict {
        if self.critical_depth == 0
            && self.may_start(self.critical, Start::Nonblocking) == Verdict::Hold
        {
            return Verdict::Hold;
        }
        self.critical_depth += 1;
        Verdict::Enter
    }

    /// The program leaves a critical section. One `end` too many is ignored.
    pub fn critical_end(&mut self) {
        self.critical_depth = self.critical_depth.saturating_sub(1);
        self.changed = true;
    }

    /// This rank has entered the native `MPI_Finalize` (after passing the gate of the world communicator, of
    /// which that call is a collective). The root then abandons what is under way: the job is ending.
    pub fn finish(&mut self) {
        self.finished = true;
        self.changed = true;
    }

    /// The image of this rank is written.
    pub fn wrote(&mut self) {
        self.written = true;
        self.changed = true;
    }

    /// This rank cannot take part in the checkpoint, or could not write its image.
    pub fn fail(&mut self, error: String) {
        self.failure = Some(error);
        self.changed = true;
    }

    /// Whether the rank's own part of the report may have changed since last asked; then the agent is to be
    /// woken. (Changes of [`Activity`] while stopping are the engine's to tell.)
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed) && self.phase != Phase::Idle
    }

    /// Takes a broadcast of the root. Messages of another attempt than the one under way are ignored.
    pub fn on_broadcast(&mut self, broadcast: &Broadcast) {
        match broadcast {
            Broadcast::Intent { epoch } => self.begin(*epoch),
            other if other.epoch() != self.epoch || self.phase == Phase::Idle => {}
            Broadcast::Targets {
                targets, to_all, ..
            } => {
                for &(gid, target) in targets.iter().chain(to_all) {
                    let allowed = self.targets.entry(gid).or_default();
                    *allowed = target.max(*allowed);
                }
            }
            Broadcast::Stop { .. } => self.phase = Phase::Stop,
            Broadcast::Write { .. } => self.phase = Phase::Write,
            Broadcast::Committed { .. } | Broadcast::Aborted { .. } => self.end(),
        }
        self.changed = true;
    }

    fn begin(&mut self, epoch: u64) {
        self.epoch = epoch;
        self.phase = Phase::Converge;
        self.targets.clear();
        self.written = false;
        self.failure = None;
    }

    /// Clocks start afresh only where they are known to be equal: an attempt that was abandoned before the
    /// cut leaves them.
    fn end(&mut self) {
        if self.phase == Phase::Write {
            self.clocks.reset_at_cut();
        }
        self.clocks.forget_wants();
        self.targets.clear();
        self.phase = Phase::Idle;
    }

    /// What this rank has to say now.
    #[must_use]
    pub fn report(&self, activity: &Activity) -> Report {
        let parked = self.phase >= Phase::Stop
            && activity.threads_parked == activity.threads_total
            && self.critical_depth == 0;
        let mut report = Report {
            epoch: self.epoch,
            ranks: 1,
            finished: u32::from(self.finished),
            parked: u32::from(parked),
            written: u32::from(self.written),
            failures: self
                .failure
                .clone()
                .map(|error| Failures::one(self.me, error))
                .unwrap_or_default(),
            ..Report::default()
        };
        // Counters of a running rank would change with every message and help nobody.
        if parked {
            report.sent = activity.sent;
            report.received = activity.received;
            report.pending = activity.pending;
        }
        if self.phase == Phase::Converge {
            report.clocks = self.tallies();
            report.drop_settled();
        }
        report
    }

    /// Clocks that were not used since the last cut are among them: so each node knows where their members are, should one
    /// of them be ahead.
    fn tallies(&self) -> BTreeMap<Gid, Tally> {
        let critical_gid = self.clocks.gid(self.critical);
        let inside = self.critical_depth > 0;
        self.clocks
            .iter()
            .map(|clock| {
                let is_critical = clock.gid == critical_gid;
                let both_or_one = |both| if both { CRITICAL_SIZE } else { 1 };
                let tally = Tally {
                    size: clock.size,
                    max: clock.started,
                    at_max: both_or_one(is_critical && !inside),
                    want: u32::from(clock.want.is_some()),
                    want_nonblocking: u32::from(clock.want == Some(Start::Nonblocking)),
                    seen: both_or_one(is_critical),
                };
                (clock.gid, tally)
            })
            .collect()
    }
}
