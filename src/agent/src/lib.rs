//! The agent: one thread per rank in the lower half that carries the consistent cut's messages.
//!
//! ```text
//!   mana checkpoint DIR ──control file: host, port, cookie──┐
//!                                                           ▼
//!   interval timer ─────────────────────────────────► agent of rank 0 (the root's seat)
//!                                             reports ▲     │ broadcasts       TCP, a tree of arity 8,
//!                                                     │     ▼                  cookie at connect
//!                                             agent of rank 1 … 8 ── agent of rank 9 … 72
//!                                                     │ ▲
//!                  RankPort: on_broadcast, stop_threads ▼ │ report (asked for after Agent::wake)
//!                                             the engine of that rank
//! ```
//!
//! The agent never calls MPI, so it answers at once also while its rank computes or is blocked inside MPI.
//! Between events it sleeps in poll(2) and uses no processor time. All signals are blocked in it, so that
//! none of the program's is ever delivered there. What the messages mean is `mana_drain`'s business.
#![deny(unsafe_code)]

mod agent;
mod contact;
mod control;
mod conversation;
#[cfg(test)]
mod crash_tests;
mod error;
mod link;
mod neighbours;
mod port;
mod seat;
mod service;
#[expect(
    unsafe_code,
    reason = "the thread must be born with all signals blocked, and only libc's call does that"
)]
mod signals;
mod wire;

pub use agent::{Agent, AgentConfig, DEFAULT_ARITY};
pub use contact::{CONTACT_BYTES, Contact, Listener};
pub use control::{ControlFile, Outcome, Progress, request, running};
pub use error::AgentError;
pub use port::RankPort;
pub use wire::Cookie;
