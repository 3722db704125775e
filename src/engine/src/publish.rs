//! The lock-free face of the object tables: what the hot paths need to know about a communicator or a datatype.
//!
//! ```text
//!   State (behind the lock)               publish (read by anybody, without lock, without TLS)
//!   Table<Comm, CommDesc>  --publish-->   COMMS: handle | native | rank | size | peers | queued
//!   Table<Datatype, …>     --publish-->   TYPES: handle | native | size_bytes
//! ```
//!
//! Invariant: a slot whose `handle` equals the asked one describes a live object. Slots are never deallocated; a
//! program that frees an object in one thread while it uses it in another is erroneous (MPI-5.0 section 11.6) and
//! gets an old or a new value here, never a wild one.
//!
//! `MPI_Comm_rank`, `MPI_Type_size` and friends are served from here without switching FS, and sends and receives
//! find their native handles here: no call on those paths takes a lock.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{LazyLock, OnceLock, PoisonError, RwLock};

use mana_drain::ClockId;
use mana_drain::Gid;
use mana_native::{Native, NativeDatatype};
use mana_record_replay::handle::{Kind, kind};
use mana_table::constants as mpi;

use crate::probes::{Probes, Probing, Taking};

/// Objects per lazily made chunk.
const CHUNK: usize = 1024;
/// Chunks: as many as the handle's index bits can name.
const CHUNKS: usize = (1 << INDEX_BITS) / CHUNK;
/// Index bits of communicator and datatype handles.
const INDEX_BITS: u32 = <kind::Comm as Kind>::INDEX_BITS;
/// Handles below are the standard's predefined ones.
const PREDEFINED: usize = 4096;

/// What a slot must be able to say for [`Slots`] to find it.
trait Slot: Default {
    fn handle(&self) -> &AtomicU32;
}

/// A communicator, as the hot paths see it.
#[derive(Default, Debug)]
pub struct CommSlot {
    handle: AtomicU32,
    native: AtomicU64,
    gid: AtomicU64,
    rank: AtomicI32,
    size: AtomicI32,
    peers: AtomicI32,
    queued: AtomicU32,
    foreign: AtomicBool,
    clock: AtomicU32,
    probes: Probes,
}

/// In place of a clock where there is none.
const NO_CLOCK: u32 = u32::MAX;

/// What there is to know about a communicator when it becomes visible.
#[derive(Debug, Clone, Copy)]
pub struct CommFacts {
    /// The native handle.
    pub native: u64,
    /// The global id.
    pub gid: Gid,
    /// The calling process' rank in it.
    pub rank: i32,
    /// Size of the local group.
    pub size: i32,
    /// How many ranks messages can go to.
    pub peers: i32,
    /// Whether processes of another job are in it.
    pub foreign: bool,
    /// Counts its collectives; a communicator without has none.
    pub clock: Option<ClockId>,
}

impl CommSlot {
    /// The upper handle.
    pub fn handle(&self) -> u32 {
        self.handle.load(Ordering::Acquire)
    }
    /// The native handle.
    pub fn native(&self) -> u64 {
        self.native.load(Ordering::Relaxed)
    }
    /// The global id.
    pub fn gid(&self) -> Gid {
        Gid(self.gid.load(Ordering::Relaxed))
    }
    /// The calling process' rank in it.
    pub fn rank(&self) -> i32 {
        self.rank.load(Ordering::Relaxed)
    }
    /// Size of the local group.
    pub fn size(&self) -> i32 {
        self.size.load(Ordering::Relaxed)
    }
    /// How many ranks messages can go to: the remote group's size of an intercommunicator, else the size.
    pub fn peers(&self) -> i32 {
        self.peers.load(Ordering::Relaxed)
    }
    /// Held while a probe is in the library below.
    pub fn probing(&self) -> Probing<'_> {
        self.probes.begin()
    }
    /// Held while a message is taken out of matching by a thread for another one; nothing while there are probes.
    pub fn taking(&self) -> Option<Taking<'_>> {
        self.probes.take()
    }
    /// Drained messages that wait in the unexpected queue of this communicator.
    pub fn queued(&self) -> u32 {
        self.queued.load(Ordering::Relaxed)
    }
    /// Whether processes of another job are in it: its messages are not counted.
    pub fn is_foreign(&self) -> bool {
        self.foreign.load(Ordering::Relaxed)
    }
    /// The clock of its collectives.
    pub fn clock(&self) -> Option<ClockId> {
        let bits = self.clock.load(Ordering::Relaxed);
        (bits != NO_CLOCK).then(|| ClockId::from_bits(bits))
    }
    /// Counts drained messages that came or went.
    pub fn count_queued(&self, change: i32) {
        self.queued.fetch_add(change as u32, Ordering::Relaxed);
    }
}

impl Slot for CommSlot {
    fn handle(&self) -> &AtomicU32 {
        &self.handle
    }
}

/// A datatype, as the hot paths see it.
#[derive(Default, Debug)]
pub struct TypeSlot {
    handle: AtomicU32,
    native: AtomicU64,
    committed: AtomicBool,
    size_bytes: AtomicI64,
}

impl TypeSlot {
    /// The native handle for communication; 0 if the type is not committed or the native library lacks it.
    pub fn native(&self) -> u64 {
        if self.is_committed() {
            self.native_uncommitted()
        } else {
            0
        }
    }
    /// The native handle, committed or not; 0 if the native library lacks the type.
    pub fn native_uncommitted(&self) -> u64 {
        self.native.load(Ordering::Relaxed)
    }
    /// Whether the type may be used for communication.
    pub fn is_committed(&self) -> bool {
        self.committed.load(Ordering::Relaxed)
    }
    /// Bytes of data in one element (`MPI_Type_size`).
    pub fn size_bytes(&self) -> i64 {
        self.size_bytes.load(Ordering::Relaxed)
    }
}

