//! Writes the file of one rank, or of one of its child processes.
//!
//! The order of events makes the header the proof of the rest: memory first, then the sections that say where it
//! lies, then the header that says where those are, then fsync. A file without a header was never finished, and a
//! directory without MANIFEST never committed ([`crate::Store`]).

use crate::{
    codec::Compression,
    direct::{AlignedBuffer, DirectFile},
    disk::{Disk, FaultPoint, Step},
    error::ImageError,
    header::{Header, SectionKind},
    index::{self, Chunk},
    info::WriterInfo,
    layout::{FORMAT_VERSION, HEADER_BYTES, page_ceil},
    manifest::file_name,
    plan::spans,
    region::{Region, RegionSource},
    summary::{CodecSummary, codec_summaries},
    tail,
    worker::{Output, Reserve, write_spans},
};
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    io::IoSlice,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicU64},
    time::Instant,
};

/// How to write.
#[derive(Debug, Clone, Default)]
pub struct WriteOptions {
    /// Which chunks to compress.
    pub compression: Compression,
    /// How many threads encode and write; 0 means one per processor of this process, at least two and at most eight.
    pub workers: usize,
    /// Write through the page cache even where O_DIRECT would work.
    pub buffered: bool,
    /// Lets tests fail a step.
    pub faults: Option<Arc<dyn FaultPoint>>,
}

impl WriteOptions {
    fn worker_count(&self) -> usize {
        match self.workers {
            0 => default_workers(),
            workers => workers,
        }
    }
}

/// A thread per processor; two at least, so that one encodes while the other waits for the device.
pub(crate) fn default_workers() -> usize {
    std::thread::available_parallelism().map_or(2, |processors| processors.get().clamp(2, 8))
}

/// How long the parts of writing took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct WriteTimings {
    /// Memory, on the wall: encoding and writing overlap in it.
    pub memory_ns: u64,
    /// Encoding (zero scan, compression, checksums), summed over the workers.
    pub encode_busy_ns: u64,
    /// Waiting for writes of memory, summed over the workers.
    pub write_busy_ns: u64,
    /// Sections and header, on the wall.
    pub tail_ns: u64,
    /// fsync, on the wall.
    pub sync_ns: u64,
}

/// What a rank reports when its file is on the disk, and those of its children. Rank 0 needs it of every rank to commit.
///
/// A child reports to its rank, which adds that to its own report before it leaves word of it. Where there are no
/// children a field is left out, so an encoding has to have the fields' names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Written {
    /// The rank.
    pub rank: u32,
    /// The size of its file.
    pub file_bytes: u64,
    /// The memory that the file describes, zero pages included.
    pub memory_bytes: u64,
    /// The checksum in the file's header, which stands for the whole file.
    pub header_xxh3: u64,
    /// What each codec was used for.
    pub codecs: Vec<CodecSummary>,
    /// How long it took.
    pub timings: WriteTimings,
    /// Did the file system take O_DIRECT?
    pub direct: bool,
    /// Which child process of the rank this is, from 1; none for the rank itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child: Option<u32>,
    /// Of a rank: what its children have written, by number, each from 1 to the last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Written>,
}

impl Written {
    /// The report itself, then its children's.
    pub(crate) fn family(&self) -> impl Iterator<Item = &Written> {
        std::iter::once(self).chain(&self.children)
    }

    /// The name of its file.
    pub(crate) fn file_name(&self) -> String {
        file_name(self.rank, self.child)
    }

    /// Is this a rank's report, with children that are its own, numbered from 1 without a gap, and without children?
    ///
    /// # Errors
    /// What is wrong, in words.
    pub(crate) fn check_children(&self) -> Result<(), String> {
        let rank = self.rank;
        if let Some(child) = self.child {
            return Err(format!("child {child} of rank {rank} stands for its rank"));
        }
        for (report, number) in self.children.iter().zip(1..) {
            if report.rank != rank || report.child != Some(number) {
                let why = format!("{report} stands where child {number} of rank {rank} should");
                return Err(why);
            }
            if !report.children.is_empty() {
                return Err(format!("{report} has children itself"));
            }
        }
        Ok(())
    }
}

