//! The first page of a rank file. It decodes alone, and its checksum stands for the whole file.
//!
//! Three things hold in every version of the format, past and future: the magic at 0, the version at 8, and the
//! page's checksum in its last eight bytes. So a *newer* file and a *damaged* one are told apart.

use crate::{
    error::{ImageError, Part},
    layout::{
        FORMAT_VERSION, HEADER_BYTES, MAGIC, PAGE_BYTES, checksum, get_u32, get_u64, put_u32,
        put_u64,
    },
};
use std::path::Path;

const AT_MAGIC: usize = 0;
const AT_VERSION: usize = 8;
const AT_PAGE_BYTES: usize = 12;
const AT_FILE_BYTES: usize = 16;
const AT_TAIL_OFFSET: usize = 24;
const AT_MEMORY_BYTES: usize = 32;
const AT_RANK: usize = 40;
const AT_RANKS: usize = 44;
const AT_EPOCH: usize = 48;
const AT_CHILD: usize = 56;
const AT_SECTIONS: usize = 64;
const SECTION_RECORD_BYTES: usize = 32;
const AT_CHECKSUM: usize = HEADER_BYTES - 8;

/// How many sections a file has.
pub(crate) const SECTION_COUNT: usize = 4;

/// The sections, in the order in which they lie in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SectionKind {
    Metadata,
    WriterInfo,
    RegionTable,
    ChunkIndex,
}

impl SectionKind {
    pub(crate) const ALL: [SectionKind; SECTION_COUNT] = [
        SectionKind::Metadata,
        SectionKind::WriterInfo,
        SectionKind::RegionTable,
        SectionKind::ChunkIndex,
    ];

    pub(crate) fn part(self) -> Part {
        match self {
            SectionKind::Metadata => Part::Metadata,
            SectionKind::WriterInfo => Part::WriterInfo,
            SectionKind::RegionTable => Part::RegionTable,
            SectionKind::ChunkIndex => Part::ChunkIndex,
        }
    }
}

/// Where a section lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Section {
    /// Where it begins in the file; a multiple of the page size.
    pub(crate) offset: u64,
    /// Its length without padding.
    pub(crate) len_bytes: u64,
    /// Checksum of its bytes and its padding.
    pub(crate) xxh3: u64,
}

/// What the header page says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The format of the file.
    pub format_version: u32,
    /// The size of the whole file.
    pub file_bytes: u64,
    /// Where the chunks end and the sections begin.
    pub tail_offset: u64,
    /// The sum of all regions' lengths, stored or not.
    pub memory_bytes: u64,
    /// The rank in MPI_COMM_WORLD that wrote the file.
    pub rank: u32,
    /// The number of ranks in MPI_COMM_WORLD.
    pub ranks: u32,
    /// Which checkpoint of the run this is.
    pub epoch: u64,
    /// Which child process of the rank wrote the file, from 1; none where it was the rank itself.
    pub child: Option<u32>,
    pub(crate) sections: [Section; SECTION_COUNT],
}

impl Header {
    /// The header as the page that begins a file.
    pub(crate) fn encode(&self, page: &mut [u8]) {
        page[..HEADER_BYTES].fill(0);
        page[AT_MAGIC..AT_MAGIC + MAGIC.len()].copy_from_slice(&MAGIC);
        put_u32(page, AT_VERSION, self.format_version);
        put_u32(page, AT_PAGE_BYTES, PAGE_BYTES as u32);
        put_u64(page, AT_FILE_BYTES, self.file_bytes);
        put_u64(page, AT_TAIL_OFFSET, self.tail_offset);
        put_u64(page, AT_MEMORY_BYTES, self.memory_bytes);
        put_u32(page, AT_RANK, self.rank);
        put_u32(page, AT_RANKS, self.ranks);
        put_u64(page, AT_EPOCH, self.epoch);
        put_u32(page, AT_CHILD, self.child.unwrap_or(0));
        for (number, section) in self.sections.iter().enumerate() {
            let at = AT_SECTIONS + number * SECTION_RECORD_BYTES;
            put_u64(page, at, section.offset);
            put_u64(page, at + 8, section.len_bytes);
            put_u64(page, at + 16, section.xxh3);
        }
        let sum = checksum(&page[..AT_CHECKSUM]);
        put_u64(page, AT_CHECKSUM, sum);
    }

    /// The fingerprint that a MANIFEST keeps of a file: the checksum in its header page.
    pub(crate) fn fingerprint(page: &[u8]) -> u64 {
        get_u64(page, AT_CHECKSUM)
    }

    /// Reads a header page.
    ///
    /// # Errors
    /// [`ImageError::NotAnImage`], [`ImageError::Damaged`], [`ImageError::Newer`], [`ImageError::Nonsense`]; `path`
    /// is named in them.
    pub fn decode(path: &Path, page: &[u8; HEADER_BYTES]) -> Result<Self, ImageError> {
        if page[AT_MAGIC..AT_MAGIC + MAGIC.len()] != MAGIC {
            return Err(ImageError::NotAnImage {
                path: path.to_owned(),
                found: page[..MAGIC.len()].to_vec(),
            });
        }
        let (expected, found) = (Self::fingerprint(page), checksum(&page[..AT_CHECKSUM]));
        if expected != found {
            return Err(ImageError::Damaged {
                path: path.to_owned(),
                part: Part::Header,
                offset: 0,
                len_bytes: HEADER_BYTES as u64,
                expected,
                found,
            });
        }
        let format_version = get_u32(page, AT_VERSION);
        if format_version > FORMAT_VERSION {
            return Err(ImageError::Newer {
                path: path.to_owned(),
                found: format_version,
                supported: FORMAT_VERSION,
            });
        }
        if format_version == 0 || get_u32(page, AT_PAGE_BYTES) as usize != PAGE_BYTES {
            return Err(ImageError::Nonsense {
                path: path.to_owned(),
                part: Part::Header,
                offset: AT_VERSION as u64,
                what: format!(
                    "version {format_version}, page size {}",
                    get_u32(page, AT_PAGE_BYTES)
                ),
            });
        }
        let mut sections = [Section::default(); SECTION_COUNT];
        for (number, section) in sections.iter_mut().enumerate() {
            let at = AT_SECTIONS + number * SECTION_RECORD_BYTES;
            *section = Section {
                offset: get_u64(page, at),
                len_bytes: get_u64(page, at + 8),
                xxh3: get_u64(page, at + 16),
            };
        }
        Ok(Self {
            format_version,
            file_bytes: get_u64(page, AT_FILE_BYTES),
            tail_offset: get_u64(page, AT_TAIL_OFFSET),
            memory_bytes: get_u64(page, AT_MEMORY_BYTES),
            rank: get_u32(page, AT_RANK),
            ranks: get_u32(page, AT_RANKS),
            epoch: get_u64(page, AT_EPOCH),
            child: Some(get_u32(page, AT_CHILD)).filter(|&child| child > 0),
            sections,
        })
    }
}
