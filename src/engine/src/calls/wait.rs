//! The Wait and Test families. All of them can be entered again after a restart: requests that are found complete
//! are only marked so in the table until the call is done, and the application's handles and statuses are written
//! last.

use mana_table::constants as mpi;

use crate::args::Args;
use crate::engine::StateGuard;
use crate::error::{Call, MpiError};
use crate::status::Completion;
use crate::wait::{self, Patience};
use crate::watch::{self, Watched};

/// The length parameter of an array.
pub(super) fn length(a: &Args<'_>, i: usize) -> Result<usize, MpiError> {
    usize::try_from(a.int(i)).map_err(|_| {
        MpiError::new(
            mpi::MPI_ERR_COUNT,
            format!("count {} is negative", a.int(i)),
        )
    })
}

/// Takes the completion of the request in element `index` of handle array `i`, and nulls the handle if the request is
/// gone.
///
/// `locked` holds the state's lock over the elements of an array, as far as that is allowed.
fn take_at(
    a: &mut Args<'_>,
    locked: &mut Option<StateGuard>,
    i: usize,
    index: usize,
    watched: &Watched,
) -> Completion {
    let (completion, gone) = watched.take(locked);
    if gone {
        a.set_handle_at(i, index, mpi::MPI_REQUEST_NULL);
    }
    completion
}

/// Hands over the one request of a call: its handle in parameter `i`, its status in `status`.
fn hand_over_one(a: &mut Args<'_>, i: usize, status: usize, watched: &Watched) -> Call {
    let completion = take_at(a, &mut None, i, 0, watched);
    wait::hand_over(a, status, &completion)
}

/// `MPI_Wait(request, status)`.
pub fn wait(a: &mut Args<'_>) -> Call {
    let Some(mut watched) = watch::request(a.handle_at(0, 0))? else {
        return wait::hand_over_empty(a, 1);
    };
    let mut patience = Patience::new();
    while !watched.poll()? {
        watch::pause(a, &mut patience, std::iter::once(&mut watched));
    }
    hand_over_one(a, 0, 1, &watched)
}

/// `MPI_Test(request, flag, status)`.
pub fn test(a: &mut Args<'_>) -> Call {
    let Some(mut watched) = watch::request(a.handle_at(0, 0))? else {
        a.set_flag(1, true);
        return wait::hand_over_empty(a, 2);
    };
    let done = watched.poll()?;
    a.set_flag(1, done);
    if done {
        hand_over_one(a, 0, 2, &watched)
    } else {
        Ok(())
    }
}

/// `MPI_Waitall(count, requests, statuses)`.
pub fn waitall(a: &mut Args<'_>) -> Call {
    let len = length(a, 0)?;
    let mut all = watch::requests(a, 1, len)?;
    let mut patience = Patience::new();
    // In order: while one is waited for, the native library moves the others along too.
    for at in 0..len {
        while let Some(watched) = &mut all[at]
            && !watched.poll()?
        {
            watch::pause(a, &mut patience, all.iter_mut().flatten());
        }
    }
    complete_all(a, 1, 2, &all)
}

/// Whether all requests are complete; looks no further than the first that is not. What was found is kept in the table.
pub(super) fn all_complete(all: &mut [Option<Watched>]) -> Result<bool, MpiError> {
    for watched in all.iter_mut().flatten() {
        if !watched.poll()? {
            all.iter_mut().flatten().for_each(Watched::settle);
            return Ok(false);
        }
    }
    Ok(true)
}

/// `MPI_Testall(count, requests, flag, statuses)`.
pub fn testall(a: &mut Args<'_>) -> Call {
    let len = length(a, 0)?;
    let mut all = watch::requests(a, 1, len)?;
    let done = all_complete(&mut all)?;
    a.set_flag(2, done);
    if done {
        complete_all(a, 1, 3, &all)
    } else {
        Ok(())
    }
}

