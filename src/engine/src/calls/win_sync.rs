//! Active target synchronisation: fence, post/start/complete/wait (MPI-5.0 section 12.5).
//!
//! ```text
//!   fence      flush everything -> gate -> barrier -> sync                 a collective of the window's communicator
//!
//!   origin     start: waits for a post of each target    complete: flush each target, then a token to it
//!   target     post: a token to each origin              wait, test: a complete of each origin has come
//! ```
//!
//! Tokens are messages without data on the window's communicator. They are counted like any message, so the cut drains
//! them; those that have arrived are counters of the descriptor, of which a waiting call takes all it needs at once,
//! after its last safe point.

use std::collections::BTreeSet;

use mana_drain::Start;
use mana_record_replay::group::Group;
use mana_record_replay::win_epoch::Fence;
use mana_table::constants as mpi;
use mana_table::fns;

use super::group::group_arg;
use crate::args::Args;
use crate::engine::{native, state};
use crate::error::{Call, MpiError};
use crate::p2p::{self, Matched, MatchedProbe};
use crate::request::SendArgs;
use crate::wait::{self, Patience};
use crate::windows::{self, Win, refused};
use crate::{cut, native_call};

/// Tag of the token that a target's post sends.
const POST: i32 = 1;
/// Tag of the token that an origin's complete sends.
const COMPLETE: i32 = 2;

/// How often `MPI_Win_test` looks for tokens before it says no. Intel MPI looks for a message first, and then lets it in.
const LOOKS: usize = 4;

/// The assertion in argument `i`, of which only `allowed` bits may be set.
pub fn assertion(a: &Args<'_>, i: usize, allowed: i32) -> Result<i32, MpiError> {
    let given = a.int(i);
    if given & !allowed == 0 {
        return Ok(given);
    }
    Err(MpiError::new(
        mpi::MPI_ERR_ASSERT,
        format!(
            "assertion {given:#x} has bits that {} does not know",
            a.row().name
        ),
    ))
}

/// `MPI_Win_fence(assert, win)`.
pub fn win_fence(a: &mut Args<'_>) -> Call {
    let win = windows::get(a.raw(1))?;
    let known = mpi::MPI_MODE_NOSTORE
        | mpi::MPI_MODE_NOPUT
        | mpi::MPI_MODE_NOPRECEDE
        | mpi::MPI_MODE_NOSUCCEED;
    let given = assertion(a, 0, known)?;
    state()
        .window_mut(&win)?
        .epoch
        .may_fence()
        .map_err(refused)?;
    let library = native()?;
    windows::flush_all(&win)?;
    windows::sync(&win)?;
    cut::enter_collective(a, win.comm, Start::Blocking)?;
    native_call::call(library, fns::MPI_BARRIER, &[win.comm.native()])?;
    windows::sync(&win)?;
    state().window_mut(&win)?.epoch.fence = if given & mpi::MPI_MODE_NOSUCCEED == 0 {
        Fence::Open
    } else {
        Fence::Closed
    };
    Ok(())
}

/// The processes of a group as ranks of the window.
fn ranks(win: &Win, group: &Group) -> Result<BTreeSet<i32>, MpiError> {
    let state = state();
    let members = &state.comms.get(u64::from(win.comm.handle()))?.local;
    group
        .iter()
        .map(|process| {
            let rank = members.rank_of(process).ok_or_else(|| {
                MpiError::new(
                    mpi::MPI_ERR_GROUP,
                    format!(
                        "world rank {} is in the group, but not in the window's",
                        process.0
                    ),
                )
            })?;
            Ok(rank.0 as i32)
        })
        .collect()
}

/// Sends tokens.
fn tell(win: &Win, ranks: &BTreeSet<i32>, tag: i32) -> Call {
    for &destination in ranks {
        // Not a blocking send: one to this process itself would wait for ever.
        let sent = p2p::start_send(SendArgs {
            buffer: 0,
            count: 0,
            datatype: mpi::MPI_BYTE,
            destination,
            tag,
            comm: u64::from(win.comm.handle()),
            function: fns::MPI_ISEND.0,
        })?;
        let mut state = state();
        let id = state.insert_request(sent)?;
        state.orphans.push_back(id);
    }
    wait::sweep_orphans()
}

