//! Shared mappings take the place of the private memory that the image's bytes were read into.
//!
//! # Safety
//! Lower TLS live; no upper code runs yet.
#![expect(
    unsafe_code,
    reason = "reads the image's copy of shared memory, and maps the shared one over it"
)]

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;

use mana_descriptors::{DescriptorError, FileId, FilePolicy, Stored};
use mana_split::sysv::{self, Segment};
use mana_split::{restore as memory, upper_memory};

use super::{Mapped, SharedMapping};
use crate::error::EngineError;

/// Bytes that are compared and written at a time.
const STEP_BYTES: usize = 64 << 10;

/// What there is to share, before any process maps it.
#[derive(Debug)]
pub struct Made {
    /// The files that were made again.
    pub stored: Stored,
    /// The segments that were, by the program's ids: the kernel's.
    pub segments: SegmentIds,
}

/// Ids of segments, as the program knows them, and the kernel's.
pub type SegmentIds = BTreeMap<i32, i32>;

/// Makes segments that several processes of the program attach.
pub fn make(segments: &[Segment]) -> Result<SegmentIds, EngineError> {
    let make = |segment: &Segment| Ok((segment.id, sysv::make_again(segment)?));
    segments.iter().map(make).collect()
}

/// Makes all of it shared again: first every file gets its bytes, then each is mapped, so that no mapping is read that has
/// been replaced.
pub fn restore(
    saved: &[SharedMapping],
    Made {
        stored,
        segments: made,
    }: &Made,
    policy: FilePolicy,
) -> Result<(), EngineError> {
    let segments = segments(saved, made)?;
    let mut sources = Vec::with_capacity(saved.len());
    for mapping in saved {
        sources.push(source(mapping, stored, &segments, policy)?);
    }
    for (mapping, source) in saved.iter().zip(&sources) {
        take_place(mapping, source)?;
    }
    for (kernel_id, segment) in segments.values() {
        if segment.removed {
            sysv::remove(*kernel_id)?;
        }
    }
    Ok(())
}

/// What takes the place of private memory.
enum Source<'a> {
    /// Nothing does.
    Private,
    Made(BorrowedFd<'a>),
    File(File),
    Segment(i32),
}

/// Finds or makes the segments; by the ids that the program knows.
fn segments<'a>(
    saved: &'a [SharedMapping],
    made: &SegmentIds,
) -> Result<BTreeMap<i32, (i32, &'a Segment)>, EngineError> {
    let mut segments = BTreeMap::new();
    for (&id, &kernel_id) in made {
        // Also those that it has not attached: it may know their ids.
        sysv::know(id, kernel_id)?;
    }
    for mapping in saved {
        if let Mapped::Segment(segment) = &mapping.of
            && !segments.contains_key(&segment.id)
        {
            let kernel_id = match made.get(&segment.id) {
                Some(&kernel_id) => kernel_id,
                None => sysv::make_again(segment)?,
            };
            segments.insert(segment.id, (kernel_id, segment));
        }
    }
    Ok(segments)
}

/// Opens what is to be mapped, with the bytes of the image in it.
fn source<'a>(
    mapping: &SharedMapping,
    stored: &'a Stored,
    segments: &BTreeMap<i32, (i32, &Segment)>,
    policy: FilePolicy,
) -> Result<Source<'a>, EngineError> {
    match &mapping.of {
        Mapped::Stored(id) => {
            let file = made(stored, *id)?;
            if mapping.has_bytes {
                let end_bytes = length_bytes(file)?;
                write_what_differs(file, mapping, end_bytes).map_err(filling(mapping))?;
            }
            Ok(Source::Made(file))
        }
        Mapped::File { path, length_bytes } => named(mapping, path, *length_bytes, policy),
        Mapped::Segment(segment) => {
            let (kernel_id, _) = segments[&segment.id];
            if mapping.has_bytes {
                fill_segment(mapping, kernel_id)?;
            }
            Ok(Source::Segment(kernel_id))
        }
    }
}

fn made(stored: &Stored, id: FileId) -> Result<BorrowedFd<'_>, EngineError> {
    let file = stored.file(id).ok_or_else(|| {
        DescriptorError::Inconsistent(format!("the file {id:?} is mapped and not there"))
    })?;
    Ok(file.as_fd())
}

fn length_bytes(file: BorrowedFd<'_>) -> Result<u64, EngineError> {
    let stat = rustix::fs::fstat(file).map_err(|errno| EngineError::Os {
        doing: "asking for the length of a mapped file".into(),
        source: errno.into(),
    })?;
    Ok(stat.st_size as u64)
}

fn filling(mapping: &SharedMapping) -> impl Fn(io::Error) -> EngineError {
    let start = mapping.start;
    move |source| EngineError::Os {
        doing: format!("filling what the shared memory at {start:#x} is of"),
        source,
    }
}

