//! The scenario most integration tests are made of.
//!
//! ```text
//!   undisturbed   mpiexec(from) ./program.native                    -> stdout A
//!   first         mpiexec(from) ./program.mana   --ckpt-000001--x kill -9, everything
//!   second        mpiexec(to)   mana restart DIR                    -> stdout B
//!                                                                      A == B
//! ```
//!
//! The programs print one digest of everything every rank computed and received, and nothing before the end: equal output
//! means that no message was lost, doubled, or changed on the way.

use std::collections::HashMap;
use std::process::Command;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Instant;

use crate::checkpoints::Checkpoints;
use crate::command::run;
use crate::error::{Result, SuiteError};
use crate::install::{Install, install};
use crate::job::{Finished, JobSpec};
use crate::lock::{FileLock, one_job_at_a_time};
use crate::mpi::{Fabric, MPICH_4, Mpi};
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

    fn name(self) -> String {
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
        let job = JobSpec::new(side.mpi, self.program.ranks(), executable).args(&self.args);
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

/// The whole scenario with one restart.
///
/// # Errors
/// Any step failed, or the digest differs.
pub fn cross(program: Program, from: impl Into<Side>, to: impl Into<Side>) -> Result<()> {
    let (from, to) = (from.into(), to.into());
    let begin = Instant::now();
    let voyage = Voyage::prepare(program, from.mpi, 2)?;
    let what = format!("{}: {} -> {}", program.name(), from.name(), to.name());
    let number = voyage.run_until_killed(&voyage.start(from)?)?;
    voyage.run_to_the_end(&voyage.restart(to)?, &what)?;
    let took = begin.elapsed();
    println!(
        "{what}: killed after checkpoint {number}, {} ({took:.1?})",
        voyage.expected().trim()
    );
    Ok(())
}

/// One run through many MPIs: killed and restarted at each.
///
/// # Errors
/// Any step failed, or the digest differs.
pub fn chain(program: Program, start: &'static Mpi, restarts: &[&'static Mpi]) -> Result<()> {
    let voyage = Voyage::prepare(program, start, 15)?;
    let mut job = voyage.start(start.into())?;
    let mut way = start.name.to_owned();
    for mpi in restarts {
        voyage.run_until_killed(&job)?;
        job = voyage.restart((*mpi).into())?;
        way += &format!(" -> {}", mpi.name);
    }
    voyage.run_to_the_end(&job, &format!("{}: {way}", program.name()))?;
    println!("{}: {way}: {}", program.name(), voyage.expected().trim());
    Ok(())
}

/// A run that is checkpointed and not killed: it must simply run on, and have committed a checkpoint.
///
/// # Errors
/// It failed, printed something else, or committed none.
pub fn runs_on(program: Program, mpi: &'static Mpi) -> Result<()> {
    let voyage = Voyage::prepare(program, mpi, 3)?;
    let what = format!("{} under {} with checkpoints", program.name(), mpi.name);
    let finished = voyage.run_to_the_end(&voyage.start(mpi.into())?, &what)?;
    let number = voyage.checkpoints().newest()?;
    if number == 0 {
        return Err(SuiteError::Differs {
            what,
            expected: "at least one committed checkpoint".to_owned(),
            got: "none".to_owned(),
            report: finished.output(),
        });
    }
    println!("{what}: {number} of them, {}", voyage.expected().trim());
    Ok(())
}

/// A checkpoint asked for by `mana checkpoint DIR` while the job runs, then the kill and the restart. The interval is too long to count.
///
/// # Errors
/// Any step failed, or the digest differs.
pub fn on_request(program: Program, from: &'static Mpi, to: &'static Mpi) -> Result<()> {
    let voyage = Voyage::prepare(program, from, 2)?;
    let job = voyage.start(from.into())?.env("MANA_CKPT_INTERVAL", "2h");
    let mut running = job.launch()?;
    running.wait_for_line("step 10")?;
    run(Command::new(voyage.install.mana())
        .arg("checkpoint")
        .arg(voyage.checkpoints.path()))?;
    let (number, took) = voyage.checkpoints.wait_for_newer(&mut running, 0)?;
    running.kill9_all();
    let what = format!(
        "{}: {} -> {}, on request",
        program.name(),
        from.name,
        to.name
    );
    voyage.run_to_the_end(&voyage.restart(to.into())?, &what)?;
    println!(
        "{what}: checkpoint {number} after {took:.1?}, {}",
        voyage.expected().trim()
    );
    Ok(())
}