impl fmt::Display for Written {
    /// Whose report it is.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.child {
            Some(child) => write!(out, "child {child} of rank {}", self.rank),
            None => write!(out, "rank {}", self.rank),
        }
    }
}

/// Writes one rank's or child's file into a partial checkpoint. Dropped before [`RankWriter::finish`], it removes the file.
#[derive(Debug)]
pub struct RankWriter {
    path: PathBuf,
    rank: u32,
    child: Option<u32>,
    file: DirectFile,
    disk: Disk,
    options: WriteOptions,
    next_offset: AtomicU64,
    reserve: Reserve,
    regions: Vec<Region>,
    chunks: Vec<Chunk>,
    metadata: Vec<u8>,
    timings: WriteTimings,
    finished: bool,
}

impl RankWriter {
    /// Begins `rank`'s file in the directory `partial`, which [`crate::Store::begin`] made.
    ///
    /// # Errors
    /// [`ImageError::Io`], also when the file exists.
    pub fn create(partial: &Path, rank: u32, options: WriteOptions) -> Result<Self, ImageError> {
        Self::create_file(partial, rank, None, options)
    }

    /// Begins the file of a child process of `rank`, beside that of the rank. A rank's children are counted from 1.
    ///
    /// # Errors
    /// [`ImageError::Io`], also when the file exists.
    pub fn create_child(
        partial: &Path,
        rank: u32,
        child: u32,
        options: WriteOptions,
    ) -> Result<Self, ImageError> {
        Self::create_file(partial, rank, Some(child), options)
    }

