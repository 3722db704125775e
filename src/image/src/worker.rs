//! The workers of a writer: they encode batches of memory and put them into the file.
//!
//! ```text
//!   next batch ─► compress, checksum ─► reserve bytes of the file ─► pwritev ─► index records
//!        ▲  worker 1: ▓▓▓▓ encode ▓▓▓▓│░░░░ write ░░░░│▓▓▓▓ encode ▓▓▓▓│░░░░
//!        └─ worker 2:     ▓▓▓▓ encode ▓▓▓▓│░░░░ write ░░░░│▓▓▓▓ encode ▓▓▓▓│
//! ```
//!
//! They share nothing but a counter of batches and the file's next free offset. While one waits for the device another
//! encodes. Memory that stays raw goes to the device from where it lies, without a copy. Which batch gets which offset
//! depends on the scheduler; the index says where everything is.

use crate::{
    codec::{Codec, Compression, Encoder},
    direct::{AlignedBuffer, DirectFile, is_aligned},
    disk::{Disk, Step},
    error::ImageError,
    index::Chunk,
    layout::{BATCH_BYTES, PAGE_BYTES, checksum, page_ceil},
    parallel::on_threads,
    plan::{Span, batches, nonzero_pieces},
};
use std::{
    io::IoSlice,
    ops::Range,
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Instant,
};

/// Blocks are reserved in steps of at most this many bytes.
const PREALLOCATE_BYTES: u64 = 256 << 20;

/// What the workers write to, and how.
pub(crate) struct Output<'a> {
    pub(crate) path: &'a Path,
    pub(crate) file: &'a DirectFile,
    pub(crate) disk: &'a Disk,
    pub(crate) compression: Compression,
    /// The next free byte of the file; a multiple of the page size.
    pub(crate) next_offset: &'a AtomicU64,
    pub(crate) reserve: &'a Reserve,
}

/// What the workers did.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) chunks: Vec<Chunk>,
    /// Time spent encoding, summed over the workers.
    pub(crate) encode_ns: u64,
    /// Time spent waiting for writes, summed over the workers.
    pub(crate) write_ns: u64,
}

