//! Looking at requests without completing them (MPI-5.0 sections 3.7.6): what the Test family does, but the handles and
//! the requests stay as they are.

use mana_table::constants as mpi;

use super::wait::{all_complete, find_all_complete, find_complete, in_status, length, requests};
use crate::args::Args;
use crate::engine::state;
use crate::error::Call;
use crate::p2p;
use crate::request::{Progress, RequestId};
use crate::status::Completion;
use crate::{grequest, wait};

/// The completion of a request that was found complete; the empty one for a null or inactive one.
fn completion(id: Option<RequestId>) -> Completion {
    if let Some(reported) = id.and_then(grequest::query) {
        return reported;
    }
    let state = state();
    match id
        .and_then(|id| state.requests.get(id))
        .map(|request| request.progress)
    {
        Some(Progress::Done(completion)) => completion,
        _ => Completion::EMPTY,
    }
}

/// `MPI_Request_get_status(request, flag, status)`.
pub fn request_get_status(a: &mut Args<'_>) -> Call {
    let id = wait::request_id(a.raw(0))?;
    let done = id.map_or(Ok(true), p2p::poll)?;
    a.set_flag(1, done);
    if done {
        wait::hand_over(a, 2, &completion(id))
    } else {
        Ok(())
    }
}

/// `MPI_Request_get_status_all(count, requests, flag, statuses)`.
pub fn request_get_status_all(a: &mut Args<'_>) -> Call {
    let len = length(a, 0)?;
    let ids = requests(a, 1, len)?;
    let done = all_complete(&ids)?;
    a.set_flag(2, done);
    if !done {
        return Ok(());
    }
    let mut failed = 0;
    for (index, id) in ids.iter().enumerate() {
        let completion = completion(*id);
        failed += usize::from(completion.error != mpi::MPI_SUCCESS);
        wait::write_status(a, 3, index, &completion);
    }
    in_status(failed)
}

/// `MPI_Request_get_status_any(count, requests, index, flag, status)`.
pub fn request_get_status_any(a: &mut Args<'_>) -> Call {
    let len = length(a, 0)?;
    let ids = requests(a, 1, len)?;
    let (index, flag, completion) = match find_complete(&ids)? {
        Ok(index) => (index as i64, true, completion(ids[index])),
        Err(active) => (
            i64::from(mpi::MPI_UNDEFINED),
            active == 0,
            Completion::EMPTY,
        ),
    };
    a.set_int(2, index);
    a.set_flag(3, flag);
    if flag {
        wait::hand_over(a, 4, &completion)
    } else {
        Ok(())
    }
}

/// `MPI_Request_get_status_some(incount, requests, outcount, indices, statuses)`.
pub fn request_get_status_some(a: &mut Args<'_>) -> Call {
    let len = length(a, 0)?;
    let ids = requests(a, 1, len)?;
    let Some(complete) = find_all_complete(&ids)? else {
        a.set_int(2, i64::from(mpi::MPI_UNDEFINED));
        return Ok(());
    };
    a.set_int(2, complete.len() as i64);
    let mut failed = 0;
    for (at, index) in complete.into_iter().enumerate() {
        let completion = completion(ids[index]);
        failed += usize::from(completion.error != mpi::MPI_SUCCESS);
        a.set_int_at(3, at, index as i64);
        wait::write_status(a, 4, at, &completion);
    }
    in_status(failed)
}
