//! The sections behind the memory: engine state, writer, regions, index; as page-aligned, padded, checksummed extents.

use crate::{
    direct::AlignedBuffer,
    error::{ImageError, Part},
    header::{SECTION_COUNT, Section, SectionKind},
    layout::{checksum, page_ceil},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{io, path::Path};

/// The sections as they go into the file.
pub(crate) struct Tail {
    /// All of them, padded, in one piece.
    pub(crate) bytes: AlignedBuffer,
    /// How much of `bytes` is used.
    pub(crate) len: usize,
    /// Where each lies in the file.
    pub(crate) sections: [Section; SECTION_COUNT],
}

/// Lays out `contents`, in the order of [`SectionKind::ALL`], from `offset` in the file on.
pub(crate) fn assemble(offset: u64, contents: [&[u8]; SECTION_COUNT]) -> io::Result<Tail> {
    let len = contents
        .iter()
        .map(|content| page_ceil(content.len() as u64) as usize)
        .sum();
    let mut bytes = AlignedBuffer::new(len)?;
    let mut sections = [Section::default(); SECTION_COUNT];
    let mut at = 0;
    for (content, section) in contents.into_iter().zip(&mut sections) {
        let end = at + page_ceil(content.len() as u64) as usize;
        bytes[at..at + content.len()].copy_from_slice(content);
        *section = Section {
            offset: offset + at as u64,
            len_bytes: content.len() as u64,
            xxh3: checksum(&bytes[at..end]),
        };
        at = end;
    }
    Ok(Tail {
        bytes,
        len,
        sections,
    })
}

/// `value` as msgpack with field names, so that fields can be added later.
pub(crate) fn encode<T: Serialize>(
    path: &Path,
    kind: SectionKind,
    value: &T,
) -> Result<Vec<u8>, ImageError> {
    rmp_serde::to_vec_named(value).map_err(|source| ImageError::Encode {
        path: path.to_owned(),
        part: kind.part(),
        source,
    })
}

/// The value that [`encode`] wrote.
pub(crate) fn decode<T: DeserializeOwned>(
    path: &Path,
    part: Part,
    bytes: &[u8],
) -> Result<T, ImageError> {
    rmp_serde::from_slice(bytes).map_err(|source| ImageError::Decode {
        path: path.to_owned(),
        part,
        source,
    })
}
