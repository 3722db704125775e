//! One run of a program that is killed and restarted: what it needs, its jobs, and what it has to print.

use super::native::native_stdout;
use crate::checkpoints::Checkpoints;
use crate::error::{Result, SuiteError};
use crate::install::{Install, install};
use crate::job::{Finished, JobSpec};
use crate::lock::{FileLock, one_job_at_a_time};
use crate::mpi::{Fabric, Mpi};
use crate::programs::{Program, Toolchain};

/// One side of a crossing: an MPI, and what carries its messages.
#[derive(Clone, Copy, Debug)]
pub struct Side {
    /// Which MPI.
    pub mpi: &'static Mpi,
    /// Which fabric.
    pub fabric: Fabric,
}

impl From<&'static Mpi> for Side {
    fn from(mpi: &'static Mpi) -> Self {
        Self {
            mpi,
            fabric: Fabric::SharedMemory,
        }
    }
}

impl Side {
    /// `mpi` over TCP.
    pub fn tcp(mpi: &'static Mpi) -> Self {
        Self {
            mpi,
            fabric: Fabric::Tcp,
        }
    }

    /// Its name in messages.
    pub fn name(self) -> String {
        match self.fabric {
            Fabric::SharedMemory => self.mpi.name.to_owned(),
            Fabric::Tcp => format!("{} over TCP", self.mpi.name),
        }
    }
}

/// A program that runs, is killed, and is restarted; with what it has to print in the end.
#[derive(Debug)]
pub struct Voyage {
    program: Program,
    args: Vec<String>,
    install: Install,
    checkpoints: Checkpoints,
    expected: String,
    _turn: FileLock,
}

impl Voyage {
    /// Provisions and builds what it needs, and lets the program run natively and undisturbed, under `home`.
    ///
    /// `seconds` is how long the program takes at least. One voyage at a time: another waits here for its turn.
    ///
    /// # Errors
    /// Something could not be had or built, or the native run failed.
    pub fn prepare(program: Program, home: &'static Mpi, seconds: u32) -> Result<Self> {
        let turn = one_job_at_a_time()?;
        let args = program.args_for(seconds);
        let install = install()?;
        let expected = native_stdout(program, home, &args)?;
        let checkpoints = Checkpoints::new()?;
        Ok(Self {
            program,
            args,
            install,
            checkpoints,
            expected,
            _turn: turn,
        })
    }

    /// The job from the start, under `side`, with a checkpoint every second.
    ///
    /// # Errors
    /// The program cannot be built.
    pub fn start(&self, side: Side) -> Result<JobSpec> {
        side.mpi.provision()?;
        let executable = self.program.build(Toolchain::Mana(&self.install))?;
        let job = |program| JobSpec::new(side.mpi, self.program.ranks(), program);
        let job = match self.program {
            Program::RingForeign => job(self.install.mana()).args(["run".into(), executable]),
            _ => job(executable),
        };
        let job = job.args(&self.args);
        Ok(self.with_settings(job, side))
    }

    /// The job from its newest checkpoint, under `side`.
    ///
    /// # Errors
    /// The MPI cannot be had.
    pub fn restart(&self, side: Side) -> Result<JobSpec> {
        side.mpi.provision()?;
        let job = JobSpec::new(side.mpi, self.program.ranks(), self.install.mana());
        let job = job.args(["restart"]).args([self.checkpoints.path()]);
        Ok(self.with_settings(job, side))
    }

    fn with_settings(&self, job: JobSpec, side: Side) -> JobSpec {
        job.fabric(side.fabric)
            .env("MANA_MPI", side.mpi.library())
            .env("MANA_CKPT_DIR", self.checkpoints.path())
            .env("MANA_CKPT_INTERVAL", "1")
    }

    /// Runs `job` until it has committed a checkpoint of its own, then kills it.
    ///
    /// # Errors
    /// It ended, failed or got stuck before.
    pub fn run_until_killed(&self, job: &JobSpec) -> Result<u32> {
        let before = self.checkpoints.newest()?;
        let mut running = job.launch()?;
        let (number, _) = self.checkpoints.wait_for_newer(&mut running, before)?;
        running.kill9_all();
        Ok(number)
    }

    /// Runs `job` to its end and compares what it printed with the undisturbed run.
    ///
    /// # Errors
    /// It failed, or printed something else.
    pub fn run_to_the_end(&self, job: &JobSpec, what: &str) -> Result<Finished> {
        let finished = job.run()?;
        if finished.stdout == self.expected {
            return Ok(finished);
        }
        Err(SuiteError::Differs {
            what: what.to_owned(),
            expected: self.expected.clone(),
            got: finished.stdout.clone(),
            report: finished.output(),
        })
    }

    /// Where it checkpoints.
    pub fn checkpoints(&self) -> &Checkpoints {
        &self.checkpoints
    }

    /// What it has to print.
    pub fn expected(&self) -> &str {
        &self.expected
    }

    /// The installed tree it uses.
    pub fn installed(&self) -> &Install {
        &self.install
    }
}
