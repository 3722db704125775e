//! Environment variables that are the launcher's: a restart gives the program those of the new launcher.
//!
//! ```text
//!   given at the start     in the program at the checkpoint    given at the restart     then
//!   PMI_RANK=3             PMI_RANK=3                           PMI_RANK=5               PMI_RANK=5
//!   PMI_FD=9               PMI_FD=9                                                      -
//!                                                               OMPI_UNIVERSE_SIZE=8     OMPI_UNIVERSE_SIZE=8
//!   FI_PROVIDER=tcp        FI_PROVIDER=shm (its own doing)      FI_PROVIDER=tcp          FI_PROVIDER=shm
//!   HOME=/home/one         HOME=/home/one                       HOME=/home/two           HOME=/home/one
//! ```
//!
//! # Safety
//! Lower TLS live; no upper code runs yet when a list is changed.
#![expect(unsafe_code, reason = "gives the upper half another list of variables")]

use std::ffi::CString;
use std::ops::Range;
use std::os::unix::ffi::OsStringExt;
use std::sync::{Mutex, OnceLock, PoisonError};

use mana_descriptors::with_table_of_its_own;
use mana_image::Region;
use mana_split::environment::{self, Entry, Place};
use mana_split::hooks::Given;
use mana_split::signals::with_all_blocked;
use mana_split::thread_image::ThreadImage;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::error::EngineError;

/// How the names of launchers' variables begin: those of process managers, of resource managers, and of what MPIs and their
/// networks are told.
const LAUNCHERS: [&str; 17] = [
    "PMI_",
    "PMI2_",
    "PMIX_",
    "OMPI_",
    "PRTE_",
    "PRRTE_",
    "ORTE_",
    "MPICH_",
    "MPIR_CVAR_",
    "MPI_LOCAL",
    "HYDRA_",
    "HYDI_",
    "I_MPI_",
    "SLURM_",
    "FI_",
    "UCX_",
    "MANA_",
];

/// A variable's name and value.
type Variable = (ByteBuf, ByteBuf);

/// Part of an image.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Environment {
    /// Where the program's libc keeps it; `None` where that is not known.
    place: Option<Place>,
    /// What a launcher gave, to the program.
    given: Vec<Variable>,
}

/// What the launcher gave to this process.
static GIVEN: OnceLock<Vec<Variable>> = OnceLock::new();
/// What an earlier one gave, where the program still has that.
static STILL: OnceLock<Vec<Variable>> = OnceLock::new();
/// Where it is in the program, once that has been found: files tell it until the first restart only.
static PLACE: Mutex<Option<Place>> = Mutex::new(None);

/// Looks at what the launcher gave.
pub fn start() {
    let bytes = |text: std::ffi::OsString| ByteBuf::from(text.into_vec());
    let _ = GIVEN.set(
        Given::to_this_process()
            .environment
            .into_iter()
            .map(|(name, value)| (bytes(name), bytes(value)))
            .filter(|(name, _)| is_launchers(name))
            .collect(),
    );
}

fn is_launchers(name: &[u8]) -> bool {
    LAUNCHERS
        .iter()
        .any(|start| name.starts_with(start.as_bytes()))
}

/// Describes it; the program is stopped.
pub fn save() -> Result<Environment, EngineError> {
    let mut place = PLACE.lock().unwrap_or_else(PoisonError::into_inner);
    if place.is_none() {
        // The program may have locks on the files that this opens and closes. Where that cannot be done so, nothing is known.
        let found = with_all_blocked(|| with_table_of_its_own(&environment::find));
        *place = found.ok().transpose()?.flatten();
    }
    Ok(Environment {
        place: place.clone(),
        given: STILL.get().or(GIVEN.get()).cloned().unwrap_or_default(),
    })
}

/// Gives the program the variables of this launcher, before any of it runs; `memory`: what it has.
pub fn restore(
    saved: &Environment,
    threads: &[ThreadImage],
    memory: &[Region],
) -> Result<(), EngineError> {
    let Some(place) = &saved.place else {
        return Ok(());
    };
    *PLACE.lock().unwrap_or_else(PoisonError::into_inner) = Some(place.clone());
    let readable = |start: u64| readable(start, memory);
    let Some(now) = environment::read(place, &readable) else {
        tracing::warn!("the program's environment cannot be read: it stays as it was");
        let _ = STILL.set(saved.given.clone());
        return Ok(());
    };
    let new = GIVEN.get().map_or(&[][..], Vec::as_slice);
    let Some(entries) = changed(&now, &saved.given, new) else {
        return Ok(());
    };
    if environment::is_being_changed(place, threads, &readable) {
        tracing::warn!(
            "the program was changing its environment at the checkpoint: it keeps the variables of the launcher before"
        );
        let _ = STILL.set(saved.given.clone());
        return Ok(());
    }
    // SAFETY: no upper code runs yet, and the list has just been read.
    Ok(unsafe { environment::change(place, &entries) }?)
}

