//! One job of a suite: started as its side wants it, watched, its end as a value.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use mana_suite::lock::one_job_at_a_time;
use mana_suite::{JobSpec, Mpi, Result, SuiteError, mpi, places};

use super::outcome::{Outcome, Side, Verdict};
use super::{Place, restart};
use crate::sources::file;

/// Where everything of this command is.
pub(crate) fn home() -> PathBuf {
    places::target().join("conformance")
}

/// How a job ended.
pub(crate) struct Ran {
    /// Whether it ended by itself.
    pub ended: bool,
    /// Whether the launcher's status was zero.
    pub success: bool,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Its outcome where the status says it all.
    pub fn by_status(&self) -> Outcome {
        self.judged(self.success)
    }

    /// Its outcome, if `good` is what the suite thinks of it.
    pub fn judged(&self, good: bool) -> Outcome {
        let verdict = match (self.ended, good) {
            (false, _) => Verdict::Hang,
            (true, true) => Verdict::Pass,
            (true, false) if says_unsupported(&self.stdout) || says_unsupported(&self.stderr) => {
                Verdict::Unsupported
            }
            (true, false) => Verdict::Fail,
        };
        let log = match verdict {
            Verdict::Pass => String::new(),
            _ => format!(
                "--- stdout\n{}\n--- stderr\n{}\n",
                tail(&self.stdout),
                tail(&self.stderr)
            ),
        };
        Outcome { verdict, log }
    }
}

/// Whether mana said that it lacks the function.
pub(crate) fn says_unsupported(text: &str) -> bool {
    text.contains("`mana functions` lists what is")
        || text.contains("MPI_ERR_UNSUPPORTED_OPERATION")
}

/// The end of a long output.
fn tail(text: &str) -> &str {
    const KEPT_BYTES: usize = 8000;
    let from = text.len().saturating_sub(KEPT_BYTES);
    let from = (from..=text.len()).find(|at| text.is_char_boundary(*at));
    &text[from.unwrap_or(0)..]
}

/// A job of `program` over `mpi`.
///
/// Open MPI 4's launcher waits by poll(2). The PMIx server in it (4.2.2) now and then closes a process's connection without
/// taking it back from libevent, natively too, and most where one process starts while another ends on too few cores. By
/// epoll(7) it never hears then of the next connection with that number: whoever was spawned waits in `MPI_Init` for ever.
pub(crate) fn over(mpi: &'static Mpi, ranks: u32, program: impl Into<PathBuf>) -> JobSpec {
    let job = JobSpec::new(mpi, ranks, program);
    if mpi.name == mpi::OPENMPI_4.name {
        job.env("EVENT_NOEPOLL", "1")
    } else {
        job
    }
}

/// A job of `program` at this place.
pub(crate) fn job(place: &Place<'_>, ranks: u32, program: impl Into<PathBuf>) -> JobSpec {
    let job = over(place.mpi, ranks, program)
        .watchdog(place.watchdog())
        .wrapped_in(["nice", "-n", "5"]);
    match place.side {
        Side::Native => job,
        Side::StandardAbi => job.env("LD_LIBRARY_PATH", place.mpi.prefix().join("lib")),
        Side::Mana => job
            .env("MANA_MPI", place.mpi.library())
            .env("MANA_CKPT_DIR", home().join("ckpts")),
        // Where it checkpoints to is `restart`'s.
        Side::Restarted => job.env("MANA_MPI", place.mpi.library()),
    }
}

/// Runs it to its end, or until the watchdog ends it.
///
/// # Errors
/// It cannot be started.
pub(crate) fn run(place: &Place<'_>, ranks: u32, job: &JobSpec) -> Result<Ran> {
    let _turn = one_job_at_a_time()?;
    if place.side == Side::Restarted {
        return restart::run(place, ranks, job, None);
    }
    ended(job.launch()?.wait())
}

/// The shell's words for a program whose stderr is added to a file of its rank in the folder `$0`: a restarted rank goes on
/// with the file of the one that was killed. The launchers of all MPIs set one of the two variables.
const INTO_REPORT: &str = r#"exec "$@" 2>>"$0/${PMI_RANK:-$OMPI_COMM_WORLD_RANK}.log""#;

/// The words before a program's own that give it a report per rank below `folder`.
pub(crate) fn into_report(folder: &Path) -> [OsString; 3] {
    ["-c".into(), INTO_REPORT.into(), folder.into()]
}

/// A job as of [`job`], whose ranks write their stderr into a file each below `folder`.
pub(crate) fn reporting_job(place: &Place<'_>, folder: &Path) -> JobSpec {
    job(place, place.ranks, "/bin/sh").args(into_report(folder))
}

/// As [`run`], for a job of [`reporting_job`].
///
/// # Errors
/// It cannot be started.
pub(crate) fn run_reporting(place: &Place<'_>, job: &JobSpec, folder: &Path) -> Result<Ran> {
    let _turn = one_job_at_a_time()?;
    if place.side == Side::Restarted {
        return restart::run(place, place.ranks, job, Some(folder));
    }
    ended(job.launch()?.wait())
}

/// A hang is a result.
pub(crate) fn ended(end: Result<mana_suite::Finished>) -> Result<Ran> {
    match end {
        Ok(finished) => Ok(Ran {
            ended: true,
            success: finished.status.success(),
            stdout: finished.stdout,
            stderr: finished.stderr,
        }),
        Err(SuiteError::Stuck { report, .. }) => Ok(Ran {
            ended: false,
            success: false,
            stdout: report,
            stderr: String::new(),
        }),
        Err(error) => Err(error),
    }
}

/// Writes or removes the log of a case.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn keep_log(
    place: &Place<'_>,
    suite: &str,
    ranks: u32,
    case: &str,
    outcome: &Outcome,
) -> Result<()> {
    let path = log_path(suite, place.mpi.name, ranks, case, place.side);
    if outcome.log.is_empty() {
        // There may be none of an earlier run.
        let _absent = std::fs::remove_file(&path);
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        file("create", parent, std::fs::create_dir_all(parent))?;
    }
    file("write", &path, std::fs::write(&path, &outcome.log))
}

/// Where the log of a case is, if it did not pass.
fn log_path(suite: &str, mpi: &str, ranks: u32, case: &str, side: Side) -> PathBuf {
    let plain: String = case
        .chars()
        .map(|c| {
            if c.is_alphanumeric() || "._-".contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect();
    home()
        .join("logs")
        .join(format!("{suite}-{mpi}-{ranks}-{side}"))
        .join(plain + ".log")
}
