//! All results so far, in one file: a run replaces the results of the cases it ran and leaves the others.

use std::collections::BTreeMap;
use std::path::PathBuf;

use mana_suite::Result;
use serde::{Deserialize, Serialize};

use super::outcome::{Side, Verdict};
use super::run::home;
use crate::sources::file;

/// Which case, where. `ranks` is 0 where the case says how many it wants.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Key {
    pub suite: String,
    pub mpi: String,
    pub ranks: u32,
    pub case: String,
}

/// Its verdicts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub native: Option<Verdict>,
    pub mana: Option<Verdict>,
    #[serde(default)]
    pub standard_abi: Option<Verdict>,
    #[serde(default)]
    pub restarted: Option<Verdict>,
}

/// The results.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    entries: BTreeMap<Key, Entry>,
}

fn path() -> PathBuf {
    home().join("results.json")
}

impl Store {
    /// Those of earlier runs.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn open() -> Result<Self> {
        let path = path();
        if !path.exists() {
            return Ok(Self {
                entries: BTreeMap::new(),
            });
        }
        let text = file("read", &path, std::fs::read_to_string(&path))?;
        let rows: Vec<(Key, Entry)> = file(
            "read",
            &path,
            serde_json::from_str(&text).map_err(Into::into),
        )?;
        Ok(Self {
            entries: rows.into_iter().collect(),
        })
    }

    /// Writes all of them, in one step.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self) -> Result<()> {
        let home = home();
        file("create", &home, std::fs::create_dir_all(&home))?;
        let beside = path().with_extension("new");
        file("write", &beside, std::fs::write(&beside, self.json()?))?;
        file("write", &path(), std::fs::rename(&beside, path()))
    }

    /// The file's text.
    ///
    /// # Errors
    /// None that can happen: every verdict has a text.
    pub fn json(&self) -> Result<String> {
        let rows: Vec<_> = self.entries.iter().collect();
        file(
            "write",
            &path(),
            serde_json::to_string_pretty(&rows).map_err(Into::into),
        )
    }

    /// Notes a verdict.
    pub fn put(&mut self, key: Key, side: Side, verdict: Verdict) {
        let entry = self.entries.entry(key).or_default();
        match side {
            Side::Native => entry.native = Some(verdict),
            Side::StandardAbi => entry.standard_abi = Some(verdict),
            Side::Mana => entry.mana = Some(verdict),
            Side::Restarted => entry.restarted = Some(verdict),
        }
    }

    /// Whether the case, or something of the module of that name, has run natively.
    pub fn has_native(&self, key: &Key) -> bool {
        self.within(key).any(|entry| entry.native.is_some())
    }

    /// Whether the case, or all that there is of the module of that name, passes under mana.
    pub fn passes_under_mana(&self, key: &Key) -> bool {
        let mut entries = self.within(key).peekable();
        entries.peek().is_some() && entries.all(|entry| entry.mana == Some(Verdict::Pass))
    }

    /// The case, or those of the module of that name.
    fn within(&self, key: &Key) -> impl Iterator<Item = &Entry> {
        let module = format!("{}.", key.case);
        self.entries
            .range(key.clone()..)
            .take_while(|(other, _)| {
                (&other.suite, &other.mpi, other.ranks) == (&key.suite, &key.mpi, key.ranks)
                    && other.case.starts_with(&key.case)
            })
            .filter(move |(other, _)| other.case == key.case || other.case.starts_with(&module))
            .map(|(_, entry)| entry)
    }

    /// Everything, by suite, MPI, ranks and case.
    pub fn entries(&self) -> impl Iterator<Item = (&Key, &Entry)> {
        self.entries.iter()
    }
}
