//! What a restarted process has to know of the split itself, besides memory and threads.

use std::ops::Range;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::clock::Clocks;
use crate::error::{Error, Result};
use crate::hooks::program_break;
use crate::{arch, clock, hooks, numbers, seccomp, steer, window};

/// The loader's and the hooks' state; part of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitState {
    /// What /proc/self/exe says.
    pub program: PathBuf,
    /// Where the window's next mapping goes.
    pub next_address: u64,
    /// The extra ranges outside the window.
    pub extra_ranges: Vec<Range<u64>>,
    /// Whether the seccomp backstop is armed.
    pub backstop: bool,
    /// The program's steady clocks; not in images from before these went on.
    #[serde(default)]
    pub clocks: Option<Clocks>,
    /// Whether the program's numbers of processes and threads stay the same; not in images from before they did.
    #[serde(default)]
    pub numbers: bool,
    /// The program's break (brk(2)); not in images from before it could be moved.
    #[serde(default)]
    pub program_break: Option<u64>,
}

/// The state of this process.
///
/// # Errors
/// [`Error::Restore`] when no program is loaded.
pub fn export_state() -> Result<SplitState> {
    let program = hooks::program().ok_or_else(|| Error::Restore {
        why: "no program is loaded".into(),
    })?;
    let extra = window::extra_ranges();
    Ok(SplitState {
        program: program.to_owned(),
        next_address: window::next() as u64,
        extra_ranges: extra
            .iter()
            .map(|range| range.start as u64..range.end as u64)
            .collect(),
        backstop: seccomp::is_armed(),
        clocks: clock::export(),
        numbers: numbers::export(),
        program_break: program_break::export(),
    })
}

/// Makes this process continue as the one that exported `state`. To be called before the upper half's memory is mapped
/// and before any of its threads runs; takes [`crate::loader::load`]'s place.
///
/// # Errors
/// [`Error::Restore`] when a program is loaded already or the ranges do not fit; [`Error::Processor`].
pub fn import_state(state: &SplitState) -> Result<()> {
    if hooks::program().is_some() {
        return Err(Error::Restore {
            why: "this process has a program already".into(),
        });
    }
    steer::prepare();
    arch::prepare_syscall_hook()?;
    hooks::set_program(state.program.clone());
    window::set_next(state.next_address as usize);
    for range in &state.extra_ranges {
        let range = range.start as usize..range.end as usize;
        window::add_extra(range).map_err(|_| Error::Restore {
            why: "too many ranges outside the window".into(),
        })?;
    }
    if state.backstop {
        seccomp::arm();
    }
    numbers::import(state.numbers);
    program_break::import(state.program_break);
    clock::import(state.clocks)
}