/// Hands over every request of the array; `MPI_ERR_IN_STATUS` if one failed (MPI-5.0 section 3.7.5).
fn complete_all(
    a: &mut Args<'_>,
    handles: usize,
    statuses: usize,
    all: &[Option<Watched>],
) -> Call {
    let mut failed = 0;
    let mut locked = None;
    for (index, watched) in all.iter().enumerate() {
        let completion = watched.as_ref().map_or(Completion::EMPTY, |watched| {
            take_at(a, &mut locked, handles, index, watched)
        });
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
pub(super) fn find_complete(all: &mut [Option<Watched>]) -> Result<Result<usize, usize>, MpiError> {
    let mut active = 0;
    for (index, watched) in all.iter_mut().enumerate() {
        let Some(watched) = watched.as_mut().filter(|watched| watched.is_active()) else {
            continue;
        };
        active += 1;
        if watched.poll()? {
            return Ok(Ok(index));
        }
    }
    Ok(Err(active))
}

/// `MPI_Waitany(count, requests, index, status)`.
pub fn waitany(a: &mut Args<'_>) -> Call {
    let len = length(a, 0)?;
    let mut all = watch::requests(a, 1, len)?;
    let mut patience = Patience::new();
    loop {
        match find_complete(&mut all)? {
            Ok(index) => return hand_over_any(a, &all, index, 2, 3),
            Err(0) => {
                a.set_int(2, i64::from(mpi::MPI_UNDEFINED));
                return wait::hand_over_empty(a, 3);
            }
            Err(_) => watch::pause(a, &mut patience, all.iter_mut().flatten()),
        }
    }
}

/// `MPI_Testany(count, requests, index, flag, status)`.
pub fn testany(a: &mut Args<'_>) -> Call {
    let len = length(a, 0)?;
    let mut all = watch::requests(a, 1, len)?;
    match find_complete(&mut all)? {
        Ok(index) => {
            a.set_flag(3, true);
            hand_over_any(a, &all, index, 2, 4)
        }
        Err(active) => {
            a.set_int(2, i64::from(mpi::MPI_UNDEFINED));
            a.set_flag(3, active == 0);
            if active == 0 {
                wait::hand_over_empty(a, 4)
            } else {
                Ok(())
            }
        }
    }
}

/// Hands over the one complete request at `index`.
fn hand_over_any(
    a: &mut Args<'_>,
    all: &[Option<Watched>],
    index: usize,
    index_param: usize,
    status_param: usize,
) -> Call {
    let completion = all[index].as_ref().map_or(Completion::EMPTY, |watched| {
        take_at(a, &mut None, 1, index, watched)
    });
    a.set_int(index_param, index as i64);
    wait::hand_over(a, status_param, &completion)
}

/// All complete requests' indices, or `None` when none is active.
pub(super) fn find_all_complete(
    all: &mut [Option<Watched>],
) -> Result<Option<Vec<usize>>, MpiError> {
    let mut complete = Vec::new();
    let mut active = 0;
    for (index, watched) in all.iter_mut().enumerate() {
        let Some(watched) = watched.as_mut().filter(|watched| watched.is_active()) else {
            continue;
        };
        active += 1;
        if watched.poll()? {
            complete.push(index);
        }
    }
    Ok((active > 0).then_some(complete))
}

/// `MPI_Waitsome(incount, requests, outcount, indices, statuses)`.
pub fn waitsome(a: &mut Args<'_>) -> Call {
    let len = length(a, 0)?;
    let mut all = watch::requests(a, 1, len)?;
    let mut patience = Patience::new();
    loop {
        match find_all_complete(&mut all)? {
            Some(complete) if complete.is_empty() => {
                watch::pause(a, &mut patience, all.iter_mut().flatten());
            }
            found => return hand_over_some(a, &all, found),
        }
    }
}

/// `MPI_Testsome(incount, requests, outcount, indices, statuses)`.
pub fn testsome(a: &mut Args<'_>) -> Call {
    let len = length(a, 0)?;
    let mut all = watch::requests(a, 1, len)?;
    let found = find_all_complete(&mut all)?;
    hand_over_some(a, &all, found)
}

/// Hands over the complete requests; `None`: none was active.
fn hand_over_some(a: &mut Args<'_>, all: &[Option<Watched>], found: Option<Vec<usize>>) -> Call {
    let Some(complete) = found else {
        a.set_int(2, i64::from(mpi::MPI_UNDEFINED));
        return Ok(());
    };
    a.set_int(2, complete.len() as i64);
    let mut failed = 0;
    for (at, index) in complete.into_iter().enumerate() {
        let completion = all[index].as_ref().map_or(Completion::EMPTY, |watched| {
            take_at(a, &mut None, 1, index, watched)
        });
        failed += usize::from(completion.error != mpi::MPI_SUCCESS);
        a.set_int_at(3, at, index as i64);
        wait::write_status(a, 4, at, &completion);
    }
    in_status(failed)
}
