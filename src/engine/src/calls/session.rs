//! Sessions (MPI-5.0 section 11.3): virtual altogether, so they work over libraries that have none, and survive a
//! checkpoint like any other object.
//!
//! ```text
//!   MPI_Session_init -> life::bring_up (the first one) -> a row in the table: error handler, thread level
//!   process sets:       mpi://WORLD   the ranks that the launcher started        mpi://SELF   this process
//! ```
//!
//! A session knows nothing of what is derived from it; see `from_group` for how its groups become communicators.

use std::ffi::{CStr, CString};

use mana_record_replay::errhandler::ErrhandlerKind;
use mana_record_replay::group::Group;
use mana_record_replay::handle::SessionHandle;
use mana_record_replay::info::Info;
use mana_record_replay::session::Session;
use mana_table::constants as mpi;

use super::errhandler::{raise_on_argument, usable};
use super::group;
use super::info::{hints, level_by_name, level_name, tell_memory_kinds};
use crate::args::Args;
use crate::engine::state;
use crate::error::{Call, MpiError};
use crate::life;

/// The process sets, by number.
const PROCESS_SETS: [&CStr; 2] = [c"mpi://WORLD", c"mpi://SELF"];

/// `MPI_Session_init(info, errhandler, session)`. Errors go to the error handler given.
pub fn session_init(a: &mut Args<'_>) -> Call {
    match open(a) {
        Ok(session) => {
            a.set_handle(2, u64::from(session.word()));
            Ok(())
        }
        Err(error) => raise_on_argument(a, 1, ErrhandlerKind::Session, &error),
    }
}

/// Opens a session; the first one starts MPI.
fn open(a: &Args<'_>) -> Result<SessionHandle, MpiError> {
    let asked = hints(&state(), a.raw(0))?
        .get(c"thread_level")?
        .map(level_by_name);
    let errhandler = usable(&state(), a.raw(1), ErrhandlerKind::Session)?;
    // A level that does not exist is a hint that means nothing here.
    let asked = asked.flatten().unwrap_or(mpi::MPI_THREAD_MULTIPLE);
    life::bring_up(mpi::MPI_THREAD_MULTIPLE, |state, level| {
        state.objects.hold_errhandler(errhandler)?;
        Ok(state.sessions.insert(Session {
            errhandler,
            thread_level: asked.min(level),
        })?)
    })
}

/// The session of argument `i`, which must be alive.
fn session(a: &Args<'_>, i: usize) -> Result<Session, MpiError> {
    Ok(state()
        .sessions
        .require(SessionHandle::from_word(a.raw(i))?)?
        .clone())
}

/// `MPI_Session_finalize(session)`. MPI stays up below: see [`crate::life`].
pub fn session_finalize(a: &mut Args<'_>) -> Call {
    let handle = SessionHandle::from_word(a.handle_at(0, 0))?;
    {
        let mut state = state();
        state.sessions.require(handle)?;
        if let Some(session) = state.sessions.remove(handle) {
            state.objects.errhandlers.release(session.errhandler);
        }
    }
    a.set_handle(0, mpi::MPI_SESSION_NULL);
    Ok(())
}

/// `MPI_Session_get_info(session, info_used)`.
pub fn session_get_info(a: &mut Args<'_>) -> Call {
    let session = session(a, 0)?;
    let mut info = Info::default();
    info.set(c"thread_level", level_name(session.thread_level))?;
    tell_memory_kinds(&mut info)?;
    let handle = state().objects.infos.insert(info)?;
    a.set_handle(1, u64::from(handle.word()));
    Ok(())
}

/// `MPI_Session_get_num_psets(session, info, npset_names)`.
pub fn session_get_num_psets(a: &mut Args<'_>) -> Call {
    session(a, 0)?;
    hints(&state(), a.raw(1))?;
    a.set_int(2, PROCESS_SETS.len() as i64);
    Ok(())
}

/// `MPI_Session_get_nth_pset(session, info, n, pset_len, pset_name)`: with a length of 0 only the length needed comes
/// back, which counts the NUL.
pub fn session_get_nth_pset(a: &mut Args<'_>) -> Call {
    session(a, 0)?;
    hints(&state(), a.raw(1))?;
    let n = a.int(2);
    let name = usize::try_from(n)
        .ok()
        .and_then(|n| PROCESS_SETS.get(n))
        .ok_or_else(|| {
            MpiError::argument(format!(
                "there is no process set {n}: there are {}",
                PROCESS_SETS.len()
            ))
        })?;
    let room = usize::try_from(a.read_at::<i32>(3, 0))
        .map_err(|_| MpiError::argument("pset_len is negative"))?;
    a.set_bytes(4, name.to_bytes(), room);
    a.set_int(3, name.to_bytes_with_nul().len() as i64);
    Ok(())
}

/// `MPI_Session_get_pset_info(session, pset_name, info)`.
pub fn session_get_pset_info(a: &mut Args<'_>) -> Call {
    let size = named_set(a)?.size();
    let mut info = Info::default();
    info.set(
        c"mpi_size",
        &CString::new(size.to_string()).unwrap_or_default(),
    )?;
    let handle = state().objects.infos.insert(info)?;
    a.set_handle(2, u64::from(handle.word()));
    Ok(())
}

/// `MPI_Group_from_session_pset(session, pset_name, newgroup)`.
pub fn group_from_session_pset(a: &mut Args<'_>) -> Call {
    let group = group::insert(named_set(a)?)?;
    let session = SessionHandle::from_word(a.raw(0))?;
    state().origins.begin(group, session);
    a.set_handle(2, u64::from(group.word()));
    Ok(())
}

/// The process set that argument 1 names; upper and lower case are the same (MPI-5.0 section 11.3.2).
fn named_set(a: &Args<'_>) -> Result<Group, MpiError> {
    session(a, 0)?;
    let name = a.c_string(1);
    let known = PROCESS_SETS
        .iter()
        .position(|set| set.to_bytes().eq_ignore_ascii_case(name.to_bytes()));
    let state = state();
    match known {
        Some(0) => Ok(state.comms.get(mpi::MPI_COMM_WORLD)?.local.clone()),
        Some(_) => Ok(Group::of_one(state.comms.process()?)),
        None => Err(MpiError::argument(format!(
            "there is no process set {name:?}: there are {PROCESS_SETS:?}"
        ))),
    }
}