impl Slot for TypeSlot {
    fn handle(&self) -> &AtomicU32 {
        &self.handle
    }
}

/// Slots that are made together, when the first of them is needed.
type Chunk<S> = OnceLock<Box<[S]>>;

/// Slots of one kind, by handle.
struct Slots<S> {
    predefined: Chunk<S>,
    chunks: [Chunk<S>; CHUNKS],
}

impl<S: Slot> Slots<S> {
    const fn new() -> Self {
        Self {
            predefined: OnceLock::new(),
            chunks: [const { OnceLock::new() }; CHUNKS],
        }
    }

    /// The place of `handle`, and which slot there.
    #[inline]
    fn place(&self, handle: u64) -> Option<(&Chunk<S>, usize, usize)> {
        let value = usize::try_from(handle).ok()?;
        if value < PREDEFINED {
            return Some((&self.predefined, value, PREDEFINED));
        }
        let index = value & ((1 << INDEX_BITS) - 1);
        Some((self.chunks.get(index / CHUNK)?, index % CHUNK, CHUNK))
    }

    /// The live slot of `handle`.
    #[inline]
    fn get(&self, handle: u64) -> Option<&S> {
        let (chunk, at, _) = self.place(handle)?;
        let slot = &chunk.get()?[at];
        (u64::from(slot.handle().load(Ordering::Acquire)) == handle && handle != 0).then_some(slot)
    }

    /// The slot to fill for `handle`, made if need be.
    fn make(&self, handle: u64) -> Option<&S> {
        let (chunk, at, len) = self.place(handle)?;
        let slots = chunk.get_or_init(|| (0..len).map(|_| S::default()).collect());
        Some(&slots[at])
    }
}

static COMMS: Slots<CommSlot> = Slots::new();
static TYPES: Slots<TypeSlot> = Slots::new();

/// The communicator `handle`, if it is one.
#[inline]
pub fn comm(handle: u64) -> Option<&'static CommSlot> {
    COMMS.get(handle)
}

/// The datatype `handle`, if it is one.
#[inline]
pub fn datatype(handle: u64) -> Option<&'static TypeSlot> {
    TYPES.get(handle)
}

/// Makes communicator `handle` visible.
pub fn publish_comm(handle: u64, facts: &CommFacts) {
    let Some(slot) = COMMS.make(handle) else {
        return;
    };
    let clock = facts.clock.map_or(NO_CLOCK, ClockId::to_bits);
    slot.native.store(facts.native, Ordering::Relaxed);
    slot.gid.store(facts.gid.0, Ordering::Relaxed);
    slot.rank.store(facts.rank, Ordering::Relaxed);
    slot.size.store(facts.size, Ordering::Relaxed);
    slot.peers.store(facts.peers, Ordering::Relaxed);
    slot.queued.store(0, Ordering::Relaxed);
    slot.foreign.store(facts.foreign, Ordering::Relaxed);
    slot.clock.store(clock, Ordering::Relaxed);
    slot.handle.store(handle as u32, Ordering::Release);
}

/// Makes datatype `handle` visible. `native` is 0 while the native library does not know it.
pub fn publish_datatype(handle: u64, native: u64, size_bytes: i64, committed: bool) {
    let Some(slot) = TYPES.make(handle) else {
        return;
    };
    slot.native.store(native, Ordering::Relaxed);
    slot.size_bytes.store(size_bytes, Ordering::Relaxed);
    slot.committed.store(committed, Ordering::Relaxed);
    slot.handle.store(handle as u32, Ordering::Release);
    index_native(handle, native);
}

/// Takes communicator `handle` out of sight.
pub fn retire_comm(handle: u64) {
    if let Some(slot) = COMMS.get(handle) {
        slot.handle.store(0, Ordering::Release);
    }
}

/// Takes datatype `handle` out of sight.
pub fn retire_datatype(handle: u64) {
    if let Some(slot) = TYPES.get(handle) {
        unindex_native(handle, slot.native_uncommitted());
        slot.handle.store(0, Ordering::Release);
    }
}

/// The slot of `MPI_COMM_WORLD`.
pub fn world() -> Option<&'static CommSlot> {
    comm(mpi::MPI_COMM_WORLD)
}

/// Upper handles of native derived datatypes. Behind a lock of its own, under which nothing else is called: user
/// operations ask, in whatever thread the native library runs them.
static DERIVED: LazyLock<RwLock<HashMap<u64, u32>>> = LazyLock::new(RwLock::default);

/// Remembers which upper handle a native datatype has; the predefined ones are known to the native half.
fn index_native(handle: u64, native: u64) {
    if handle >= PREDEFINED as u64 && native != 0 {
        DERIVED
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(native, handle as u32);
    }
}

/// Forgets it.
fn unindex_native(handle: u64, native: u64) {
    let mut derived = DERIVED.write().unwrap_or_else(PoisonError::into_inner);
    if derived
        .get(&native)
        .is_some_and(|owner| u64::from(*owner) == handle)
    {
        derived.remove(&native);
    }
}

/// The upper handle of a native datatype, for a user operation; the native library names one of ours or a predefined
/// one. `MPI_DATATYPE_NULL` for one that is neither.
pub fn datatype_of_native(native: &Native, datatype: NativeDatatype) -> u64 {
    if let Some(predefined) = native.predefined().standard_datatype(datatype) {
        return predefined;
    }
    let derived = DERIVED.read().unwrap_or_else(PoisonError::into_inner);
    derived
        .get(&datatype.raw())
        .map_or(mpi::MPI_DATATYPE_NULL, |handle| u64::from(*handle))
}
