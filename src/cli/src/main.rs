//! The command `mana`, and the program that an application becomes when it starts.
//!
//! ```text
//!   mpirun -n 4 ./app ──stub──► mana __exec ./app ─┐
//!   mana run ./app ────────────────────────────────┼─► settings ─► mana_engine::entry      (never returns)
//!   ./app, executed by a program under mana ────────┤
//!   mana restart DIR ──────────────────────────────┘
//!   mana ls, show, verify ─────────────────────────► mana_image                            reads, prints, ends
//!   mana cc, mana-mpicc ───────────────────────────► the C compiler
//!   mana functions, doctor, checkpoint, completions
//! ```
//!
//! [`args`] says what may be written on the command line, [`settings`] what in the environment, [`exit`] what the status
//! means; [`commands`] has a file per command. Text for people goes through [`text`]; `--json` prints the same values.
#![forbid(unsafe_code)]

mod args;
mod commands;
mod exit;
mod setting_values;
mod settings;
mod text;

use args::{Arguments, Command};
use clap::Parser;
use exit::{Failure, Status};
use mana_split::hooks::Given;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    let done = match Given::to_this_process().note {
        Some(note) => commands::run::executed(&note, words),
        None => as_asked(words),
    };
    match done {
        Ok(status) => status.into(),
        Err(failure) => failure.report(),
    }
}

/// Does what the command line says.
fn as_asked(words: Vec<OsString>) -> Result<Status, Failure> {
    match commands::compiler::called_as(words.first().map(Path::new)) {
        Some(language) => commands::compiler::compile(language, &words[1..]),
        None => dispatch(Arguments::parse_from(words).command),
    }
}

fn dispatch(command: Command) -> Result<Status, Failure> {
    match command {
        Command::Run { program, arguments } => commands::run::run(&program, arguments),
        Command::Exec { program, arguments } => commands::run::exec(&program, arguments),
        Command::Restart { checkpoint } => commands::run::restart(checkpoint),
        Command::Checkpoint {
            directory,
            kill,
            json,
        } => commands::checkpoint::request(directory, kill, json),
        Command::Ls { directory, json } => commands::images::list(directory, json),
        Command::Show { path, rank, json } => commands::images::show(path, rank, json),
        Command::Verify { path, json } => commands::verify::verify(path, json),
        Command::Functions { unsupported, json } => commands::functions::list(unsupported, json),
        Command::Doctor { json } => commands::doctor::examine(json),
        Command::Cc { arguments } => {
            commands::compiler::compile(commands::compiler::Language::C, &arguments)
        }
        Command::Cxx { arguments } => {
            commands::compiler::compile(commands::compiler::Language::Cxx, &arguments)
        }
        Command::Completions { shell } => commands::completions(shell),
    }
}
