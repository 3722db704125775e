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

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use mana_agent::{Agent, RankPort};
use mana_drain::{Activity, ClockId, Gid, Phase, Rank, Start, Verdict};
use mana_native::Native;
use mana_split::frame::CrossFrame;
use mana_split::park::{self, Interrupted};
use mana_split::thread::ThreadBlock;
use mana_split::thread_image::{ThreadImage, capture_cross};
use mana_table::constants as mpi;

use crate::args::Args;
use crate::engine::{native, not_running, state};
use crate::error::{Call, MpiError};
use crate::p2p::{self, COUNTERS};
use crate::publish::CommSlot;
use crate::{at_safe_point, checkpoint, wait, windows};

mod port;
mod sweep;

use port::Port;
use sweep::Sweep;

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

/// When the phases of an attempt began.
#[derive(Default)]
struct Times {
    intent: Option<Instant>,
    stop: Option<Instant>,
    write: Option<Instant>,
}

impl Times {
    /// An attempt is over: adds its phases to the sums, and returns the nanoseconds that it took.
    fn conclude(&self) -> u64 {
        let now = Some(Instant::now());
        let spans = [
            (self.intent, self.stop.or(now)),
            (self.stop, self.write.or(now)),
            (self.write, now),
        ];
        let mut whole_ns = 0;
        for (sum, (from, to)) in PHASE_TIMES_NS.iter().zip(spans) {
            if let (Some(from), Some(to)) = (from, to) {
                let span_ns = to.saturating_duration_since(from).as_nanos() as u64;
                sum.fetch_add(span_ns, Ordering::Relaxed);
                whole_ns += span_ns;
            }
        }
        whole_ns
    }