    fn create_file(
        partial: &Path,
        rank: u32,
        child: Option<u32>,
        options: WriteOptions,
    ) -> Result<Self, ImageError> {
        let path = partial.join(file_name(rank, child));
        let disk = Disk::new(options.faults.clone());
        let file = disk.step(Step::CreateFile, &path, || {
            DirectFile::create(&path, !options.buffered)
        })?;
        Ok(Self {
            path,
            rank,
            child,
            file,
            disk,
            options,
            next_offset: AtomicU64::new(HEADER_BYTES as u64),
            reserve: Reserve::new(HEADER_BYTES as u64),
            regions: Vec::new(),
            chunks: Vec::new(),
            metadata: Vec::new(),
            timings: WriteTimings::default(),
            finished: false,
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes regions, with several threads. May be called repeatedly; regions keep the order of the calls.
    ///
    /// Nothing may change the memory meanwhile: what is written would not be what was checksummed. The threads inherit
    /// the caller's signal mask.
    ///
    /// # Errors
    /// [`ImageError::Io`], [`ImageError::BadRegion`]. The file cannot be finished then: drop the writer.
    pub fn write_regions<'a>(
        &mut self,
        sources: impl IntoIterator<Item = RegionSource<'a>>,
    ) -> Result<(), ImageError> {
        let begin = Instant::now();
        let mut all = Vec::new();
        for source in sources {
            spans(self.regions.len() as u32, &source, &mut all)?;
            self.regions.push(source.region);
        }
        self.reserve
            .announce(all.iter().map(|span| span.data.len() as u64).sum());
        let output = Output {
            path: &self.path,
            file: &self.file,
            disk: &self.disk,
            compression: self.options.compression,
            next_offset: &self.next_offset,
            reserve: &self.reserve,
        };
        let outcome = write_spans(&output, &all, self.options.worker_count())?;
        self.chunks.extend(outcome.chunks);
        self.timings.encode_busy_ns += outcome.encode_ns;
        self.timings.write_busy_ns += outcome.write_ns;
        self.timings.memory_ns += elapsed_ns(begin);
        Ok(())
    }

    /// Sets the state that the image carries beside the memory. It is stored as msgpack with field names.
    ///
    /// # Errors
    /// [`ImageError::Encode`].
    pub fn write_metadata<T: Serialize>(&mut self, metadata: &T) -> Result<(), ImageError> {
        self.metadata = tail::encode(&self.path, SectionKind::Metadata, metadata)?;
        Ok(())
    }

    /// Writes the sections and the header and makes the file durable. Its name is not durable yet:
    /// [`crate::Store::commit`] sees to that.
    ///
    /// # Errors
    /// [`ImageError::Io`], [`ImageError::Encode`]; the file is removed.
    pub fn finish(mut self, info: &WriterInfo) -> Result<Written, ImageError> {
        let begin = Instant::now();
        self.chunks
            .sort_unstable_by_key(|chunk| (chunk.region, chunk.address));
        let tail_offset = *self.next_offset.get_mut();
        let contents = [
            &self.metadata[..],
            &tail::encode(&self.path, SectionKind::WriterInfo, info)?,
            &tail::encode(&self.path, SectionKind::RegionTable, &self.regions)?,
            &index::encode(&self.chunks),
        ];
        let tail = self.disk.step(Step::WriteTail, &self.path, || {
            let tail = tail::assemble(tail_offset, contents)?;
            let mut parts = [IoSlice::new(&tail.bytes[..tail.len])];
            let limit = || self.disk.write_limit(Step::WriteTail, &self.path);
            self.file.write_all_at(&mut parts, tail_offset, limit)?;
            Ok(tail)
        })?;
        let header = Header {
            format_version: FORMAT_VERSION,
            file_bytes: tail_offset + tail.len as u64,
            tail_offset,
            memory_bytes: self.regions.iter().map(|region| region.len_bytes).sum(),
            rank: self.rank,
            ranks: info.ranks,
            epoch: info.epoch,
            child: self.child,
            sections: tail.sections,
        };
        debug_assert_eq!(header.file_bytes, page_ceil(header.file_bytes));
        let header_xxh3 = self.write_header(&header)?;
        self.disk.step(Step::SetLength, &self.path, || {
            self.file.set_len(header.file_bytes)
        })?;
        self.timings.tail_ns = elapsed_ns(begin);
        let begin = Instant::now();
        self.disk
            .step(Step::SyncFile, &self.path, || self.file.sync())?;
        self.timings.sync_ns = elapsed_ns(begin);
        self.finished = true;
        Ok(Written {
            rank: self.rank,
            file_bytes: header.file_bytes,
            memory_bytes: header.memory_bytes,
            header_xxh3,
            codecs: codec_summaries(&self.chunks),
            timings: self.timings,
            direct: self.file.is_direct(),
            child: self.child,
            children: Vec::new(),
        })
    }

    fn write_header(&self, header: &Header) -> Result<u64, ImageError> {
        self.disk.step(Step::WriteHeader, &self.path, || {
            let mut page = AlignedBuffer::new(HEADER_BYTES)?;
            header.encode(&mut page);
            let mut parts = [IoSlice::new(&page[..HEADER_BYTES])];
            let limit = || self.disk.write_limit(Step::WriteHeader, &self.path);
            self.file.write_all_at(&mut parts, 0, limit)?;
            Ok(Header::fingerprint(&page))
        })
    }
}

impl Drop for RankWriter {
    /// An unfinished file is of no use, and on a full disk its space is.
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        let remove = || std::fs::remove_file(&self.path);
        if let Err(error) = self.disk.step(Step::Discard, &self.path, remove) {
            tracing::warn!(%error, "the remains of an image stay");
        }
    }
}

pub(crate) fn elapsed_ns(since: Instant) -> u64 {
    since.elapsed().as_nanos() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_always_two_workers() {
        assert!(WriteOptions::default().worker_count() >= 2);
        assert_eq!(
            WriteOptions {
                workers: 1,
                ..WriteOptions::default()
            }
            .worker_count(),
            1
        );
    }
}
