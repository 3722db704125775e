//! A file per command; what several of them share is here.

pub mod checkpoint;
pub mod compiler;
pub mod doctor;
pub mod functions;
pub mod images;
mod inventories;
pub mod run;
pub mod verify;

use crate::args::Arguments;
use crate::exit::{Failure, Status};
use crate::settings::Settings;
use clap::CommandFactory;
use clap_complete::Shell;
use mana_engine::messages::ToUser;
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;
use tracing_subscriber::EnvFilter;

/// The settings of this process; messages go to the standard error from here on.
pub fn settings() -> Result<Settings, Failure> {
    let settings =
        Settings::of_this_process().map_err(|error| Failure::new(Status::Usage, error))?;
    let filter =
        EnvFilter::try_new(&settings.log).map_err(|error| Failure::new(Status::Usage, error))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(ToUser::default)
        .with_ansi(false)
        .init();
    Ok(settings)
}

/// The path on the command line, or the directory in the environment.
fn path_or_setting(path: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let settings = settings()?;
    Ok(path.unwrap_or_else(|| settings.directory()))
}

/// Writes to the standard output. A reader that has gone (`mana ls | head`) is no failure.
fn print(text: &str) -> Result<(), Failure> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Status::Failed, error))
        }
        _ => Ok(()),
    }
}

/// Writes one JSON value.
fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    print(&(serde_json::to_string_pretty(value)? + "\n"))
}

/// `mana completions`.
pub fn completions(shell: Shell) -> Result<Status, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "mana", &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(Status::Done)
}
