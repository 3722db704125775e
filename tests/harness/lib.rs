//! What the integration tests, the benches and `cargo xtask` share: the MPIs, the programs, and the running of jobs.
//!
//! ```text
//!   mpi        which MPIs there are, how to get each one, how to start N ranks under it
//!   install    cargo artifacts -> an installed tree: bin/mana, lib/libmana_stub.so, include/mpi.h
//!   programs   examples/ and tests/programs/, each built natively or against that tree
//!   job        one mpirun: its output, its processes, kill -9 of all of them
//!   checkpoints  the directory a job checkpoints into: which ones are committed
//!   polling    looking until something has come about
//!   bench      the command line of the benches that drive jobs
//!   waiting    a rank is reached wherever it waits; agents sleep
//!   crossing   the scenario most tests are made of: run here, kill, restart there, compare
//! ```
//!
//! Everything the harness makes lies under cargo's target directory and may be deleted at any time.
#![deny(unsafe_code)]

pub mod apt;
pub mod bench;
pub mod calls;
pub mod checkpoints;
pub mod command;
pub mod crossing;
pub mod error;
pub mod install;
pub mod job;
pub mod lock;
pub mod mpi;
pub mod newer_libc;
pub mod places;
pub mod polling;
pub mod processes;
pub mod programs;
pub mod python;
pub mod waiting;

pub use error::{Result, SuiteError};
pub use install::{Install, install};
pub use job::{Finished, Job, JobSpec};
pub use mpi::{Fabric, Family, Mpi};
pub use programs::Program;
