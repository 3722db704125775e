//! Restart: a fresh lower half takes over a saved upper half.
//!
//! ```text
//!   find the checkpoint -> start the native MPI, check the number of ranks -> read and map memory
//!     -> restore the state, open the program's descriptors -> world, communicators (in the order of global ids), datatypes, operations
//!     -> post pending receives again, in the order they were posted -> agent -> resume the threads, never return
//! ```
//!
//! # Safety
//! Lower TLS live, on the main thread; no upper code runs before [`mana_split::restore::resume_all`].
#![expect(
    unsafe_code,
    reason = "fills mapped regions of the upper half; see # Safety above"
)]

use std::collections::HashSet;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use mana_image::{Checkpoint, JobId, RankReader, Region, missing_cpu_features};
use mana_native::{Environment, detect_launcher};
use mana_split::advice::{self, Advised};
use mana_split::thread::Tid;
use mana_split::thread_image::ThreadImage;
use mana_split::{clock, descriptors, import_state, restore, signals};
use serde::Deserialize;

use crate::checkpoint::{METADATA_VERSION, Metadata};
use crate::engine::restore_state;
use crate::error::EngineError;
use crate::family::tree::Place;
use crate::messages::say;
use crate::shared_mappings::Made;
use crate::surroundings::Surroundings;
use crate::{
    alone, checkpoint, environment, family, init, kernel, local, process, rebuild, restarts,
    surroundings,
};

/// Takes over the job whose checkpoint is at `path` (a checkpoint, or a directory of them: the newest).
pub fn restart(path: &Path) -> Result<std::convert::Infallible, EngineError> {
    let checkpoint = mana_image::locate_to_restart(path)?;
    let manifest = checkpoint.check_files(None)?;
    check_launched_ranks(&checkpoint, manifest.ranks)?;

    // All ranks of a job ask for the same thread level, so any rank's file tells it.
    let guessed_rank = detect_launcher(&Environment::current())
        .rank
        .unwrap_or(0)
        .min(manifest.ranks - 1);
    if guessed_rank == 0 {
        check_has_ended(&checkpoint, manifest.job.as_ref())?;
    }
    checkpoint::set_job(manifest.job.clone());
    let guessed = checkpoint.open_rank(guessed_rank)?;
    // Before MPI is started, where it can be told so early; the nodes of a job may differ, so each rank looks again.
    check_processor(&guessed)?;
    if guessed_rank == 0 {
        kernel::compare(guessed.info());
    }
    let saved = metadata(&guessed)?;
    let level = saved.state.native_level.max(saved.state.thread_level);

    let family = &saved.surroundings.family;
    let mut tree = family::tree::fork(&checkpoint, &manifest, guessed_rank, family)?;
    process::prepare()?;
    let reserved = surroundings::reserve(Some(&saved.surroundings))?;
    tree.move_above(saved.surroundings.highest().unwrap_or(2) + 1)?;
    let world = if saved.alone {
        init::World { rank: 0, size: 1 }
    } else {
        init::start_native(level)?.0
    };
    check_ranks(&checkpoint, manifest.ranks, world.size)?;
    if world.rank != guessed_rank && manifest.written().any(|file| !file.children.is_empty()) {
        return Err(EngineError::Setting(format!(
            "this is rank {}, which the launcher has not told before MPI was started: programs with children cannot be started \
             again so; use mpirun of the MPI below",
            world.rank
        )));
    }

    let reader = checkpoint.open_rank(world.rank)?;
    check_processor(&reader)?;
    let taken = take_over(&reader, metadata(&reader)?, |saved| tree.hand_out(saved))?;
    if taken.alone {
        surroundings::limit(&taken.surroundings)?;
        alone::begin()?;
    } else {
        // Threads that the native MPI makes in a call inherit the caller's mask, which is not the program's yet: they must never
        // take a signal that it blocks.
        signals::with_all_blocked(|| {
            init::join_world(world)?;
            rebuild::rebuild()?;
            surroundings::limit(&taken.surroundings)?;
            init::start_agent(world)
        })?;
        family::register::listen()?;
    }
    if !tree.is_empty() {
        tree.run(main_thread(&taken.threads))?;
    }
    surroundings::settle(reserved)?;
    if world.rank == 0 {
        let ranks = match world.size {
            1 => "1 rank".to_owned(),
            ranks => format!("{ranks} ranks"),
        };
        say!("mana: {} goes on with {ranks}", checkpoint.path().display());
    }
    Ok(restore::resume_all(taken.threads)?)
}

/// For so long a job may take to end after its launcher has: scripts restart it right then.
const TO_END: Duration = Duration::from_secs(5);

