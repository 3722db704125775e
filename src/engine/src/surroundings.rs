//! What the program has from the system besides memory and MPI: open descriptors, working directory, file mode mask,
//! limits, the launcher's variables.
//!
//! ```text
//!   start      Reserved -> the lower half opens what it needs above -> note_lower_half      numbers are as without mana
//!   cut        save: describe the program's descriptors                                    what cannot be kept is named
//!   restart    Reserved up to the image's highest number -> native MPI -> restore -> note_lower_half
//! ```
//!
//! At a restart everything is opened before the agents connect, which is where all ranks meet: so no rank writes to a file
//! again before each has found it as it was.

use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use mana_descriptors::{
    Descriptors, FilePolicy, Lent, Lost, Program, Restored, Standard, with_table_of_its_own,
};
use mana_image::JobId;
use mana_split::advice::{self, Advised};
use mana_split::children;
use mana_split::descriptors::{self, Reserved};
use mana_split::hooks::{Given, Variables};
use mana_split::signals::with_all_blocked;
use mana_split::sysv::Segment;
use mana_split::thread_image::ThreadImage;
use mana_split::watches;
use mana_split::{hooks, maps};
use rustix::fs::Mode;
use serde::{Deserialize, Serialize};

use crate::checkpoint;
use crate::engine::settings;
use crate::environment::{self, Environment};
use crate::error::EngineError;
use crate::family::root::{self, Borrowed, Stopped};
use crate::family::{self, Member};
use crate::limits::{self, Limits};
use crate::messages::{self, say};
use crate::shared_mappings::{self, Made, Shared, SharedMapping};

/// Standard streams as the launcher gave them to this process.
static STANDARD: OnceLock<Standard> = OnceLock::new();
/// What was said last about what cannot be kept.
static SAID: Mutex<Vec<Lost>> = Mutex::new(Vec::new());
/// The children there were before the lower half was made.
static BEFORE: Mutex<Vec<i32>> = Mutex::new(Vec::new());

/// The library of an MPI that the program has loaded itself, once that has been found.
static OTHER_MPI: Mutex<Option<String>> = Mutex::new(None);

/// Part of an image.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Surroundings {
    /// Open descriptors.
    pub descriptors: Descriptors,
    /// The working directory; `None` where it has been removed.
    pub directory: Option<PathBuf>,
    /// The file mode mask, umask(2).
    pub mask: u32,
    /// Memory that is shared with files or segments.
    pub shared: Vec<SharedMapping>,
    /// What the program has told the kernel about its process.
    pub limits: Limits,
    /// Variables that are the launcher's.
    pub environment: Environment,
    /// Children that it has not waited for.
    pub children: Vec<children::Ended>,
    /// What it has told the kernel about its memory; `None` where nobody has looked.
    pub advice: Option<Vec<Advised>>,
    /// The library of an MPI that it has loaded itself.
    pub other_mpi: Option<String>,
    /// Other processes of the program, each with an image of its own: of the root.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub family: Vec<Member>,
    /// Segments without a key that any of them attaches: of the root.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<Segment>,
    /// The highest number of a child's descriptors, which the root's image has.
    pub highest: Option<i32>,
}

impl Surroundings {
    /// The highest number of the process' descriptors.
    pub fn highest(&self) -> Option<i32> {
        self.descriptors.highest().max(self.highest)
    }
}

/// Which process of its program is saved.
#[derive(Debug)]
pub enum Place<'a> {
    /// The first one; all these are stopped, too.
    Root(&'a [Stopped]),
    /// One of those, of which the root describes the descriptors; what the kernel calls them all.
    Child(&'a [i32]),
}

impl Place<'_> {
    /// What the kernel calls the processes that have images of their own.
    pub fn family(&self) -> Vec<i32> {
        match self {
            Self::Root(stopped) => stopped.iter().map(Stopped::pid).collect(),
            Self::Child(family) => family.to_vec(),
        }
    }
}

/// What the program before tells the one that it executes: which standard streams the launcher gave, and what else is open that is
/// not the program's.
const STANDARD_VARIABLE: &str = "MANA_EXEC_STANDARD";
const GIVEN_VARIABLE: &str = "MANA_EXEC_GIVEN";
/// The name of the family that the program is of.
const FAMILY_VARIABLE: &str = "MANA_EXEC_FAMILY";
/// Which job it is.
const JOB_VARIABLE: &str = "MANA_EXEC_JOB";

