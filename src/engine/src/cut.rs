//! The engine's side of the consistent cut: gates before collectives, parking, draining, and the agent's view of it.
//!
//! ```text
//!   threads of the application            CUT (lock)                        agent thread
//!   enter_collective --may_start?-->  mana_drain::Rank  <--on_broadcast--  Intent, Targets, Stop, Write, Committed
//!   safe_point: Stop? -> park  ---->  parked threads    --report-------->  up the tree
//!       leader: drain, write image                      <--stop_threads--  signal those still running
//! ```
//!
//! In normal running a safe point is one load of [`ATTENTION`].
//!
//! The *leader* is the thread that initialised MPI (with `MPI_THREAD_FUNNELED` no other may call it); where that
//! thread is gone, the parked thread with the lowest id. It drains and writes; the others sleep.
//!
//! Gates are in `gate`, threads in `parking`, the leader's work in `draining` and `sweep`, the agent's view in `port`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use mana_agent::{Agent, RankPort};
use mana_drain::{Activity, Phase, Rank};
use mana_split::park;
use mana_split::thread_image::ThreadImage;

use crate::at_safe_point;
use crate::p2p::COUNTERS;

mod draining;
mod gate;
mod parking;
mod port;
mod sweep;
mod times;

pub use gate::{enter_clock, enter_collective, register_clock, retire_clock};
pub use parking::{call_boundary, interrupted, safe_point};
use port::Port;
use sweep::Sweep;
use times::Times;

/// What safe points have to attend to: [`COMING`], [`COUNTING`].
static ATTENTION: AtomicU8 = AtomicU8::new(0);
/// A checkpoint is coming up.
const COMING: u8 = 1;
/// Safe points are counted ([`crate::at_safe_point`]).
const COUNTING: u8 = 2;
/// Checkpoints committed since the start or restart.
static COMMITTED: AtomicU64 = AtomicU64::new(0);
/// Attempts that ended, well or not.
static ENDED: AtomicU64 = AtomicU64::new(0);
static PHASE_TIMES_NS: [AtomicU64; 3] = [const { AtomicU64::new(0) }; 3];
static CUT: Mutex<Option<Cut>> = Mutex::new(None);
static CHANGED: Condvar = Condvar::new();
static AGENT: Mutex<Option<Agent>> = Mutex::new(None);

/// What the lock guards.
struct Cut {
    rank: Rank,
    /// Parked threads and how each goes on after a restart.
    parked: BTreeMap<i32, ThreadImage>,
    /// Sends and collectives not complete, counted once all threads are parked.
    pending: Option<u64>,
    /// What is to be tested of these, from then on.
    sweep: Option<Sweep>,
    /// Number of the checkpoint to write.
    number: u64,
    /// Whether a thread has taken it upon itself to write the image of this attempt, or there will be none. Two may take
    /// themselves for the leader: the one that was it, until a thread with a lower id parked.
    taken: bool,
    /// When the phases began.
    times: Times,
}

/// Locks the cut.
fn cut() -> CutGuard {
    CutGuard(CUT.lock().unwrap_or_else(PoisonError::into_inner))
}

