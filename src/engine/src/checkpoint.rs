//! Writing this rank's image at the cut, and committing the checkpoint on rank 0.
//!
//! ```text
//!   rank 0            prepare: make ckpt-000003.partial/, say its number
//!   every rank        write:   regions + metadata -> rank-00002.mana ; what was written -> rank-00002.written
//!   rank 0            commit:  read the .written notes, MANIFEST, rename, prune
//!   any failure       abandoned: the partial directory goes, the last good checkpoint stays, the job runs on
//! ```
//!
//! # Safety
//! Lower TLS live, on the leader's thread; every other thread of the upper half is parked, so its memory does not
//! change while it is read.
#![expect(
    unsafe_code,
    reason = "reads the upper half's memory as bytes; see # Safety above"
)]

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use mana_agent::Cookie;
use mana_descriptors::StoredFile;
use mana_image::{
    FaultPoint, JobId, MpiIdentity, Pending, RankWriter, Region, RegionSource, Run, ScriptedFault,
    Store, WriteOptions, WriterInfo, Written,
};
use mana_split::maps::{self, Backing, PageMap};
use mana_split::signals::SignalAction;
use mana_split::sysv::Segment;
use mana_split::thread::Tid;
use mana_split::thread_image::ThreadImage;
use mana_split::{SplitState, clock, export_state, signals};
use serde::{Deserialize, Serialize};

use crate::engine::{State, settings, state, try_native};
use crate::error::EngineError;
use crate::init::World;
use crate::messages::say;
use crate::surroundings::{self, Place, Surroundings};
use crate::tools::{cvars, history};
use crate::{alone, cut, family, files, init, limits, shared_mappings, shared_memory};

/// Version of [`Metadata`]; a newer one is refused.
pub const METADATA_VERSION: u32 = 1;

/// What an image holds besides memory.
#[derive(Debug, Serialize, Deserialize)]
pub struct Metadata {
    /// [`METADATA_VERSION`] of the writer.
    pub version: u32,
    /// MPI objects, requests, queues.
    pub state: State,
    /// The loader's and the hooks' state.
    pub split: SplitState,
    /// Signal dispositions of the upper half.
    pub signals: Vec<SignalAction>,
    /// Its threads.
    pub threads: Vec<ThreadImage>,
    /// `CLOCK_MONOTONIC` at the cut in nanoseconds, so that `MPI_Wtime` does not run backwards.
    pub monotonic_ns: i64,
    /// The clock of the program's waits at the cut, in nanoseconds.
    #[serde(default)]
    pub waited_ns: i64,
    /// Open descriptors and the like.
    #[serde(default)]
    pub surroundings: Surroundings,
    /// Whether the program has no MPI.
    #[serde(default)]
    pub alone: bool,
}

/// [`Metadata`] of state that is borrowed.
#[derive(Serialize)]
struct MetadataRef<'a> {
    version: u32,
    state: &'a State,
    split: SplitState,
    signals: Vec<SignalAction>,
    threads: &'a [ThreadImage],
    monotonic_ns: i64,
    waited_ns: i64,
    surroundings: Surroundings,
    alone: bool,
}

/// Which job this is, once somebody has asked or said.
static JOB: Mutex<Option<JobId>> = Mutex::new(None);

fn job_known() -> std::sync::MutexGuard<'static, Option<JobId>> {
    JOB.lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Which job this is: rank 0's word counts.
pub fn job() -> JobId {
    let new = || {
        // Without random numbers, time and process tell jobs apart.
        let bytes = Cookie::random().map_or_else(
            |_| (unix_now_ns() ^ u128::from(std::process::id())).to_be_bytes(),
            |it| it.0,
        );
        JobId(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    };
    job_known().get_or_insert_with(new).clone()
}

/// This process goes on as that job; with `None` it becomes another one.
pub fn set_job(job: Option<JobId>) {
    *job_known() = job;
}

fn unix_now_ns() -> u128 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_nanos())
}

/// The checkpoint rank 0 is making, and where.
static PENDING: Mutex<Option<(Store, Pending)>> = Mutex::new(None);

fn pending() -> std::sync::MutexGuard<'static, Option<(Store, Pending)>> {
    PENDING
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Holds it while the process forks.
pub fn hold() -> impl Sized {
    (pending(), job_known())
}

/// What goes wrong on purpose in this rank; nothing, but in tests.
fn faults() -> Option<Arc<dyn FaultPoint>> {
    static FAULTS: OnceLock<Option<Arc<ScriptedFault>>> = OnceLock::new();
    let made = FAULTS.get_or_init(|| {
        let rank = init::world()?.rank;
        settings().disk_fault.as_ref()?.of_rank(rank).map(Arc::new)
    });
    made.clone().map(|faults| faults as Arc<dyn FaultPoint>)
}

