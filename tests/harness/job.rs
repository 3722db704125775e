//! One job: `mpiexec -n N program`, started, watched, ended or killed.
//!
//! ```text
//!   JobSpec::new(mpi, ranks, program)   what to start        (builder)
//!       .args(..) .env(..) .tcp()
//!       .launch()  ->  Job              it runs              stdout, stderr in files
//!           .wait() -> Finished         ended by itself      status, stdout, stderr
//!           .kill9_all()                every process of it, launcher included
//! ```
//!
//! No test asserts on time. A job that does not get on is found by a watchdog far beyond what any machine needs; it fails
//! with all the job printed and what its threads were doing.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::command::shown;
use crate::error::{Context, Result, SuiteError};
use crate::mpi::{Fabric, Mpi};
use crate::processes::{self, MARK};

/// After this long without what was waited for, a job is reported as stuck.
const WATCHDOG: Duration = Duration::from_secs(180);

/// How often a condition is looked at again.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// A job to be started.
#[derive(Clone, Debug)]
pub struct JobSpec {
    mpi: &'static Mpi,
    fabric: Fabric,
    ranks: u32,
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    wrapper: Vec<OsString>,
}

impl JobSpec {
    /// `ranks` ranks of `program` under `mpi`.
    pub fn new(mpi: &'static Mpi, ranks: u32, program: impl Into<PathBuf>) -> Self {
        let program = program.into();
        let fabric = Fabric::SharedMemory;
        Self {
            mpi,
            fabric,
            ranks,
            program,
            args: Vec::new(),
            env: Vec::new(),
            wrapper: Vec::new(),
        }
    }

    /// Adds arguments for the program.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Adds a variable to the environment of launcher and ranks.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env
            .push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Chooses what carries the messages.
    #[must_use]
    pub fn fabric(mut self, fabric: Fabric) -> Self {
        self.fabric = fabric;
        self
    }

    /// Starts the launcher by another program, whose arguments end with the launcher's command line.
    #[must_use]
    pub fn wrapped_in(mut self, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.wrapper = words
            .into_iter()
            .map(|word| word.as_ref().to_owned())
            .collect();
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// The launcher cannot be started, or no folder for its output can be made.
    pub fn launch(&self) -> Result<Job> {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let nth = STARTED.fetch_add(1, Ordering::Relaxed);
        let mark = format!("{}-{nth}", std::process::id());
        let dir = tempfile::Builder::new()
            .prefix("mana-job-")
            .tempdir()
            .context("create", &std::env::temp_dir())?;
        let output = |name: &str| {
            let path = dir.path().join(name);
            File::create(&path).context("create", &path)
        };
        let mut command = wrapped(self.mpi.launcher(self.ranks, self.fabric), &self.wrapper);
        command
            .arg(&self.program)
            .args(&self.args)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .env(MARK, &mark)
            // Launchers keep sockets and session folders in TMPDIR, and a killed one leaves them.
            .env("TMPDIR", dir.path())
            .stdin(Stdio::null())
            .stdout(output("stdout")?)
            .stderr(output("stderr")?);
        let shown = shown(&command);
        let child = command.spawn().map_err(|source| SuiteError::Start {
            command: shown.clone(),
            source,
        })?;
        Ok(Job {
            child,
            mark,
            dir,
            shown,
        })
    }

    /// Starts it and waits for its end, which must be a good one.
    ///
    /// # Errors
    /// It cannot be started, is stuck, or ends with a nonzero status.
    pub fn run(&self) -> Result<Finished> {
        self.launch()?.wait()?.successful()
    }
}

fn wrapped(command: Command, wrapper: &[OsString]) -> Command {
    let Some((program, words)) = wrapper.split_first() else {
        return command;
    };
    let mut outer = Command::new(program);
    outer
        .args(words)
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    outer
}

/// A job that was started. Dropping it kills what is left of it.
#[derive(Debug)]
pub struct Job {
    child: Child,
    mark: String,
    dir: tempfile::TempDir,
    shown: String,
}

/// A job that has ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The command line.
    pub command: String,
    /// The launcher's status.
    pub status: ExitStatus,
    /// All that launcher and ranks wrote on stdout.
    pub stdout: String,
    /// The same for stderr.
    pub stderr: String,
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
            waited: WATCHDOG,
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
    let begin = Instant::now();
    loop {
        if let Some(found) = ready(job)? {
            return Ok(found);
        }
        if begin.elapsed() > WATCHDOG {
            return Err(job.stuck(awaited));
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}

impl Finished {
    /// Itself, if its status is zero.
    ///
    /// # Errors
    /// The status is not zero.
    pub fn successful(self) -> Result<Self> {
        if self.status.success() {
            return Ok(self);
        }
        let output = self.output();
        Err(SuiteError::Failed {
            command: self.command,
            status: self.status,
            output,
        })
    }

    /// All it printed.
    pub fn output(&self) -> String {
        format!("--- stdout\n{}--- stderr\n{}---", self.stdout, self.stderr)
    }
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
