//! A job that has ended, and what it left behind.

use std::process::ExitStatus;

use crate::error::{Result, SuiteError};

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

    /// What is stdout in such an output, also in one of a job that was killed.
    pub fn stdout_in(output: &str) -> &str {
        let text = output.strip_prefix("--- stdout\n").unwrap_or(output);
        text.split("--- stderr\n").next().unwrap_or(text)
    }

    /// All it printed.
    pub fn output(&self) -> String {
        format!("--- stdout\n{}--- stderr\n{}---", self.stdout, self.stderr)
    }
}
