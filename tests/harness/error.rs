//! The one error of the harness: what was being done, to what, and all that the failing part said.

use std::path::PathBuf;
use std::time::Duration;

/// `Result` with [`SuiteError`].
pub type Result<T, E = SuiteError> = std::result::Result<T, E>;

/// Why the harness could not go on.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// A file operation failed.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was to be done, a verb: "create", "read" …
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A program could not be started at all.
    #[error("cannot start `{command}`: {source}; is it installed?")]
    Start {
        /// The command line.
        command: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A program ran and failed.
    #[error("`{command}` ended with {status}\n{output}")]
    Failed {
        /// The command line.
        command: String,
        /// Its exit status.
        status: std::process::ExitStatus,
        /// Its stdout and stderr.
        output: String,
    },
    /// A job did not do in a very long time what it was to do.
    #[error("`{command}` has been running for {waited:?} and has not {awaited}\n{report}")]
    Stuck {
        /// The command line.
        command: String,
        /// How long it was waited for.
        waited: Duration,
        /// What was waited for, as "committed a checkpoint".
        awaited: String,
        /// Its output and its processes.
        report: String,
    },
    /// A job ended before it did what it was to do.
    #[error("`{command}` ended with {status} before it {awaited}\n{report}")]
    EndedEarly {
        /// The command line.
        command: String,
        /// Its exit status.
        status: std::process::ExitStatus,
        /// What was waited for.
        awaited: String,
        /// Its output.
        report: String,
    },
    /// An MPI is not on this machine and cannot be put there by this user.
    #[error("{mpi} is not installed: {why}. Try: {advice}")]
    Missing {
        /// The MPI's name.
        mpi: &'static str,
        /// What was found missing.
        why: String,
        /// The command that helps.
        advice: String,
    },
    /// A name that is none of the known MPIs.
    #[error("there is no MPI called {name:?} here; the known ones are {known}")]
    UnknownMpi {
        /// What was asked for.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// A name that is none of the known programs.
    #[error("there is no program called {name:?} here; the known ones are {known}")]
    UnknownProgram {
        /// What was asked for.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// Two runs that had to print the same did not.
    #[error("{what}: expected on stdout\n{expected}\nbut got\n{got}\n{report}")]
    Differs {
        /// Which comparison.
        what: String,
        /// stdout of the undisturbed run.
        expected: String,
        /// stdout of the run under test.
        got: String,
        /// The rest of its output.
        report: String,
    },
}

/// Names the file and the action in an I/O error.
pub(crate) trait Context<T> {
    /// Turns an I/O error into [`SuiteError::File`].
    fn context(self, action: &'static str, path: &std::path::Path) -> Result<T>;
}

impl<T> Context<T> for std::io::Result<T> {
    fn context(self, action: &'static str, path: &std::path::Path) -> Result<T> {
        self.map_err(|source| SuiteError::File {
            action,
            path: path.to_owned(),
            source,
        })
    }
}
