//! Runs a program in the window, without MPI and without checkpoints: `run_in_window PROGRAM [ARGUMENT…]`.
//!
//! The program behaves as if executed directly. With `RUN_IN_WINDOW_BASELINE` set to a file name, what is mapped right
//! before the program starts is written there.

use std::error::Error;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

use mana_split::gate::Gate;
use mana_split::loader::{self, Program};
use mana_split::{hooks, lender, thread};

fn main() -> ExitCode {
    match run(std::env::args_os().skip(1).collect()) {
        Ok(never) => match never {},
        Err(error) => {
            eprintln!("run_in_window: {error}");
            ExitCode::from(127)
        }
    }
}

fn run(args: Vec<OsString>) -> Result<std::convert::Infallible, Box<dyn Error>> {
    let name = args
        .first()
        .ok_or("usage: run_in_window PROGRAM [ARGUMENT...]")?;
    let search_path = std::env::var_os("PATH").unwrap_or_default();
    let path = loader::find_in_path(name, &search_path)
        .ok_or_else(|| format!("{}: command not found", name.display()))?;
    let env = std::env::vars_os()
        .filter(|(name, _)| name.as_bytes() != BASELINE)
        .map(|(mut name, value)| {
            name.push("=");
            name.push(value);
            name
        });
    let program = Program {
        path,
        env: env.collect(),
        args,
    };

    let mut gate = Gate::install(0, 0)?;
    hooks::install(&mut gate)?;
    gate.seal()?;
    lender::start()?;
    let loaded = loader::load(&program)?;
    // Now rather than in `start`: its memory is this half's, so it belongs to the baseline.
    thread::register_main();
    if let Some(file) = std::env::var_os("RUN_IN_WINDOW_BASELINE") {
        std::fs::copy("/proc/self/maps", file)?;
    }
    loaded.start()
}

const BASELINE: &[u8] = b"RUN_IN_WINDOW_BASELINE";