/// The readable memory from `start` on.
fn readable(start: u64, memory: &[Region]) -> Option<Range<u64>> {
    let region = memory
        .iter()
        .find(|region| (region.start..region.start + region.len_bytes).contains(&start))?;
    let is_readable = region.prot & libc::PROT_READ as u32 != 0;
    is_readable.then(|| start..region.start + region.len_bytes)
}

/// The list with `new` in place of what is as it was `given`; `None` where that is the same one.
fn changed(now: &[(u64, Vec<u8>)], given: &[Variable], new: &[Variable]) -> Option<Vec<Entry>> {
    let mut entries = Vec::with_capacity(now.len() + new.len());
    let mut is_other = false;
    for (place, text) in now {
        let (name, value) = parts(text);
        if !is_launchers(name) || find(given, name) != Some(value) {
            entries.push(Entry::Kept(*place));
            continue;
        }
        match find(new, name) {
            Some(new) if new == value => entries.push(Entry::Kept(*place)),
            Some(new) => {
                entries.extend(entry(name, new));
                is_other = true;
            }
            None => is_other = true,
        }
    }
    for (name, value) in new {
        let is_there = now.iter().any(|(_, text)| parts(text).0 == &name[..]);
        // One that the program has removed stays away.
        if !is_there && find(given, name).is_none() {
            entries.extend(entry(name, value));
            is_other = true;
        }
    }
    is_other.then_some(entries)
}

/// Name and value.
fn parts(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| *byte == b'=');
    let end = end.unwrap_or(text.len());
    (&text[..end], text.get(end + 1..).unwrap_or(&[]))
}

fn find<'a>(variables: &'a [Variable], name: &[u8]) -> Option<&'a [u8]> {
    let found = variables.iter().find(|(known, _)| &known[..] == name);
    found.map(|(_, value)| &value[..])
}

/// `None` for what no process could have been given.
fn entry(name: &[u8], value: &[u8]) -> Option<Entry> {
    CString::new([name, b"=", value].concat())
        .ok()
        .map(Entry::New)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(texts: &[&str]) -> Vec<Variable> {
        let owned = |bytes: &[u8]| ByteBuf::from(bytes.to_vec());
        let pairs = texts.iter().map(|text| parts(text.as_bytes()));
        pairs
            .map(|(name, value)| (owned(name), owned(value)))
            .collect()
    }

    /// What `changed` makes of it, as texts.
    fn after(now: &[&str], given: &[&str], new: &[&str]) -> Option<Vec<String>> {
        let list = now.iter().enumerate();
        let list: Vec<_> = list
            .map(|(at, text)| (at as u64, text.as_bytes().to_vec()))
            .collect();
        let entries = changed(&list, &variables(given), &variables(new))?;
        let text = |entry: &Entry| match entry {
            Entry::Kept(at) => now[*at as usize].to_owned(),
            Entry::New(text) => text.to_str().unwrap().to_owned(),
        };
        Some(entries.iter().map(text).collect())
    }

    #[test]
    fn the_launchers_variables_are_the_new_ones() {
        let now = [
            "PMI_RANK=3",
            "HOME=/one",
            "PMI_FD=9",
            "FI_PROVIDER=shm",
            "SLURM_JOB_ID=7",
        ];
        let given = [
            "PMI_RANK=3",
            "PMI_FD=9",
            "FI_PROVIDER=tcp",
            "SLURM_JOB_ID=7",
            "UCX_TLS=tcp",
        ];
        let new = [
            "PMI_RANK=5",
            "OMPI_UNIVERSE_SIZE=8",
            "FI_PROVIDER=tcp",
            "SLURM_JOB_ID=7",
            "UCX_TLS=all",
        ];
        let wanted = [
            "PMI_RANK=5",
            "HOME=/one",
            "FI_PROVIDER=shm",
            "SLURM_JOB_ID=7",
            "OMPI_UNIVERSE_SIZE=8",
        ];
        assert_eq!(after(&now, &given, &new).unwrap(), wanted);
    }

    #[test]
    fn what_is_the_same_stays_where_it_is() {
        let both = ["PMI_RANK=3", "HOME=/one"];
        assert_eq!(after(&both, &both[..1], &both[..1]), None);
    }
}
