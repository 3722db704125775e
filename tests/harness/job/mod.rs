//! One job: `mpiexec -n N program`, started, watched, ended or killed.
//!
//! ```text
//!   JobSpec::new(mpi, ranks, program)   what to start        (builder)
//!       .args(..) .env(..) .fabric(..)
//!       .launch()  ->  Job              it runs              stdout, stderr in files
//!           .wait() -> Finished         ended by itself      status, stdout, stderr
//!           .kill9_all()                every process of it, launcher included
//! ```
//!
//! No test asserts on time. A job that does not get on is found by a watchdog far beyond what any machine needs; it fails
//! with all the job printed and what its threads were doing.

mod finished;
mod spec;

use std::path::Path;
use std::process::{Child, ExitStatus};
use std::time::Duration;

use crate::error::{Context, Result, SuiteError};
use crate::{polling, processes};

pub use finished::Finished;
pub use spec::JobSpec;

/// After this long without what was waited for, a job is reported as stuck, unless its specification says otherwise.
const WATCHDOG: Duration = Duration::from_secs(180);

/// A job that was started. Dropping it kills what is left of it.
#[derive(Debug)]
pub struct Job {
    child: Child,
    mark: String,
    dir: tempfile::TempDir,
    shown: String,
    watchdog: Duration,
}

impl Job {
    /// Waits for its end.
    ///
    /// # Errors
    /// It is stuck: then it is killed and reported.
    pub fn wait(mut self) -> Result<Finished> {
        let status = poll(&mut self, "ended", Self::try_end)?;
        Ok(self.finished(status))
    }

    /// Waits until `ready` gives something.
    ///
    /// # Errors
    /// The job ended without it or is stuck (`awaited` names what for), or `ready` failed.
    pub fn wait_until<T>(
        &mut self,
        awaited: &str,
        mut ready: impl FnMut(&Self) -> Result<Option<T>>,
    ) -> Result<T> {
        poll(self, awaited, |job| {
            // Looked at first: a job may have done it and ended since.
            let ended = job.try_end()?;
            match (ready(job)?, ended) {
                (Some(found), _) => Ok(Some(found)),
                (None, None) => Ok(None),
                (None, Some(status)) => Err(SuiteError::EndedEarly {
                    command: job.shown.clone(),
                    status,
                    awaited: awaited.to_owned(),
                    report: job.output(),
                }),
            }
        })
    }

    /// Waits until the program has written a line that starts with `prefix` on stderr.
    ///
    /// # Errors
    /// See [`Job::wait_until`].
    pub fn wait_for_line(&mut self, prefix: &str) -> Result<()> {
        self.wait_until(&format!("written {prefix:?} on stderr"), |job| {
            Ok(job
                .read("stderr")
                .lines()
                .any(|line| line.starts_with(prefix))
                .then_some(()))
        })
    }

    /// Whether the launcher still runs.
    ///
    /// # Errors
    /// The system refused to say.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.try_end()?.is_none())
    }

    /// `kill -9` of every process of the job at once: ranks, proxies, launcher. Gives what it had printed.
    pub fn kill9_all(mut self) -> String {
        self.end_now();
        self.output()
    }

    /// `kill -9` of one rank; false where there is none (yet, or any more).
    pub fn kill9_rank(&self, rank: u32) -> bool {
        processes::kill9_rank(&self.mark, rank)
    }

    /// Its processes.
    pub fn processes(&self) -> Vec<processes::Process> {
        processes::marked(&self.mark)
    }

    /// What it wrote on stderr so far.
    pub fn stderr(&self) -> String {
        self.read("stderr")
    }

    /// What it printed so far.
    pub fn output(&self) -> String {
        format!(
            "--- stdout\n{}--- stderr\n{}---",
            self.read("stdout"),
            self.read("stderr")
        )
    }

    fn read(&self, name: &str) -> String {
        let bytes = std::fs::read(self.dir.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn try_end(&mut self) -> Result<Option<ExitStatus>> {
        self.child
            .try_wait()
            .context("wait for", Path::new(&self.shown))
    }

    fn end_now(&mut self) {
        processes::kill9_marked(&self.mark);
        // The launcher is among the killed; this takes its status off the process table.
        let _status = self.child.wait();
    }

    fn finished(&self, status: ExitStatus) -> Finished {
        Finished {
            command: self.shown.clone(),
            status,
            stdout: self.read("stdout"),
            stderr: self.read("stderr"),
        }
    }

    fn stuck(&self, awaited: &str) -> SuiteError {
        let mut report = self.output();
        for process in self.processes() {
            report += &format!("\n  {} {}\n", process.pid, process.command);
            report += &processes::threads_of(process.pid);
        }
        let command = self.shown.clone();
        SuiteError::Stuck {
            command,
            waited: self.watchdog,
            awaited: awaited.to_owned(),
            report,
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.end_now();
    }
}

/// Looks again and again until `ready` gives something; past the watchdog's time the job is stuck.
fn poll<T>(
    job: &mut Job,
    awaited: &str,
    mut ready: impl FnMut(&mut Job) -> Result<Option<T>>,
) -> Result<T> {
    let found = polling::until(job.watchdog, || ready(job))?;
    found.ok_or_else(|| job.stuck(awaited))
}

#[cfg(test)]
mod tests {
    use super::{Job, JobSpec};
    use crate::SuiteError;
    use crate::mpi::MPICH_4;

    /// Hydra starts any program, MPI or not.
    fn two_of(script: &str) -> Job {
        MPICH_4.provision().unwrap();
        JobSpec::new(&MPICH_4, 2, "/bin/sh")
            .args(["-c", script])
            .launch()
            .unwrap()
    }

    #[test]
    fn a_kill_leaves_no_process() {
        let mut job = two_of("echo here >&2; sleep 1000 & wait");
        job.wait_for_line("here").unwrap();
        let mark = job.mark.clone();
        assert!(job.processes().len() >= 3, "launcher and two ranks");
        job.kill9_all();
        assert!(crate::processes::marked(&mark).is_empty());
    }

    #[test]
    fn an_early_end_is_told_with_its_output() {
        let mut job = two_of("echo gone; exit 3");
        let error = job.wait_for_line("never written").unwrap_err();
        assert!(matches!(error, SuiteError::EndedEarly { .. }), "{error}");
        assert!(error.to_string().contains("gone"), "{error}");
    }

    #[test]
    fn a_bad_status_is_an_error() {
        let finished = two_of("exit 3").wait().unwrap();
        assert!(matches!(
            finished.successful(),
            Err(SuiteError::Failed { .. })
        ));
    }
}
