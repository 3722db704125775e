//! Requests as the Wait and Test families see them: looked up once, then tested natively without the engine's lock.
//!
//! ```text
//!   handle --lookup (lock)--> Native(n) --MPI_Test--> Found(completion) --take (lock)--> handed over
//!                                |                        |
//!                                +---- settle, before a safe point: what was found is recorded, and from there on
//!                                      the table is asked, because a cut tests pending requests by itself
//! ```
//!
//! Invariant: what is `Found` here is not in the table yet, so nothing may park between [`Watched::poll`] and
//! [`Watched::take`] or [`Watched::settle`].

use mana_record_replay::handle::Handle;
use mana_table::constants as mpi;

use crate::args::Args;
use crate::engine::{State, StateGuard, native, state};
use crate::error::MpiError;
use crate::request::{Kind, Progress, Request, RequestId};
use crate::status::Completion;
use crate::wait::{self, Patience};
use crate::{cut, p2p};

/// What is known of a request.
#[derive(Debug, Clone, Copy)]
enum Seen {
    /// Persistent, and not started.
    Inactive,
    /// Under way below: the native request.
    Native(u64),
    /// Complete, and not recorded yet.
    Found(Completion),
    /// The table knows.
    Table,
}

/// A request that a call waits for or tests.
#[derive(Debug)]
pub struct Watched {
    id: RequestId,
    seen: Seen,
}

impl Kind {
    /// Whether the completion of the native request is all there is to the completion of the operation.
    fn is_plain(&self) -> bool {
        matches!(
            self,
            Self::Send(_) | Self::Receive(_) | Self::MatchedReceive | Self::Collective | Self::Rma
        )
    }
}

impl Seen {
    fn of(request: &Request) -> Self {
        match (request.progress, request.native) {
            (Progress::Inactive, _) => Self::Inactive,
            (Progress::Active, Some(native)) if request.kind.is_plain() => Self::Native(native),
            _ => Self::Table,
        }
    }
}

impl Watched {
    /// The request behind an upper handle; `None` for `MPI_REQUEST_NULL`.
    pub fn lookup(state: &State, handle: u64) -> Result<Option<Self>, MpiError> {
        if handle == mpi::MPI_REQUEST_NULL {
            return Ok(None);
        }
        let bad = || MpiError::bad_handle(mpi::MPI_ERR_REQUEST, "request", handle);
        let id: RequestId = Handle::from_word(handle).map_err(|_| bad())?;
        let seen = Seen::of(state.requests.get(id).ok_or_else(bad)?);
        Ok(Some(Self { id, seen }))
    }

    /// The request's virtual handle.
    pub fn id(&self) -> RequestId {
        self.id
    }

    /// Whether the request takes part in `MPI_Waitany` and its like: an inactive one does not.
    pub fn is_active(&self) -> bool {
        !matches!(self.seen, Seen::Inactive)
    }

    /// Whether the request is complete (or inactive); asks the library below if need be.
    pub fn poll(&mut self) -> Result<bool, MpiError> {
        match &mut self.seen {
            Seen::Inactive | Seen::Found(_) => Ok(true),
            Seen::Table => p2p::poll(self.id),
            Seen::Native(request) => {
                let Some(completion) = p2p::test_native(native()?, request)? else {
                    return Ok(false);
                };
                self.seen = Seen::Found(completion);
                Ok(true)
            }
        }
    }

    /// Leaves what is known in the table: from here on a checkpoint may be taken.
    pub fn settle(&mut self) {
        if let Seen::Found(completion) = self.seen {
            p2p::record_completion(&mut state(), self.id, completion);
        }
        if self.is_active() {
            self.seen = Seen::Table;
        }
    }

    /// Takes the completion of a complete request, and says whether the request is gone: a persistent one becomes
    /// inactive instead.
    ///
    /// `locked` is the state's lock if the caller holds it already. It is given up where functions of the application may
    /// be called.
    pub fn take(&self, locked: &mut Option<StateGuard>) -> (Completion, bool) {
        let Seen::Found(completion) = self.seen else {
            *locked = None;
            return wait::take_whole(self.id);
        };
        let state = locked.get_or_insert_with(state);
        p2p::record_completion(state, self.id, completion);
        wait::take_from(state, self.id)
    }
}

/// The requests of the handle array behind parameter `i`; `None` where the handle is null.
pub fn requests(a: &Args<'_>, i: usize, len: usize) -> Result<Vec<Option<Watched>>, MpiError> {
    let state = state();
    (0..len)
        .map(|index| Watched::lookup(&state, a.handle_at(i, index)))
        .collect()
}

/// The request of a handle argument.
pub fn request(handle: u64) -> Result<Option<Watched>, MpiError> {
    if handle == mpi::MPI_REQUEST_NULL {
        return Ok(None);
    }
    Watched::lookup(&state(), handle)
}

/// Lets the cut have its say while `watched` are waited for, and others the core.
pub fn pause<'w>(
    a: &mut Args<'_>,
    patience: &mut Patience,
    watched: impl Iterator<Item = &'w mut Watched>,
) {
    if cut::pending() {
        watched.for_each(Watched::settle);
        cut::safe_point(a.frame());
    }
    patience.breathe();
}