/// Rank 0: makes the directory of the next checkpoint; returns its number.
pub fn prepare() -> Result<u64, EngineError> {
    if family::member::is_one() {
        return Ok(0); // the root's
    }
    let store = Store::create(&settings().directory, faults())?.of_job(job());
    let made = store.begin()?;
    let number = made.number();
    *pending() = Some((store, made));
    Ok(number)
}

/// The directory the ranks write to.
fn partial_directory(number: u64) -> PathBuf {
    settings().directory.join(mana_image::partial_name(number))
}

/// Writes this rank's image, and has its children write theirs; a child takes its orders.
pub fn write(number: u64, threads: &[ThreadImage]) -> Result<(), EngineError> {
    if family::member::is_one() {
        return family::member::take_part(threads);
    }
    let world =
        init::world().ok_or_else(|| EngineError::Setting("a checkpoint before MPI_Init".into()))?;
    limits::check_address_space()?;
    let directory = partial_directory(number);
    let mut writer = RankWriter::create(&directory, world.rank, options())?;
    let children = family::root::stop()?;
    save_memory_and_state(&mut writer, threads, &Place::Root(&children), || {
        // When they have lent their descriptors, which they do not while they write.
        family::root::begin_to_write(&directory, world.rank)
    })?;
    let mut written = writer.finish(&info(world, threads.len())?)?;
    written.children = family::root::written()?;
    written.leave_note(&directory, faults())?;
    Ok(())
}

/// Writes the image of a child, the `child`-th of its rank; `family`: what the kernel calls all of these.
pub fn write_child(
    directory: &Path,
    rank: u32,
    child: u32,
    family: &[Tid],
    threads: &[ThreadImage],
) -> Result<Written, EngineError> {
    limits::check_address_space()?;
    let mut writer = RankWriter::create_child(directory, rank, child, options())?;
    save_memory_and_state(&mut writer, threads, &Place::Child(family), || Ok(()))?;
    let world = World {
        rank,
        size: rank + 1,
    };
    Ok(writer.finish(&info(world, threads.len())?)?)
}

/// The files and segments that the program maps and that have to be made again.
pub fn mapped() -> Result<(Vec<StoredFile>, Vec<Segment>), EngineError> {
    let regions = maps::upper_regions()?;
    let shared = shared_mappings::describe(&regions, &shared_memory::places(), &[])?;
    let segments = shared.nameless_segments();
    Ok((shared.into_files(), segments))
}

fn options() -> WriteOptions {
    WriteOptions {
        compression: cvars::compression(),
        faults: faults(),
        ..WriteOptions::default()
    }
}

