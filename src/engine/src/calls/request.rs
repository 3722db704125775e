//! Looking at requests without completing them (MPI-5.0 sections 3.7.6): what the Test family does, but the handles and
//! the requests stay as they are.

use mana_table::constants as mpi;

use super::wait::{all_complete, find_all_complete, find_complete, in_status, length};
use crate::args::Args;
use crate::engine::state;
use crate::error::Call;
use crate::request::Progress;
use crate::status::Completion;
use crate::watch::{self, Watched};
use crate::{grequest, wait};

/// Keeps in the table what was found of requests that stay where they are.
fn settle(all: &mut [Option<Watched>]) {
    all.iter_mut().flatten().for_each(Watched::settle);
}

/// The completion of a request that was found complete, and settled; the empty one for a null or inactive one.
fn completion(watched: Option<&Watched>) -> Completion {
    if let Some(reported) = watched.and_then(|watched| grequest::query(watched.id())) {
        return reported;
    }
    let state = state();
    match watched
        .and_then(|watched| state.requests.get(watched.id()))
        .map(|request| request.progress)
    {
        Some(Progress::Done(completion)) => completion,
        _ => Completion::EMPTY,
    }
}

/// `MPI_Request_get_status(request, flag, status)`.
pub fn request_get_status(a: &mut Args<'_>) -> Call {
    let mut watched = watch::request(a.raw(0))?;
    let done = watched.as_mut().map_or(Ok(true), Watched::poll)?;
    settle(std::slice::from_mut(&mut watched));
    a.set_flag(1, done);
    match (done, &watched) {
        (false, _) => Ok(()),
        (true, None) => wait::hand_over_empty(a, 2),
        (true, Some(_)) => wait::hand_over(a, 2, &completion(watched.as_ref())),
    }
}

/// `MPI_Request_get_status_all(count, requests, flag, statuses)`.
pub fn request_get_status_all(a: &mut Args<'_>) -> Call {
    let len = length(a, 0)?;
    let mut all = watch::requests(a, 1, len)?;
    let done = all_complete(&mut all)?;
    a.set_flag(2, done);
    if !done {
        return Ok(());
    }
    settle(&mut all);
    let mut failed = 0;
    for (index, watched) in all.iter().enumerate() {
        let completion = completion(watched.as_ref());
        failed += usize::from(completion.error != mpi::MPI_SUCCESS);
        wait::write_status(a, 3, index, &completion);
    }
    in_status(failed)
}

/// `MPI_Request_get_status_any(count, requests, index, flag, status)`.
pub fn request_get_status_any(a: &mut Args<'_>) -> Call {
    let len = length(a, 0)?;
    let mut all = watch::requests(a, 1, len)?;
    let found = find_complete(&mut all)?;
    settle(&mut all);
    let active = match found {
        Ok(index) => {
            a.set_int(2, index as i64);
            a.set_flag(3, true);
            return wait::hand_over(a, 4, &completion(all[index].as_ref()));
        }
        Err(active) => active,
    };
    a.set_int(2, i64::from(mpi::MPI_UNDEFINED));
    a.set_flag(3, active == 0);
    if active == 0 {
        wait::hand_over_empty(a, 4)
    } else {
        Ok(())
    }
}

/// `MPI_Request_get_status_some(incount, requests, outcount, indices, statuses)`.
pub fn request_get_status_some(a: &mut Args<'_>) -> Call {
    let len = length(a, 0)?;
    let mut all = watch::requests(a, 1, len)?;
    let found = find_all_complete(&mut all)?;
    settle(&mut all);
    let Some(complete) = found else {
        a.set_int(2, i64::from(mpi::MPI_UNDEFINED));
        return Ok(());
    };
    a.set_int(2, complete.len() as i64);
    let mut failed = 0;
    for (at, index) in complete.into_iter().enumerate() {
        let completion = completion(all[index].as_ref());
        failed += usize::from(completion.error != mpi::MPI_SUCCESS);
        a.set_int_at(3, at, index as i64);
        wait::write_status(a, 4, at, &completion);
    }
    in_status(failed)
}
