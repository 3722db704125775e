//! Generalized requests (MPI-5.0 section 13.2): the application does the work and says when it is done.
//!
//! ```text
//!   MPI_Grequest_start   active; a checkpoint keeps the three functions and their argument
//!   MPI_Grequest_complete -> done    wait or test: query_fn fills the status, free_fn, gone
//!   MPI_Request_get_status           query_fn only
//!   MPI_Request_free                 free_fn, now or when it is complete
//! ```
//!
//! The functions run with no lock held: they may call MPI. What one returns is the error of the operation.

use mana_record_replay::address::UpperAddress;
use mana_table::constants as mpi;
use serde::{Deserialize, Serialize};

use crate::callback;
use crate::engine::{State, state};
use crate::error::{Call, MpiError};
use crate::request::{Progress, RequestId};
use crate::special::Special;
use crate::status::Completion;

/// The application's functions and their argument.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Generalized {
    /// `query_fn(extra_state, status)`.
    pub query: u64,
    /// `free_fn(extra_state)`.
    pub free: u64,
    /// `cancel_fn(extra_state, complete)`.
    pub cancel: u64,
    /// What all three are given.
    pub extra_state: u64,
}

impl State {
    /// The functions of request `id` if it is a generalized one, and whether it is complete.
    pub fn generalized(&self, id: RequestId) -> Option<(Generalized, bool)> {
        let request = self.requests.get(id)?;
        match request.special.as_deref()? {
            Special::Generalized(functions) => {
                Some((*functions, matches!(request.progress, Progress::Done(_))))
            }
            _ => None,
        }
    }
}

impl Generalized {
    /// The status that the application reports.
    fn query(&self) -> Completion {
        let mut words = Completion::EMPTY.words();
        let code = callback::status(
            UpperAddress(self.query),
            &[self.extra_state, words.as_mut_ptr() as u64],
        );
        Completion {
            error: code,
            ..Completion::from_words(words)
        }
    }

    /// The application lets go of what the request is about; returns its error code.
    fn free(&self) -> i32 {
        callback::status(UpperAddress(self.free), &[self.extra_state])
    }
}

/// The status of generalized request `id` if it is complete, for a call that leaves it as it is.
pub fn query(id: RequestId) -> Option<Completion> {
    let (functions, complete) = state().generalized(id)?;
    complete.then(|| functions.query())
}

/// A wait or test hands complete generalized request `id` over: it is gone afterwards. The error is that of the function
/// called last.
pub fn finish(id: RequestId, functions: &Generalized) -> Completion {
    let mut completion = functions.query();
    let code = functions.free();
    if code != mpi::MPI_SUCCESS || completion.error == mpi::MPI_SUCCESS {
        completion.error = code;
    }
    state().remove_request(id);
    completion
}

/// `MPI_Grequest_complete`.
pub fn complete(id: RequestId) -> Call {
    let (functions, freed) = {
        let mut state = state();
        let Some((functions, complete)) = state.generalized(id) else {
            return Err(MpiError::new(
                mpi::MPI_ERR_REQUEST,
                "the request is not a generalized one",
            ));
        };
        if complete {
            return Err(MpiError::new(
                mpi::MPI_ERR_REQUEST,
                "the generalized request is complete already",
            ));
        }
        state.complete(id, Completion::EMPTY);
        let freed = state.requests.get(id).is_some_and(|request| request.orphan);
        (functions, freed)
    };
    if freed {
        release(id, &functions)
    } else {
        Ok(())
    }
}

/// `MPI_Request_free`: the entry stays until the application says that the operation is complete.
pub fn give_back(id: RequestId, functions: &Generalized, complete: bool) -> Call {
    if complete {
        return release(id, functions);
    }
    if let Some(request) = state().requests.get_mut(id) {
        request.orphan = true;
    }
    Ok(())
}

/// Ends a request that nobody waits for.
fn release(id: RequestId, functions: &Generalized) -> Call {
    let code = functions.free();
    state().remove_request(id);
    function_failed(code)
}

/// `MPI_Cancel`: the application decides what that means.
pub fn cancel(functions: &Generalized, complete: bool) -> Call {
    function_failed(callback::status(
        UpperAddress(functions.cancel),
        &[functions.extra_state, u64::from(complete)],
    ))
}

/// The error that a function of the application returned.
fn function_failed(code: i32) -> Call {
    if code == mpi::MPI_SUCCESS {
        return Ok(());
    }
    Err(MpiError::new(
        code,
        "a function of the generalized request failed",
    ))
}