/// Looks at what the launcher gave, before anything is opened.
pub fn start() {
    let Given { settings, note, .. } = Given::to_this_process();
    if let Some(name) = told(&settings, FAMILY_VARIABLE) {
        family::set_name(name);
    }
    // A child that becomes a job of its own is another one.
    if note.is_some_and(|note| !note.is_child) {
        checkpoint::set_job(told(&settings, JOB_VARIABLE).map(|job| JobId(job.to_owned())));
    }
    let told = told(&settings, STANDARD_VARIABLE).and_then(|text| text.parse().ok());
    let standard = *STANDARD.get_or_init(|| told.unwrap_or_else(Standard::now));
    follow_exec(settings, standard);
    limits::start();
    environment::start();
}

/// What the program before has said by the variable `name`.
fn told<'a>(settings: &'a Variables, name: &str) -> Option<&'a str> {
    let told = settings.iter().find(|(one, _)| one == name);
    told.and_then(|(_, value)| value.to_str())
}

/// This program has been executed by one that ran under `mana`, and nothing has been opened yet: what is open is its own.
pub fn inherit() -> Result<(), EngineError> {
    let settings = Given::to_this_process().settings;
    let given = told(&settings, GIVEN_VARIABLE).unwrap_or_default();
    let given: Vec<i32> = given
        .split(',')
        .filter_map(|text| text.parse().ok())
        .collect();
    Ok(descriptors::inherit(&given)?)
}

/// Has what the program executes in its own place go on as this job.
fn follow_exec(given: Variables, standard: Standard) {
    const DIRECTORY_VARIABLE: &str = "MANA_CKPT_DIR";
    let told = [
        STANDARD_VARIABLE,
        GIVEN_VARIABLE,
        FAMILY_VARIABLE,
        JOB_VARIABLE,
        DIRECTORY_VARIABLE,
    ];
    let not_the_programs = descriptors::given().unwrap_or_default();
    let numbers: Vec<String> = not_the_programs.iter().map(i32::to_string).collect();
    let directory = &settings().directory;
    let settings = given
        .into_iter()
        .filter(|(name, _)| name.as_encoded_bytes().starts_with(b"MANA_"))
        .filter(|(name, _)| !told.iter().any(|one| name == one))
        .chain([
            (STANDARD_VARIABLE.into(), standard.to_string().into()),
            (GIVEN_VARIABLE.into(), numbers.join(",").into()),
            (FAMILY_VARIABLE.into(), family::name().into()),
            (JOB_VARIABLE.into(), checkpoint::job().0.into()),
            (DIRECTORY_VARIABLE.into(), directory.into()),
        ]);
    let text = |(mut name, value): (OsString, OsString)| {
        name.push("=");
        name.push(value);
        CString::new(name.into_vec()).ok()
    };
    let settings = settings.filter_map(text).collect();
    let children = crate::engine::settings().children;
    hooks::follow_exec(settings, children);
    if children {
        hooks::follow_forks(family::forked::fork);
    }
}

/// Keeps numbers free for the program while the lower half opens its own; `saved`: what an image has.
pub fn reserve(saved: Option<&Surroundings>) -> Result<Reserved, EngineError> {
    if let Some(saved) = saved {
        limits::restore_room(&saved.limits);
    }
    let highest = saved.and_then(Surroundings::highest);
    if let Some(highest) = highest {
        mana_native::move_launcher_connection(highest + 1);
    }
    *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = children::all();
    let reserved = Reserved::below(highest)?;
    messages::keep_stderr(highest.map_or(3, |highest| highest + 1));
    Ok(reserved)
}

