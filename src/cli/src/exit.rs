//! Exit statuses, and how a failure is told.
//!
//! | status | meaning |
//! |---:|---|
//! | 0 | done |
//! | 1 | it did not work; the message says why |
//! | 2 | the command line or a `MANA_` variable is wrong |
//! | 3 | an image is damaged, incomplete, or does not fit this job |
//! | 4 | there is no checkpoint |
//! | 5 | a checkpoint was asked for and could not be made; the job runs on |
//! | 127 | (from a program started without `mana`) `mana` was not found |
//!
//! Under `mana run` and `mana restart`, a program that was started ends with its own status.

use mana_engine::EngineError;
use mana_image::ImageError;
use std::error::Error;
use std::fmt;
use std::process::ExitCode;

/// What the table above says, for `--help`.
pub const HELP: &str = "\
Exit status:
  0  done
  1  it did not work; the message says why
  2  the command line or a MANA_ variable is wrong
  3  an image is damaged, incomplete, or does not fit this job
  4  there is no checkpoint
  5  a checkpoint was asked for and could not be made; the job runs on
A program that was started ends with its own status.";

/// How the command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// All is well.
    Done,
    /// It did not work.
    Failed,
    /// Wrong command line or environment.
    Usage,
    /// An image cannot be used.
    BadImage,
    /// There is no image.
    NoCheckpoint,
    /// The job could not make a checkpoint.
    NotMade,
    /// The status of a program that was run in this one's place.
    Program(u8),
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        ExitCode::from(match status {
            Status::Done => 0,
            Status::Failed => 1,
            Status::Usage => 2,
            Status::BadImage => 3,
            Status::NoCheckpoint => 4,
            Status::NotMade => 5,
            Status::Program(status) => status,
        })
    }
}

/// An error on its way to the user.
#[derive(Debug)]
pub struct Failure {
    status: Status,
    error: Box<dyn Error>,
    hint: Option<String>,
}

impl Failure {
    /// A failure with this status.
    pub fn new(status: Status, error: impl Into<Box<dyn Error>>) -> Self {
        Self {
            status,
            error: error.into(),
            hint: None,
        }
    }

    /// Adds what to try.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// Prints the error, its causes, and what to try; returns the status.
    pub fn report(&self) -> ExitCode {
        eprintln!("mana: {}", self.error);
        let mut said = self.error.to_string();
        let mut cause = self.error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // Many messages already end with their cause.
            if !said.contains(&text) {
                eprintln!("  because: {text}");
                said.push_str(&text);
            }
            cause = error.source();
        }
        if let Some(hint) = &self.hint {
            eprintln!("  try: {hint}");
        }
        self.status.into()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(out)
    }
}

impl From<ImageError> for Failure {
    fn from(error: ImageError) -> Self {
        Self::new(status_of(&error), error)
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        let status = match &error {
            EngineError::Image(error) => status_of(error),
            EngineError::RankCount { .. } | EngineError::State(_) => Status::BadImage,
            _ => Status::Failed,
        };
        Self::new(status, error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::new(Status::Failed, error)
    }
}

fn status_of(error: &ImageError) -> Status {
    match error {
        ImageError::Io { .. } => Status::Failed,
        ImageError::NoCheckpoint { .. } | ImageError::OnlyPartial { .. } => Status::NoCheckpoint,
        _ => Status::BadImage,
    }
}