struct CutGuard(MutexGuard<'static, Option<Cut>>);

impl CutGuard {
    /// The cut, once MPI is initialised.
    fn get(&mut self) -> Option<&mut Cut> {
        self.0.as_mut()
    }

    fn phase(&self) -> Phase {
        self.0.as_ref().map_or(Phase::Idle, |cut| cut.rank.phase())
    }

    /// Waits until something about the cut has changed.
    fn wait(self) -> Self {
        Self(CHANGED.wait(self.0).unwrap_or_else(PoisonError::into_inner))
    }
}

/// Whether a checkpoint is coming up.
#[inline]
pub fn pending() -> bool {
    ATTENTION.load(Ordering::Relaxed) & COMING != 0
}

/// Whether a safe point has anything to attend to.
#[inline]
pub fn has_attention() -> bool {
    ATTENTION.load(Ordering::Relaxed) != 0
}

fn set_pending(coming: bool) {
    if coming {
        ATTENTION.fetch_or(COMING, Ordering::Relaxed);
    } else {
        ATTENTION.fetch_and(!COMING, Ordering::Relaxed);
    }
}

/// Checkpoints committed since the start or restart of this process.
pub fn committed() -> u64 {
    COMMITTED.load(Ordering::Acquire)
}

/// Attempts that were abandoned or refused since the start or restart.
pub fn abandoned() -> u64 {
    ENDED
        .load(Ordering::Acquire)
        .saturating_sub(COMMITTED.load(Ordering::Acquire))
}

/// Nanoseconds spent in the phases of attempts since the start or restart: converging, draining, writing.
pub fn phase_times_ns() -> [u64; 3] {
    std::array::from_fn(|phase| PHASE_TIMES_NS[phase].load(Ordering::Relaxed))
}

/// The phase of this process, as a number from 0.
pub fn phase_number() -> u64 {
    cut().phase() as u64
}

/// The time between checkpoints is another from now on; rank 0's counts.
pub fn set_interval(interval: Option<std::time::Duration>) {
    if let Some(agent) = agent_slot().as_ref() {
        agent.set_interval(interval);
    }
}

/// Begins to take part: called when MPI is initialised, before the agent starts.
pub fn begin(world_rank: u32) {
    *CUT.lock().unwrap_or_else(PoisonError::into_inner) = Some(Cut {
        rank: Rank::new(world_rank),
        parked: BTreeMap::new(),
        pending: None,
        sweep: None,
        number: 0,
        taken: false,
        times: Times::default(),
    });
    if at_safe_point::is_counted(world_rank) {
        ATTENTION.fetch_or(COUNTING, Ordering::Relaxed);
    }
}

/// The port through which the agent talks to this rank.
pub fn port() -> Arc<dyn RankPort> {
    Arc::new(Port)
}

/// The agent is running.
pub fn set_agent(agent: Agent) {
    *agent_slot() = Some(agent);
}

fn agent_slot() -> MutexGuard<'static, Option<Agent>> {
    AGENT.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wake_agent() {
    if let Some(agent) = agent_slot().as_ref() {
        agent.wake();
    }
}

/// This rank enters the native `MPI_Finalize`: from here on there is nothing to save.
pub fn finish() {
    if let Some(cut) = cut().get() {
        cut.rank.finish();
    }
    wake_agent();
}

/// The agent leaves its tree, after `MPI_Finalize`.
pub fn shutdown() {
    let agent = agent_slot().take();
    if let Some(agent) = agent {
        agent.shutdown();
    }
    set_pending(false);
}

/// A checkpoint that was asked for.
pub struct Requested {
    /// The request is served when so many attempts have ended.
    ends_at: u64,
    committed_before: u64,
}

impl Requested {
    /// Whether the attempt that serves the request has ended.
    pub fn is_over(&self) -> bool {
        ENDED.load(Ordering::Acquire) >= self.ends_at
    }

    /// Whether it was committed.
    pub fn succeeded(&self) -> bool {
        committed() > self.committed_before
    }
}

/// Asks for a checkpoint of the job; `None` while MPI is not running. An attempt that is under way is the one asked for:
/// the calling thread runs, so the cut is still to come, and finds it here.
pub fn request() -> Option<Requested> {
    let mut guard = cut();
    let under_way = guard.phase() != Phase::Idle;
    guard.get()?;
    let requested = Requested {
        ends_at: ENDED.load(Ordering::Acquire) + 1,
        committed_before: committed(),
    };
    drop(guard);
    let agent = agent_slot();
    let agent = agent.as_ref()?;
    if !under_way {
        agent.request_checkpoint(false);
    }
    Some(requested)
}

/// Asks for an attempt after the one that may be under way. Whether there is an agent to make it.
pub fn request_another() -> bool {
    let agent = agent_slot();
    if let Some(agent) = agent.as_ref() {
        agent.request_checkpoint(false);
    }
    agent.is_some()
}

/// Holds all that a fork must not find half changed.
pub fn hold() -> impl Sized {
    (cut(), agent_slot())
}

/// This process has been forked: the agent is its parent's.
pub fn forget() {
    // Its thread is not here, and its sockets are closed by their numbers.
    std::mem::forget(agent_slot().take());
    ATTENTION.store(0, Ordering::Relaxed);
}

/// How long the phases of the attempt took so far.
pub fn phases() -> Vec<mana_image::Phase> {
    cut()
        .get()
        .map(|cut| cut.times.phases())
        .unwrap_or_default()
}

/// Tells or asks this rank's part of the cut something; `None` before `MPI_Init`. The agent hears of what changed.
pub fn with_rank<T>(say: impl FnOnce(&mut Rank) -> T) -> Option<T> {
    let (answer, changed) = {
        let mut guard = cut();
        let rank = &mut guard.get()?.rank;
        (say(rank), rank.take_changed())
    };
    if changed {
        wake_agent();
    }
    Some(answer)
}

/// Whether every upper thread is parked, as far as one can tell without stopping threads from being made.
fn all_parked(cut: &Cut) -> bool {
    park::upper_threads()
        .is_ok_and(|threads| threads.iter().all(|tid| cut.parked.contains_key(tid)))
}

/// What this rank has done, for a report; a rank is parked only once its leader has looked at everything pending.
fn activity(cut: &Cut) -> Activity {
    let all = cut.pending.is_some() && all_parked(cut);
    Activity {
        threads_parked: u32::from(all),
        threads_total: 1,
        sent: COUNTERS.sent.load(Ordering::Acquire),
        received: COUNTERS.received.load(Ordering::Acquire),
        pending: cut.pending.unwrap_or(1),
    }
}