/// A file with a name, mapped.
fn named<'a>(
    mapping: &SharedMapping,
    path: &Path,
    length_bytes: u64,
    policy: FilePolicy,
) -> Result<Source<'a>, EngineError> {
    let opened = OpenOptions::new().read(true).write(true).open(path);
    let opened = match opened {
        Err(_) if !mapping.is_writable() => File::open(path),
        opened => opened,
    };
    let file = match opened {
        Ok(file) => file,
        Err(source) if mapping.is_writable() => {
            return Err(EngineError::Os {
                doing: format!(
                    "opening {}, which the program had mapped, again",
                    path.display()
                ),
                source,
            });
        }
        Err(error) => return Ok(private(path, &error.to_string())),
    };
    let now_bytes = self::length_bytes(file.as_fd())?;
    if !mapping.is_writable() {
        let is_same = now_bytes >= length_bytes
            && (!mapping.has_bytes
                || differing(file.as_fd(), mapping, length_bytes).is_ok_and(|d| d.is_empty()));
        return Ok(if is_same || policy == FilePolicy::Accept {
            Source::File(file)
        } else {
            private(path, "its contents have changed")
        });
    }
    if now_bytes < length_bytes && policy != FilePolicy::Accept {
        return Err(EngineError::Setting(format!(
            "the file {}, which the program has mapped, has {now_bytes} bytes now and had {length_bytes} at the checkpoint; put \
             the right one there, or set MANA_FILES=accept to go on with it as it is",
            path.display()
        )));
    }
    if mapping.has_bytes && policy != FilePolicy::Accept {
        write_what_differs(file.as_fd(), mapping, length_bytes).map_err(filling(mapping))?;
    }
    Ok(Source::File(file))
}

fn private<'a>(path: &Path, why: &str) -> Source<'a> {
    tracing::warn!(
        "{}, which the program has mapped for reading, is not shared any more: {why}. It goes on with a copy as it was at \
         the checkpoint (MANA_FILES=accept: with the file as it is)",
        path.display()
    );
    Source::Private
}

/// The bytes that the image had, up to the end of the file.
fn bytes(mapping: &SharedMapping, end_bytes: u64) -> Result<&[u8], mana_split::Error> {
    let (start, len) = (mapping.start as usize, mapping.len_bytes as usize);
    if mapping.prot & libc::PROT_READ == 0 {
        memory::protect_region(start, len, libc::PROT_READ)?;
    }
    let in_file = end_bytes.saturating_sub(mapping.offset_bytes) as usize;
    // SAFETY: private memory that was put there, readable, of this length at least; no upper code runs that could change it.
    Ok(unsafe { std::slice::from_raw_parts(start as *const u8, len.min(in_file)) })
}

/// The parts of the mapping, as offsets in it, that differ in the file.
fn differing(
    file: BorrowedFd<'_>,
    mapping: &SharedMapping,
    end_bytes: u64,
) -> io::Result<Vec<usize>> {
    let file = File::from(file.try_clone_to_owned()?);
    let mut there = vec![0; STEP_BYTES];
    let mut parts = Vec::new();
    let wanted = bytes(mapping, end_bytes).map_err(io::Error::other)?;
    for (number, part) in wanted.chunks(STEP_BYTES).enumerate() {
        let at = number * STEP_BYTES;
        let there = &mut there[..part.len()];
        match file.read_exact_at(there, mapping.offset_bytes + at as u64) {
            Ok(()) if there == part => {}
            Ok(()) => parts.push(at),
            // It is shorter.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => parts.push(at),
            Err(error) => return Err(error),
        }
    }
    Ok(parts)
}

/// Puts the bytes into the file where it has others.
fn write_what_differs(
    file: BorrowedFd<'_>,
    mapping: &SharedMapping,
    end_bytes: u64,
) -> io::Result<()> {
    let parts = differing(file, mapping, end_bytes)?;
    let wanted = bytes(mapping, end_bytes).map_err(io::Error::other)?;
    let file = File::from(file.try_clone_to_owned()?);
    for at in parts {
        let end = wanted.len().min(at + STEP_BYTES);
        file.write_all_at(&wanted[at..end], mapping.offset_bytes + at as u64)?;
    }
    Ok(())
}

fn fill_segment(mapping: &SharedMapping, kernel_id: i32) -> Result<(), EngineError> {
    let wanted = bytes(mapping, mapping.range_in_file().end)?;
    Ok(sysv::fill(kernel_id, wanted)?)
}

/// Maps it.
fn take_place(mapping: &SharedMapping, source: &Source<'_>) -> Result<(), EngineError> {
    let (start, len) = (mapping.start as usize, mapping.len_bytes as usize);
    let file = match source {
        Source::Private => return Ok(()),
        Source::Made(file) => *file,
        Source::File(file) => file.as_fd(),
        Source::Segment(kernel_id) => {
            // SAFETY: private memory that was put there, as long as the segment; no upper code runs.
            unsafe { sysv::attach_at(*kernel_id, start, mapping.is_writable())? };
            return Ok(memory::protect_region(start, len, mapping.prot)?);
        }
    };
    // SAFETY: what is there is in the file now, and no upper code runs.
    unsafe {
        upper_memory::share_part_at(file, mapping.offset_bytes, start, len, mapping.prot)?;
    }
    Ok(())
}
