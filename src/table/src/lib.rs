//! The function table: every function that crosses from an application to mana, one row each.
//!
//! ```text
//!   functions.table ──┐                    ┌─> src/generated/functions.rs   FUNCTIONS, fns::*
//!   constants.table ──┤ cargo xtask        ├─> src/generated/constants.rs   constants::*
//!                     └──── generate ──────┼─> src/stub_abi/include/mpi.h, mana.h
//!                                          ├─> src/stub_abi/src/exports.rs            the jumps
//!                                          └─> src/engine/src/generated/dispatch.rs    the functions behind them
//! ```
//!
//! The two texts are the source of truth; what is generated from them is committed and a test
//! refuses it when it is stale. Invariant: a slot number, once given, means the same function with
//! the same C prototype for ever, because an image made today holds a stub that jumps through it
//! under the `mana` of some later year. [`slots_hash`] is how the two sides check that.

#![forbid(unsafe_code)]

pub mod c_type;
mod constant;
#[rustfmt::skip] // written by `cargo xtask generate`, one row per line
mod generated;
mod hash;
mod model;
pub mod parse;

pub use constant::{Constant, ConstantType};
pub use generated::constants;
pub use generated::functions::{FUNCTIONS, SLOT_COUNT, TABLE_HASH, fns};
pub use hash::{hash_rows, slots_hash};
pub use model::{Direction, FnId, Function, Kind, Length, Param, Policy};

/// The text of `functions.table`: what [`FUNCTIONS`] was generated from.
pub const FUNCTIONS_TEXT: &str = include_str!("../functions.table");

/// The text of `constants.table`: what [`constants`] was generated from.
pub const CONSTANTS_TEXT: &str = include_str!("../constants.table");
