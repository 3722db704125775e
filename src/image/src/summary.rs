//! What `mana ls`, `mana show` and `mana verify` tell, as values that serialise.

use crate::{
    checkpoint::{Checkpoint, State},
    codec::Codec,
    error::ImageError,
    index::Chunk,
    info::{Phase, WriterInfo},
    manifest::JobId,
    reader::RankReader,
};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What one codec was used for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CodecSummary {
    /// The codec.
    pub codec: Codec,
    /// How many chunks have it.
    pub chunks: u64,
    /// The memory that they hold.
    pub memory_bytes: u64,
    /// What they take in the file, padding included.
    pub stored_bytes: u64,
    /// Stored over memory: 0.5 is half.
    pub ratio: f64,
}

/// One region and what is stored of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionSummary {
    /// The first address.
    pub start: u64,
    /// One past the last address.
    pub end: u64,
    /// `rwxp`, as in `/proc/self/maps`.
    pub permissions: String,
    /// Its name in `/proc/self/maps`.
    pub name: String,
    /// How much of it is not left out as zero.
    pub memory_bytes: u64,
    /// What that takes in the file.
    pub stored_bytes: u64,
    /// In how many chunks.
    pub chunks: u64,
}

/// One rank's file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RankSummary {
    /// The file.
    pub path: PathBuf,
    /// Its format version.
    pub format_version: u32,
    /// Who wrote it.
    pub info: WriterInfo,
    /// Its size.
    pub file_bytes: u64,
    /// The memory that it describes.
    pub memory_bytes: u64,
    /// The memory that is stored; the rest is zero.
    pub nonzero_bytes: u64,
    /// What that takes in the file.
    pub stored_bytes: u64,
    /// The size of the engine's state.
    pub metadata_bytes: u64,
    /// What each codec was used for.
    pub codecs: Vec<CodecSummary>,
    /// The regions.
    pub regions: Vec<RegionSummary>,
}

/// One checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckpointSummary {
    /// Its directory.
    pub path: PathBuf,
    /// Its number.
    pub number: u64,
    /// Is it whole?
    pub state: State,
    /// Why it cannot be used, when it cannot.
    pub problem: Option<String>,
    /// Which checkpoint of its run it is.
    pub epoch: u64,
    /// The number of ranks.
    pub ranks: u32,
    /// When it was committed, in nanoseconds since 1970.
    pub committed_unix_ns: u64,
    /// The version of `mana` that wrote it.
    pub mana_version: String,
    /// Of which job it is, if that is known.
    pub job: Option<JobId>,
    /// The size of all files.
    pub file_bytes: u64,
    /// The memory of all ranks and their children.
    pub memory_bytes: u64,
    /// What each codec was used for, over all files.
    pub codecs: Vec<CodecSummary>,
    /// How long it took from the request to the cut, in nanoseconds.
    pub until_cut_ns: Option<u64>,
    /// Where the time went. Each is the slowest rank's or child's, in the order in which they happen.
    pub phases: Vec<Phase>,
}

/// The codecs of `chunks`, in the order of [`Codec::ALL`], without those that were not used.
pub(crate) fn codec_summaries(chunks: &[Chunk]) -> Vec<CodecSummary> {
    let of = |codec| {
        let mine = || chunks.iter().filter(move |chunk| chunk.codec == codec);
        let memory_bytes = mine().map(|chunk| u64::from(chunk.memory_bytes)).sum();
        codec_summary(
            codec,
            mine().count() as u64,
            memory_bytes,
            mine().map(Chunk::padded_bytes).sum(),
        )
    };
    Codec::ALL
        .into_iter()
        .map(of)
        .filter(|summary| summary.chunks > 0)
        .collect()
}

