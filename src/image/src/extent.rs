//! Reading pieces of a file and checking them: the header page, sections, and any padded, checksummed extent.

use crate::{
    direct::{AlignedBuffer, DirectFile, read_prefix},
    disk::{Disk, Step},
    error::{ImageError, Part},
    header::{Header, Section, SectionKind},
    layout::{HEADER_BYTES, MAGIC, checksum, page_ceil},
};
use std::{io, path::Path};

/// The header page of `path`; an error also when the file is too short to have one.
pub(crate) fn read_header_page(path: &Path) -> Result<[u8; HEADER_BYTES], ImageError> {
    let mut page = [0; HEADER_BYTES];
    let found = Disk::default().step(Step::Open, path, || read_prefix(path, &mut page))?;
    let begins_like_one = page[..found.min(MAGIC.len())] == MAGIC[..found.min(MAGIC.len())];
    if found < HEADER_BYTES && begins_like_one {
        return Err(ImageError::Length {
            path: path.to_owned(),
            expected_bytes: HEADER_BYTES as u64,
            found_bytes: found as u64,
        });
    }
    Ok(page)
}

/// The sections follow each other from the chunks to the end of the file.
pub(crate) fn check_sections(path: &Path, header: &Header) -> Result<(), ImageError> {
    let mut end = header.tail_offset;
    for (section, kind) in header.sections.iter().zip(SectionKind::ALL) {
        let next =
            page_ceil_checked(section.len_bytes).and_then(|len| section.offset.checked_add(len));
        match next {
            Some(next) if section.offset == end && next <= header.file_bytes => end = next,
            _ => return Err(misplaced(path, kind.part(), section)),
        }
    }
    if end == header.file_bytes {
        return Ok(());
    }
    Err(misplaced(
        path,
        Part::ChunkIndex,
        &header.sections[SectionKind::ChunkIndex as usize],
    ))
}

fn page_ceil_checked(bytes: u64) -> Option<u64> {
    (bytes <= i64::MAX as u64).then(|| page_ceil(bytes))
}

fn misplaced(path: &Path, part: Part, section: &Section) -> ImageError {
    ImageError::Nonsense {
        path: path.to_owned(),
        part: Part::Header,
        offset: section.offset,
        what: format!("{part} is said to be {} bytes there", section.len_bytes),
    }
}

/// Reads and checks a section; returns it without its padding.
pub(crate) fn read_section(
    path: &Path,
    file: &DirectFile,
    header: &Header,
    kind: SectionKind,
) -> Result<Vec<u8>, ImageError> {
    let section = header.sections[kind as usize];
    let padded = page_ceil(section.len_bytes) as usize;
    let mut buffer = Disk::default().step(Step::Read, path, || AlignedBuffer::new(padded))?;
    read_at(path, file, &mut buffer[..padded], section.offset)?;
    check(
        path,
        || kind.part(),
        section.offset,
        &buffer[..padded],
        section.xxh3,
    )?;
    Ok(buffer[..section.len_bytes as usize].to_vec())
}

pub(crate) fn read_at(
    path: &Path,
    file: &DirectFile,
    buffer: &mut [u8],
    offset: u64,
) -> Result<(), ImageError> {
    file.read_exact_at(buffer, offset)
        .map_err(|source| match source.kind() {
            // The length was right when the file was opened: somebody cut it since.
            io::ErrorKind::UnexpectedEof => ImageError::Length {
                path: path.to_owned(),
                expected_bytes: offset + buffer.len() as u64,
                found_bytes: file.len_bytes().unwrap_or(0),
            },
            _ => ImageError::Io {
                step: Step::Read,
                path: path.to_owned(),
                source,
            },
        })
}

pub(crate) fn check(
    path: &Path,
    part: impl FnOnce() -> Part,
    offset: u64,
    padded: &[u8],
    expected: u64,
) -> Result<(), ImageError> {
    let found = checksum(padded);
    if found == expected {
        return Ok(());
    }
    Err(ImageError::Damaged {
        path: path.to_owned(),
        part: part(),
        offset,
        len_bytes: padded.len() as u64,
        expected,
        found,
    })
}
