//! Moving message bytes between a packed form (type map order, no gaps) and the application's buffers, without the
//! native library: a drained message may be delivered under another MPI than it came over.
//!
//! # Safety
//! Lower TLS live. Buffer addresses and types come from the application's call: they describe memory it lets MPI
//! write to (receives) or read (sends) until the call, or the request, is complete.
#![expect(
    unsafe_code,
    reason = "copies between message bytes and application buffers"
)]

use mana_record_replay::datatype::{Layout, Run};
use mana_record_replay::handle::DatatypeHandle;
use mana_record_replay::message::DrainedMessage;
use mana_table::constants as mpi;

use crate::args::{application_bytes, copy_application_bytes, write_application_bytes};
use crate::engine::state;
use crate::error::MpiError;
use crate::external32;
use crate::request::ReceiveArgs;
use crate::status::Completion;

/// Puts a drained message where a receive wants it.
pub fn deliver(message: &DrainedMessage, args: &ReceiveArgs) -> Result<Completion, MpiError> {
    let mut completion =
        Completion::message(message.source, message.tag, message.bytes.len() as i64);
    let mut rest = message.bytes.as_slice();
    for_each_run(args.datatype, args.count, |offset, len| {
        let take = len.min(rest.len());
        let (now, later) = rest.split_at(take);
        // SAFETY: the run lies in the buffer that the receive describes.
        unsafe { write_application_bytes(args.buffer.wrapping_add_signed(offset), now) };
        rest = later;
        !rest.is_empty()
    })?;
    if !rest.is_empty() {
        completion.error = mpi::MPI_ERR_TRUNCATE;
        completion.count_bytes -= rest.len() as i64;
    }
    Ok(completion)
}

/// Packs a buffer; returns the bytes (in words, for alignment) and their number.
pub fn pack(
    buffer: u64,
    count: i64,
    datatype: u64,
    _comm: u64,
) -> Result<(Vec<u64>, usize), MpiError> {
    let mut bytes = Vec::new();
    for_each_run(datatype, count, |offset, len| {
        // SAFETY: the run lies in the buffer that the send describes.
        bytes.extend_from_slice(unsafe {
            application_bytes(buffer.wrapping_add_signed(offset), len)
        });
        true
    })?;
    let len = bytes.len();
    bytes.resize(len.next_multiple_of(8), 0);
    let words = bytes
        .chunks_exact(8)
        .map(|c| u64::from_ne_bytes([c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7]]));
    Ok((words.collect(), len))
}

/// Calls `visit(offset, len_bytes)` for every contiguous run of `count` elements in type map order, until it says
/// `false`.
pub fn for_each_run(
    datatype: u64,
    count: i64,
    mut visit: impl FnMut(i64, usize) -> bool,
) -> Result<(), MpiError> {
    for run in runs(&layout(datatype)?, count) {
        if !visit(run.offset, run.length as usize) {
            break;
        }
    }
    Ok(())
}

/// Unpacks `bytes`, which begin at byte `offset` of a message of `count` elements, to where they belong at `buffer`.
/// What goes beyond the elements is left out.
pub fn unpack_at(
    buffer: u64,
    count: i64,
    datatype: u64,
    offset: i64,
    bytes: &[u8],
) -> Result<(), MpiError> {
    let mut skip = offset as usize;
    let mut rest = bytes;
    for_each_run(datatype, count, |at, len| {
        let before = skip.min(len);
        skip -= before;
        let (now, later) = rest.split_at((len - before).min(rest.len()));
        let to = buffer.wrapping_add_signed(at + before as i64);
        // SAFETY: the run lies in the buffer that the receive describes.
        unsafe { write_application_bytes(to, now) };
        rest = later;
        !rest.is_empty()
    })
}

/// The layout of a datatype, also of one that was freed while a receive still uses it.
pub fn layout(datatype: u64) -> Result<Layout, MpiError> {
    let handle = DatatypeHandle::from_word(datatype)?;
    let state = state();
    let layout = state.objects.datatypes.layout_held(handle);
    layout
        .cloned()
        .ok_or_else(|| MpiError::bad_handle(mpi::MPI_ERR_TYPE, "datatype", datatype))
}