    /// The phases that are over, with their durations.
    fn phases(&self) -> Vec<mana_image::Phase> {
        let span = |name: &str, from: Option<Instant>, to: Option<Instant>| {
            let wall = to?.checked_duration_since(from?)?;
            Some(mana_image::Phase::new(name, wall.as_nanos() as u64))
        };
        [
            span("converge", self.intent, self.stop),
            span("stop and drain", self.stop, self.write),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
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

/// Gives a communicator its clock.
pub fn register_clock(gid: Gid, size: u32) -> Result<ClockId, MpiError> {
    match cut().get() {
        Some(cut) => cut
            .rank
            .register(gid, size)
            .map_err(|e| MpiError::new(mpi::MPI_ERR_INTERN, e.to_string())),
        None => Err(MpiError::new(
            mpi::MPI_ERR_INTERN,
            "a communicator was made before MPI_Init",
        )),
    }
}

/// A communicator was freed here.
pub fn retire_clock(clock: ClockId) {
    if let Some(cut) = cut().get() {
        cut.rank.retire(clock);
    }
}

/// Passes the gate before a collective on `comm` and counts it. While a checkpoint is coming up this may hold the
/// thread, and is a safe point then; the caller must not have done anything yet that the application can see.
pub fn enter_collective(a: &mut Args<'_>, comm: &CommSlot, start: Start) -> Call {
    let bad = || {
        let handle = u64::from(comm.handle());
        MpiError::bad_handle(mpi::MPI_ERR_COMM, "communicator", handle)
    };
    enter_clock(a, comm.clock().ok_or_else(bad)?, comm, start)
}

/// Passes the gate of `clock`; `comm` is where messages may arrive meanwhile.
pub fn enter_clock(a: &mut Args<'_>, clock: ClockId, comm: &CommSlot, start: Start) -> Call {
    let mut patience = wait::Patience::new();
    loop {
        let changed = {
            let mut guard = cut();
            let Some(cut) = guard.get() else {
                return Err(not_running());
            };
            let verdict = cut.rank.may_start(clock, start);
            let changed = cut.rank.take_changed();
            if verdict == Verdict::Enter {
                drop(guard);
                if changed {
                    wake_agent();
                }
                return Ok(());
            }
            changed
        };
        if changed {
            wake_agent();
        }
        // A held rank keeps the library moving: others may wait for the rest of a message that it is sending.
        p2p::probe(
            mpi::MPI_ANY_SOURCE,
            mpi::MPI_ANY_TAG,
            u64::from(comm.handle()),
        )?;
        patience.pause(a);
    }
}

/// The safe point at which a call of `function` begins or ends.
#[inline]
pub fn call_boundary(frame: &mut CrossFrame, function: &'static str) {
    if has_attention() {
        attend(frame, function);
    }
}

#[cold]
fn attend(frame: &mut CrossFrame, function: &str) {
    if ATTENTION.load(Ordering::Relaxed) & COUNTING != 0 {
        at_safe_point::pass(frame, function);
    }
    safe_point(frame);
}

/// A safe point in a call: parks the thread if every thread is to stop.
#[inline]
pub fn safe_point(frame: &mut CrossFrame) {
    if pending() {
        park_if_stopping(frame);
    }
}

#[cold]
fn park_if_stopping(frame: &mut CrossFrame) {
    // Not on the thread's own stack: the image holds it, and it must not change while it is written.
    if is_stopping(cut().phase()) {
        park::on_parking_stack(|| stop_here(|| capture_cross(frame)));
    }
}

/// The checkpoint signal took a thread in upper-half code.
pub fn interrupted(interrupted: &Interrupted) {
    stop_here(|| interrupted.capture());
}

/// Parks the calling thread while all are to stop; returns at once in other phases.
fn stop_here(capture: impl FnOnce() -> mana_split::Result<ThreadImage>) {
    if !is_stopping(cut().phase()) {
        return;
    }
    match capture() {
        Ok(image) => stay_parked(&image),
        // Upper code runs on top of this call: the thread goes on and parks when that has returned.
        Err(mana_split::Error::InCallback { .. }) => {}
        Err(error) => fail(&format!("a thread cannot be described: {error}")),
    }
}

fn is_stopping(phase: Phase) -> bool {
    matches!(phase, Phase::Stop | Phase::Write)
}

/// Stays parked until the attempt is over, draining and writing if this thread leads.
///
/// Invariant: a thread is in `parked` only while it is in this loop. Being there and leaving are decided under the lock
/// under which the phase changes, so a report never counts a thread that runs on.
fn stay_parked(image: &ThreadImage) {
    let tid = rustix::thread::gettid().as_raw_nonzero().get();
    loop {
        let newly = {
            let mut guard = cut();
            let Some(cut) = guard.get() else { return };
            if !is_stopping(cut.rank.phase()) {
                return;
            }
            cut.parked.insert(tid, image.clone()).is_none()
        };
        if newly {
            wake_agent();
            CHANGED.notify_all();
        }
        if is_leader(tid) {
            lead();
        } else {
            sleep_while_stopped();
        }
    }
}

/// Whether the parked thread `tid` is the one to drain and write.
fn is_leader(tid: i32) -> bool {
    let init_thread_fs = state().init_thread_fs;
    let mut guard = cut();
    let Some(cut) = guard.get() else { return false };
    match cut
        .parked
        .iter()
        .find(|(_, image)| image.upper_fs == init_thread_fs)
    {
        Some(init) => *init.0 == tid,
        None => !init_thread_lives(init_thread_fs) && cut.parked.keys().next() == Some(&tid),
    }
}

/// Whether the thread that initialised MPI still runs.
fn init_thread_lives(init_thread_fs: u64) -> bool {
    let mut blocks = ThreadBlock::all().filter(|block| block.upper_fs() == init_thread_fs);
    park::upper_threads().is_ok_and(|threads| blocks.any(|block| threads.contains(&block.tid())))
}

/// Sleeps until the phase ends or another thread parks or goes.
fn sleep_while_stopped() {
    let guard = cut();
    if is_stopping(guard.phase()) {
        drop(guard.wait());
    }
}

/// One step of the leader: drains while stopping, writes at the cut.
fn lead() {
    let (phase, taken, number) = {
        let mut guard = cut();
        let phase = guard.phase();
        let Some(cut) = guard.get() else { return };
        let taken = cut.taken;
        cut.taken |= phase == Phase::Write;
        (phase, taken, cut.number)
    };
    match phase {
        Phase::Stop => match drain_step() {
            Ok(true) => wake_agent(),
            Ok(false) => std::thread::yield_now(),
            Err(error) => fail(&format!("draining messages: {error}")),
        },
        Phase::Write if !taken => write_image(number),
        Phase::Write => {
            let guard = cut();
            if guard.phase() == Phase::Write {
                drop(guard.wait());
            }
        }
        Phase::Idle | Phase::Converge => {}
    }
}

/// This rank cannot take part in the attempt.
fn fail(reason: &str) {
    if let Some(cut) = cut().get() {
        cut.taken = true;
        cut.rank.fail(reason.to_string());
    }
    wake_agent();
}

/// Writes this rank's image and reports how it went.
fn write_image(number: u64) {
    let threads: Vec<ThreadImage> = match cut().get() {
        Some(cut) => cut.parked.values().cloned().collect(),
        None => return,
    };
    match checkpoint::write(number, &threads) {
        Ok(()) => {
            if let Some(cut) = cut().get() {
                cut.rank.wrote();
            }
            wake_agent();
        }
        Err(error) => fail(&crate::entry::with_causes(&error)),
    }
}

/// Whether every upper thread is parked, as far as one can tell without stopping threads from being made.
fn all_parked(cut: &Cut) -> bool {
    park::upper_threads()
        .is_ok_and(|threads| threads.iter().all(|tid| cut.parked.contains_key(tid)))
}

/// Receives what has arrived and tests what is pending. `true` when that changed what this rank reports.
fn drain_step() -> Result<bool, MpiError> {
    // The attempt may end meanwhile and the next one begin, with threads that have run on: what was seen in this one is
    // nothing that the next one may report.
    let epoch = cut().get().map(|cut| cut.rank.epoch());
    let Some(epoch) = epoch else { return Ok(false) };
    let Ok(native) = native() else {
        return Ok(publish_pending(epoch, 0, None));
    };
    let received_before = COUNTERS.received.load(Ordering::Relaxed);
    let sweep = sweep_if_parked(epoch);
    let comms = state().comms.slots();
    for comm in comms {
        p2p::drain_comm(native, comm)?;
    }
    let mut changed = false;
    if let Some(mut sweep) = sweep {
        store_matched(native)?;
        // Before this rank says that nothing is pending: others still serve what it has asked of their memory.
        windows::flush_used()?;
        // Not under the lock of the cut: a test may run user operations.
        let pending = sweep.step()?;
        changed = publish_pending(epoch, pending, Some(sweep));
    }
    Ok(changed || COUNTERS.received.load(Ordering::Relaxed) != received_before)
}

/// Publishes how many operations are not complete in attempt `epoch`, and keeps the requests that are to be tested further.
fn publish_pending(epoch: u64, pending: u64, sweep: Option<Sweep>) -> bool {
    let mut guard = cut();
    let Some(cut) = guard.get() else { return false };
    if cut.rank.epoch() != epoch || cut.rank.phase() != Phase::Stop {
        return false;
    }
    cut.sweep = sweep;
    cut.pending.replace(pending) != Some(pending)
}

/// The requests to test, once every thread is parked. That is looked at only where a thread has parked since they were
/// listed: it may have started some.
fn sweep_if_parked(epoch: u64) -> Option<Sweep> {
    let threads = {
        let mut guard = cut();
        let cut = guard.get()?;
        let threads = cut.parked.len();
        if let Some(sweep) = cut.sweep.take()
            && sweep.is_for(epoch, threads)
        {
            return Some(sweep);
        }
        if !all_parked(cut) {
            return None;
        }
        threads
    };
    Some(Sweep::begin(epoch, threads))
}

/// Receives messages that are out of matching into memory that the image holds.
fn store_matched(native: &'static Native) -> Result<(), MpiError> {
    let held: Vec<_> = state()
        .messages
        .iter()
        .filter(|(_, m)| m.bytes.is_none())
        .map(|(id, m)| (id, m.native, m.completion))
        .collect();
    for (id, message, completion) in held {
        let bytes = p2p::receive_packed(native, message, &completion)?;
        if let Some(matched) = state().messages.get_mut(id) {
            matched.bytes = Some(bytes);
            matched.native = 0;
        }
    }
    Ok(())
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
