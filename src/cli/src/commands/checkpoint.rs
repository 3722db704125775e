//! `mana checkpoint`: asks a running job for a checkpoint and follows it.

use crate::commands::{print, print_json, settings};
use crate::exit::{Failure, Status};
use indicatif::ProgressBar;
use mana_agent::{Outcome, Progress};
use mana_engine::entry;
use std::path::PathBuf;
use std::time::Duration;

/// Asks the job that writes to `directory`, and waits.
pub fn request(directory: Option<PathBuf>, kill: bool, json: bool) -> Result<Status, Failure> {
    let settings = settings()?;
    let directory = directory.unwrap_or_else(|| settings.directory());
    // Drawn on the standard error, and only if that is a terminal.
    let spinner = ProgressBar::new_spinner();
    spinner.enable_steady_tick(Duration::from_millis(100));
    let outcome = entry::checkpoint(&directory, kill, |progress| {
        spinner.set_message(describe(progress))
    });
    spinner.finish_and_clear();
    let outcome = outcome.map_err(|error| {
        Failure::from(error).hint(format!(
            "is a job running that writes to {}? MANA_CKPT_DIR must be what it is for the job",
            directory.display()
        ))
    })?;
    if json {
        print_json(&outcome)?;
    }
    match outcome {
        Outcome::Committed { number } if !json => print(&format!(
            "checkpoint {number} is in {}\n",
            directory.display()
        ))?,
        Outcome::Committed { .. } => {}
        Outcome::Aborted { reason } => {
            let error = format!(
                "no checkpoint was made: {reason}; the job runs on, and its last checkpoint stays"
            );
            return Err(Failure::new(Status::NotMade, error));
        }
        Outcome::Refused { reason } => {
            return Err(Failure::new(
                Status::NotMade,
                format!("the job refused: {reason}"),
            ));
        }
    }
    Ok(Status::Done)
}

fn describe(progress: &Progress) -> String {
    match progress {
        Progress::Queued => "waiting for the job".into(),
        Progress::Converging => "bringing the ranks' collectives into step".into(),
        Progress::Stopping => "stopping the ranks and draining messages".into(),
        Progress::Writing { number } => format!("writing checkpoint {number}"),
    }
}
