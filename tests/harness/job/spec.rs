//! What a job is to be: under which MPI, with how many ranks, which program and environment; and its start.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::{Finished, Job, WATCHDOG};
use crate::command::shown;
use crate::error::{Context, Result, SuiteError};
use crate::mpi::{Fabric, Mpi};
use crate::processes::{MARK, mark};

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
    directory: Option<PathBuf>,
    watchdog: Duration,
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
            directory: None,
            watchdog: WATCHDOG,
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

    /// Starts it in that directory.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Chooses after how long it is reported as stuck: foreign programs may take longer, or hang often.
    #[must_use]
    pub fn watchdog(mut self, watchdog: Duration) -> Self {
        self.watchdog = watchdog;
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// The launcher cannot be started, or no folder for its output can be made.
    pub fn launch(&self) -> Result<Job> {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let nth = STARTED.fetch_add(1, Ordering::Relaxed);
        let mark = mark(nth);
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
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
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
            watchdog: self.watchdog,
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
