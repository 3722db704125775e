//! The constants of image format 1 and the arithmetic of its pages.
//!
//! ```text
//!   0        4096                                    tail                            file_bytes
//!   ┌────────┬─────────┬─────────┬───···───┬─────────┬──────────┬────────┬─────────┬───────┐
//!   │ header │ chunk 0 │ chunk 1 │         │ chunk n │ metadata │ writer │ regions │ index │
//!   └────────┴─────────┴─────────┴───···───┴─────────┴──────────┴────────┴─────────┴───────┘
//!            └───────────────── extents: page aligned, zero padded, checksummed ───────────┘
//! ```
//!
//! The tail is the footer: it is written last because only then the place of every chunk is known, and the
//! header is filled in after it.

/// The first eight bytes of every rank file.
pub const MAGIC: [u8; 8] = *b"MANA-IMG";

/// The format of a file that this crate writes, and the newest one that it reads.
pub const FORMAT_VERSION: u32 = 1;

/// Alignment of everything in a file, and the unit of zero detection, in bytes. It is a property of the format:
/// it does not follow the page size of the machine (which is a multiple of it).
pub const PAGE_BYTES: usize = 4096;

/// Size of the header, in bytes.
pub const HEADER_BYTES: usize = PAGE_BYTES;

/// The most memory that one chunk may hold, in bytes. A chunk is the unit of compression and of checksums.
pub const CHUNK_BYTES: usize = 1 << 20;

/// How much a worker encodes before it writes, in bytes: large enough for a device to reach its speed.
pub const BATCH_BYTES: usize = 8 << 20;

/// Zero pages between two others are left out when at least this many follow each other; a shorter gap is
/// stored, because an index entry and a device operation of its own would cost more than the zeros do.
pub const ZERO_GAP_PAGES: usize = 4;

/// `bytes` rounded up to whole pages.
pub const fn page_ceil(bytes: u64) -> u64 {
    bytes.next_multiple_of(PAGE_BYTES as u64)
}

/// Is `value` a multiple of the page size?
pub const fn is_page_multiple(value: u64) -> bool {
    value.is_multiple_of(PAGE_BYTES as u64)
}

/// The checksum used for everything in an image: XXH3 with 64 bits, seed 0.
pub fn checksum(bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(bytes)
}

/// Reads a little-endian `u32` at `at`. Panics when `bytes` is too short: callers pass whole records.
pub(crate) fn get_u32(bytes: &[u8], at: usize) -> u32 {
    let mut raw = [0; 4];
    raw.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(raw)
}

/// Reads a little-endian `u64` at `at`. Panics when `bytes` is too short: callers pass whole records.
pub(crate) fn get_u64(bytes: &[u8], at: usize) -> u64 {
    let mut raw = [0; 8];
    raw.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(raw)
}

/// Writes `value`, little-endian, at `at`.
pub(crate) fn put_u32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

/// Writes `value`, little-endian, at `at`.
pub(crate) fn put_u64(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}
