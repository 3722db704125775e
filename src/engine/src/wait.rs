//! Waiting: test loops with safe points, and what the Wait and Test families have in common.
//!
//! ```text
//!   loop { test natively -> done?  |  safe point (park, hold, run on)  |  spin, then yield }
//! ```
//!
//! A call that waits has no effect that the application can see before its last safe point: handles and statuses are
//! written only after the loop. So it can be entered again after a restart. What it has *started* by then (the
//! receive of an `MPI_Recv`) is kept in a progress record, see [`crate::progress`].

use std::sync::atomic::{AtomicU32, Ordering};

use mana_native::Native;
use mana_record_replay::error_class::ErrorClass;
use mana_record_replay::handle::Handle;
use mana_split::frame::CrossFrame;
use mana_table::constants as mpi;

use crate::args::Args;
use crate::engine::{State, native, state};
use crate::error::{Call, MpiError};
use crate::progress::{self, CallProgress, Resumed};
use crate::request::{Progress, Request, RequestId};
use crate::status::Completion;
use crate::{cut, grequest, holder, p2p, publish};

/// Tests before a waiting thread begins to yield. None ever does when each has a core: a yield gives others of the machine the
/// whole time slice, and the message comes meanwhile.
static SPINS: AtomicU32 = AtomicU32::new(64);

/// Tells whether ranks of this node share cores.
pub fn set_shared_cores(shared: bool) {
    let spins = match (shared, p2p::has_several_threads()) {
        (true, _) => 4,
        (false, true) => 4096,
        (false, false) => u32::MAX,
    };
    SPINS.store(spins, Ordering::Relaxed);
}

/// One wait's patience: spins first, yields later; every pause is a safe point.
pub struct Patience {
    tests: u32,
    limit: u32,
}

impl Patience {
    /// A fresh wait.
    pub fn new() -> Self {
        Self {
            tests: 0,
            limit: SPINS.load(Ordering::Relaxed),
        }
    }

    /// Lets the cut have its say, and others the core.
    pub fn pause(&mut self, a: &mut Args<'_>) {
        cut::safe_point(a.frame());
        self.breathe();
    }

    /// Lets others have the core.
    pub fn breathe(&mut self) {
        self.tests = self.tests.saturating_add(1);
        if self.tests > self.limit {
            std::thread::yield_now();
        } else {
            std::hint::spin_loop();
        }
    }
}

/// A waiting rank keeps the native library moving: others may wait for the rest of a message that it is sending.
pub fn keep_moving() {
    if let Some(world) = publish::world() {
        // What a probe finds wrong, the program's own calls will find too.
        let _ = p2p::probe(
            mpi::MPI_ANY_SOURCE,
            mpi::MPI_ANY_TAG,
            u64::from(world.handle()),
        );
    }
}

/// Waits until the checkpoint that was asked for is there or was given up. `false`: neither, but others wait for this process in
/// a collective; they cannot be stopped there, so the cut needs this process to go on.
pub fn for_checkpoint(frame: &mut CrossFrame, request: &cut::Requested) -> bool {
    let mut patience = Patience::new();
    while !request.is_over() {
        if cut::with_rank(|rank| rank.is_behind()) == Some(true) {
            return false;
        }
        keep_moving();
        cut::safe_point(frame);
        patience.breathe();
    }
    true
}

/// The request behind an upper handle; `None` for `MPI_REQUEST_NULL`.
pub fn request_id(handle: u64) -> Result<Option<RequestId>, MpiError> {
    if handle == mpi::MPI_REQUEST_NULL {
        return Ok(None);
    }
    let bad = || MpiError::bad_handle(mpi::MPI_ERR_REQUEST, "request", handle);
    let id = Handle::from_word(handle).map_err(|_| bad())?;
    if state().requests.get(id).is_none() {
        return Err(bad());
    }
    Ok(Some(id))
}

/// Waits until request `id` is complete.
pub fn wait_for(a: &mut Args<'_>, id: RequestId) -> Call {
    let mut patience = Patience::new();
    while !p2p::poll(id)? {
        patience.pause(a);
    }
    Ok(())
}

/// Waits for a request that has no handle yet (the receive of an `MPI_Recv`). It gets one, and a progress record,
/// only if a checkpoint comes up.
pub fn finish_blocking(a: &mut Args<'_>, mut request: Request) -> Result<Completion, MpiError> {
    if let Progress::Done(completion) = request.progress {
        return Ok(completion);
    }
    let library = native()?;
    let mut patience = Patience::new();
    while !cut::pending() {
        if step(library, &mut request)?
            && let Progress::Done(completion) = request.progress
        {
            return Ok(completion);
        }
        patience.breathe();
    }
    let id = adopt(request)?;
    progress::record(a, CallProgress::One(id));
    finish_resumed(a, Resumed(CallProgress::One(id)))
}

/// Waits for the two requests of an `MPI_Sendrecv`; the first is the receive, whose completion is returned. As in
/// [`finish_blocking`], they get handles only if a checkpoint comes up.
pub fn finish_pair(
    a: &mut Args<'_>,
    mut received: Request,
    mut sent: Request,
) -> Result<Completion, MpiError> {
    let library = native()?;
    let mut patience = Patience::new();
    while !cut::pending() {
        if let (Progress::Done(received), Progress::Done(sent)) = (received.progress, sent.progress)
        {
            failed(&sent)?;
            return Ok(received);
        }
        let moved = [&mut received, &mut sent]
            .into_iter()
            .map(|request| step(library, request))
            .collect::<Result<Vec<_>, _>>()?;
        if !moved.contains(&true) {
            patience.breathe();
        }
    }
    let record = CallProgress::Two(adopt(received)?, adopt(sent)?);
    progress::record(a, record);
    finish_resumed(a, Resumed(record))
}

