//! A job that is killed after a checkpoint at a random time and goes on under the next MPI.
//!
//! ```text
//!   MPI             begin .. random pause .. `mana checkpoint` .. committed, kill -9
//!   the next MPI                                                  `-- mana restart .. end
//! ```
//!
//! A job that ends before its checkpoint is there has passed without one. Standard output and error of what goes on are those
//! of the new launcher, so reports that ranks write there have to be given to the new job as to the first; what a rank wrote
//! between checkpoint and kill stands in them twice.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mana_suite::checkpoints::Checkpoints;
use mana_suite::{Finished, JobSpec, Mpi, Result, SuiteError, mpi};

use super::Place;
use super::run::{Ran, ended, into_report};

/// The longest time before the checkpoint.
const LATEST: Duration = Duration::from_millis(1500);

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
    let interval = pause().as_secs_f64().max(0.05);
    let job = job
        .clone()
        .env("MANA_CKPT_DIR", checkpoints.path())
        .env("MANA_CKPT_INTERVAL", format!("{interval:.2}"));
    let mut first = job.launch()?;
    match checkpoints.wait_for_newer(&mut first, 0) {
        Ok(_) => {}
        // It was too quick, and its end is the result; or it hangs.
        Err(SuiteError::EndedEarly { .. }) => return ended(first.wait()),
        Err(error) => return ended(Err(error)),
    }
    let before = Finished::stdout_in(&first.kill9_all()).to_owned();
    let next = next(place.mpi);
    next.provision()?;
    let restart = again(place, (next, ranks), checkpoints.path(), reports);
    let mut ran = ended(restart.launch()?.wait())?;
    ran.stdout.insert_str(0, &before);
    Ok(ran)
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

/// Any time up to the latest.
fn pause() -> Duration {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    LATEST * (now.subsec_nanos() % 1000) / 1000
}
