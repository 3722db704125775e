//! What a program may know of its restarts: how many there were, and functions of its own to be called after one
//! (`mana_on_restart`).
//!
//! ```text
//!   restart -> count_one: functions are due -> threads run on -> first call into mana by the thread that
//!                                                                initialised MPI -> the functions, then that call
//! ```
//!
//! The functions are not called at the very point where a checkpoint found the thread: that may be in the midst of
//! `malloc`, whose lock the function would wait for. At a call into mana the thread is between two statements of its
//! program. A thread that was parked *in* a call that goes on after the restart (`mana_checkpoint`, `MPI_Recv`) makes
//! that call anew, so there the functions run before anything else.

use std::sync::atomic::{AtomicBool, Ordering};

use mana_record_replay::address::UpperAddress;
use serde::{Deserialize, Serialize};

use crate::callback;
use crate::engine::state;

/// A function to be called after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct OnRestart {
    function: UpperAddress,
    state: u64,
}

/// The restarts of this job; saved in the image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restarts {
    count: u32,
    functions: Vec<OnRestart>,
}

impl Restarts {
    /// Restarts between the start of the job and now.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Has `function` called with `state` after each restart, after those named before.
    pub fn add(&mut self, function: UpperAddress, state: u64) {
        self.functions.push(OnRestart { function, state });
    }
}

/// Whether the functions are still to be called after the restart of this process.
static DUE: AtomicBool = AtomicBool::new(false);

/// This process was restarted; its state is in place.
pub fn count_one() {
    let mut state = state();
    crate::tools::history::restored(&mut state);
    let restarts = &mut state.restarts;
    restarts.count += 1;
    DUE.store(!restarts.functions.is_empty(), Ordering::Relaxed);
}

/// Calls the functions if they are due and this is the thread to do it.
#[inline]
pub fn call_functions() {
    if DUE.load(Ordering::Relaxed) {
        call_due();
    }
}

#[cold]
fn call_due() {
    let functions = {
        let state = state();
        if state.init_thread_fs != crate::thread_fs() {
            return;
        }
        state.restarts.functions.clone()
    };
    if DUE.swap(false, Ordering::Relaxed) {
        for OnRestart { function, state } in functions {
            callback::word(function, &[state]);
        }
    }
}
