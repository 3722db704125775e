//! A job that is killed after a checkpoint at a random time and goes on under the next MPI.
//!
//! ```text
//!   MPI             begin . checkpoint . checkpoint . … the last of a random number . `mana checkpoint --kill`
//!   the next MPI                                                                         `-- mana restart .. end
//! ```
//!
//! Most cases run for some milliseconds. Checkpoints without a pause between make them long enough to be met in the middle.
//! A job that ends before its last checkpoint is there has passed without a restart. None runs on after it: cases remove their
//! files.
//! Standard output and error of what goes on are those of the new launcher, so reports that ranks write there have to be given
//! to the new job as to the first.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use mana_suite::checkpoints::Checkpoints;
use mana_suite::{Finished, JobSpec, Mpi, Result, SuiteError, mpi};

use super::Place;
use super::run::{Ran, ended, into_report, over};
use crate::request::Request;

/// The checkpoints before the last one are 2 to the power of less than this.
const EARLIER_LOG2: u32 = 7;

/// How many jobs have gone through a restart so far.
static RESTARTS: AtomicUsize = AtomicUsize::new(0);

/// How many jobs have gone through a restart so far.
pub(crate) fn restarts() -> usize {
    RESTARTS.load(Ordering::Relaxed)
}

/// Runs `job` to its end, through a restart.
///
/// # Errors
/// A job cannot be started.
pub(crate) fn run(
    place: &Place<'_>,
    ranks: u32,
    job: &JobSpec,
    reports: Option<&Path>,
) -> Result<Ran> {
    let checkpoints = Checkpoints::new()?;
    let job = job
        .clone()
        .env("MANA_CKPT_DIR", checkpoints.path())
        .env("MANA_CKPT_INTERVAL", "1ms");
    let mut first = job.launch()?;
    let mut saving = Saving {
        earlier: some_earlier(),
        command: None,
    };
    let saved = first.wait_until("been saved and ended", |_| {
        Ok(saving.go_on(place, &checkpoints)?.then_some(()))
    });
    match saved {
        Ok(()) => {}
        Err(SuiteError::EndedEarly { .. }) if saving.has_ended_it() => {}
        // It was too quick, and its end is the result; or it hangs.
        Err(SuiteError::EndedEarly { .. }) => return ended(first.wait()),
        Err(error) => return ended(Err(error)),
    }
    let report = first.kill9_all();
    let before = of_the_program(Finished::stdout_in(&report));
    let next = next(place.mpi);
    next.provision()?;
    let restart = again(place, (next, ranks), checkpoints.path(), reports);
    RESTARTS.fetch_add(1, Ordering::Relaxed);
    let mut ran = ended(restart.launch()?.wait())?;
    ran.stdout.insert_str(0, before);
    Ok(ran)
}

/// Standard output without what MPICH's launcher adds when its ranks are killed, between lines of `=`.
fn of_the_program(stdout: &str) -> &str {
    let is_rule = |line: &str| line.len() > 40 && line.bytes().all(|byte| byte == b'=');
    match stdout.lines().find(|line| is_rule(line)) {
        None => stdout,
        Some(rule) => {
            let before = stdout.split(rule).next().unwrap_or_default();
            before.strip_suffix('\n').unwrap_or(before)
        }
    }
}

/// Somebody who has a job saved and ended after some checkpoints, and asks as often as it takes.
struct Saving {
    /// The checkpoints before.
    earlier: u32,
    command: Option<Request>,
}

impl Saving {
    /// Whether it is done. A command that finds no job yet, or none any more, fails.
    fn go_on(&mut self, place: &Place<'_>, checkpoints: &Checkpoints) -> Result<bool> {
        if self.command.is_none() && checkpoints.newest()? < self.earlier {
            return Ok(false);
        }
        match self.command.as_mut().map(Request::answer) {
            Some(Some(status)) if status.success() => return Ok(true),
            Some(None) => {}
            Some(_) | None => {
                let (mana, dir) = (place.install.mana(), checkpoints.path());
                self.command = Request::start(&mana, &["--kill"], dir);
            }
        }
        Ok(false)
    }

    /// Whether the job, which has ended, ended because it was asked to: the command says so soon.
    fn has_ended_it(&mut self) -> bool {
        self.command.take().is_some_and(Request::succeeded)
    }
}

/// The job that goes on from what is in `dir`, its ranks' reports below `reports`.
fn again(
    place: &Place<'_>,
    (next, ranks): (&'static Mpi, u32),
    dir: &Path,
    reports: Option<&Path>,
) -> JobSpec {
    let mana = place.install.mana();
    let job = match reports {
        None => over(next, ranks, mana),
        Some(folder) => over(next, ranks, "/bin/sh")
            .args(into_report(folder))
            .args([mana]),
    };
    job.args(["restart"])
        .args([dir])
        .env("MANA_MPI", next.library())
        .env("MANA_CKPT_DIR", dir)
        .watchdog(place.watchdog())
}

/// The MPI after this one in the list of all.
fn next(mpi: &'static Mpi) -> &'static Mpi {
    let at = mpi::ALL
        .iter()
        .position(|other| other.name == mpi.name)
        .unwrap_or(0);
    mpi::ALL[(at + 1) % mpi::ALL.len()]
}

/// A random number of checkpoints, more often few than many.
fn some_earlier() -> u32 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    1 << (now.subsec_micros() % EARLIER_LOG2)
}

#[cfg(test)]
mod tests {
    use super::of_the_program;

    #[test]
    fn what_the_launcher_says_of_killed_ranks_is_not_the_programs() {
        let rule = "=".repeat(60);
        let killed = format!("said\n\n{rule}\n=   BAD TERMINATION\n{rule}\nmore\n");
        assert_eq!(of_the_program(&killed), "said\n");
        assert_eq!(of_the_program("a = b\n===\n"), "a = b\n===\n");
    }
}