/// The copies that `count` elements take: one where they lie without gaps.
fn runs(layout: &Layout, count: i64) -> impl Iterator<Item = Run> {
    let whole =
        (count > 0 && layout.size_bytes() > 0 && layout.is_contiguous(count)).then(|| Run {
            offset: layout.true_lb(),
            length: layout.size_bytes() * count,
        });
    let pieces = whole.is_none().then(|| layout.runs(count));
    whole.into_iter().chain(pieces.into_iter().flatten())
}

/// Packs `count` elements at `buffer` into the bytes at `packed`.
pub fn gather(buffer: u64, count: i64, layout: &Layout, packed: u64) {
    let mut to = packed;
    for run in runs(layout, count) {
        let from = buffer.wrapping_add_signed(run.offset);
        // SAFETY: the run lies in the buffer, and the packed bytes in the room, that the application's call describes.
        unsafe { copy_application_bytes(from, to, run.length as usize) };
        to = to.wrapping_add_signed(run.length);
    }
}

/// Unpacks the bytes at `packed` into `count` elements at `buffer`.
pub fn scatter(packed: u64, buffer: u64, count: i64, layout: &Layout) {
    let mut from = packed;
    for run in runs(layout, count) {
        let to = buffer.wrapping_add_signed(run.offset);
        // SAFETY: as in `gather`, the other way.
        unsafe { copy_application_bytes(from, to, run.length as usize) };
        from = from.wrapping_add_signed(run.length);
    }
}

/// As [`gather`], into the external32 representation.
pub fn gather_external32(buffer: u64, count: i64, layout: &Layout, packed: u64) {
    let mut to = packed;
    for (run, format) in external32::runs(layout, count) {
        let from = buffer.wrapping_add_signed(run.offset);
        // SAFETY: the run lies in the buffer that the application's call describes.
        let external = format.encode(unsafe { application_bytes(from, run.length as usize) });
        // SAFETY: the application's call says that there is room for all of it.
        unsafe { write_application_bytes(to, &external) };
        to = to.wrapping_add(external.len() as u64);
    }
}

/// As [`scatter`], from the external32 representation.
pub fn scatter_external32(packed: u64, buffer: u64, count: i64, layout: &Layout) {
    let mut from = packed;
    for (run, format) in external32::runs(layout, count) {
        let len_bytes = format.external_bytes(run.length as usize);
        // SAFETY: the application's call says that all of it is there.
        let native = format.decode(unsafe { application_bytes(from, len_bytes) });
        // SAFETY: the run lies in the buffer that the application's call describes.
        unsafe { write_application_bytes(buffer.wrapping_add_signed(run.offset), &native) };
        from = from.wrapping_add(len_bytes as u64);
    }
}

/// As [`scatter_external32`], of the first `packed_bytes` bytes only; returns how many bytes of memory they became.
pub fn scatter_part_of_external32(
    packed: u64,
    packed_bytes: i64,
    buffer: u64,
    count: i64,
    layout: &Layout,
) -> i64 {
    let (mut from, mut rest, mut done) = (packed, packed_bytes.max(0) as usize, 0);
    for (run, format) in external32::runs(layout, count) {
        let take = format.native_bytes(rest).min(run.length as usize);
        let len_bytes = format.external_bytes(take);
        // SAFETY: the caller has `packed_bytes` bytes there.
        let native = format.decode(unsafe { application_bytes(from, len_bytes) });
        // SAFETY: the run lies in the buffer that the application's call describes.
        unsafe { write_application_bytes(buffer.wrapping_add_signed(run.offset), &native) };
        from = from.wrapping_add(len_bytes as u64);
        rest -= len_bytes;
        done += take as i64;
        if take < run.length as usize {
            break;
        }
    }
    done
}

/// How many bytes of memory the first `packed_bytes` bytes of the external32 form of `count` elements stand for.
pub fn bytes_of_external32(count: i64, layout: &Layout, packed_bytes: i64) -> i64 {
    let (mut rest, mut done) = (packed_bytes.max(0) as usize, 0);
    for (run, format) in external32::runs(layout, count) {
        let take = format.native_bytes(rest).min(run.length as usize);
        rest -= format.external_bytes(take);
        done += take as i64;
        if take < run.length as usize {
            break;
        }
    }
    done
}
