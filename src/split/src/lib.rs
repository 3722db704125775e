//! Two programs in one process.
//!
//! ```text
//!   upper half   the application with its own ld.so, libc, TLS, heap   in the window   -> goes into an image
//!   ---- gate: one page at a fixed address, all that the halves know of each other -------------------------------
//!   lower half   this program with its own                              elsewhere      -> thrown away, made afresh
//! ```
//!
//! Where to look:
//! - loading: [`loader`] maps the program (`elf`, `stack`) into the [`window`]; `steer` rewrites its system calls
//!   so that [`hooks`] keep it there ([`seccomp`] where that cannot be done); [`vdso`] gives it the clock, which
//!   [`clock`] makes go on.
//! - crossing: [`gate`] → [`crossing`] with a [`frame`] per call; [`thread`] and [`lender`] give each thread a TLS in the
//!   lower half; [`signals`] cross too.
//! - checkpoints: [`park`] stops threads, `call_again` goes on with what they waited for, [`thread_image`] (`pending`,
//!   `timers`, `scheduling`) and [`maps`] say what to save, [`restore`] and `state` put it back;
//!   [`numbers`] of processes and threads stay what they were, [`children`] are waited for.
//!
//! Nothing here knows MPI.
#![deny(unsafe_code)]

pub mod advice;
mod arch;
mod call_again;
mod cancellation;
pub mod children;
pub mod clock;
pub mod crossing;
pub mod descriptors;
mod elf;
pub mod environment;
mod error;
pub mod forked;
pub mod frame;
pub mod gate;
pub mod hooks;
pub mod lender;
mod link_map;
pub mod loader;
pub mod maps;
pub mod numbers;
pub mod park;
mod pending;
mod proc_status;
pub mod restore;
mod robust;
mod scheduling;
pub mod seccomp;
pub mod signals;
mod stack;
mod state;
mod steer;
mod sys;
pub mod sysv;
pub mod thread;
pub mod thread_image;
mod timers;
pub mod upper_memory;
pub mod vdso;
pub mod watches;
pub mod window;

pub use arch::FloatModes;
pub use error::{Error, Result};
pub use loader::{Loaded, Program, load};
pub use state::{SplitState, export_state, import_state};
