//! A job that is killed after a checkpoint at a random time and goes on under the next MPI.
//!
//! ```text
//!   MPI             begin .. random pause .. `mana checkpoint --kill`
//!   the next MPI                                `-- mana restart .. end
//! ```
//!
//! A job that ends before its checkpoint is there has passed without one. None runs on after it: cases remove their files.
//! Standard output and error of what goes on are those of the new launcher, so reports that ranks write there have to be given
//! to the new job as to the first.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mana_suite::checkpoints::Checkpoints;
use mana_suite::{Finished, JobSpec, Mpi, Result, SuiteError, mpi};

use super::Place;
use super::run::{Ran, ended, into_report};
use crate::request::Request;

/// The longest time before the checkpoint.
const LATEST: Duration = Duration::from_millis(1500);

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
    let job = job.clone().env("MANA_CKPT_DIR", checkpoints.path());
    let mut first = job.launch()?;
    let mut saving = Saving {
        begins: Instant::now() + pause(),
        command: None,
    };
    let saved = first.wait_until("been saved and ended", |_| {
        Ok(saving.go_on(place, checkpoints.path()).then_some(()))
    });
    match saved {
        Ok(()) => {}
        Err(SuiteError::EndedEarly { .. }) if checkpoints.newest()? > 0 => {}
        // It was too quick, and its end is the result; or it hangs.
        Err(SuiteError::EndedEarly { .. }) => return ended(first.wait()),
        Err(error) => return ended(Err(error)),
    }
    let before = Finished::stdout_in(&first.kill9_all()).to_owned();
    let next = next(place.mpi);
    next.provision()?;
    let restart = again(place, (next, ranks), checkpoints.path(), reports);
    RESTARTS.fetch_add(1, Ordering::Relaxed);
    let mut ran = ended(restart.launch()?.wait())?;
    ran.stdout.insert_str(0, &before);
    Ok(ran)
}

/// Somebody who has a job saved and ended from some time on, as often as it takes.
struct Saving {
    begins: Instant,
    command: Option<Request>,
}

impl Saving {
    /// Whether it is done. A command that finds no job yet, or none any more, fails.
    fn go_on(&mut self, place: &Place<'_>, dir: &Path) -> bool {
        if Instant::now() < self.begins {
            return false;
        }
        match self.command.as_mut().map(Request::answer) {
            Some(Some(status)) if status.success() => return true,
            Some(None) => {}
            Some(_) | None => {
                self.command = Request::start(&place.install.mana(), &["--kill"], dir);
            }
        }
        false
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
        None => JobSpec::new(next, ranks, mana),
        Some(folder) => JobSpec::new(next, ranks, "/bin/sh")
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

/// Any time up to the latest; most are short, as most programs are.
fn pause() -> Duration {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let part = f64::from(now.subsec_nanos() % 1000) / 1000.0;
    LATEST.mul_f64(part.powi(3))
}
