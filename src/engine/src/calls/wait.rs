//! The Wait and Test families. All of them can be entered again after a restart: requests that are found complete
//! are only marked so in the table until the call is done, and the application's handles and statuses are written
//! last.

use mana_table::constants as mpi;

use crate::args::Args;
use crate::engine::state;
use crate::error::{Call, MpiError};
use crate::p2p;
use crate::request::{Progress, RequestId};
use crate::status::Completion;
use crate::wait::{self, Patience};

/// The requests of the array behind parameter `i`; `None` where the handle is null.
pub(super) fn requests(
    a: &Args<'_>,
    i: usize,
    len: usize,
) -> Result<Vec<Option<RequestId>>, MpiError> {
    (0..len)
        .map(|index| wait::request_id(a.handle_at(i, index)))
        .collect()
}

/// The length parameter of an array.
pub(super) fn length(a: &Args<'_>, i: usize) -> Result<usize, MpiError> {
    usize::try_from(a.int(i)).map_err(|_| {
        MpiError::new(
            mpi::MPI_ERR_COUNT,
            format!("count {} is negative", a.int(i)),
        )
    })
}

/// Whether the request takes part in Waitany and its like: neither null nor inactive.
fn is_active(id: RequestId) -> bool {
    state()
        .requests
        .get(id)
        .is_some_and(|request| request.progress != Progress::Inactive)
}

/// `MPI_Wait(request, status)`.
pub fn wait(a: &mut Args<'_>) -> Call {
    let Some(id) = wait::request_id(a.handle_at(0, 0))? else {
        return wait::hand_over(a, 1, &Completion::EMPTY);
    };
    wait::wait_for(a, id)?;
    let completion = wait::take_at(a, 0, 0, id);
    wait::hand_over(a, 1, &completion)
}

/// `MPI_Test(request, flag, status)`.
pub fn test(a: &mut Args<'_>) -> Call {
    let Some(id) = wait::request_id(a.handle_at(0, 0))? else {
        a.set_flag(1, true);
        return wait::hand_over(a, 2, &Completion::EMPTY);
    };
    let done = p2p::poll(id)?;
    a.set_flag(1, done);
    if !done {
        return Ok(());
    }
    let completion = wait::take_at(a, 0, 0, id);
    wait::hand_over(a, 2, &completion)
}

/// `MPI_Waitall(count, requests, statuses)`.
pub fn waitall(a: &mut Args<'_>) -> Call {
    let len = length(a, 0)?;
    let ids = requests(a, 1, len)?;
    // In order: while one is waited for, the native library moves the others along too.
    for id in ids.iter().flatten() {
        wait::wait_for(a, *id)?;
    }
    complete_all(a, 1, 2, &ids)
}

