//! Reads the file of one rank or child, and believes nothing that a checksum does not vouch for.
//!
//! [`RankReader::open`] checks header and sections; memory is checked while it is read. Chunks are decoded in parallel
//! into disjoint parts of the destination; a raw chunk is read straight to its place.

use crate::{
    codec::{Codec, Decoder},
    direct::{AlignedBuffer, DirectFile, is_aligned},
    disk::{Disk, Step},
    error::{ImageError, Part},
    extent::{check, check_sections, read_at, read_header_page, read_section},
    header::{Header, SectionKind},
    index::{self, Chunk},
    info::WriterInfo,
    layout::CHUNK_BYTES,
    parallel::on_threads,
    plan::check_region,
    region::Region,
    tail,
    writer::default_workers,
};
use serde::de::DeserializeOwned;
use std::{
    ops::Range,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// An open rank file whose header and sections are intact.
#[derive(Debug)]
pub struct RankReader {
    path: PathBuf,
    file: DirectFile,
    header: Header,
    fingerprint: u64,
    metadata: Vec<u8>,
    info: WriterInfo,
    regions: Vec<Region>,
    chunks: Vec<Chunk>,
}

impl RankReader {
    /// Opens a rank file.
    ///
    /// # Errors
    /// [`ImageError::Io`], [`ImageError::NotAnImage`], [`ImageError::Newer`], [`ImageError::Length`],
    /// [`ImageError::Damaged`] and [`ImageError::Nonsense`].
    pub fn open(path: &Path) -> Result<Self, ImageError> {
        let page = read_header_page(path)?;
        let header = Header::decode(path, &page)?;
        let disk = Disk::default();
        let file = disk.step(Step::Open, path, || DirectFile::open(path))?;
        let found_bytes = disk.step(Step::Open, path, || file.len_bytes())?;
        if found_bytes != header.file_bytes {
            return Err(ImageError::Length {
                path: path.to_owned(),
                expected_bytes: header.file_bytes,
                found_bytes,
            });
        }
        check_sections(path, &header)?;
        let [metadata, info, regions, index] =
            SectionKind::ALL.map(|kind| read_section(path, &file, &header, kind));
        let info = tail::decode(path, Part::WriterInfo, &info?)?;
        let regions: Vec<Region> = tail::decode(path, Part::RegionTable, &regions?)?;
        regions.iter().try_for_each(check_region)?;
        let index_offset = header.sections[SectionKind::ChunkIndex as usize].offset;
        let chunks = index::decode(path, &header, &regions, index_offset, &index?)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            fingerprint: Header::fingerprint(&page),
            header,
            metadata: metadata?,
            info,
            regions,
            chunks,
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the header says.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The checksum in the header, which stands for the whole file.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Who wrote the file.
    pub fn info(&self) -> &WriterInfo {
        &self.info
    }

    /// The state beside the memory, as [`crate::RankWriter::write_metadata`] was given it.
    ///
    /// # Errors
    /// [`ImageError::Decode`] when it is of another type.
    pub fn metadata<T: DeserializeOwned>(&self) -> Result<T, ImageError> {
        tail::decode(&self.path, Part::Metadata, &self.metadata)
    }

    /// The size of the encoded metadata, in bytes.
    pub fn metadata_bytes(&self) -> usize {
        self.metadata.len()
    }

    /// The regions, in the order in which they were written.
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// All chunks, by region and address.
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// The chunks of a region.
    pub fn chunks_of(&self, region: usize) -> &[Chunk] {
        let begin = self
            .chunks
            .partition_point(|chunk| (chunk.region as usize) < region);
        let len = self.chunks[begin..].partition_point(|chunk| chunk.region as usize == region);
        &self.chunks[begin..begin + len]
    }

    /// Fills `memory` with the content of one region; see [`RankReader::read_regions`].
    ///
    /// # Errors
    /// As [`RankReader::read_regions`].
    pub fn read_region_into(&self, region: usize, memory: &mut [u8]) -> Result<(), ImageError> {
        for gap in self.gaps(region) {
            if let Some(bytes) = memory.get_mut(gap) {
                bytes.fill(0);
            }
        }
        self.read_regions([(region, memory)])
    }

    /// Fills memory with the content of regions, in parallel. What the image does not store is left as it is, so the
    /// memory must be zero there: a fresh anonymous mapping is, and its untouched pages stay untouched.
    ///
    /// # Errors
    /// [`ImageError::BadRegion`] for a region that does not exist or has another length, [`ImageError::Io`],
    /// [`ImageError::Damaged`]; the memory is undefined then.
    pub fn read_regions<'m>(
        &self,
        regions: impl IntoIterator<Item = (usize, &'m mut [u8])>,
    ) -> Result<(), ImageError> {
        let mut jobs = Vec::new();
        for (number, memory) in regions {
            self.cut(number, memory, &mut jobs)?;
        }
        self.run(jobs, |job, decoder, buffer| {
            self.read_chunk(job.0, job.1, decoder, buffer)
        })
    }

    /// Runs `action` on every job with several threads, in the order of the file, and returns the first error.
    pub(crate) fn run<J: Send>(
        &self,
        jobs: Vec<J>,
        action: impl Fn(J, &mut Decoder, &mut AlignedBuffer) -> Result<(), ImageError> + Sync,
    ) -> Result<(), ImageError> {
        let workers = default_workers().min(jobs.len());
        let queue = Mutex::new(jobs.into_iter());
        let result = Mutex::new(Ok(()));
        let take = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
        let work = || {
            let resources = || Ok((Decoder::new()?, AlignedBuffer::new(CHUNK_BYTES)?));
            let done = Disk::default()
                .step(Step::Read, &self.path, resources)
                .and_then(|(mut decoder, mut buffer)| {
                    std::iter::from_fn(take)
                        .try_for_each(|job| action(job, &mut decoder, &mut buffer))
                });
            if done.is_err() {
                let mut first = result.lock().unwrap_or_else(PoisonError::into_inner);
                if first.is_ok() {
                    *first = done;
                }
                // Nobody needs the rest.
                while take().is_some() {}
            }
        };
        on_threads(workers, work);
        result.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cuts the memory of a region into a part for each of its chunks.
    fn cut<'s, 'm>(
        &'s self,
        number: usize,
        memory: &'m mut [u8],
        jobs: &mut Vec<(&'s Chunk, &'m mut [u8])>,
    ) -> Result<(), ImageError> {
        let bad = |region: &str, why: String| ImageError::BadRegion {
            region: region.into(),
            why,
        };
        let region = self
            .regions
            .get(number)
            .ok_or_else(|| bad("?", format!("there is no region {number}")))?;
        if memory.len() as u64 != region.len_bytes {
            let why = format!(
                "it has {} bytes and {} are to be filled",
                region.len_bytes,
                memory.len()
            );
            return Err(bad(&region.name, why));
        }
        let mut rest = memory;
        let mut address = region.start;
        for chunk in self.chunks_of(number) {
            let (_, from_here) = rest.split_at_mut((chunk.address - address) as usize);
            let (mine, after) = from_here.split_at_mut(chunk.memory_bytes as usize);
            jobs.push((chunk, mine));
            rest = after;
            address = chunk.address + u64::from(chunk.memory_bytes);
        }
        Ok(())
    }

    /// The parts of a region that are not stored, as offsets into it.
    fn gaps(&self, region: usize) -> Vec<Range<usize>> {
        let Some(description) = self.regions.get(region) else {
            return Vec::new();
        };
        let mut gaps = Vec::new();
        let mut at = description.start;
        let offset = |address: u64| (address - description.start) as usize;
        for chunk in self.chunks_of(region) {
            gaps.push(offset(at)..offset(chunk.address));
            at = chunk.address + u64::from(chunk.memory_bytes);
        }
        gaps.push(offset(at)..offset(description.end()));
        gaps
    }

    /// Reads, checks and decodes one chunk.
    fn read_chunk(
        &self,
        chunk: &Chunk,
        memory: &mut [u8],
        decoder: &mut Decoder,
        buffer: &mut AlignedBuffer,
    ) -> Result<(), ImageError> {
        if chunk.codec == Codec::Raw && (is_aligned(memory) || !self.file.is_direct()) {
            read_at(&self.path, &self.file, memory, chunk.file_offset)?;
            return self.check(chunk, memory);
        }
        let stored = self.read_stored(chunk, buffer)?;
        decoder
            .decode(chunk.codec, stored, memory)
            .map_err(|what| self.undecodable(chunk, what))
    }

    /// Reads and checks a chunk's stored bytes; returns them without their padding.
    pub(crate) fn read_stored<'b>(
        &self,
        chunk: &Chunk,
        buffer: &'b mut AlignedBuffer,
    ) -> Result<&'b [u8], ImageError> {
        let padded = &mut buffer[..chunk.padded_bytes() as usize];
        read_at(&self.path, &self.file, padded, chunk.file_offset)?;
        self.check(chunk, padded)?;
        Ok(&buffer[..chunk.stored_bytes as usize])
    }

    /// The error for a chunk whose checksum is right and whose content is not.
    pub(crate) fn undecodable(&self, chunk: &Chunk, what: String) -> ImageError {
        ImageError::Nonsense {
            path: self.path.clone(),
            part: self.part(chunk),
            offset: chunk.file_offset,
            what: format!("{} data: {what}", chunk.codec),
        }
    }

    fn part(&self, chunk: &Chunk) -> Part {
        Part::Chunk {
            region: self.regions[chunk.region as usize].name.clone(),
            address: chunk.address,
        }
    }

    fn check(&self, chunk: &Chunk, padded: &[u8]) -> Result<(), ImageError> {
        check(
            &self.path,
            || self.part(chunk),
            chunk.file_offset,
            padded,
            chunk.xxh3,
        )
    }
}
