//! For debugging: a checkpoint at one chosen safe point, the `nth` of one rank (`MANA_CKPT_AT_SAFE_POINT`).
//!
//! ```text
//!   rank 2    MPI_Init |1  2| MPI_Send |3  4| MPI_Recv |5  6| ...     safe points at entry and exit of each call
//!                                       ^ 3@2: asks for a checkpoint here, and stays until it is taken or given up
//! ```
//!
//! What is counted are the safe points at which calls begin and end, of all threads, from the end of `MPI_Init` on: a
//! single-threaded program has the same ones in each run. (How often a waiting call comes by one is chance.) If others
//! are in a collective that this rank has yet to join, there is no cut here: it goes on, and the checkpoint is taken
//! when they are in step again.
//!
//! A rank that counts has its attention drawn ([`crate::cut`]) all the time; others pay nothing.

use std::sync::atomic::{AtomicU64, Ordering};

use mana_split::frame::CrossFrame;

use crate::engine::settings;
use crate::messages::say;
use crate::{callback, cut, wait};

/// Which safe point of which rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SafePoint {
    /// From 1.
    pub nth: u64,
    /// In the world.
    pub rank: u32,
}

/// Safe points passed so far.
static PASSED: AtomicU64 = AtomicU64::new(0);

/// Whether rank `rank` is the one that counts.
pub fn is_counted(rank: u32) -> bool {
    settings()
        .at_safe_point
        .is_some_and(|point| point.rank == rank)
}

/// A call begins or ends: if this is the safe point chosen, has a checkpoint taken.
#[cold]
pub fn pass(frame: &mut CrossFrame, function: &str) {
    let nth = PASSED.fetch_add(1, Ordering::Relaxed) + 1;
    let Some(point) = settings().at_safe_point.filter(|point| point.nth == nth) else {
        return;
    };
    let Some(request) = cut::request() else {
        return;
    };
    say!(
        "mana: a checkpoint at safe point {nth} of rank {}, in {function}",
        point.rank
    );
    // In a function that MPI calls back no thread can be stopped: the checkpoint comes after it.
    if callback::is_running() {
        return;
    }
    wait::for_checkpoint(frame, &request);
}