/// Writes all spans with `workers` threads. At the first error the others stop at their next batch.
pub(crate) fn write_spans(
    output: &Output<'_>,
    spans: &[Span<'_>],
    workers: usize,
) -> Result<Outcome, ImageError> {
    let batches = batches(spans);
    let next_batch = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let results = Mutex::new(Ok(Outcome::default()));
    let work = || {
        let result = work_off(output, spans, &batches, &next_batch, &failed);
        failed.fetch_or(result.is_err(), Relaxed);
        let mut all = results.lock().unwrap_or_else(PoisonError::into_inner);
        match (result, all.as_mut()) {
            (Ok(mine), Ok(all)) => {
                all.chunks.extend(mine.chunks);
                all.encode_ns += mine.encode_ns;
                all.write_ns += mine.write_ns;
            }
            (Err(error), Ok(_)) => *all = Err(error),
            (_, Err(_)) => {}
        }
    };
    on_threads(workers.min(batches.len()), work);
    results.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// One worker: takes batches until there are none, or somebody failed.
fn work_off(
    output: &Output<'_>,
    spans: &[Span<'_>],
    batches: &[Range<usize>],
    next_batch: &AtomicUsize,
    failed: &AtomicBool,
) -> Result<Outcome, ImageError> {
    let resources = || {
        Ok((
            Encoder::new(output.compression)?,
            AlignedBuffer::new(BATCH_BYTES)?,
        ))
    };
    let (mut encoder, mut buffer) = output.disk.step(Step::WriteData, output.path, resources)?;
    let mut outcome = Outcome::default();
    while let Some(batch) = batches.get(next_batch.fetch_add(1, Relaxed)) {
        if failed.load(Relaxed) {
            break;
        }
        let begin = Instant::now();
        let pieces = encode(output, &spans[batch.clone()], &mut encoder, &mut buffer);
        let encoded = Instant::now();
        outcome.chunks.extend(write(output, &pieces, &buffer)?);
        outcome.encode_ns += (encoded - begin).as_nanos() as u64;
        outcome.write_ns += encoded.elapsed().as_nanos() as u64;
    }
    Ok(outcome)
}

/// A chunk that is ready to be written: everything about it but its place in the file.
struct Piece<'a> {
    chunk: Chunk,
    source: Source<'a>,
}

/// Where the padded bytes of a piece are.
enum Source<'a> {
    /// In the program's memory.
    Memory(&'a [u8]),
    /// In the worker's buffer.
    Buffer(Range<usize>),
}

impl<'a> Source<'a> {
    fn bytes(&self, buffer: &'a [u8]) -> &'a [u8] {
        match self {
            Source::Memory(memory) => memory,
            Source::Buffer(range) => &buffer[range.clone()],
        }
    }
}

/// Makes pieces of spans. The buffer cannot overflow: no piece takes more of it than the memory that it came from, and
/// a batch has at most as much memory as the buffer.
fn encode<'a>(
    output: &Output<'_>,
    spans: &[Span<'a>],
    encoder: &mut Encoder,
    buffer: &mut [u8],
) -> Vec<Piece<'a>> {
    let must_align = output.file.is_direct();
    let mut pieces = Vec::new();
    let mut used = 0;
    for span in spans {
        for range in nonzero_pieces(span.data) {
            let memory = &span.data[range.clone()];
            // At least a page must be saved, or the padding would eat what compression gains.
            let room = &mut buffer[used..used + memory.len() - PAGE_BYTES];
            let (codec, stored, source) = match encoder.encode(memory, room) {
                Some((codec, stored)) => {
                    let padded = page_ceil(stored as u64) as usize;
                    room[stored..padded].fill(0);
                    (codec, stored, Source::Buffer(used..used + padded))
                }
                None if must_align && !is_aligned(memory) => {
                    buffer[used..used + memory.len()].copy_from_slice(memory);
                    (
                        Codec::Raw,
                        memory.len(),
                        Source::Buffer(used..used + memory.len()),
                    )
                }
                None => (Codec::Raw, memory.len(), Source::Memory(memory)),
            };
            if let Source::Buffer(range) = &source {
                used = range.end;
            }
            let xxh3 = checksum(source.bytes(buffer));
            let chunk = Chunk {
                address: span.address + range.start as u64,
                memory_bytes: memory.len() as u32,
                stored_bytes: stored as u32,
                file_offset: 0,
                region: span.region,
                codec,
                xxh3,
            };
            pieces.push(Piece { chunk, source });
        }
    }
    pieces
}

/// Writes pieces next to each other and returns their index records.
fn write(
    output: &Output<'_>,
    pieces: &[Piece<'_>],
    buffer: &[u8],
) -> Result<Vec<Chunk>, ImageError> {
    let bytes: u64 = pieces.iter().map(|piece| piece.chunk.padded_bytes()).sum();
    if bytes == 0 {
        return Ok(Vec::new());
    }
    let offset = output.next_offset.fetch_add(bytes, Relaxed);
    output.reserve.up_to(output, offset + bytes)?;
    let mut parts: Vec<_> = pieces
        .iter()
        .map(|piece| IoSlice::new(piece.source.bytes(buffer)))
        .collect();
    output.disk.step(Step::WriteData, output.path, || {
        output.file.write_all_at(&mut parts, offset, || {
            output.disk.write_limit(Step::WriteData, output.path)
        })
    })?;
    let mut at = offset;
    let placed = |piece: &Piece<'_>| {
        let chunk = Chunk {
            file_offset: at,
            ..piece.chunk.clone()
        };
        at = chunk.file_end();
        chunk
    };
    Ok(pieces.iter().map(placed).collect())
}

/// Blocks reserved ahead of the writes, so that these need not allocate and run beside each other.
#[derive(Debug)]
pub(crate) struct Reserve {
    /// How far the file is reserved; `None` when the file system does not do it.
    reserved: Mutex<Option<u64>>,
    /// More than this is never needed.
    limit: AtomicU64,
}

impl Reserve {
    pub(crate) fn new(begin: u64) -> Self {
        Self {
            reserved: Mutex::new(Some(begin)),
            limit: AtomicU64::new(begin),
        }
    }

    /// Up to `bytes` more are going to be written.
    pub(crate) fn announce(&self, bytes: u64) {
        self.limit.fetch_add(bytes, Relaxed);
    }

    /// Reserves at least up to `end`. A refusal ends reserving and nothing else: compression or the sparing of zeros
    /// may make it all fit, and if not, the write itself reports it.
    fn up_to(&self, output: &Output<'_>, end: u64) -> Result<(), ImageError> {
        let mut reserved = self.reserved.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(begin) = *reserved else {
            return Ok(());
        };
        if end <= begin {
            return Ok(());
        }
        let to = end.max(self.limit.load(Relaxed).min(begin + PREALLOCATE_BYTES));
        let step = || output.file.preallocate(begin, to - begin);
        match output.disk.step(Step::Preallocate, output.path, step) {
            Ok(()) => *reserved = Some(to),
            Err(error) => {
                tracing::debug!(%error, "going on without reserving space");
                *reserved = None;
            }
        }
        Ok(())
    }
}
