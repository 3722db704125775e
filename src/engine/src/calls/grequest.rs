//! Generalized requests (MPI-5.0 section 13.2); see `crate::grequest`.

use mana_table::constants as mpi;

use super::p2p::hand_out;
use crate::args::Args;
use crate::error::{Call, MpiError};
use crate::grequest::{self, Generalized};
use crate::request::{Progress, Request};
use crate::special::Special;
use crate::wait;

/// `MPI_Grequest_start(query_fn, free_fn, cancel_fn, extra_state, request)`.
pub fn grequest_start(a: &mut Args<'_>) -> Call {
    let functions = Special::Generalized(Generalized {
        query: a.raw(0),
        free: a.raw(1),
        cancel: a.raw(2),
        extra_state: a.raw(3),
    });
    hand_out(a, 4, Request::special(functions, Progress::Active, false))
}

/// `MPI_Grequest_complete(request)`.
pub fn grequest_complete(a: &mut Args<'_>) -> Call {
    let id = wait::request_id(a.raw(0))?.ok_or_else(|| {
        MpiError::new(mpi::MPI_ERR_REQUEST, "MPI_REQUEST_NULL cannot be completed")
    })?;
    grequest::complete(id)
}
