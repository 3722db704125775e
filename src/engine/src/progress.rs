//! What an interrupted call had already started.
//!
//! A call that is interrupted by a checkpoint is entered again after the restart with the same arguments. If it had
//! started something by then that must not be started twice, it leaves a record here, under the upper thread's FS
//! base (which survives a restart). Records exist only while a checkpoint is coming up or has just been restored, so
//! the normal path pays one load.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};

use crate::args::Args;
use crate::engine::state;
use crate::request::RequestId;

/// What a call had started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CallProgress {
    /// One request, to be waited for (`MPI_Recv`).
    One(RequestId),
    /// Two requests (`MPI_Sendrecv`); the first one's completion is the call's.
    Two(RequestId, RequestId),
    /// A checkpoint was asked for (`mana_checkpoint`): whoever finds this was restarted from it.
    Checkpoint,
    /// This leader of an `MPI_Intercomm_create` has told the other one of its side.
    Greeted,
    /// An `MPI_Startall` has started so many of its requests.
    Started(u64),
    /// An `MPI_Intercomm_create` knows the other side.
    Met(Side),
}

/// One side of an intercommunicator in the making, as its leader tells the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Side {
    /// Global id of the side's communicator.
    pub gid: u64,
    /// Which constructor call on that communicator this is.
    pub ordinal: u64,
    /// Its processes.
    pub members: u64,
}

/// A record found at entry: the call goes on from it instead of starting anew.
pub struct Resumed(pub CallProgress);

/// Records by the upper thread's FS base.
pub type Records = HashMap<u64, CallProgress>;

/// How many records exist.
static RECORDS: AtomicUsize = AtomicUsize::new(0);

/// Tells how many records a restored state holds.
pub fn restored(records: &Records) {
    RECORDS.store(records.len(), Ordering::Relaxed);
}

/// The record that this thread's call left behind, if it is a call that a restart entered again.
pub fn resume(_a: &Args<'_>) -> Option<Resumed> {
    if RECORDS.load(Ordering::Relaxed) == 0 {
        return None;
    }
    state()
        .records
        .get(&crate::thread_fs())
        .copied()
        .map(Resumed)
}

/// Leaves a record.
pub fn record(_a: &Args<'_>, progress: CallProgress) {
    if state()
        .records
        .insert(crate::thread_fs(), progress)
        .is_none()
    {
        RECORDS.fetch_add(1, Ordering::Relaxed);
    }
}

/// Removes this thread's record.
pub fn clear(_a: &Args<'_>) {
    if state().records.remove(&crate::thread_fs()).is_some() {
        RECORDS.fetch_sub(1, Ordering::Relaxed);
    }
}
