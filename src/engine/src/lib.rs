//! The engine: what every MPI function means, in the lower half.
//!
//! ```text
//!   application -> stub -> gate -> enter ------> calls::*  (a file per chapter)
//!                            |       |             |
//!                            |       safe points   +-- publish   handles for hot paths, lock-free
//!                            |       (cut)         +-- engine    state behind a lock; what survives
//!                            +-> local             +-- native_call -> mana_native -> the MPI library
//!
//!   checkpoint: cut (park, drain) -> checkpoint (image)      restart: restart -> rebuild -> resume
//! ```
//!
//! Adding a function is a row of the function table (its policy) and, where it has semantics of its own, one
//! function in `calls`.
#![deny(unsafe_code)]

mod alone;
mod args;
mod at_safe_point;
mod attributes;
mod buffered;
mod callback;
mod calls;
mod carriers;
mod checkpoint;
mod collective_arrays;
mod comms;
mod cores;
mod cut;
mod datatypes;
mod deliver;
mod engine;
mod enter;
pub mod entry;
mod environment;
mod error;
mod external32;
mod family;
mod file_external;
mod file_form;
mod file_rebuild;
mod file_transfer;
mod file_view;
mod files;
mod foreign;
mod forward;
mod forwarded_signal;
#[rustfmt::skip] // written by `cargo xtask generate`
mod generated;
mod grequest;
mod hardware;
mod holder;
mod init;
pub mod inventory;
mod kernel;
mod large_type;
mod leave;
mod life;
mod limits;
mod local;
mod lock_places;
mod lock_words;
pub mod messages;
mod native_call;
mod native_info;
mod native_type;
mod objects;
mod ops;
mod origins;
mod outputs;
mod own_swap;
mod own_window;
mod p2p;
mod pair_accumulate;
mod partitioned;
mod persistent;
mod predefined_attributes;
mod probes;
mod process;
mod progress;
mod publish;
mod raise;
mod rebuild;
mod recipe;
mod reduction_parts;
mod request;
mod restart;
mod restarts;
mod rma_shape;
pub mod settings;
mod shared_mappings;
mod shared_memory;
mod side_channel;
mod special;
mod status;
mod surroundings;
mod tools;
mod translate;
mod uses;
mod wait;
mod watch;
mod window_page;
mod windows;
mod words;

pub use engine::set_settings;
pub use error::EngineError;
pub use process::CHECKPOINT_SIGNAL;

/// FS base of the calling thread's upper half: names the thread across a restart.
fn thread_fs() -> u64 {
    mana_split::thread::ThreadBlock::current().map_or(0, mana_split::thread::ThreadBlock::upper_fs)
}
