//! When waiting has become pointless.
//!
//! Holding a rank at a gate is harmless where a correct program may have to wait anyway: at a blocking collective.
//! It is not at the initiation of a nonblocking one, which must be local: another rank may rightly wait for what
//! this one does after it. The root cannot see who waits for what, so it goes by time: if somebody is behind and no
//! report has changed for long enough, the held ranks go on, though that puts others behind.
//!
//! Too early, it only prolongs the attempt: those who are let go now have to be caught up with. Hence the time
//! doubles whenever it was of use, and so exceeds in the end what any rank of the program needs for a step.
use std::time::Duration;

use super::{Root, Stage, Step};
use crate::{Gid, Tally};

/// How long nothing may have moved before initiations of nonblocking collectives are let through, at first.
pub const FIRST_PATIENCE: Duration = Duration::from_millis(10);

/// The same for blocking collectives. Only programs that rely on one that does not synchronise, which MPI does
/// not promise, need it.
pub const FIRST_PATIENCE_WITH_BLOCKING: Duration = Duration::from_secs(5);

/// How often patience may run out in one attempt before the root gives it up; the last time takes about three
/// minutes. A program whose ranks never have started the same collectives has no cut that this protocol finds.
pub const PATIENCE_LIMIT: u32 = 14;

impl Root {
    /// Nothing has been reported for so long. The caller asks after [`FIRST_PATIENCE`] and then each time the
    /// silence has doubled, while [`Root::is_converging`].
    pub fn on_patience(&mut self, silence: Duration) -> Vec<Step> {
        let converging = self.stage == Stage::Converge && self.latest.ranks == self.size;
        if !converging || !self.somebody_needs_help() {
            return Vec::new();
        }
        let enough = |first: Duration| silence >= first * (1 << self.impatience);
        let mut go = Vec::new();
        if enough(FIRST_PATIENCE) {
            go = self.held_at(|tally| tally.want_nonblocking);
        }
        if go.is_empty() && enough(FIRST_PATIENCE_WITH_BLOCKING) {
            go = self.held_at(|tally| tally.want);
        }
        if go.is_empty() {
            return Vec::new();
        }
        self.impatience += 1;
        if self.impatience > PATIENCE_LIMIT {
            return self.abort(
                "the ranks' nonblocking collectives never were in step: each time some had caught up, others were \
                 ahead; the next attempt may find a better moment",
            );
        }
        vec![self.allow(go, false)]
    }

    /// Communicators with ranks held as `asks` counts, and the count that lets them pass.
    fn held_at(&self, asks: impl Fn(&Tally) -> u32) -> Vec<(Gid, u64)> {
        let held = |gid: Gid, tally: &Tally| asks(tally) > 0 && tally.max >= self.target(gid);
        let clocks = self.latest.clocks.iter();
        clocks
            .filter(|&(&gid, tally)| held(gid, tally))
            .map(|(&gid, tally)| (gid, tally.max + 1))
            .collect()
    }
}
