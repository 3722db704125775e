//! Requests: what was started, in which order, and how it ended.
//!
//! ```text
//!              start                        native completion                wait, test
//!   Inactive ─────────> Active { posted } ───────────────────> Complete ────────────────> gone
//!      ^                  at a cut: receives only;                 │                       persistent: Inactive
//!      └───────────────── sends have completed ────────────────────┴──────────────────────────────┘
//! ```
//!
//! A cut leaves pending receives only: they are posted again after a restart in the order of `posted`, which is the order in
//! which they match messages (MPI 4.1 section 3.5). A request that completed before the application asked keeps its status.

use serde::{Deserialize, Serialize};

use crate::address::UpperAddress;
use crate::error::ObjectError;
use crate::handle::{CommHandle, DatatypeHandle, RequestHandle, kind};
use crate::status::Status;
use crate::table::Table;

/// The arguments of a point-to-point call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Transfer {
    /// Where the data is or goes.
    pub buffer: UpperAddress,
    /// Number of elements.
    pub count: i64,
    /// Their type; the request holds it.
    pub datatype: DatatypeHandle,
    /// Destination, or source (which may be MPI_ANY_SOURCE).
    pub peer: i32,
    /// Tag (of a receive it may be MPI_ANY_TAG).
    pub tag: i32,
    /// Communicator; the request holds it.
    pub comm: CommHandle,
}

/// The modes of a send (MPI 4.1 section 3.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum SendMode {
    /// `MPI_Send`.
    Standard,
    /// `MPI_Bsend`.
    Buffered,
    /// `MPI_Ssend`.
    Synchronous,
    /// `MPI_Rsend`.
    Ready,
}

/// What a request does.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Operation {
    /// A send.
    Send(SendMode, Transfer),
    /// A receive.
    Receive(Transfer),
    /// `MPI_Imrecv` of a matched message.
    MatchedReceive {
        /// Where it goes; `peer` and `tag` are those of the message.
        transfer: Transfer,
    },
    /// A nonblocking or persistent collective. For the latter, `call` makes it again after a restart.
    Collective {
        /// Its communicator; the request holds it.
        comm: CommHandle,
        /// The `_init` call; None for a nonblocking one, which a cut completes.
        call: Option<RecordedCall>,
    },
    /// `MPI_Grequest_start`.
    Generalized {
        /// The application's query function.
        query: UpperAddress,
        /// The application's free function.
        free: UpperAddress,
        /// The application's cancel function.
        cancel: UpperAddress,
        /// Passed to all three.
        extra_state: u64,
    },
    /// Input or output; a cut completes it.
    Io,
    /// One-sided communication; a cut completes it.
    Rma,
}

/// A call of a persistent collective: its slot in the function table and its arguments, arrays copied, because the application
/// may change its arrays after the call (MPI 4.1 section 6.13).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RecordedCall {
    /// The function's slot.
    pub slot: u16,
    /// Its arguments in order.
    pub arguments: Vec<RecordedArgument>,
}

/// An argument of a recorded call.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum RecordedArgument {
    /// By value: an integer, an address, or a virtual handle.
    Word(u64),
    /// An array of counts, displacements or virtual handles.
    Array(Vec<i64>),
}

/// Where a request is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum RequestState {
    /// Persistent, and not started.
    Inactive,
    /// Started.
    Active {
        /// Grows with each start on this rank.
        posted: u64,
    },
    /// Ended; the application has not been told.
    Complete(Status),
}

/// A request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Request {
    /// What it does.
    pub operation: Operation,
    /// Whether it can be started again.
    pub persistent: bool,
    /// Where it is.
    pub state: RequestState,
    /// `MPI_Request_free` was called while it was active: it goes when it ends, and no one is told.
    pub freed: bool,
    /// `MPI_Cancel` was called.
    pub cancel_asked: bool,
}

/// The requests of a rank.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Requests {
    table: Table<kind::Request, Request>,
    next_posted: u64,
}

