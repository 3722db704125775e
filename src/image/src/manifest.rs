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

/// The manifest format that this crate writes, and the newest one that it reads.
const MANIFEST_FORMAT: u32 = 1;

/// What begins the last line.
const SUM_WORD: &str = "xxh3-64 ";

/// The name of a rank's file in a checkpoint.
pub(crate) fn rank_file_name(rank: u32) -> String {
    format!("rank-{rank:05}.mana")
}

/// One rank's file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RankEntry {
    /// Its name in the checkpoint's directory.
    pub file: String,
    /// What the rank reported.
    pub written: Written,
}

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
        phases_before: Vec<Phase>,
        mut written: Vec<Written>,
    ) -> Self {
        written.sort_unstable_by_key(|rank| rank.rank);
        let entry = |written: Written| RankEntry {
            file: rank_file_name(written.rank),
            written,
        };
        Self {
            format: MANIFEST_FORMAT,
            number,
            epoch,
            ranks: written.len() as u32,
            committed_unix_ns: crate::info::unix_now_ns(),
            mana_version: env!("CARGO_PKG_VERSION").into(),
            phases_before,
            files: written.into_iter().map(entry).collect(),
        }
    }

    /// Where the time went: what came before, then the slowest rank's parts of writing.
    pub fn phases(&self) -> Vec<Phase> {
        let slowest =
            |field: fn(&Written) -> u64| self.files.iter().map(|entry| field(&entry.written)).max();
        let of = |name: &str, field| Phase::new(name, slowest(field).unwrap_or(0));
        let mut phases = self.phases_before.clone();
        phases.push(of("write memory", |rank| rank.timings.memory_ns));
        phases.push(of("write sections", |rank| rank.timings.tail_ns));
        phases.push(of("fsync", |rank| rank.timings.sync_ns));
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
        if version.format > MANIFEST_FORMAT {
            return Err(ImageError::Newer {
                path: path.to_owned(),
                found: version.format,
                supported: MANIFEST_FORMAT,
            });
        }
        let manifest: Self =
            serde_json::from_slice(json).map_err(|error| bad(error.to_string()))?;
        // A name that is not the rank's own could lead out of the directory.
        let right = |entry: &RankEntry, rank| {
            entry.written.rank == rank && entry.file == rank_file_name(rank)
        };
        let in_order = manifest
            .files
            .iter()
            .zip(0..)
            .all(|(entry, rank)| right(entry, rank));
        if !in_order || manifest.files.len() != manifest.ranks as usize {
            return Err(bad(format!(
                "{} ranks and {} files",
                manifest.ranks,
                manifest.files.len()
            )));
        }
        Ok(manifest)
    }
}
