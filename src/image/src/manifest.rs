//! `MANIFEST`: what makes a directory of rank files a checkpoint.
//!
//! Text, so that people can read it: one JSON value, then a line with its checksum. It keeps each file's header checksum,
//! which stands for the whole file.
//!
//! ```text
//!   { "format": 1, "number": 3, "epoch": 3, "ranks": 4, … "files": [ … ] }
//!   xxh3-64 0123456789abcdef
//! ```

use crate::{error::ImageError, info::Phase, layout::checksum, writer::Written};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The manifest's name in a checkpoint.
pub(crate) const MANIFEST_NAME: &str = "MANIFEST";

/// The manifest format of a checkpoint whose ranks have no children. Every `mana` can read it.
const WITHOUT_CHILDREN: u32 = 1;

/// The one of a checkpoint in which some have, so that a `mana` that would restart the ranks alone refuses it; and the
/// newest one that this crate reads.
const WITH_CHILDREN: u32 = 2;

/// What begins the last line.
const SUM_WORD: &str = "xxh3-64 ";

/// The name in a checkpoint of a rank's file, or of that of one of its children.
pub(crate) fn file_name(rank: u32, child: Option<u32>) -> String {
    match child {
        None => format!("rank-{rank:05}.mana"),
        Some(child) => format!("rank-{rank:05}.child-{child:05}.mana"),
    }
}

/// The format that a manifest of these ranks needs.
fn format_of<'a>(mut written: impl Iterator<Item = &'a Written>) -> u32 {
    if written.all(|rank| rank.children.is_empty()) {
        WITHOUT_CHILDREN
    } else {
        WITH_CHILDREN
    }
}

/// One rank's file, and with it those of its children.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RankEntry {
    /// Its name in the checkpoint's directory.
    pub file: String,
    /// What the rank reported; its children's reports are in it.
    pub written: Written,
}

/// Which job a checkpoint is of: the same from its first start on, over all restarts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub String);

/// The content of `MANIFEST`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The format of this description.
    pub format: u32,
    /// The checkpoint's number in its directory.
    pub number: u64,
    /// Which checkpoint of its run it is.
    pub epoch: u64,
    /// The number of ranks.
    pub ranks: u32,
    /// When it was committed, in nanoseconds since 1970.
    pub committed_unix_ns: u64,
    /// The version of `mana` that committed it.
    pub mana_version: String,
    /// Of which job it is; not in those that earlier versions have committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
    /// What came before the writing, by phase, as the committing rank saw it.
    pub phases_before: Vec<Phase>,
    /// One entry per rank, by rank.
    pub files: Vec<RankEntry>,
}

impl Manifest {
    /// A manifest of this version.
    pub(crate) fn new(
        number: u64,
        epoch: u64,
        job: Option<JobId>,
        phases_before: Vec<Phase>,
        mut written: Vec<Written>,
    ) -> Self {
        written.sort_unstable_by_key(|rank| rank.rank);
        let entry = |written: Written| RankEntry {
            file: written.file_name(),
            written,
        };
        Self {
            format: format_of(written.iter()),
            number,
            epoch,
            ranks: written.len() as u32,
            committed_unix_ns: crate::info::unix_now_ns(),
            mana_version: env!("CARGO_PKG_VERSION").into(),
            job,
            phases_before,
            files: written.into_iter().map(entry).collect(),
        }
    }

    /// What was reported of every file: rank by rank, each followed by its children.
    pub fn written(&self) -> impl Iterator<Item = &Written> {
        self.files.iter().flat_map(|entry| entry.written.family())
    }

    /// How many children of `rank` the checkpoint has.
    pub fn children(&self, rank: u32) -> usize {
        let entry = self.files.get(rank as usize);
        entry.map_or(0, |entry| entry.written.children.len())
    }

    /// What a rank, or one of its children, reported.
    pub(crate) fn find(&self, rank: u32, child: Option<u32>) -> Option<&Written> {
        let written = &self.files.get(rank as usize)?.written;
        written.family().find(|report| report.child == child)
    }

    /// Where the time went: what came before, then the parts of writing, each as the slowest rank or child took for it.
    pub fn phases(&self) -> Vec<Phase> {
        let slowest = |field: fn(&Written) -> u64| self.written().map(field).max();
        let of = |name: &str, field| Phase::new(name, slowest(field).unwrap_or(0));
        let mut phases = self.phases_before.clone();
        phases.push(of("write memory", |one| one.timings.memory_ns));
        phases.push(of("write sections", |one| one.timings.tail_ns));
        phases.push(of("fsync", |one| one.timings.sync_ns));
        phases
    }

    /// From the request to the cut, as the committing rank saw it; none where it did not look.
    pub fn until_cut_ns(&self) -> Option<u64> {
        let before = &self.phases_before;
        (!before.is_empty()).then(|| before.iter().map(|phase| phase.wall_ns).sum())
    }

    /// The manifest as text.
    pub(crate) fn encode(&self) -> serde_json::Result<String> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        let sum = checksum(text.as_bytes());
        text.push_str(&format!("{SUM_WORD}{sum:016x}\n"));
        Ok(text)
    }

    /// The manifest from text.
    pub(crate) fn decode(path: &Path, text: &[u8]) -> Result<Self, ImageError> {
        let bad = |why: String| ImageError::BadManifest {
            path: path.to_owned(),
            why,
        };
        let sum_line_bytes = SUM_WORD.len() + 16 + 1;
        let split = text
            .len()
            .checked_sub(sum_line_bytes)
            .ok_or_else(|| bad(format!("{} bytes", text.len())))?;
        let (json, sum_line) = text.split_at(split);
        let expected = format!("{SUM_WORD}{:016x}\n", checksum(json));
        if sum_line != expected.as_bytes() {
            let found = String::from_utf8_lossy(sum_line);
            let why = format!(
                "its last line should be {:?} and is {:?}",
                expected.trim_end(),
                found.trim_end()
            );
            return Err(bad(why));
        }
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let version: Version =
            serde_json::from_slice(json).map_err(|error| bad(error.to_string()))?;
        if version.format > WITH_CHILDREN {
            return Err(ImageError::Newer {
                path: path.to_owned(),
                found: version.format,
                supported: WITH_CHILDREN,
            });
        }
        let manifest: Self =
            serde_json::from_slice(json).map_err(|error| bad(error.to_string()))?;
        manifest.check().map_err(bad)?;
        Ok(manifest)
    }

    /// Has every rank its entry, with its own children, and does the format allow for them?
    fn check(&self) -> Result<(), String> {
        // A name that is not the rank's own could lead out of the directory.
        let right = |entry: &RankEntry, rank| {
            entry.written.rank == rank && entry.file == file_name(rank, None)
        };
        let mut entries = self.files.iter().zip(0..);
        let in_order = entries.all(|(entry, rank)| right(entry, rank));
        if !in_order || self.files.len() != self.ranks as usize {
            let files = self.files.len();
            return Err(format!("{} ranks and {files} files", self.ranks));
        }
        let reports = || self.files.iter().map(|entry| &entry.written);
        reports().try_for_each(Written::check_children)?;
        if self.format.max(WITHOUT_CHILDREN) < format_of(reports()) {
            return Err(format!("format {} knows no children", self.format));
        }
        Ok(())
    }
}