impl Requests {
    /// Adds a nonblocking operation that is being started.
    ///
    /// # Errors
    /// [`ObjectError::TableFull`].
    pub fn start_new(&mut self, operation: Operation) -> Result<RequestHandle, ObjectError> {
        let posted = self.next_posted;
        self.next_posted += 1;
        let state = RequestState::Active { posted };
        self.table.insert(Request {
            operation,
            persistent: false,
            state,
            freed: false,
            cancel_asked: false,
        })
    }

    /// Adds a persistent request, inactive.
    ///
    /// # Errors
    /// [`ObjectError::TableFull`].
    pub fn init(&mut self, operation: Operation) -> Result<RequestHandle, ObjectError> {
        let state = RequestState::Inactive;
        self.table.insert(Request {
            operation,
            persistent: true,
            state,
            freed: false,
            cancel_asked: false,
        })
    }

    /// `MPI_Start`.
    ///
    /// # Errors
    /// [`ObjectError::DeadHandle`]; [`ObjectError::RequestState`] when it is not persistent or is active.
    pub fn start(&mut self, handle: RequestHandle) -> Result<(), ObjectError> {
        let posted = self.next_posted;
        let request = self.table.get_mut(handle).filter(|request| !request.freed);
        let request = request.ok_or_else(|| ObjectError::dead(handle))?;
        let problem = match request.state {
            _ if !request.persistent => "is not persistent and cannot be started",
            RequestState::Inactive => {
                request.state = RequestState::Active { posted };
                request.cancel_asked = false;
                self.next_posted += 1;
                return Ok(());
            }
            _ => "is active already",
        };
        Err(ObjectError::RequestState {
            word: handle.word(),
            problem,
        })
    }

    /// The operation ended natively. A request that was freed goes, and is returned.
    ///
    /// # Errors
    /// [`ObjectError::DeadHandle`]; [`ObjectError::RequestState`] when it is not active.
    pub fn complete(
        &mut self,
        handle: RequestHandle,
        status: Status,
    ) -> Result<Option<Request>, ObjectError> {
        let request = self.table.require_mut(handle)?;
        if !matches!(request.state, RequestState::Active { .. }) {
            return Err(ObjectError::RequestState {
                word: handle.word(),
                problem: "is not active and cannot complete",
            });
        }
        request.state = RequestState::Complete(status);
        let gone = request.freed;
        Ok(if gone {
            self.table.remove(handle)
        } else {
            None
        })
    }

    /// A wait or test tells the application that the request ended: a persistent one becomes inactive, another goes and is
    /// returned, so that the caller lets go of what it held.
    ///
    /// # Errors
    /// [`ObjectError::DeadHandle`].
    pub fn retire(&mut self, handle: RequestHandle) -> Result<Option<Request>, ObjectError> {
        let request = self.table.require_mut(handle)?;
        if request.persistent {
            request.state = RequestState::Inactive;
            return Ok(None);
        }
        Ok(self.table.remove(handle))
    }

    /// `MPI_Request_free`: goes now and is returned, or when it ends if it is active.
    ///
    /// # Errors
    /// [`ObjectError::DeadHandle`].
    pub fn free(&mut self, handle: RequestHandle) -> Result<Option<Request>, ObjectError> {
        let request = self.table.get_mut(handle).filter(|request| !request.freed);
        let request = request.ok_or_else(|| ObjectError::dead(handle))?;
        if matches!(request.state, RequestState::Active { .. }) {
            request.freed = true;
            return Ok(None);
        }
        Ok(self.table.remove(handle))
    }

    /// The request as the application sees it.
    ///
    /// # Errors
    /// [`ObjectError::DeadHandle`] also for one that it freed.
    #[inline]
    pub fn get(&self, handle: RequestHandle) -> Result<&Request, ObjectError> {
        self.table
            .get(handle)
            .filter(|request| !request.freed)
            .ok_or_else(|| ObjectError::dead(handle))
    }

