//! Starting persistent requests of every kind (MPI-5.0 section 3.9).

use mana_table::constants as mpi;
use mana_table::fns;

use super::wait::length;
use crate::args::Args;
use crate::engine::state;
use crate::error::{Call, MpiError};
use crate::progress::{self, CallProgress, Resumed};
use crate::request::{Kind, Progress, Request, RequestId};
use crate::special::Special;
use crate::status::Completion;
use crate::{buffered, p2p, persistent, wait};

/// `MPI_Start`.
pub fn start(a: &mut Args<'_>) -> Call {
    let id = request(a.handle_at(0, 0))?;
    start_one(a, id)
}

/// `MPI_Startall`. The gate of a collective may be where a checkpoint interrupts it: what was started by then is not
/// started again.
pub fn startall(a: &mut Args<'_>) -> Call {
    let len = length(a, 0)?;
    let ids = (0..len)
        .map(|at| request(a.handle_at(1, at)))
        .collect::<Result<Vec<_>, _>>()?;
    let started = match progress::resume(a) {
        Some(Resumed(CallProgress::Started(started))) => started as usize,
        _ => 0,
    };
    for id in ids.iter().skip(started) {
        state().startable(*id)?;
    }
    let mut outcome = Ok(());
    for (at, id) in ids.iter().enumerate().skip(started) {
        if at > 0 && state().is_collective(*id) {
            progress::record(a, CallProgress::Started(at as u64));
        }
        outcome = start_one(a, *id);
        if outcome.is_err() {
            break;
        }
    }
    progress::clear(a);
    outcome
}

/// The request behind a handle that is to be started.
fn request(handle: u64) -> Result<RequestId, MpiError> {
    wait::request_id(handle)?
        .ok_or_else(|| MpiError::new(mpi::MPI_ERR_REQUEST, "MPI_REQUEST_NULL cannot be started"))
}

/// Starts persistent request `id`.
fn start_one(a: &mut Args<'_>, id: RequestId) -> Call {
    let kind = state().startable(id)?;
    let started = match kind {
        Kind::Send(args) if args.function() == fns::MPI_IBSEND => {
            buffered::send(&args)?;
            Request::done(kind, Completion::EMPTY)
        }
        Kind::Send(args) => p2p::start_send(args)?,
        Kind::Receive(args) => p2p::start_receive(args)?,
        Kind::Special => return start_partitioned(id),
        Kind::Collective => {
            let Some(call) = state().recorded(id) else {
                return not_persistent();
            };
            persistent::start(a, &call)?
        }
        Kind::MatchedReceive | Kind::CommDup(_) | Kind::Rma | Kind::File(_) => {
            return not_persistent();
        }
    };
    if let Some(request) = state().requests.get_mut(id) {
        request.native = started.native;
        request.progress = started.progress;
        request.started = started.started;
        request.keep = started.keep;
    }
    Ok(())
}

/// Starts a partitioned send or receive.
fn start_partitioned(id: RequestId) -> Call {
    let mut state = state();
    let progress: Option<Progress> = state.special_mut(id).and_then(|special| match special {
        Special::PartitionedSend(send) => Some(send.start()),
        Special::PartitionedReceive(receive) => Some(receive.start()),
        _ => None,
    });
    match (progress, state.requests.get_mut(id)) {
        (Some(progress), Some(request)) => {
            request.progress = progress;
            Ok(())
        }
        _ => not_persistent(),
    }
}

fn not_persistent() -> Call {
    Err(MpiError::new(
        mpi::MPI_ERR_REQUEST,
        "the request is not a persistent one",
    ))
}
