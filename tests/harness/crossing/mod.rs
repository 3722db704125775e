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

mod macros;
mod native;
mod voyage;

use std::process::Command;
use std::time::Instant;

use crate::command::run;
use crate::error::{Result, SuiteError};
use crate::mpi::Mpi;
use crate::programs::Program;

pub use native::native_stdout;
pub use voyage::{Side, Voyage};

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

/// A run that is checkpointed and not killed: it must simply run on, and have committed a checkpoint. Which MPI to use is
/// left to `mana`.
///
/// # Errors
/// It failed, printed something else, or committed none.
pub fn runs_on(program: Program, mpi: &'static Mpi) -> Result<()> {
    let voyage = Voyage::prepare(program, mpi, 3)?;
    let what = format!("{} under {} with checkpoints", program.name(), mpi.name);
    let finished =
        voyage.run_to_the_end(&voyage.start(mpi.into())?.env("MANA_MPI", "auto"), &what)?;
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

/// A checkpoint asked for by `mana checkpoint DIR` while the job runs, then the kill and the restart. The interval is too long to count,
/// and which MPI to use is left to `mana`.
///
/// # Errors
/// Any step failed, or the digest differs.
pub fn on_request(program: Program, from: &'static Mpi, to: &'static Mpi) -> Result<()> {
    let voyage = Voyage::prepare(program, from, 2)?;
    let job = voyage
        .start(from.into())?
        .env("MANA_CKPT_INTERVAL", "2h")
        .env("MANA_MPI", "auto");
    let mut running = job.launch()?;
    running.wait_for_line("step 10")?;
    run(Command::new(voyage.installed().mana())
        .arg("checkpoint")
        .arg(voyage.checkpoints().path()))?;
    let (number, took) = voyage.checkpoints().wait_for_newer(&mut running, 0)?;
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
