//! Running a helper program (a compiler, pip, cargo) to its end, with everything it said when it fails.

use std::process::Command;

use crate::error::{Result, SuiteError};

/// The command line as one would type it, for messages.
pub fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Runs `command`; gives its stdout.
///
/// # Errors
/// It cannot be started, or ends with a nonzero status (then the error holds stdout and stderr).
pub fn run(command: &mut Command) -> Result<String> {
    let output = command.output().map_err(|source| SuiteError::Start {
        command: shown(command),
        source,
    })?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(SuiteError::Failed {
        command: shown(command),
        status: output.status,
        output: format!("{stdout}{stderr}"),
    })
}
