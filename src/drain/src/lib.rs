//! The consistent cut: at which moment may every rank of a running job be written to an image?
//!
//! At the cut no rank is inside a native collective, every communicator's collectives have been started by
//! all of its members or by none, and every message that was sent has been received (by the program, or
//! into a queue the engine keeps for it). Then the MPI library holds nothing that the images would lack.
//!
//! Nothing here does I/O or knows MPI. The engine drives a [`Rank`] from the program's MPI calls, the agents
//! carry [`Report`]s up a tree of ranks and [`Broadcast`]s down it:
//!
//! ```text
//!   engine (one per rank)           agents (one per rank, a tree)               rank 0
//!   ─────────────────────           ─────────────────────────────               ──────
//!   may_start(clock) ──► Rank ─report─► Node ─merged, if changed─► Node ─merged─► Root
//!   safe point: phase()  ▲                                                        │
//!                        └──────────── Intent · Targets · Stop · Write · Committed┘
//! ```
//!
//! In normal running a collective costs one counter increment ([`Clocks`]) and a message two (at the engine);
//! nothing is sent. `docs/drain-protocol.md` has the protocol with its proof; `tests/` checks it against
//! every interleaving of small programs.
#![forbid(unsafe_code)]

mod broadcast;
mod clocks;
mod gid;
mod node;
mod rank;
mod report;
mod root;
mod tree;

pub use broadcast::Broadcast;
pub use clocks::{ClockId, Clocks, RegisterError, Start};
pub use gid::Gid;
pub use node::Node;
pub use rank::{Activity, Phase, Rank, Verdict};
pub use report::{Failures, Report, Tally};
pub use root::patience::{FIRST_PATIENCE, FIRST_PATIENCE_WITH_BLOCKING, PATIENCE_LIMIT};
pub use root::{Refused, Root, Step};
pub use tree::Tree;
