//! The chunk index: a fixed record per chunk, so that an index of a million chunks decodes at memory speed.
//!
//! ```text
//!   0        8          12             16            24       28      29..32     32      40
//!   ┌────────┬──────────┬──────────────┬─────────────┬────────┬───────┬──────────┬───────┐
//!   │address │memory len│ stored len   │ file offset │ region │ codec │ zero     │ xxh3  │
//!   └────────┴──────────┴──────────────┴─────────────┴────────┴───────┴──────────┴───────┘
//! ```

use crate::{
    codec::Codec,
    error::{ImageError, Part},
    header::Header,
    layout::{
        CHUNK_BYTES, HEADER_BYTES, get_u32, get_u64, is_page_multiple, page_ceil, put_u32, put_u64,
    },
    region::Region,
};
use std::path::Path;

/// The size of one record, in bytes.
pub(crate) const RECORD_BYTES: usize = 40;

/// A piece of a region as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The address of its first byte in the program.
    pub address: u64,
    /// How much memory it holds; at most [`CHUNK_BYTES`], a multiple of the page size.
    pub memory_bytes: u32,
    /// How many bytes are stored, without padding.
    pub stored_bytes: u32,
    /// Where they begin in the file; a multiple of the page size.
    pub file_offset: u64,
    /// Which region it belongs to: a position in the region table.
    pub region: u32,
    /// How the bytes are stored.
    pub codec: Codec,
    /// Checksum of the stored bytes and their padding.
    pub xxh3: u64,
}

impl Chunk {
    /// How much of the file it takes, padding included.
    pub fn padded_bytes(&self) -> u64 {
        page_ceil(u64::from(self.stored_bytes))
    }

    /// One past its last byte in the file, padding included.
    pub fn file_end(&self) -> u64 {
        self.file_offset.saturating_add(self.padded_bytes())
    }
}

/// The index as bytes.
pub(crate) fn encode(chunks: &[Chunk]) -> Vec<u8> {
    let mut bytes = vec![0; chunks.len() * RECORD_BYTES];
    for (chunk, record) in chunks.iter().zip(bytes.chunks_exact_mut(RECORD_BYTES)) {
        put_u64(record, 0, chunk.address);
        put_u32(record, 8, chunk.memory_bytes);
        put_u32(record, 12, chunk.stored_bytes);
        put_u64(record, 16, chunk.file_offset);
        put_u32(record, 24, chunk.region);
        record[28] = chunk.codec.number();
        put_u64(record, 32, chunk.xxh3);
    }
    bytes
}

/// The index from bytes whose checksum was right. Still nothing is believed: what comes back is inside the file,
/// inside its region, ordered, and without overlap or gap.
pub(crate) fn decode(
    path: &Path,
    header: &Header,
    regions: &[Region],
    index_offset: u64,
    bytes: &[u8],
) -> Result<Vec<Chunk>, ImageError> {
    let nonsense = |record: usize, what: String| ImageError::Nonsense {
        path: path.to_owned(),
        part: Part::ChunkIndex,
        offset: index_offset + (record * RECORD_BYTES) as u64,
        what,
    };
    if !bytes.len().is_multiple_of(RECORD_BYTES) {
        return Err(nonsense(
            0,
            format!("{} bytes are not whole records", bytes.len()),
        ));
    }
    let mut chunks: Vec<Chunk> = Vec::with_capacity(bytes.len() / RECORD_BYTES);
    for (number, record) in bytes.chunks_exact(RECORD_BYTES).enumerate() {
        let codec = Codec::from_number(record[28])
            .ok_or_else(|| nonsense(number, format!("codec {} is unknown", record[28])))?;
        let chunk = Chunk {
            address: get_u64(record, 0),
            memory_bytes: get_u32(record, 8),
            stored_bytes: get_u32(record, 12),
            file_offset: get_u64(record, 16),
            region: get_u32(record, 24),
            codec,
            xxh3: get_u64(record, 32),
        };
        check_in_region(&chunk, regions, chunks.last()).map_err(|what| nonsense(number, what))?;
        chunks.push(chunk);
    }
    check_tiling(header, &chunks).map_err(|(number, what)| nonsense(number, what))?;
    Ok(chunks)
}

/// A chunk lies inside its region and after the chunk before it.
fn check_in_region(
    chunk: &Chunk,
    regions: &[Region],
    before: Option<&Chunk>,
) -> Result<(), String> {
    let region = regions
        .get(chunk.region as usize)
        .ok_or_else(|| format!("there is no region {}", chunk.region))?;
    let end = chunk
        .address
        .checked_add(u64::from(chunk.memory_bytes))
        .ok_or("the address overflows")?;
    if chunk.address < region.start || end > region.end() {
        return Err(format!(
            "{:#x}..{end:#x} is outside of region {:?}",
            chunk.address, region.name
        ));
    }
    let length = chunk.memory_bytes as usize;
    if length == 0
        || length > CHUNK_BYTES
        || !is_page_multiple(length as u64)
        || !is_page_multiple(chunk.address)
    {
        return Err(format!("a chunk of {length} bytes at {:#x}", chunk.address));
    }
    if chunk.stored_bytes == 0 || chunk.stored_bytes > chunk.memory_bytes {
        return Err(format!(
            "{length} bytes of memory cannot be stored in {} bytes",
            chunk.stored_bytes
        ));
    }
    if chunk.codec == Codec::Raw && chunk.stored_bytes != chunk.memory_bytes {
        return Err(format!(
            "{length} raw bytes cannot be stored in {} bytes",
            chunk.stored_bytes
        ));
    }
    match before {
        Some(before) if before.region > chunk.region => Err("the regions are out of order".into()),
        Some(before)
            if before.region == chunk.region
                && before.address + u64::from(before.memory_bytes) > chunk.address =>
        {
            Err(format!(
                "the chunk at {:#x} overlaps the one before it",
                chunk.address
            ))
        }
        _ => Ok(()),
    }
}

/// The chunks fill the file from the header to the tail: no byte between them escapes a checksum.
fn check_tiling(header: &Header, chunks: &[Chunk]) -> Result<(), (usize, String)> {
    let mut by_offset: Vec<usize> = (0..chunks.len()).collect();
    by_offset.sort_unstable_by_key(|&number| chunks[number].file_offset);
    let mut end = HEADER_BYTES as u64;
    for number in by_offset {
        if chunks[number].file_offset != end {
            return Err((
                number,
                format!(
                    "a chunk begins at {} and not at {end}",
                    chunks[number].file_offset
                ),
            ));
        }
        end = chunks[number].file_end();
    }
    if end != header.tail_offset {
        return Err((
            0,
            format!(
                "the chunks end at {end} and the tail begins at {}",
                header.tail_offset
            ),
        ));
    }
    Ok(())
}
