//! Making this process a lower half: gate, hooks, handlers, the factory of TLS, the checkpoint signal. The same for a
//! program that is loaded and for one that is restored.

use mana_split::gate::Gate;
use mana_split::{crossing, hooks, lender, park, thread};
use mana_table::{SLOT_COUNT, TABLE_HASH};

use crate::error::EngineError;
use crate::{cut, enter, local, surroundings};

/// The signal that makes threads of the program take part in a checkpoint: high among the real-time signals, but not one of
/// the last ones, which programs count from the end. Java wants 62 (`SIGRTMAX - 2`) for every file and socket.
pub const CHECKPOINT_SIGNAL: i32 = 58;

/// Prepares this process. Call it on the main thread.
pub fn prepare() -> Result<(), EngineError> {
    surroundings::start();
    thread::register_main();
    lender::start()?;
    crossing::set_handlers(&enter::HANDLERS);
    let mut gate = Gate::install(TABLE_HASH, SLOT_COUNT as u32)?;
    for (function, address) in local::functions() {
        gate.set_local(function.0, address);
    }
    hooks::install(&mut gate)?;
    gate.seal()?;
    park::install(CHECKPOINT_SIGNAL, cut::interrupted)?;
    Ok(())
}