/// Writes all that this process has; `described` is called when its surroundings are.
fn save_memory_and_state(
    writer: &mut RankWriter,
    threads: &[ThreadImage],
    place: &Place<'_>,
    described: impl FnOnce() -> Result<(), EngineError>,
) -> Result<(), EngineError> {
    let regions = maps::upper_regions()?;
    let page_map = PageMap::open()?;
    let windows = shared_memory::places();
    let shared = shared_mappings::describe(&regions, &windows, &place.family())?;
    history::fold(&mut state());
    files::note_positions().map_err(|error| EngineError::NativeCall {
        doing: "asking where the file pointers stand",
        function: "MPI",
        reason: error.message,
    })?;
    let unreadable = unreadable_contents(&regions, &page_map)?;
    let sources = regions
        .iter()
        .map(|region| {
            let mut source = source(region, &page_map, &unreadable)?;
            let saved_by_others =
                |(place, others): &(Range<usize>, bool)| *others && place.contains(&region.start);
            if windows.iter().any(saved_by_others) || shared.leaves_out(region) {
                source.runs.clear();
            }
            Ok::<_, EngineError>(source)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let surroundings = surroundings::save(shared, threads, place)?;
    described()?;
    writer.write_regions(sources)?;
    let guard = state();
    writer.write_metadata(&MetadataRef {
        version: METADATA_VERSION,
        state: &guard,
        split: export_state()?,
        signals: signals::export(),
        threads,
        monotonic_ns: crate::local::monotonic_ns(),
        waited_ns: clock::now_ns(),
        surroundings,
        alone: alone::is_alone(),
    })?;
    Ok(())
}

fn os(doing: String, source: std::io::Error) -> EngineError {
    EngineError::Os { doing, source }
}

/// Who writes, for `mana show`.
fn info(world: init::World, threads: usize) -> Result<WriterInfo, EngineError> {
    let split = export_state()?;
    let native = try_native();
    Ok(WriterInfo {
        rank: world.rank,
        ranks: world.size,
        epoch: cut::committed() + 1,
        program: split.program.display().to_string(),
        threads: threads as u32,
        mpi: MpiIdentity {
            name: native.map(|n| n.version().to_string()).unwrap_or_default(),
            library: native
                .map(|n| n.path().display().to_string())
                .unwrap_or_default(),
            abi: native.map(|n| n.family().to_string()).unwrap_or_default(),
        },
        phases: cut::phases(),
        ..WriterInfo::here()
    })
}

/// Pages of a region that is not readable, copied.
struct Copied {
    range: Range<usize>,
    bytes: Vec<u8>,
}

/// The contents of pages that the program has made unreadable (a guarded heap, say): by way of /proc/self/mem, which
/// does not mind.
fn unreadable_contents(
    regions: &[maps::Region],
    page_map: &PageMap,
) -> Result<Vec<Copied>, EngineError> {
    use std::os::unix::fs::FileExt;
    let mut copied = Vec::new();
    let memory =
        fs::File::open("/proc/self/mem").map_err(|e| os("opening /proc/self/mem".into(), e))?;
    for region in regions
        .iter()
        .filter(|region| region.prot & libc::PROT_READ == 0)
        .filter(|region| region.is_anonymous() || region.shared)
    {
        for range in page_map.resident(region)? {
            let mut bytes = vec![0; range.len()];
            memory
                .read_exact_at(&mut bytes, range.start as u64)
                .map_err(|e| {
                    os(
                        format!("reading {:#x}-{:#x} of the program", range.start, range.end),
                        e,
                    )
                })?;
            copied.push(Copied { range, bytes });
        }
    }
    Ok(copied)
}

/// A region with the bytes to save.
fn source<'a>(
    region: &maps::Region,
    page_map: &PageMap,
    unreadable: &'a [Copied],
) -> Result<RegionSource<'a>, EngineError> {
    let mut runs = Vec::new();
    if region.prot & libc::PROT_READ == 0 {
        let inside = |copied: &&Copied| region.range().contains(&copied.range.start);
        runs.extend(unreadable.iter().filter(inside).map(|copied| Run {
            offset_bytes: (copied.range.start - region.start) as u64,
            data: &copied.bytes,
        }));
    } else {
        for range in page_map.resident(region)? {
            // SAFETY: readable pages of the upper half, which is parked: nobody writes or unmaps them meanwhile.
            let data = unsafe { std::slice::from_raw_parts(range.start as *const u8, range.len()) };
            runs.push(Run {
                offset_bytes: (range.start - region.start) as u64,
                data,
            });
        }
    }
    Ok(RegionSource {
        region: described(region),
        runs,
    })
}

/// A region as the image names it.
fn described(region: &maps::Region) -> Region {
    let anonymous = if matches!(region.backing, Backing::Anonymous(_)) {
        libc::MAP_ANONYMOUS
    } else {
        0
    };
    let sharing = if region.shared {
        libc::MAP_SHARED
    } else {
        libc::MAP_PRIVATE
    };
    Region {
        start: region.start as u64,
        len_bytes: region.len_bytes as u64,
        prot: region.prot as u32,
        flags: (sharing | anonymous) as u32,
        name: region.name().display().to_string(),
    }
}

/// Rank 0: commits checkpoint `number`.
pub fn commit(number: u64) -> Result<(), EngineError> {
    if family::member::is_one() {
        return Ok(());
    }
    let made = pending().take();
    let made = made.filter(|(_, made)| made.number() == number);
    let (store, made) = made.ok_or_else(|| {
        EngineError::Setting(format!("checkpoint {number} was not prepared by this rank"))
    })?;
    let ranks = init::world().map_or(0, |world| world.size);
    let written = made.take_notes(ranks)?;
    let checkpoint = store.commit(made, ranks, cut::committed() + 1, cut::phases(), written)?;
    say!(
        "mana: checkpoint {} is written",
        checkpoint.path().display()
    );
    if let Err(error) = store.prune(cvars::keep()) {
        tracing::warn!("old checkpoints could not be removed: {error}");
    }
    Ok(())
}

/// There will be no checkpoint this time.
pub fn abandoned(reason: &str) {
    if family::member::is_one() {
        return family::member::abandoned(reason);
    }
    let made = pending().take();
    if init::world().is_some_and(|world| world.rank == 0) {
        say!(
            "mana: no checkpoint this time: {reason}. The program runs on; the last good checkpoint stays"
        );
    }
    drop(made);
}

/// The job was asked to end once it was saved.
pub fn end_job(number: u64) -> ! {
    if init::world().is_some_and(|world| world.rank == 0) {
        say!("mana: checkpoint {number} is written and the job ends, as asked");
    }
    end_process()
}

/// Ends the process at once, without exit handlers of either half: the program is to look killed.
pub fn end_process() -> ! {
    // SAFETY: takes no pointer, and does not return.
    unsafe { libc::_exit(0) }
}
