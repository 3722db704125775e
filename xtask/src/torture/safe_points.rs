//! The deterministic mode: a checkpoint at each safe point of each rank of a small program, one after the other, and a
//! restart from it under another MPI.
//!
//! ```text
//!   for each rank, k = 1, 2, ...      MPI k       ./program, with MANA_CKPT_AT_SAFE_POINT=k@rank, to its end
//!                                     MPI k + 1   mana restart, to its end
//! ```
//!
//! Both have to print what the undisturbed run prints: the first has gone on after the checkpoint, the second from it.
//! A rank is through when its program ends before its k-th safe point.

use std::time::{Duration, Instant};

use mana_suite::{Fabric, Install, Mpi, Result};

use super::plan::{Ending, Life, Plan, Saving};
use super::programs::{Torture, Undisturbed};
use super::show::Show;
use super::voyage::{Voyage, Went};

/// How the mode is run.
pub(crate) struct Walk<'a> {
    pub program: &'static Torture,
    pub mpis: &'a [&'static Mpi],
    pub install: &'a Install,
    pub watchdog: Duration,
    /// Begin no new point after that.
    pub ends: Instant,
    /// Only every so many of them.
    pub stride: u64,
    /// Stop after so many failures.
    pub most_failures: u64,
}

/// What the mark of a checkpoint at a safe point begins with, on stderr.
const REACHED: &str = "mana: a checkpoint at safe point ";

/// Progress is told every so many points.
const REPORTED: u64 = 20;

impl Walk<'_> {
    /// Goes through all points; `each` gets what came of one.
    ///
    /// # Errors
    /// A job cannot be started, or the undisturbed run fails.
    pub fn go(
        &self,
        undisturbed: &mut Undisturbed,
        show: &Show,
        mut each: impl FnMut(Went),
    ) -> Result<()> {
        let expected = undisturbed.of(self.program)?;
        let mut failures = 0;
        for rank in 0..self.program.ranks {
            for nth in (1..).step_by(self.stride as usize) {
                if Instant::now() > self.ends || failures >= self.most_failures {
                    return Ok(());
                }
                let voyage = Voyage {
                    program: self.program,
                    label: format!("{nth}@{rank}"),
                    install: self.install,
                    watchdog: self.watchdog,
                    expected: expected.clone(),
                };
                let went = voyage.go(&self.plan(nth, rank), |life| {
                    show.life(self.program.name, &voyage.label, life);
                })?;
                if went.failure.is_none() && !went.story.concat().contains(REACHED) {
                    show.line(&format!(
                        "rank {rank} has passed {} safe points",
                        nth.saturating_sub(1)
                    ));
                    break;
                }
                if let Some(failure) = &went.failure {
                    failures += 1;
                    show.line(&format!(
                        "torture: {} with MANA_CKPT_AT_SAFE_POINT={nth}@{rank}; kept in {}",
                        failure.what,
                        failure.kept.display()
                    ));
                }
                each(went);
                if nth % REPORTED < self.stride {
                    show.line(&format!("rank {rank} is at safe point {nth}"));
                }
            }
        }
        Ok(())
    }

    /// From one MPI to another; each pair has its turn.
    fn plan(&self, nth: u64, rank: u32) -> Plan {
        let count = self.mpis.len();
        let at = (nth / self.stride) as usize + rank as usize;
        let step = 1 + at / count % count.saturating_sub(1).max(1);
        let life = |at: usize, saving| Life {
            mpi: self.mpis[at % count],
            fabric: Fabric::SharedMemory,
            saving,
            ending: Ending::Finish,
        };
        Plan {
            lives: vec![
                life(at, Saving::AtSafePoint { nth, rank }),
                life(at + step, Saving::Never),
            ],
        }
    }
}