/// Whether all requests are complete, null or inactive.
pub(super) fn all_complete(ids: &[Option<RequestId>]) -> Result<bool, MpiError> {
    for id in ids.iter().flatten() {
        if !p2p::poll(*id)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// `MPI_Testall(count, requests, flag, statuses)`.
pub fn testall(a: &mut Args<'_>) -> Call {
    let len = length(a, 0)?;
    let ids = requests(a, 1, len)?;
    let done = all_complete(&ids)?;
    a.set_flag(2, done);
    if !done {
        return Ok(());
    }
    complete_all(a, 1, 3, &ids)
}

/// Hands over every request of the array; `MPI_ERR_IN_STATUS` if one failed (MPI-5.0 section 3.7.5).
fn complete_all(
    a: &mut Args<'_>,
    handles: usize,
    statuses: usize,
    ids: &[Option<RequestId>],
) -> Call {
    let mut failed = 0;
    for (index, id) in ids.iter().enumerate() {
        let completion = id.map_or(Completion::EMPTY, |id| wait::take_at(a, handles, index, id));
        failed += usize::from(completion.error != mpi::MPI_SUCCESS);
        wait::write_status(a, statuses, index, &completion);
    }
    in_status(failed)
}

/// The error of a call whose operations failed one by one.
pub(super) fn in_status(failed: usize) -> Call {
    if failed == 0 {
        return Ok(());
    }
    Err(MpiError::new(
        mpi::MPI_ERR_IN_STATUS,
        format!("{failed} of the operations failed; see the statuses"),
    ))
}

/// Looks for one complete request: its index, or `Err(active)` with the number that are active.
pub(super) fn find_complete(ids: &[Option<RequestId>]) -> Result<Result<usize, usize>, MpiError> {
    let mut active = 0;
    for (index, id) in ids.iter().enumerate() {
        let Some(id) = id.filter(|id| is_active(*id)) else {
            continue;
        };
        active += 1;
        if p2p::poll(id)? {
            return Ok(Ok(index));
        }
    }
    Ok(Err(active))
}

/// `MPI_Waitany(count, requests, index, status)`.
pub fn waitany(a: &mut Args<'_>) -> Call {
    let len = length(a, 0)?;
    let ids = requests(a, 1, len)?;
    let mut patience = Patience::new();
    loop {
        match find_complete(&ids)? {
            Ok(index) => return hand_over_any(a, &ids, index, 2, 3),
            Err(0) => {
                a.set_int(2, i64::from(mpi::MPI_UNDEFINED));
                return wait::hand_over(a, 3, &Completion::EMPTY);
            }
            Err(_) => patience.pause(a),
        }
    }
}

/// `MPI_Testany(count, requests, index, flag, status)`.
pub fn testany(a: &mut Args<'_>) -> Call {
    let len = length(a, 0)?;
    let ids = requests(a, 1, len)?;
    match find_complete(&ids)? {
        Ok(index) => {
            a.set_flag(3, true);
            hand_over_any(a, &ids, index, 2, 4)
        }
        Err(active) => {
            a.set_int(2, i64::from(mpi::MPI_UNDEFINED));
            a.set_flag(3, active == 0);
            if active == 0 {
                wait::hand_over(a, 4, &Completion::EMPTY)
            } else {
                Ok(())
            }
        }
    }
}

/// Hands over the one complete request at `index`.
fn hand_over_any(
    a: &mut Args<'_>,
    ids: &[Option<RequestId>],
    index: usize,
    index_param: usize,
    status_param: usize,
) -> Call {
    let completion = ids[index].map_or(Completion::EMPTY, |id| wait::take_at(a, 1, index, id));
    a.set_int(index_param, index as i64);
    wait::hand_over(a, status_param, &completion)
}

/// All complete requests' indices, or `None` when none is active.
pub(super) fn find_all_complete(ids: &[Option<RequestId>]) -> Result<Option<Vec<usize>>, MpiError> {
    let mut complete = Vec::new();
    let mut active = 0;
    for (index, id) in ids.iter().enumerate() {
        let Some(id) = id.filter(|id| is_active(*id)) else {
            continue;
        };
        active += 1;
        if p2p::poll(id)? {
            complete.push(index);
        }
    }
    Ok((active > 0).then_some(complete))
}

/// `MPI_Waitsome(incount, requests, outcount, indices, statuses)`.
pub fn waitsome(a: &mut Args<'_>) -> Call {
    let len = length(a, 0)?;
    let ids = requests(a, 1, len)?;
    let mut patience = Patience::new();
    loop {
        match find_all_complete(&ids)? {
            Some(complete) if complete.is_empty() => patience.pause(a),
            found => return hand_over_some(a, &ids, found),
        }
    }
}

/// `MPI_Testsome(incount, requests, outcount, indices, statuses)`.
pub fn testsome(a: &mut Args<'_>) -> Call {
    let len = length(a, 0)?;
    let ids = requests(a, 1, len)?;
    let found = find_all_complete(&ids)?;
    hand_over_some(a, &ids, found)
}

/// Hands over the complete requests; `None`: none was active.
fn hand_over_some(a: &mut Args<'_>, ids: &[Option<RequestId>], found: Option<Vec<usize>>) -> Call {
    let Some(complete) = found else {
        a.set_int(2, i64::from(mpi::MPI_UNDEFINED));
        return Ok(());
    };
    a.set_int(2, complete.len() as i64);
    let mut failed = 0;
    for (at, index) in complete.into_iter().enumerate() {
        let completion = ids[index].map_or(Completion::EMPTY, |id| wait::take_at(a, 1, index, id));
        failed += usize::from(completion.error != mpi::MPI_SUCCESS);
        a.set_int_at(3, at, index as i64);
        wait::write_status(a, 4, at, &completion);
    }
    in_status(failed)
}