/// Counts the tokens that have come. Also keeps the native library moving, for others that are at work in this rank's
/// memory.
pub fn take_in(win: &Win) -> Call {
    let comm = u64::from(win.comm.handle());
    loop {
        let found = p2p::improbe(mpi::MPI_ANY_SOURCE, mpi::MPI_ANY_TAG, comm)?;
        let MatchedProbe::Message(token) = found else {
            return Ok(());
        };
        receive(&token)?;
        let mut state = state();
        let epoch = &mut state.window_mut(win)?.epoch;
        let tokens = if token.completion.tag == POST {
            &mut epoch.posts
        } else {
            &mut epoch.completes
        };
        *tokens.entry(token.completion.source).or_default() += 1;
    }
}

/// Receives a token that was not drained before.
fn receive(token: &Matched) -> Call {
    if token.bytes.is_none() {
        p2p::receive_packed(native()?, token.native, &token.completion)?;
    }
    Ok(())
}

/// `MPI_Win_post(group, assert, win)`.
pub fn win_post(a: &mut Args<'_>) -> Call {
    let win = windows::get(a.raw(2))?;
    let known = mpi::MPI_MODE_NOCHECK | mpi::MPI_MODE_NOSTORE | mpi::MPI_MODE_NOPUT;
    let given = assertion(a, 1, known)?;
    let origins = ranks(&win, &group_arg(a, 0)?)?;
    {
        let mut state = state();
        let epoch = &mut state.window_mut(&win)?.epoch;
        epoch.may_post().map_err(refused)?;
        epoch.fence = Fence::Closed;
        epoch.exposure = Some(origins.clone());
    }
    windows::sync(&win)?;
    if given & mpi::MPI_MODE_NOCHECK != 0 {
        return Ok(());
    }
    tell(&win, &origins, POST)
}

/// `MPI_Win_start(group, assert, win)`: waits for the posts, which the standard allows.
pub fn win_start(a: &mut Args<'_>) -> Call {
    let win = windows::get(a.raw(2))?;
    let given = assertion(a, 1, mpi::MPI_MODE_NOCHECK)?;
    let targets = ranks(&win, &group_arg(a, 0)?)?;
    state()
        .window_mut(&win)?
        .epoch
        .may_start()
        .map_err(refused)?;
    let mut patience = Patience::new();
    loop {
        take_in(&win)?;
        {
            let mut state = state();
            let epoch = &mut state.window_mut(&win)?.epoch;
            if given & mpi::MPI_MODE_NOCHECK != 0 || epoch.take_posts(&targets) {
                epoch.fence = Fence::Closed;
                epoch.access = Some(targets);
                return Ok(());
            }
        }
        patience.pause(a);
    }
}

/// `MPI_Win_complete(win)`.
pub fn win_complete(a: &mut Args<'_>) -> Call {
    let win = windows::get(a.raw(0))?;
    let Some(targets) = state().window_mut(&win)?.epoch.access.take() else {
        return Err(refused("there was no MPI_Win_start"));
    };
    for target in &targets {
        windows::flush(fns::MPI_WIN_FLUSH, &win, *target)?;
    }
    tell(&win, &targets, COMPLETE)
}

/// Ends the exposure epoch if all origins have completed.
fn is_over(win: &Win) -> Result<bool, MpiError> {
    take_in(win)?;
    {
        let mut state = state();
        let epoch = &mut state.window_mut(win)?.epoch;
        let Some(origins) = epoch.exposure.take() else {
            return Err(refused("there was no MPI_Win_post"));
        };
        if !epoch.take_completes(&origins) {
            epoch.exposure = Some(origins);
            return Ok(false);
        }
    }
    windows::sync(win)?;
    Ok(true)
}

/// `MPI_Win_wait(win)`.
pub fn win_wait(a: &mut Args<'_>) -> Call {
    let win = windows::get(a.raw(0))?;
    let mut patience = Patience::new();
    while !is_over(&win)? {
        patience.pause(a);
    }
    Ok(())
}

/// `MPI_Win_test(win, flag)`.
pub fn win_test(a: &mut Args<'_>) -> Call {
    let win = windows::get(a.raw(0))?;
    let mut over = false;
    for _ in 0..LOOKS {
        over = over || is_over(&win)?;
    }
    a.set_flag(1, over);
    Ok(())
}