/// Tests a request that has no handle; `true` when it has just become complete.
fn step(library: &Native, request: &mut Request) -> Result<bool, MpiError> {
    let Some(handle) = request.native.as_mut() else {
        return Ok(false);
    };
    let Some(completion) = p2p::test_native(library, handle)? else {
        return Ok(false);
    };
    p2p::count_completion(&request.kind, &completion);
    request.native = None;
    request.progress = Progress::Done(completion);
    Ok(true)
}

/// Waits for what an interrupted call had started.
pub fn finish_resumed(a: &mut Args<'_>, resumed: Resumed) -> Result<Completion, MpiError> {
    let (first, second) = match resumed.0 {
        CallProgress::One(first) => (first, None),
        CallProgress::Two(first, second) => (first, Some(second)),
        CallProgress::Checkpoint
        | CallProgress::Greeted
        | CallProgress::Met(_)
        | CallProgress::Started(_) => {
            return Err(MpiError::new(
                mpi::MPI_ERR_INTERN,
                "a wait found another call's record",
            ));
        }
    };
    let waited =
        wait_for(a, first).and_then(|()| second.map_or(Ok(()), |second| wait_for(a, second)));
    progress::clear(a);
    let first = take(first);
    let second = second.map(take);
    waited?;
    if let Some(second) = second {
        failed(&second)?;
    }
    Ok(first)
}

/// Gives a started request a handle.
fn adopt(request: Request) -> Result<RequestId, MpiError> {
    state().insert_request(request)
}

/// Takes the completion of a complete request: a persistent one becomes inactive, any other is gone.
pub fn take(id: RequestId) -> Completion {
    take_whole(id).0
}

/// As [`take`]; also says whether the request is gone. Functions of the application may be called: no lock is held.
pub fn take_whole(id: RequestId) -> (Completion, bool) {
    let mut state = state();
    if let Some((functions, true)) = state.generalized(id) {
        drop(state);
        return (grequest::finish(id, &functions), true);
    }
    take_from(&mut state, id)
}

/// Takes the completion of a complete request that no function of the application belongs to; also says whether the
/// request is gone.
pub fn take_from(state: &mut State, id: RequestId) -> (Completion, bool) {
    let Some(request) = state.requests.get_mut(id) else {
        return (Completion::EMPTY, true);
    };
    let completion = match request.progress {
        Progress::Done(completion) => completion,
        Progress::Inactive | Progress::Active => Completion::EMPTY,
    };
    if completion.error != mpi::MPI_SUCCESS {
        holder::note_failure(request.holder());
    }
    if request.persistent {
        request.progress = Progress::Inactive;
        return (completion, false);
    }
    state.remove_request(id);
    (completion, true)
}

/// An unsuccessful completion as an error.
pub fn failed(completion: &Completion) -> Call {
    if completion.error == mpi::MPI_SUCCESS {
        return Ok(());
    }
    let text = ErrorClass(completion.error)
        .predefined()
        .map_or("unknown error class", |class| class.text);
    Err(MpiError::new(
        completion.error,
        format!("a communication failed: {text}"),
    ))
}

/// Writes the status behind parameter `i` of a call that completes one operation (its `MPI_ERROR` field stays
/// untouched, MPI-5.0 section 3.2.5) and returns the operation's error, if any.
pub fn hand_over(a: &mut Args<'_>, i: usize, completion: &Completion) -> Call {
    if !a.is_null(i) {
        let words = completion.words();
        for (at, word) in words.into_iter().enumerate().filter(|(at, _)| *at != 2) {
            a.write_at::<i32>(i, at, word);
        }
    }
    failed(completion)
}

/// Writes the empty status of a call that had nothing to wait for: no operation's, but one whole value, `MPI_ERROR` included
/// (MPI-5.0 section 3.7.3).
pub fn hand_over_empty(a: &mut Args<'_>, i: usize) -> Call {
    if !a.is_null(i) {
        write_status(a, i, 0, &Completion::EMPTY);
    }
    Ok(())
}

/// Writes element `index` of the status array behind parameter `i`, error field included.
pub fn write_status(a: &mut Args<'_>, i: usize, index: usize, completion: &Completion) {
    a.write_at::<[i32; 8]>(i, index, completion.words());
}

/// Reads element `index` of the status array behind parameter `i`.
pub fn read_status(a: &Args<'_>, i: usize, index: usize) -> Completion {
    Completion::from_words(a.read_at(i, index))
}

/// Looks whether requests that the application gave back (`MPI_Request_free`) are complete: a few per call, so that
/// they do not pile up.
pub fn sweep_orphans() -> Call {
    sweep(4)
}

/// As [`sweep_orphans`], all of them.
pub fn sweep_all_orphans() -> Call {
    let all = state().orphans.len();
    sweep(all)
}

/// Tests the next `count` requests that were given back.
fn sweep(count: usize) -> Call {
    for _ in 0..count {
        let Some(id) = state().orphans.pop_front() else {
            return Ok(());
        };
        if p2p::poll(id)? {
            state().remove_request(id);
        } else {
            state().orphans.push_back(id);
        }
    }
    Ok(())
}
