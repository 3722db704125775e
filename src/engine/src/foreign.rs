//! Processes of other jobs: those that this job spawned or connected to, or was spawned by (MPI-5.0 chapter 11).
//!
//! ```text
//!   process number   0 .. world size       ranks of this job's MPI_COMM_WORLD
//!                    FIRST ..              foreign processes, numbered by each process as it meets them, never again
//!
//!   native group -> translate into world -> rank | translate into a group met before -> number | new group, new numbers
//! ```
//!
//! A foreign process cannot be saved with this job, so there is no checkpoint while a communicator with one is alive, a
//! port is open, or a thread waits in the library below for such a communicator; and never of a job that was spawned. The
//! attempt is given up by a rank that is so connected, with a message that says why, and the job runs on. Messages on such
//! communicators are not counted: their other ends report to nobody here.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use mana_native::Native;
use mana_record_replay::group::{Group, WorldRank};
use mana_table::constants as mpi;
use mana_table::fns;
use serde::{Deserialize, Serialize};

use crate::engine::state;
use crate::error::MpiError;
use crate::publish::{self, CommSlot};
use crate::{cut, native_call};

/// The number of the first foreign process: above any rank.
const FIRST: u32 = 1 << 30;

/// Communicators with foreign processes.
static CONNECTED: AtomicU32 = AtomicU32::new(0);
/// Threads in the library below that make or end such a communicator.
static CONNECTING: AtomicU32 = AtomicU32::new(0);
/// Open ports.
static PORTS: AtomicU32 = AtomicU32::new(0);
/// This job was spawned.
static SPAWNED: AtomicBool = AtomicBool::new(false);

/// What a process knows of others. At a cut it knows nobody, but numbers are not used again.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Foreign {
    /// How many foreign processes were met so far.
    met: u32,
    /// Native groups of them.
    #[serde(skip)]
    groups: Vec<KnownGroup>,
    /// The communicator with the parents of a spawned job, once it was asked for.
    #[serde(skip)]
    pub parent: Option<u64>,
}

/// Foreign processes that were met together.
#[derive(Debug, Clone, Copy)]
struct KnownGroup {
    native: u64,
    first: u32,
    size: u32,
}

/// Whether `process` is one of another job.
pub fn is_foreign(process: WorldRank) -> bool {
    process.0 >= FIRST
}

/// How many processes of a group are of this job.
pub fn count_own(group: &Group) -> u32 {
    let own = group.iter().filter(|process| !is_foreign(*process));
    own.count() as u32
}

/// Whether a communicator has processes of another job.
pub fn among(local: &Group, remote: Option<&Group>) -> bool {
    local
        .iter()
        .chain(remote.into_iter().flat_map(Group::iter))
        .any(is_foreign)
}

/// A communicator with foreign processes came to be.
pub fn connected() {
    CONNECTED.fetch_add(1, Ordering::AcqRel);
}

/// One is gone.
pub fn disconnected() {
    CONNECTED.fetch_sub(1, Ordering::AcqRel);
}

/// A port was opened.
pub fn port_opened() {
    PORTS.fetch_add(1, Ordering::AcqRel);
    give_up_attempt();
}

/// A port was closed.
pub fn port_closed() {
    PORTS.fetch_sub(1, Ordering::AcqRel);
}

/// Notes that this job was spawned.
pub fn note_spawned() {
    SPAWNED.store(true, Ordering::Release);
}

/// Whether this job was spawned.
pub fn is_spawned() -> bool {
    SPAWNED.load(Ordering::Acquire)
}

/// Why no checkpoint can be taken now. Asked with the cut's lock held.
pub fn refusal() -> Option<&'static str> {
    if is_spawned() {
        Some(
            "this job was started by MPI_Comm_spawn; only its parents can be checkpointed, once they are disconnected",
        )
    } else if CONNECTED.load(Ordering::Acquire) > 0 {
        Some(
            "it shares a communicator with processes of another job, which cannot be saved with it; \
             checkpoints can be taken after MPI_Comm_disconnect",
        )
    } else if CONNECTING.load(Ordering::Acquire) > 0 {
        Some("it is waiting to be connected with, or disconnected from, processes of another job")
    } else if PORTS.load(Ordering::Acquire) > 0 {
        Some(
            "it has a port open, whose name would mean nothing after a restart; MPI_Close_port ends that",
        )
    } else {
        None
    }
}

/// Gives up an attempt that is under way, for a reason that has just arisen.
fn give_up_attempt() {
    cut::with_rank(|rank| {
        if rank.phase() != mana_drain::Phase::Idle
            && let Some(reason) = refusal()
        {
            rank.fail(reason.to_owned());
        }
    });
}

/// A thread that is in the library below to make or end a communicator with foreign processes, which may take as long as
/// those please: an attempt at a checkpoint meanwhile is given up.
pub struct Connecting(());

