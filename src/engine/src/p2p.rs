//! Point to point below the calls: posting, testing and counting messages, and the queue of drained ones.
//!
//! ```text
//!   send:     native send, sent += 1                       (PROC_NULL: nothing happens, nothing counts)
//!   receive:  drained queue first ---match---> deliver     (counted when it was drained)
//!                  | no match
//!                  v
//!             native receive --test--> done, received += 1
//! ```
//!
//! Invariant the cut relies on: `sent` of all ranks minus `received` of all ranks is the number of messages in
//! flight. A message is sent when its send is initiated, and received when a native receive of it has completed,
//! into the application's buffer or into the queue.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use mana_native::{Native, StatusBuf, int};
use mana_record_replay::message::DrainedMessage;
use mana_table::constants as mpi;
use mana_table::{FnId, fns};

use crate::engine::{State, native, state};
use crate::error::MpiError;
use crate::large_type::Counted;
use crate::publish::{self, CommSlot, TypeSlot};
use crate::request::{Kind, Progress, ReceiveArgs, Request, RequestId, SendArgs};
use crate::status::Completion;
use crate::{deliver, file_transfer, native_call, special};

/// Messages whose send this rank initiated / whose receive it completed, since the last cut.
#[derive(Debug, Default)]
pub struct Counters {
    /// Sends initiated.
    pub sent: AtomicU64,
    /// Receives completed.
    pub received: AtomicU64,
}