/// The lower half is up: what is open and not the program's is its own.
pub fn settle(reserved: Reserved) -> Result<(), EngineError> {
    drop(reserved);
    children::note_lower_half(&BEFORE.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(descriptors::note_lower_half()?)
}

/// The numbers of the program's descriptors; the program is stopped.
pub fn owned() -> Result<Vec<i32>, EngineError> {
    descriptors::claim_fifos()?;
    let owned = descriptors::owned();
    for number in descriptors::unclaimed()? {
        if mana_descriptors::is_accepted(number, &owned) {
            descriptors::adopt(number);
        }
    }
    Ok(descriptors::owned())
}

/// Describes the descriptors of the program: of all its processes, in the root; and the segments that these attach.
fn describe(
    shared: &Shared,
    place: &Place<'_>,
) -> Result<(Descriptors, Vec<Segment>), EngineError> {
    let Place::Root(children) = place else {
        return Ok(Default::default());
    };
    let standard = STANDARD.get().copied().unwrap_or_default();
    let owned = owned()?;
    let describe = |lent: &[Vec<Lent>]| -> Result<Descriptors, EngineError> {
        let program = Program {
            is_mapped_whole: &|id, bytes| shared.is_mapped_whole(id, bytes),
            path_of_watched: &|(device, inode)| watches::path_of(device, inode),
        };
        Ok(mana_descriptors::save_all(
            &owned, lent, &standard, &program,
        )?)
    };
    let describe_all = || {
        let Borrowed {
            descriptors,
            mapped,
            mut segments,
        } = root::borrow()?;
        segments.extend(shared.nameless_segments());
        segments.sort_by_key(|segment| segment.id);
        segments.dedup_by_key(|segment| segment.id);
        let mut described = describe(&descriptors)?;
        for file in mapped {
            // The root makes it, and whoever maps it fills it.
            if !described.stored.iter().any(|stored| stored.id == file.id) {
                described.stored.push(file);
            }
        }
        Ok((described, segments))
    };
    // A thread that reads a file may be made: it is to be the lower half's.
    with_all_blocked(|| {
        if children.is_empty() {
            return Ok((describe(&[])?, Vec::new()));
        }
        // The duplicates go with the table that they are in.
        let apart = with_table_of_its_own(&describe_all);
        apart.map_err(|errno| EngineError::Os {
            doing: "making a table for the descriptors of children".into(),
            source: errno.into(),
        })?
    })
}

/// Describes all of it; the program is stopped. Says what cannot be kept, when that is new.
pub fn save(
    shared: Shared,
    threads: &[ThreadImage],
    place: &Place<'_>,
) -> Result<Surroundings, EngineError> {
    let (mut descriptors, segments) = describe(&shared, place)?;
    let shared = shared.save(&mut descriptors);
    descriptors.lost.extend(waits_for_heirs(threads));
    let children = children::export(&place.family())?;
    descriptors.lost.extend(living(&children.living));
    let other_mpi = other_mpi()?;
    descriptors.lost.extend(other_mpi.as_deref().map(loaded));
    if settings().strict && !descriptors.lost.is_empty() {
        return Err(EngineError::NotAll(all_lost(&descriptors.lost)));
    }
    tell(&descriptors.lost);
    let mask = rustix::process::umask(Mode::empty());
    rustix::process::umask(mask);
    Ok(Surroundings {
        descriptors,
        directory: std::env::current_dir().ok(),
        mask: mask.bits(),
        shared,
        limits: limits::save(),
        environment: environment::save()?,
        children: children.ended,
        advice: Some(advice::export()?),
        other_mpi,
        family: match place {
            Place::Root(stopped) => stopped.iter().map(|one| one.member.clone()).collect(),
            Place::Child(_) => Vec::new(),
        },
        segments,
        highest: match place {
            Place::Root(_) => None,
            Place::Child(_) => descriptors::owned().last().copied(),
        },
    })
}

/// Tells the kernel again what it had been told about memory.
fn advise_again(advised: &[Advised]) {
    for refused in advice::import(advised) {
        tracing::warn!(
            "what the program had told the kernel about its memory is not accepted here: {refused}"
        );
    }
}

/// Threads that wait for a mutex with priority inheritance.
fn waits_for_heirs(threads: &[ThreadImage]) -> impl Iterator<Item = Lost> {
    let waiting = threads.iter().filter(|thread| thread.waits_for_heir);
    waiting.map(|thread| Lost {
        object: format!("thread {}", thread.tid),
        what: "waits for a mutex with priority inheritance".into(),
        why: "its owner is named by a number that only this kernel knows".into(),
        then: "After a restart the mutex stays locked".into(),
    })
}

/// Children that live.
fn living(children: &[children::Living]) -> impl Iterator<Item = Lost> {
    children.iter().map(|child| Lost {
        object: format!("child {}", child.pid),
        what: child.name.clone(),
        why: "it runs outside mana".into(),
        then: "After a restart it is as if it had been killed".into(),
    })
}

/// The library of an MPI that the program has loaded itself: mapped, or it was when the program was first saved.
fn other_mpi() -> Result<Option<String>, EngineError> {
    let mut known = OTHER_MPI.lock().unwrap_or_else(PoisonError::into_inner);
    if known.is_none() && hooks::may_have_other_mpi() {
        let is_one = |name: &str| hooks::OTHER_MPIS.iter().any(|mpi| name.starts_with(mpi));
        let regions = maps::upper_regions()?;
        let names = regions
            .iter()
            .filter_map(|region| region.name().file_name());
        *known = names
            .map(|name| name.to_string_lossy().into_owned())
            .find(|name| is_one(name));
    }
    Ok(known.clone())
}

/// An MPI that is part of the program.
fn loaded(library: &str) -> Lost {
    Lost {
        object: library.to_owned(),
        what: "an MPI that the program has loaded itself".into(),
        why: "what it holds outside this process stays behind. With libmana_stub, or a library of the standard ABI, in its place \
              the program can be kept"
            .into(),
        then: "After a restart its calls go astray".into(),
    }
}

/// Enters the program's working directory. Its relative paths would lead astray in another one: so that has to be asked for.
fn enter(directory: &Path, policy: FilePolicy) -> Result<(), EngineError> {
    match std::env::set_current_dir(directory) {
        Err(error) if policy == FilePolicy::Accept => {
            tracing::warn!(
                "the program's working directory, {}, cannot be entered ({error}): it goes on in {}",
                directory.display(),
                std::env::current_dir().unwrap_or_default().display()
            );
            Ok(())
        }
        entered => entered.map_err(|source| EngineError::Directory {
            path: directory.to_owned(),
            source,
        }),
    }
}

/// Enters a folder that is removed, as the program's has been.
fn enter_removed() -> Result<(), EngineError> {
    let folder = std::env::temp_dir().join(format!("mana-removed-{}", std::process::id()));
    std::fs::create_dir(&folder)
        .and_then(|()| std::env::set_current_dir(&folder))
        .and_then(|()| std::fs::remove_dir(&folder))
        .map_err(|source| EngineError::Os {
            doing: format!("making {} the removed working directory", folder.display()),
            source,
        })
}

/// All that cannot be kept, in a line.
fn all_lost(lost: &[Lost]) -> String {
    let each = lost.iter().map(
        |Lost {
             object, what, why, ..
         }| format!("{object} ({what}): {why}"),
    );
    each.collect::<Vec<_>>().join("; ")
}

/// Names what cannot be kept.
fn tell(lost: &[Lost]) {
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    if *said == lost {
        return;
    }
    for lost in lost.iter().filter(|lost| !said.contains(lost)) {
        let Lost {
            object,
            what,
            why,
            then,
        } = lost;
        say!("mana: {object} ({what}) cannot be kept in a checkpoint: {why}. {then}");
    }
    *said = lost.to_vec();
}

/// What the program may have of the system is what it had allowed itself, from here on: the lower half is as large as it gets.
pub fn limit(saved: &Surroundings) -> Result<(), EngineError> {
    limits::restore(&saved.limits)
}

/// Opens what the program has open; what is the children's remains to be sent.
pub fn open(saved: &Descriptors) -> Result<Restored, EngineError> {
    let note = &watches::note_again;
    Ok(mana_descriptors::restore_all(
        saved,
        settings().files,
        note,
    )?)
}

/// Puts all of it back but [`limit`]s, before any of the program runs. `open` opens what it has open, and returns what there is to be
/// mapped.
pub fn restore(
    saved: &Surroundings,
    open: impl FnOnce(&Surroundings) -> Result<Made, EngineError>,
) -> Result<(), EngineError> {
    // First: names of sockets may begin in the working directory.
    rustix::process::umask(Mode::from_bits_retain(saved.mask));
    match &saved.directory {
        Some(directory) => enter(directory, settings().files)?,
        None => enter_removed()?,
    }
    let made = open(saved)?;
    for number in &saved.descriptors.numbers {
        descriptors::adopt(number.number);
    }
    shared_mappings::restore(&saved.shared, &made, settings().files)?;
    made.stored.seal()?;
    drop(made);
    children::import(saved.children.clone());
    match &saved.advice {
        Some(advised) => advise_again(advised),
        // Its code does not come by the hook when it says something, either.
        None => advice::note(),
    }
    (*OTHER_MPI.lock().unwrap_or_else(PoisonError::into_inner)).clone_from(&saved.other_mpi);
    // Last: a process' locks on a file go when it closes any descriptor of it.
    Ok(mana_descriptors::lock(&saved.descriptors)?)
}
