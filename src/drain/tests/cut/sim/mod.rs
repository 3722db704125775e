//! A job in miniature: ranks that run small programs, an MPI that is as unhelpful as the standard allows, and
//! the cut's own state machines in between, with every message of both kinds delayed at will.
//!
//! ```text
//!   Program ──► Proc (one per rank) ──Rank──► Node ──up link──► Node ──► Root
//!                 │   ▲                          ◄──down link──
//!                 ▼   │ channel per (source, destination, communicator), in order
//!               other Procs
//! ```
//!
//! The MPI here synchronises in every collective (but where a program says with whom) and blocks in rendezvous sends: the
//! worst a program may meet. A rank has one thread or several.
//! What may happen next is a list of [`Event`]s; the model checker takes all of them in every order, the random
//! tests one at a time. Judgement on the cut uses only what the job itself did (`Proc::started`, the channels),
//! never what the machines say about it.
mod broken;
mod control;
mod job;
mod judge;
mod mail;
mod mpi;
mod proc;
mod program;
mod setup;
mod step;

pub use job::Job;
pub use program::{Op, Program, on};
pub use setup::{Event, Reports, Setup, Variant};