impl Connecting {
    /// The thread is about to make the native call.
    pub fn begin() -> Self {
        CONNECTING.fetch_add(1, Ordering::AcqRel);
        give_up_attempt();
        Self(())
    }
}

impl Drop for Connecting {
    fn drop(&mut self) {
        CONNECTING.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The numbers of the processes of native group `group`: `ranks` are their ranks in the native world, negative for those
/// that are not in it.
pub fn numbers(native: &Native, group: u64, ranks: &[i32]) -> Result<Vec<u32>, MpiError> {
    let mut numbers: Vec<Option<u32>> =
        ranks.iter().map(|rank| u32::try_from(*rank).ok()).collect();
    if numbers.iter().all(Option::is_some) {
        return Ok(numbers.into_iter().flatten().collect());
    }
    let known = state().foreign.groups.clone();
    for group_met in known {
        let all: Vec<i32> = (0..ranks.len() as i32).collect();
        let there = translate(native, group, &all, group_met.native)?;
        for (number, rank) in numbers.iter_mut().zip(there) {
            if let (None, Ok(rank)) = (&number, u32::try_from(rank)) {
                *number = Some(group_met.first + rank);
            }
        }
    }
    let new: Vec<i32> = (0..ranks.len())
        .filter(|at| numbers[*at].is_none())
        .map(|at| at as i32)
        .collect();
    if !new.is_empty() {
        let first = meet(native, group, &new)?;
        for (at, rank) in new.into_iter().enumerate() {
            numbers[rank as usize] = Some(first + at as u32);
        }
    }
    Ok(numbers.into_iter().flatten().collect())
}

/// Notes that the processes with these ranks in `group` are new; returns the first one's number.
fn meet(native: &Native, group: u64, ranks: &[i32]) -> Result<u32, MpiError> {
    let members = subgroup(native, group, ranks)?;
    let mut state = state();
    let foreign = &mut state.foreign;
    let (first, size) = (FIRST + foreign.met, ranks.len() as u32);
    foreign.met += size;
    foreign.groups.push(KnownGroup {
        native: members,
        first,
        size,
    });
    Ok(first)
}

/// The ranks in native group `to` of those with `ranks` in native group `from`; negative for those that are not there.
pub fn translate(native: &Native, from: u64, ranks: &[i32], to: u64) -> Result<Vec<i32>, MpiError> {
    let mut there = vec![0_i32; ranks.len()];
    let arguments = [
        from,
        ranks.len() as u64,
        ranks.as_ptr() as u64,
        to,
        there.as_mut_ptr() as u64,
    ];
    native_call::call(native, fns::MPI_GROUP_TRANSLATE_RANKS, &arguments)?;
    Ok(there)
}

/// The native group of those with `ranks` in native group `group`.
fn subgroup(native: &Native, group: u64, ranks: &[i32]) -> Result<u64, MpiError> {
    let mut result = 0_u64;
    let arguments = [
        group,
        ranks.len() as u64,
        ranks.as_ptr() as u64,
        native_call::out(&mut result),
    ];
    native_call::call(native, fns::MPI_GROUP_INCL, &arguments)?;
    Ok(result)
}

fn free_group(native: &Native, mut group: u64) -> Result<(), MpiError> {
    native_call::call(native, fns::MPI_GROUP_FREE, &[native_call::out(&mut group)])
}

/// The native group of processes some of which are foreign: taken from the union of the world and all that were met.
pub fn native_group(native: &Native, group: &Group) -> Result<u64, MpiError> {
    let world = publish::world();
    let mut everybody = 0_u64;
    let arguments = [
        world.map_or(0, CommSlot::native),
        native_call::out(&mut everybody),
    ];
    native_call::call(native, fns::MPI_COMM_GROUP, &arguments)?;
    let known = state().foreign.groups.clone();
    let mut places = Vec::with_capacity(known.len());
    let mut next = world.map_or(0, CommSlot::size) as u32;
    for met in known {
        let mut union = 0_u64;
        let arguments = [everybody, met.native, native_call::out(&mut union)];
        native_call::call(native, fns::MPI_GROUP_UNION, &arguments)?;
        free_group(native, everybody)?;
        everybody = union;
        places.push((met, next));
        next += met.size;
    }
    let place = |WorldRank(number): WorldRank| {
        if number < FIRST {
            return Ok(number as i32);
        }
        let met = places
            .iter()
            .find(|(met, _)| (met.first..met.first + met.size).contains(&number));
        met.map(|(met, at)| (at + number - met.first) as i32)
            .ok_or_else(|| {
                MpiError::new(
                    mpi::MPI_ERR_GROUP,
                    "the group has a process that is not connected any more",
                )
            })
    };
    let ranks = group.iter().map(place).collect::<Result<Vec<_>, _>>()?;
    let result = subgroup(native, everybody, &ranks);
    free_group(native, everybody)?;
    result
}