/// Two copies of a job would write the same files, and remove each other's checkpoints.
fn check_has_ended(checkpoint: &Checkpoint, job: Option<&JobId>) -> Result<(), EngineError> {
    let Some((job, directory)) = job.zip(checkpoint.path().parent()) else {
        return Ok(());
    };
    let control_file = directory.join(init::CONTROL_FILE_NAME);
    let until = Instant::now() + TO_END;
    loop {
        let running = mana_agent::running(&control_file);
        let Some(running) = running.filter(|running| running.job == job.0) else {
            return Ok(());
        };
        if Instant::now() > until {
            return Err(EngineError::Setting(format!(
                "the job of {} still runs, on {}: end it first (`mana checkpoint --kill {}` saves it once more); to have a second one \
                 go on beside it, copy the checkpoint to another directory, and set MANA_CKPT_DIR to a third",
                checkpoint.path().display(),
                running.contact.hostname,
                directory.display()
            )));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Takes over a process that was a member of a program's family; the root is at the other end of `socket`.
pub fn become_member(
    place: &Place<'_>,
    socket: &UnixStream,
) -> Result<std::convert::Infallible, EngineError> {
    family::member::become_one();
    family::tree::lead(place.member);
    let reader = place.checkpoint.open_child(place.rank, place.child)?;
    check_processor(&reader)?;
    let metadata = metadata(&reader)?;
    process::prepare()?;
    let reserved = surroundings::reserve(Some(&metadata.surroundings))?;
    let above = metadata.surroundings.highest().unwrap_or(2) + 1;
    let socket = family::copy_above(socket, above)?;
    let taken = take_over(&reader, metadata, |_| {
        let (own, made) = family::tree::take_descriptors(&socket)?;
        own.numbers
            .iter()
            .for_each(|number| descriptors::adopt(number.number));
        Ok(made)
    })?;
    surroundings::limit(&taken.surroundings)?;
    alone::begin_agent()?;
    family::tree::wait_to_run(&socket, place.member)?;
    family::member::serve(socket)?;
    surroundings::settle(reserved)?;
    Ok(restore::resume_all(taken.threads)?)
}

/// What the program calls its main thread, and with it the process.
fn main_thread(threads: &[ThreadImage]) -> Tid {
    let main = threads.iter().find(|thread| thread.is_main);
    main.map_or(0, |main| main.tid)
}

/// What is left to do when memory and state are in place.
struct Taken {
    surroundings: Surroundings,
    threads: Vec<ThreadImage>,
    alone: bool,
}

/// Makes this process what `reader` has: memory, state, surroundings.
fn take_over(
    reader: &RankReader,
    metadata: Metadata,
    open: impl FnOnce(&Surroundings) -> Result<Made, EngineError>,
) -> Result<Taken, EngineError> {
    let Metadata {
        state,
        split,
        signals,
        threads,
        monotonic_ns,
        waited_ns,
        surroundings,
        alone,
        ..
    } = metadata;
    load_memory(reader, surroundings.advice.as_deref().unwrap_or_default())?;

    local::set_clock_origin(monotonic_ns);
    clock::go_on_from(waited_ns);
    import_state(&split)?;
    mana_split::signals::import(&signals)?;
    restore_state(state);
    restarts::count_one();
    surroundings::restore(&surroundings, open)?;
    environment::restore(&surroundings.environment, &threads, reader.regions())?;
    Ok(Taken {
        surroundings,
        threads,
        alone,
    })
}

/// The engine's part of an image.
pub fn metadata(reader: &RankReader) -> Result<Metadata, EngineError> {
    /// What every version has.
    #[derive(Deserialize)]
    struct Any {
        version: u32,
    }
    // First: the rest of a newer one may be anything.
    let Any { version } = reader.metadata()?;
    if version > METADATA_VERSION {
        return Err(EngineError::State(format!(
            "it has version {version}, and this mana ({}) knows up to {METADATA_VERSION}; it was written by mana {}",
            env!("CARGO_PKG_VERSION"),
            reader.info().mana_version
        )));
    }
    Ok(reader.metadata()?)
}

/// Refuses a wrong number of ranks before MPI is even started, where the launcher tells it.
fn check_launched_ranks(checkpoint: &Checkpoint, image_ranks: u32) -> Result<(), EngineError> {
    match detect_launcher(&Environment::current()).ranks {
        Some(ranks) => check_ranks(checkpoint, image_ranks, ranks),
        None => Ok(()),
    }
}

fn check_ranks(
    checkpoint: &Checkpoint,
    image_ranks: u32,
    launched_ranks: u32,
) -> Result<(), EngineError> {
    if image_ranks == launched_ranks {
        return Ok(());
    }
    let directory = checkpoint.path().display().to_string();
    Err(EngineError::RankCount {
        directory,
        image_ranks,
        launched_ranks,
    })
}

/// Refuses a processor that lacks what the program may be using.
fn check_processor(reader: &RankReader) -> Result<(), EngineError> {
    let missing = missing_cpu_features(&reader.info().cpu_features);
    if missing.is_empty() {
        return Ok(());
    }
    Err(EngineError::Setting(format!(
        "this processor lacks {}, which the program may be using since it was started on {}; restart it on a machine \
         that has them",
        missing.join(", "),
        reader.info().host
    )))
}

/// Puts the upper half's memory back at its addresses.
fn load_memory(reader: &RankReader, advised: &[Advised]) -> Result<(), EngineError> {
    let growing: HashSet<u64> = advised
        .iter()
        .filter(|one| one.grows_down())
        .map(|one| one.start)
        .collect();
    for region in reader.regions() {
        let grows_down = growing.contains(&region.start);
        restore::map_region(region.start as usize, region.len_bytes as usize, grows_down)?;
    }
    advice::import_page_sizes(advised);
    let filled = reader.regions().iter().enumerate().map(|(index, region)| {
        // SAFETY: `map_region` has just made this memory, zeroed; regions do not overlap; nobody else knows of it.
        let memory = unsafe {
            std::slice::from_raw_parts_mut(region.start as *mut u8, region.len_bytes as usize)
        };
        (index, memory)
    });
    reader.read_regions(filled)?;
    for Region {
        start,
        len_bytes,
        prot,
        ..
    } in reader.regions()
    {
        restore::protect_region(*start as usize, *len_bytes as usize, *prot as i32)?;
    }
    Ok(())
}