/// The sum of several files' codecs.
fn add_codecs<'a>(all: impl Iterator<Item = &'a CodecSummary> + Clone) -> Vec<CodecSummary> {
    let of = |codec| {
        let mine = all.clone().filter(|summary| summary.codec == codec);
        let sum = |field: fn(&CodecSummary) -> u64| mine.clone().map(field).sum();
        codec_summary(
            codec,
            sum(|one| one.chunks),
            sum(|one| one.memory_bytes),
            sum(|one| one.stored_bytes),
        )
    };
    Codec::ALL
        .into_iter()
        .map(of)
        .filter(|summary| summary.chunks > 0)
        .collect()
}

fn codec_summary(codec: Codec, chunks: u64, memory_bytes: u64, stored_bytes: u64) -> CodecSummary {
    let ratio = if memory_bytes == 0 {
        1.0
    } else {
        stored_bytes as f64 / memory_bytes as f64
    };
    CodecSummary {
        codec,
        chunks,
        memory_bytes,
        stored_bytes,
        ratio,
    }
}

/// What one rank's file says. Its memory is not read: [`RankReader::verify`] does.
///
/// # Errors
/// Those of [`RankReader::open`].
pub fn summary(path: &Path) -> Result<RankSummary, ImageError> {
    Ok(RankReader::open(path)?.summary())
}

impl RankReader {
    /// What the file says.
    pub fn summary(&self) -> RankSummary {
        let regions: Vec<_> = (0..self.regions().len())
            .map(|number| self.region_summary(number))
            .collect();
        RankSummary {
            path: self.path().to_owned(),
            format_version: self.header().format_version,
            info: self.info().clone(),
            file_bytes: self.header().file_bytes,
            memory_bytes: self.header().memory_bytes,
            nonzero_bytes: regions.iter().map(|region| region.memory_bytes).sum(),
            stored_bytes: regions.iter().map(|region| region.stored_bytes).sum(),
            metadata_bytes: self.metadata_bytes() as u64,
            codecs: codec_summaries(self.chunks()),
            regions,
        }
    }

    fn region_summary(&self, number: usize) -> RegionSummary {
        let (region, chunks) = (&self.regions()[number], self.chunks_of(number));
        RegionSummary {
            start: region.start,
            end: region.end(),
            permissions: region.permissions(),
            name: region.name.clone(),
            memory_bytes: chunks
                .iter()
                .map(|chunk| u64::from(chunk.memory_bytes))
                .sum(),
            stored_bytes: chunks.iter().map(Chunk::padded_bytes).sum(),
            chunks: chunks.len() as u64,
        }
    }
}

impl Checkpoint {
    /// What the manifest says. A checkpoint without a readable one has its problem in the summary.
    pub fn summary(&self) -> CheckpointSummary {
        let empty = CheckpointSummary {
            path: self.path().to_owned(),
            number: self.number(),
            state: self.state(),
            problem: None,
            epoch: 0,
            ranks: 0,
            committed_unix_ns: 0,
            mana_version: String::new(),
            job: None,
            file_bytes: 0,
            memory_bytes: 0,
            codecs: Vec::new(),
            until_cut_ns: None,
            phases: Vec::new(),
        };
        let manifest = match self.manifest() {
            Ok(manifest) => manifest,
            Err(error) => {
                return CheckpointSummary {
                    problem: Some(error.to_string()),
                    ..empty
                };
            }
        };
        let written = || manifest.written();
        CheckpointSummary {
            problem: self.check_files(None).err().map(|error| error.to_string()),
            number: manifest.number,
            epoch: manifest.epoch,
            ranks: manifest.ranks,
            committed_unix_ns: manifest.committed_unix_ns,
            mana_version: manifest.mana_version.clone(),
            job: manifest.job.clone(),
            file_bytes: written().map(|file| file.file_bytes).sum(),
            memory_bytes: written().map(|file| file.memory_bytes).sum(),
            codecs: add_codecs(
                written()
                    .flat_map(|file| &file.codecs)
                    .collect::<Vec<_>>()
                    .into_iter(),
            ),
            until_cut_ns: manifest.until_cut_ns(),
            phases: manifest.phases(),
            ..empty
        }
    }
}