/// stdout of the undisturbed native run; run once per process for the same program, MPI and arguments.
///
/// The Rust ring's native run is under one MPI only, whatever `home` is: building it takes rsmpi's bindgen each time, and
/// its digest does not depend on the MPI (nor does any program's; the C ones are run under every one to see that).
///
/// # Errors
/// It could not be built, or failed.
pub fn native_stdout(program: Program, home: &'static Mpi, args: &[String]) -> Result<String> {
    type Runs = HashMap<(Program, &'static str, Vec<String>), String>;
    static DONE: LazyLock<Mutex<Runs>> = LazyLock::new(Mutex::default);
    let home = if program == Program::RingRust {
        &MPICH_4
    } else {
        home
    };
    let key = (program, home.name, args.to_vec());
    // A panic elsewhere leaves the map as whole as it was: it only ever gains entries.
    let done = || DONE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(stdout) = done().get(&key) {
        return Ok(stdout.clone());
    }
    home.provision()?;
    let executable = program.build(Toolchain::Native(home))?;
    let stdout = JobSpec::new(home, program.ranks(), executable)
        .args(args)
        .run()?
        .stdout;
    done().insert(key, stdout.clone());
    Ok(stdout)
}

/// Fails the test that calls it with the error as people read it, not as `Debug` shows it.
///
/// # Panics
/// On every error.
#[track_caller]
pub fn passes(result: Result<()>) {
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// One test for each program and each MPI to restart under, from each MPI named: `mod = MPI`.
#[macro_export]
macro_rules! crossings {
    ($($from:ident = $mpi:ident),+ $(,)?) => {$(
        mod $from {
            $crate::crossings!(@program $mpi ring = Ring);
            $crate::crossings!(@program $mpi ring_rust = RingRust);
            $crate::crossings!(@program $mpi heat = Heat);
        }
    )+};
    (@program $mpi:ident $name:ident = $program:ident) => {
        mod $name {
            $crate::crossings!(@to $mpi $program to_mpich_4 = MPICH_4);
            $crate::crossings!(@to $mpi $program to_mpich_5 = MPICH_5);
            $crate::crossings!(@to $mpi $program to_intel = INTEL);
            $crate::crossings!(@to $mpi $program to_openmpi_4 = OPENMPI_4);
            $crate::crossings!(@to $mpi $program to_openmpi_5 = OPENMPI_5);
        }
    };
    (@to $from:ident $program:ident $name:ident = $to:ident) => {
        #[test]
        fn $name() {
            use $crate::{Program, crossing, mpi};
            crossing::passes(crossing::cross(Program::$program, &mpi::$from, &mpi::$to));
        }
    };
}

#[cfg(test)]
mod tests {
    use super::native_stdout;
    use crate::lock::one_job_at_a_time;
    use crate::mpi::{ALL, MPICH_4};
    use crate::programs::Program;

    /// What every crossing relies on: the digest says nothing about the MPI.
    #[test]
    fn every_mpi_computes_the_same() {
        let _turn = one_job_at_a_time().unwrap();
        for program in [Program::Ring, Program::Heat, Program::Threads] {
            let args = program.args_for(1);
            let stdouts = ALL.map(|mpi| native_stdout(program, mpi, &args).unwrap());
            assert!(stdouts[0].contains("digest "), "{stdouts:?}");
            assert!(
                stdouts.iter().all(|stdout| *stdout == stdouts[0]),
                "{stdouts:?}"
            );
        }
    }

    #[test]
    fn the_ring_in_rust_computes_what_the_ring_in_c_does() {
        let _turn = one_job_at_a_time().unwrap();
        let args = Program::Ring.args_for(1);
        let [c, rust] = [Program::Ring, Program::RingRust]
            .map(|program| native_stdout(program, &MPICH_4, &args).unwrap());
        assert_eq!(c, rust);
    }
}
