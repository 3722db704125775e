//! What happens to one program on its way, drawn from a seed before anything runs.
//!
//! ```text
//!   seed -> life 1: MPI, fabric, how often it is saved, whom a fault strikes and when
//!           life 2: another MPI ...
//!           last:   runs to its end, under checkpoints
//! ```
//!
//! The plan follows from its seed alone. What the job is doing when a fault strikes does not: the same seed again is the
//! same way with the same blows, not the same instant.

use std::time::Duration;

use fastrand::Rng;
use mana_suite::{Fabric, Mpi};

use super::programs::Torture;

/// The whole way of a program.
#[derive(Debug)]
pub(crate) struct Plan {
    /// One job each; the last one ends by itself.
    pub lives: Vec<Life>,
}

/// One job.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    /// Under which MPI.
    pub mpi: &'static Mpi,
    /// Over which network.
    pub fabric: Fabric,
    /// How checkpoints come about.
    pub saving: Saving,
    /// How it ends.
    pub ending: Ending,
}

/// How checkpoints come about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Saving {
    /// By the clock (`MANA_CKPT_INTERVAL`).
    Every(Duration),
    /// By `mana checkpoint`, again and again with pauses.
    Asked(Duration),
    /// Once, at one rank's `nth` safe point (`MANA_CKPT_AT_SAFE_POINT`).
    AtSafePoint { nth: u64, rank: u32 },
    /// Not at all.
    Never,
}

/// How a job ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ending {
    /// By itself.
    Finish,
    /// By a fault.
    Fault(Whom, When),
}

/// Whom `kill -9` strikes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Whom {
    /// Every process, the launcher included.
    All,
    /// One rank; the rest of the job is the launcher's to end.
    Rank(u32),
    /// Nobody: `mana checkpoint --kill` ends the job.
    Command,
}

/// When it strikes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum When {
    /// So long after the `nth` checkpoint of this job is committed.
    After { nth: u64, delay: Duration },
    /// So long after the `nth` checkpoint of this job has begun to be written.
    During { nth: u64, delay: Duration },
    /// So long after the job was started: before MPI is up, in `MPI_Init`, or while images are read.
    Starting { delay: Duration },
}

impl Plan {
    /// The plan of `seed` for `program` over these MPIs.
    pub fn draw(seed: u64, program: &Torture, mpis: &[&'static Mpi]) -> Self {
        let mut rng = Rng::with_seed(seed);
        let faults = rng.usize(2..=9);
        let mut lives: Vec<Life> = (0..=faults)
            .map(|_| Life::draw(&mut rng, program, mpis))
            .collect();
        if let Some(last) = lives.last_mut() {
            last.ending = Ending::Finish;
        }
        Self { lives }
    }
}

impl Life {
    fn draw(rng: &mut Rng, program: &Torture, mpis: &[&'static Mpi]) -> Self {
        let mpi = mpis[rng.usize(0..mpis.len())];
        let fabric = match rng.u32(0..3) {
            0 if program.can_run(mpi, Fabric::Tcp) => Fabric::Tcp,
            _ => Fabric::SharedMemory,
        };
        let pause = Duration::from_millis([20, 20, 30, 50, 100, 250][rng.usize(0..6)]);
        let saving = match rng.u32(0..8) {
            0 => Saving::Asked(pause),
            _ => Saving::Every(pause),
        };
        let whom = match rng.u32(0..10) {
            0 => Whom::Command,
            1..4 => Whom::Rank(rng.u32(0..program.ranks)),
            _ => Whom::All,
        };
        let up_to = |rng: &mut Rng, ms: u64| Duration::from_millis(rng.u64(0..=ms));
        let when = match rng.u32(0..10) {
            0..5 => When::After {
                nth: rng.u64(1..=14),
                delay: up_to(rng, 120),
            },
            5..7 => When::During {
                nth: rng.u64(1..=10),
                delay: up_to(rng, 50),
            },
            _ => When::Starting {
                delay: up_to(rng, 1200),
            },
        };
        Self {
            mpi,
            fabric,
            saving,
            ending: Ending::Fault(whom, when),
        }
    }
}

impl std::fmt::Display for Life {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}", self.mpi.name)?;
        if self.fabric == Fabric::Tcp {
            write!(out, " over TCP")?;
        }
        match self.saving {
            Saving::Every(pause) => write!(out, ", a checkpoint every {pause:?}")?,
            Saving::Asked(pause) => write!(out, ", checkpoints on request, {pause:?} apart")?,
            Saving::AtSafePoint { nth, rank } => {
                write!(out, ", a checkpoint at safe point {nth} of rank {rank}")?;
            }
            Saving::Never => {}
        }
        let Ending::Fault(whom, when) = self.ending else {
            return write!(out, ", to the end");
        };
        match whom {
            Whom::All => write!(out, "; kill -9 of all")?,
            Whom::Rank(rank) => write!(out, "; kill -9 of rank {rank}")?,
            Whom::Command => write!(out, "; mana checkpoint --kill")?,
        }
        match when {
            When::After { nth, delay } => write!(out, " {delay:?} after checkpoint {nth}"),
            When::During { nth, delay } => write!(out, " {delay:?} into checkpoint {nth}"),
            When::Starting { delay } => write!(out, " {delay:?} after the start"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Ending, Plan};
    use crate::torture::programs;
    use mana_suite::mpi::ALL;

    #[test]
    fn a_seed_is_a_plan_that_comes_to_its_end() {
        let told = |seed| {
            let plan = Plan::draw(seed, &programs::ALL[0], &ALL);
            assert!(matches!(plan.lives.last().unwrap().ending, Ending::Finish));
            let faults = &plan.lives[..plan.lives.len() - 1];
            assert!(
                faults
                    .iter()
                    .all(|life| matches!(life.ending, Ending::Fault(..)))
            );
            plan.lives.iter().map(ToString::to_string).collect()
        };
        let plans: Vec<Vec<String>> = (0..50).map(told).collect();
        assert_eq!(plans, (0..50).map(told).collect::<Vec<_>>());
        let all = plans.concat().join("\n");
        for part in [
            "TCP",
            "request",
            "of all",
            "of rank 3",
            "--kill",
            "into checkpoint",
            "after the start",
        ] {
            assert!(all.contains(part), "{part} is in no plan of fifty");
        }
    }
}