impl Counters {
    /// A send on `comm` begins. Those to processes of another job are not counted: nobody here tells of their arrival.
    fn count_sent(&self, comm: &CommSlot) {
        if !comm.is_foreign() {
            self.sent.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// It did not begin after all.
    fn take_back_sent(&self, comm: &CommSlot) {
        if !comm.is_foreign() {
            self.sent.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// This rank's counters.
pub static COUNTERS: Counters = Counters {
    sent: AtomicU64::new(0),
    received: AtomicU64::new(0),
};

/// The communicator behind an upper handle.
#[inline]
pub fn comm(handle: u64) -> Result<&'static CommSlot, MpiError> {
    publish::comm(handle)
        .ok_or_else(|| MpiError::bad_handle(mpi::MPI_ERR_COMM, "communicator", handle))
}

/// The datatype behind an upper handle, known to the native library.
#[inline]
pub fn datatype(handle: u64) -> Result<&'static TypeSlot, MpiError> {
    match publish::datatype(handle) {
        Some(slot) if slot.native() != 0 => Ok(slot),
        Some(_) => Err(MpiError::new(
            mpi::MPI_ERR_TYPE,
            format!(
                "datatype {handle:#x} cannot be used for communication: it is not committed, or the MPI below lacks it"
            ),
        )),
        None => Err(MpiError::bad_handle(mpi::MPI_ERR_TYPE, "datatype", handle)),
    }
}

/// Checks the arguments every send has in common. `None`: the destination is `MPI_PROC_NULL`.
#[inline]
pub fn check_send(
    args: &SendArgs,
) -> Result<Option<(&'static CommSlot, &'static TypeSlot)>, MpiError> {
    let comm = comm(args.comm)?;
    let datatype = datatype(args.datatype)?;
    check_count(args.count)?;
    if args.destination == mpi::MPI_PROC_NULL {
        return Ok(None);
    }
    if !(0..comm.peers()).contains(&args.destination) {
        return Err(MpiError::new(
            mpi::MPI_ERR_RANK,
            format!(
                "destination {} is not in 0..{} nor MPI_PROC_NULL",
                args.destination,
                comm.peers()
            ),
        ));
    }
    if args.tag < 0 {
        return Err(MpiError::new(
            mpi::MPI_ERR_TAG,
            format!("tag {} is negative", args.tag),
        ));
    }
    Ok(Some((comm, datatype)))
}

/// A count must not be negative.
#[inline]
pub fn check_count(count: i64) -> Result<(), MpiError> {
    if count < 0 {
        return Err(MpiError::new(
            mpi::MPI_ERR_COUNT,
            format!("count {count} is negative"),
        ));
    }
    Ok(())
}

/// Checks the arguments every receive and probe has in common.
#[inline]
pub fn check_source(comm: &CommSlot, source: i32, tag: i32) -> Result<(), MpiError> {
    if source != mpi::MPI_ANY_SOURCE
        && source != mpi::MPI_PROC_NULL
        && !(0..comm.peers()).contains(&source)
    {
        return Err(MpiError::new(
            mpi::MPI_ERR_RANK,
            format!(
                "source {source} is not in 0..{}, MPI_ANY_SOURCE or MPI_PROC_NULL",
                comm.peers()
            ),
        ));
    }
    if tag < 0 && tag != mpi::MPI_ANY_TAG {
        return Err(MpiError::new(
            mpi::MPI_ERR_TAG,
            format!("tag {tag} is negative and not MPI_ANY_TAG"),
        ));
    }
    Ok(())
}

/// A blocking send by native function `function`. It may block inside the native library: the receiver, parked or
/// not, takes the message.
#[inline]
pub fn send_blocking(function: FnId, args: &SendArgs) -> Result<(), MpiError> {
    let native = native()?;
    let Some((comm, datatype)) = check_send(args)? else {
        return Ok(());
    };
    let counted = Counted::new(native, args.count, datatype.native())?;
    let arguments = send_arguments(native, args, comm, &counted);
    COUNTERS.count_sent(comm);
    native_call::call(native, function, &arguments).inspect_err(|_| COUNTERS.take_back_sent(comm))
}

/// The six arguments every native send begins with.
#[inline]
fn send_arguments(
    native: &Native,
    args: &SendArgs,
    comm: &CommSlot,
    counted: &Counted,
) -> [u64; 6] {
    [
        args.buffer,
        counted.count,
        counted.datatype,
        int(native.rank_to_native(args.destination)),
        int(native.tag_to_native(args.tag)),
        comm.native(),
    ]
}

/// Starts a send and returns its state: active, or done where there is nothing to do.
#[inline]
pub fn start_send(args: SendArgs) -> Result<Request, MpiError> {
    let native = native()?;
    let Some((comm, datatype)) = check_send(&args)? else {
        return Ok(Request::done(Kind::Send(args), Completion::EMPTY));
    };
    let counted = Counted::new(native, args.count, datatype.native())?;
    let head = send_arguments(native, &args, comm, &counted);
    let mut request = 0_u64;
    let arguments = [
        head[0],
        head[1],
        head[2],
        head[3],
        head[4],
        head[5],
        native_call::out(&mut request),
    ];
    COUNTERS.count_sent(comm);
    native_call::call(native, args.function(), &arguments)
        .inspect_err(|_| COUNTERS.take_back_sent(comm))?;
    Ok(Request::active(Kind::Send(args), request))
}

/// Posts a receive: from the drained queue if a message there matches, else natively.
#[inline]
pub fn start_receive(args: ReceiveArgs) -> Result<Request, MpiError> {
    let native = native()?;
    let comm = comm(args.comm)?;
    let datatype = datatype(args.datatype)?;
    check_count(args.count)?;
    check_source(comm, args.source, args.tag)?;
    if args.source == mpi::MPI_PROC_NULL {
        return Ok(Request::done(Kind::Receive(args), Completion::PROC_NULL));
    }
    // The look into the queue and the native post are one step under the lock: while another thread drains, a
    // message must not slip into the queue between the two (it would be overtaken by its successor). Where no other
    // thread may be in MPI, none can drain.
    let mut locked = has_several_threads().then(state);
    if comm.queued() > 0 {
        let taken = locked
            .get_or_insert_with(state)
            .take_drained(comm, args.source, args.tag);
        if let Some(message) = taken {
            drop(locked);
            let completion = deliver::deliver(&message, &args)?;
            return Ok(Request::done(Kind::Receive(args), completion));
        }
    }
    post_native(native, &args, comm, datatype)
}

/// Whether several threads may be in MPI at once.
static SEVERAL_THREADS: AtomicBool = AtomicBool::new(true);

/// Tells the thread level (the standard's constant) that the application was given.
pub fn set_thread_level(level: i32) {
    SEVERAL_THREADS.store(level > mpi::MPI_THREAD_FUNNELED, Ordering::Relaxed);
}

/// Whether several threads may be in MPI: another may drain messages while the calling one is there.
pub fn has_several_threads() -> bool {
    SEVERAL_THREADS.load(Ordering::Relaxed)
}

/// Posts a receive natively.
#[inline]
pub fn post_native(
    native: &'static Native,
    args: &ReceiveArgs,
    comm: &CommSlot,
    datatype: &TypeSlot,
) -> Result<Request, MpiError> {
    let mut request = 0_u64;
    let counted = Counted::new(native, args.count, datatype.native())?;
    native_call::call(
        native,
        fns::MPI_IRECV,
        &[
            args.buffer,
            counted.count,
            counted.datatype,
            int(native.rank_to_native(args.source)),
            int(native.tag_to_native(args.tag)),
            comm.native(),
            native_call::out(&mut request),
        ],
    )?;
    Ok(Request::active(Kind::Receive(*args), request))
}

/// Asks the native library whether `request` is complete; `None` while it is not. `request` becomes the native null
/// handle on completion.
#[inline]
pub fn test_native(native: &Native, request: &mut u64) -> Result<Option<Completion>, MpiError> {
    let mut flag = 0_u64;
    let mut status = StatusBuf::new();
    let code = native_call::raw(
        native,
        fns::MPI_TEST,
        &[
            native_call::out(request),
            native_call::out(&mut flag),
            status.address(),
        ],
    );
    if code != 0 {
        let error = native_call::error(native, fns::MPI_TEST, code);
        return Ok(Some(Completion {
            error: error.class,
            ..Completion::from(native.decode_status(&status))
        }));
    }
    if flag as i32 == 0 {
        return Ok(None);
    }
    let mut completion = Completion::from(native.decode_status(&status));
    completion.error = mpi::MPI_SUCCESS;
    Ok(Some(completion))
}

/// Counts what the completion of a request of `kind` means for the messages in flight.
#[inline]
pub fn count_completion(kind: &Kind, completion: &Completion) {
    let counts = |handle: u64| publish::comm(handle).is_none_or(|comm| !comm.is_foreign());
    match kind {
        Kind::Send(args) if completion.cancelled && counts(args.comm) => {
            COUNTERS.sent.fetch_sub(1, Ordering::Relaxed);
        }
        Kind::Receive(args) if !completion.cancelled && counts(args.comm) => {
            COUNTERS.received.fetch_add(1, Ordering::Relaxed);
        }
        Kind::MatchedReceive if !completion.cancelled => {
            COUNTERS.received.fetch_add(1, Ordering::Relaxed);
        }
        _ => {}
    }
}

/// Tests request `id` and records its completion. `true` when it is complete (or inactive, or null).
pub fn poll(id: RequestId) -> Result<bool, MpiError> {
    let Some(mut native_request) = state().native_request(id)? else {
        return special::poll(id);
    };
    // Not under the lock: a native test may run user operations, which may ask us about datatypes.
    let Some(completion) = test_native(native()?, &mut native_request)? else {
        return Ok(false);
    };
    let is_made = completion.error == mpi::MPI_SUCCESS;
    let forming = record_completion(&mut state(), id, completion);
    match forming {
        Some(handle) => crate::comms::finish_idup(handle, is_made).map(|()| true),
        None => Ok(true),
    }
}

/// Records that the native request of `id` is complete. The communicator (upper handle) that an `MPI_Comm_idup` made is
/// returned: it is to be finished when the lock is free.
pub fn record_completion(state: &mut State, id: RequestId, completion: Completion) -> Option<u64> {
    let completion = file_transfer::complete(state, id, completion);
    let request = state.requests.get_mut(id)?;
    count_completion(&request.kind, &completion);
    let completion = request.kind.shown(completion);
    request.native = None;
    request.cancelling = false;
    request.keep.clear();
    request.progress = Progress::Done(completion);
    match request.kind {
        Kind::CommDup(handle) => Some(handle),
        _ => None,
    }
}

/// What a probe found.
pub enum Probed {
    /// Nothing yet.
    Nothing,
    /// A message that would be received.
    Message(Completion),
}

/// Looks for a message without receiving it: drained ones first.
#[inline]
pub fn probe(source: i32, tag: i32, comm_handle: u64) -> Result<Probed, MpiError> {
    let native = native()?;
    let comm = comm(comm_handle)?;
    check_source(comm, source, tag)?;
    if source == mpi::MPI_PROC_NULL {
        return Ok(Probed::Message(Completion::PROC_NULL));
    }
    if comm.queued() > 0
        && let Some(completion) = state().peek_drained(comm, source, tag)
    {
        return Ok(Probed::Message(completion));
    }
    let mut flag = 0_u64;
    let mut status = StatusBuf::new();
    let probing = comm.probing();
    native_call::call(
        native,
        fns::MPI_IPROBE,
        &[
            int(native.rank_to_native(source)),
            int(native.tag_to_native(tag)),
            comm.native(),
            native_call::out(&mut flag),
            status.address(),
        ],
    )?;
    drop(probing);
    if flag as i32 == 0 {
        return Ok(Probed::Nothing);
    }
    Ok(Probed::Message(Completion {
        error: mpi::MPI_SUCCESS,
        ..Completion::from(native.decode_status(&status))
    }))
}

/// A message taken out of matching by `MPI_Mprobe`, not yet received.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Matched {
    /// Upper handle of the communicator it came over.
    pub comm: u64,
    /// Its envelope.
    pub completion: Completion,
    /// Its bytes, once it was drained.
    pub bytes: Option<Vec<u8>>,
    /// The native message, until then.
    #[serde(skip)]
    pub native: u64,
}

/// What a matching probe found.
pub enum MatchedProbe {
    /// Nothing yet.
    Nothing,
    /// `MPI_PROC_NULL`'s message.
    NoProc,
    /// A message, now out of matching.
    Message(Matched),
}

/// `MPI_Improbe`: drained messages first.
pub fn improbe(source: i32, tag: i32, comm_handle: u64) -> Result<MatchedProbe, MpiError> {
    let native = native()?;
    let comm = comm(comm_handle)?;
    check_source(comm, source, tag)?;
    if source == mpi::MPI_PROC_NULL {
        return Ok(MatchedProbe::NoProc);
    }
    let mut state = state();
    if comm.queued() > 0
        && let Some(message) = state.take_drained(comm, source, tag)
    {
        let completion =
            Completion::message(message.source, message.tag, message.bytes.len() as i64);
        let bytes = Some(message.bytes);
        return Ok(MatchedProbe::Message(Matched {
            comm: comm_handle,
            completion,
            bytes,
            native: 0,
        }));
    }
    Ok(match improbe_native(native, source, tag, comm)? {
        None => MatchedProbe::Nothing,
        Some((message, completion)) => MatchedProbe::Message(Matched {
            comm: comm_handle,
            completion,
            bytes: None,
            native: message,
        }),
    })
}

/// `MPI_Improbe` of the native library alone.
pub fn improbe_native(
    native: &Native,
    source: i32,
    tag: i32,
    comm: &CommSlot,
) -> Result<Option<(u64, Completion)>, MpiError> {
    let (mut flag, mut message) = (0_u64, 0_u64);
    let mut status = StatusBuf::new();
    native_call::call(
        native,
        fns::MPI_IMPROBE,
        &[
            int(native.rank_to_native(source)),
            int(native.tag_to_native(tag)),
            comm.native(),
            native_call::out(&mut flag),
            native_call::out(&mut message),
            status.address(),
        ],
    )?;
    if flag as i32 == 0 {
        return Ok(None);
    }
    if comm.is_foreign() {
        // It will be counted when it is received, wherever that is, and should not be.
        COUNTERS.received.fetch_sub(1, Ordering::Relaxed);
    }
    Ok(Some((
        message,
        Completion {
            error: mpi::MPI_SUCCESS,
            ..Completion::from(native.decode_status(&status))
        },
    )))
}

/// Receives a natively matched message into a byte vector, as `MPI_PACKED` (which matches every type).
pub fn receive_packed(
    native: &'static Native,
    mut message: u64,
    completion: &Completion,
) -> Result<Vec<u8>, MpiError> {
    let len = usize::try_from(completion.count_bytes).unwrap_or(0);
    let mut bytes = vec![0_u8; len];
    let mut status = StatusBuf::new();
    let packed = native
        .predefined()
        .datatype(mpi::MPI_PACKED)
        .map_or(0, |packed| packed.raw());
    let counted = Counted::new(native, completion.count_bytes, packed)?;
    native_call::call(
        native,
        fns::MPI_MRECV,
        &[
            bytes.as_mut_ptr() as u64,
            counted.count,
            counted.datatype,
            native_call::out(&mut message),
            status.address(),
        ],
    )?;
    COUNTERS.received.fetch_add(1, Ordering::Relaxed);
    Ok(bytes)
}

/// Takes every message that no posted receive wants off communicator `comm` into the drained queue; returns how many. Stops where
/// another thread is in a probe: that thread has not parked, so this is not the last time.
pub fn drain_comm(native: &'static Native, comm: &CommSlot) -> Result<usize, MpiError> {
    let mut drained = 0;
    // Probe, receive and enqueue are one step under the lock; see `start_receive`.
    let mut state = state();
    while let Some(taking) = comm.taking()
        && let Some((message, completion)) =
            improbe_native(native, mpi::MPI_ANY_SOURCE, mpi::MPI_ANY_TAG, comm)?
    {
        drop(taking);
        let bytes = receive_packed(native, message, &completion)?;
        state.push_drained(
            comm,
            DrainedMessage {
                comm: comm.gid(),
                source: completion.source,
                tag: completion.tag,
                bytes,
            },
        );
        drained += 1;
    }
    Ok(drained)
}