    /// As [`Requests::get`], to change it.
    ///
    /// # Errors
    /// As [`Requests::get`].
    #[inline]
    pub fn get_mut(&mut self, handle: RequestHandle) -> Result<&mut Request, ObjectError> {
        self.table
            .get_mut(handle)
            .filter(|request| !request.freed)
            .ok_or_else(|| ObjectError::dead(handle))
    }

    /// The request, freed or not.
    #[must_use]
    pub fn get_any(&self, handle: RequestHandle) -> Option<&Request> {
        self.table.get(handle)
    }

    /// The active requests, freed ones among them, in the order in which they were started.
    #[must_use]
    pub fn active(&self) -> Vec<(RequestHandle, &Request)> {
        let posted = |request: &Request| match request.state {
            RequestState::Active { posted } => Some(posted),
            _ => None,
        };
        let mut active: Vec<_> = self
            .table
            .iter()
            .filter_map(|(handle, request)| Some((posted(request)?, handle, request)))
            .collect();
        active.sort_unstable_by_key(|(posted, ..)| *posted);
        active
            .into_iter()
            .map(|(_, handle, request)| (handle, request))
            .collect()
    }

    /// All requests in the order of their creation.
    #[must_use]
    pub fn all(&self) -> Vec<(RequestHandle, &Request)> {
        self.table.by_birth()
    }

    /// Number of requests alive.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether none is alive.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comm::COMM_WORLD;

    fn receive(tag: i32) -> Operation {
        let (buffer, datatype) = (
            UpperAddress(0x2000_0000_0000),
            DatatypeHandle::predefined(0x247),
        );
        Operation::Receive(Transfer {
            buffer,
            count: 1,
            datatype,
            peer: 0,
            tag,
            comm: COMM_WORLD,
        })
    }

    #[test]
    fn receives_stay_in_posting_order_whatever_their_slots() {
        let mut requests = Requests::default();
        let persistent = requests.init(receive(0)).unwrap();
        let first = requests.start_new(receive(1)).unwrap();
        requests.start(persistent).unwrap();
        let last = requests.start_new(receive(2)).unwrap();
        let order: Vec<_> = requests
            .active()
            .into_iter()
            .map(|(handle, _)| handle)
            .collect();
        assert_eq!(order, [first, persistent, last]);
    }

    #[test]
    fn a_persistent_request_lives_through_completions() {
        let mut requests = Requests::default();
        let handle = requests.init(receive(0)).unwrap();
        assert!(requests.complete(handle, Status::EMPTY).is_err());
        for _ in 0..3 {
            requests.start(handle).unwrap();
            assert!(requests.start(handle).is_err());
            assert_eq!(requests.complete(handle, Status::EMPTY), Ok(None));
            assert_eq!(requests.retire(handle), Ok(None));
        }
        assert!(requests.free(handle).unwrap().is_some());
        assert!(requests.start(handle).is_err());
    }

    #[test]
    fn a_request_freed_while_active_goes_when_it_ends() {
        let mut requests = Requests::default();
        let handle = requests.start_new(receive(0)).unwrap();
        assert_eq!(requests.free(handle), Ok(None));
        assert!(requests.get(handle).is_err());
        assert!(requests.free(handle).is_err());
        assert_eq!(requests.active().len(), 1);
        assert!(requests.complete(handle, Status::EMPTY).unwrap().is_some());
        assert!(requests.is_empty());
    }

    #[test]
    fn only_persistent_requests_are_started_again() {
        let mut requests = Requests::default();
        let handle = requests.start_new(receive(0)).unwrap();
        assert!(requests.start(handle).is_err());
        requests.complete(handle, Status::EMPTY).unwrap();
        assert!(requests.retire(handle).unwrap().is_some());
        assert!(requests.get(handle).is_err());
    }
}
