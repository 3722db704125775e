//! Requests: what the application holds a handle of, and what a checkpoint keeps of it.
//!
//! ```text
//!            start            native test says done          wait/test hands it over
//!   (new) ----------> Active -----------------------> Done --------------------------> gone (or Inactive: persistent)
//!                      |  checkpoint: a pending receive keeps its arguments and is posted again at restart,
//!                      |  everything else is completed before the cut
//! ```
//!
//! The native request is never visible to the application and is not saved.

use std::sync::atomic::{AtomicU64, Ordering};

use mana_record_replay::handle::{OpHandle, RequestHandle};
use mana_table::FnId;
use serde::{Deserialize, Serialize};

use crate::special::Special;
use crate::status::Completion;

/// A request's virtual handle.
pub type RequestId = RequestHandle;

/// Where a receive puts its message and what it accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiveArgs {
    /// Address of the buffer (upper half, or an address relative to `MPI_BOTTOM`).
    pub buffer: u64,
    /// Elements that fit.
    pub count: i64,
    /// Upper handle of the datatype.
    pub datatype: u64,
    /// Rank, or `MPI_ANY_SOURCE`.
    pub source: i32,
    /// Tag, or `MPI_ANY_TAG`.
    pub tag: i32,
    /// Upper handle of the communicator.
    pub comm: u64,
}

/// The arguments of a send, kept by persistent requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendArgs {
    /// Address of the data.
    pub buffer: u64,
    /// Elements to send.
    pub count: i64,
    /// Upper handle of the datatype.
    pub datatype: u64,
    /// Destination rank.
    pub destination: i32,
    /// Tag.
    pub tag: i32,
    /// Upper handle of the communicator.
    pub comm: u64,
    /// Slot number of the nonblocking function that starts it (`MPI_Isend`, `MPI_Issend` …).
    pub function: u16,
}

impl SendArgs {
    /// The nonblocking function that starts it.
    pub fn function(&self) -> FnId {
        FnId(self.function)
    }
}

/// What an operation on a file reads into or writes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Transfer {
    /// Upper handle of the file.
    pub file: u64,
    /// Address of the buffer.
    pub buffer: u64,
    /// Elements.
    pub count: i64,
    /// Upper handle of the datatype.
    pub datatype: u64,
    /// Whether the file holds another representation of the data.
    pub converts: bool,
    /// Whether it goes to the file.
    pub writes: bool,
}

/// The next number for [`Request::started`].
fn next_start() -> u64 {
    static STARTED: AtomicU64 = AtomicU64::new(1);
    STARTED.fetch_add(1, Ordering::Relaxed)
}

/// What a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A send.
    Send(SendArgs),
    /// A receive.
    Receive(ReceiveArgs),
    /// The receive of a matched message (`MPI_Imrecv`).
    MatchedReceive,
    /// A nonblocking collective operation.
    Collective,
    /// `MPI_Comm_idup`: the communicator (upper handle) becomes usable on completion.
    CommDup(u64),
    /// Nothing native stands for it: [`Request::special`] says what it is.
    Special,
    /// One-sided communication with a request (`MPI_Rput` …).
    Rma,
    /// Reads or writes a file.
    File(Transfer),
}

impl Kind {
    /// What the application sees of a completion: of one-sided communication only whether it failed (MPI-5.0 section
    /// 12.3.5).
    pub fn shown(&self, completion: Completion) -> Completion {
        match self {
            Self::Rma => Completion {
                error: completion.error,
                ..Completion::EMPTY
            },
            _ => completion,
        }
    }
}

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Progress {
    /// Persistent and not started.
    Inactive,
    /// Started; the native library (or the unexpected queue) will complete it.
    Active,
    /// Complete, not yet handed to the application.
    Done(Completion),
}

/// One request.
#[derive(Debug, Serialize, Deserialize)]
pub struct Request {
    /// What it is about.
    pub kind: Kind,
    /// Where it stands.
    pub progress: Progress,
    /// Whether it survives completion (`MPI_Send_init`, `MPI_Recv_init` …).
    pub persistent: bool,
    /// Whether the application gave its handle back (`MPI_Request_free`) while it was active.
    pub orphan: bool,
    /// When it was started, in the order of all starts: receives are posted again in this order.
    pub started: u64,
    /// The user operation that a collective applies.
    pub op: Option<OpHandle>,
    /// What the engine itself does for it.
    #[serde(default)]
    pub special: Option<Box<Special>>,
    /// The application asked to cancel it, and the native library has not said what comes of that. It does before the cut.
    #[serde(skip)]
    pub cancelling: bool,
    /// The native request while active.
    #[serde(skip)]
    pub native: Option<u64>,
    /// Arrays the native library reads until completion (translated handles, narrowed counts).
    #[serde(skip)]
    pub keep: Vec<Vec<u64>>,
}

impl Request {
    /// An active request that `native` stands for.
    pub fn active(kind: Kind, native: u64) -> Self {
        Self {
            kind,
            progress: Progress::Active,
            persistent: false,
            orphan: false,
            started: next_start(),
            op: None,
            special: None,
            cancelling: false,
            native: Some(native),
            keep: Vec::new(),
        }
    }

    /// A request that is complete already.
    pub fn done(kind: Kind, completion: Completion) -> Self {
        Self {
            kind,
            progress: Progress::Done(completion),
            persistent: false,
            orphan: false,
            started: 0,
            op: None,
            special: None,
            cancelling: false,
            native: None,
            keep: Vec::new(),
        }
    }

    /// A request that is what `special` says, in state `progress`.
    pub fn special(special: Special, progress: Progress, persistent: bool) -> Self {
        Self {
            progress,
            persistent,
            special: Some(Box::new(special)),
            ..Self::done(Kind::Special, Completion::EMPTY)
        }
    }

    /// A persistent request that has not been started.
    pub fn persistent(kind: Kind) -> Self {
        Self {
            kind,
            progress: Progress::Inactive,
            persistent: true,
            orphan: false,
            started: 0,
            op: None,
            special: None,
            cancelling: false,
            native: None,
            keep: Vec::new(),
        }
    }
}
