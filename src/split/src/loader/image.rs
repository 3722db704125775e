//! Maps an ELF image the way the kernel and ld.so do: one reservation, the segments over it, zeroes behind them.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;

use crate::elf::{Image, Segment};
use crate::error::{Error, Result};
use crate::steer;
use crate::sys::{self, Errno};
use crate::window::{self, PAGE_BYTES, Request, page_up};

/// A mapped image; addresses are real ones.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mapped {
    /// Difference between real addresses and the file's.
    pub(super) bias: usize,
    /// Entry point.
    pub(super) entry: usize,
    /// The program headers.
    pub(super) phdr: usize,
    /// Their number.
    pub(super) phnum: usize,
    /// The code contains system calls whose number nobody can tell beforehand.
    pub(super) needs_backstop: bool,
}

/// Maps `image`, read from `file`, into the window, or to its own addresses if it is not position independent.
pub(super) fn map(path: &Path, file: &File, image: &Image) -> Result<Mapped> {
    check_length(path, file, image)?;
    let bias = reserve(path, image)?;
    let mut mapped = Mapped {
        bias,
        entry: bias.wrapping_add(image.entry),
        phdr: bias.wrapping_add(image.phdr),
        phnum: image.phnum,
        needs_backstop: false,
    };
    for segment in &image.segments {
        mapped.needs_backstop |= map_segment(path, file, segment, bias)?;
    }
    Ok(mapped)
}

/// A file shorter than its headers say would be mapped, and die of SIGBUS later.
fn check_length(path: &Path, file: &File, image: &Image) -> Result<()> {
    let metadata = file.metadata().map_err(|source| Error::OpenProgram {
        path: path.into(),
        source,
    })?;
    let needed = image
        .segments
        .iter()
        .map(|s| s.offset + s.file_bytes as u64)
        .max()
        .unwrap_or(0);
    if metadata.len() >= needed {
        return Ok(());
    }
    let why = format!(
        "it is cut off: {} bytes long, its segments need {needed}",
        metadata.len()
    );
    Err(Error::NotAProgram {
        path: path.into(),
        why,
    })
}

/// Reserves the image's span and returns the bias.
fn reserve(path: &Path, image: &Image) -> Result<usize> {
    let span = image.span();
    let mut request = Request::anonymous(span.len(), libc::PROT_NONE);
    request.flags |= libc::MAP_NORESERVE;
    let no_room = |errno: Errno| Error::NoRoom {
        what: format!("{}", path.display()),
        bytes: request.len,
        source: errno.into(),
    };
    if !image.fixed {
        let start = window::map_aligned(&request, image.align).map_err(no_room)?;
        return Ok(start.wrapping_sub(span.start));
    }
    match window::map_exactly(span.start, &request) {
        Ok(_) => {}
        Err(Errno::EXIST) => return Err(occupied(path, span)),
        Err(errno) => return Err(no_room(errno)),
    }
    window::add_extra(span).map_err(no_room)?;
    Ok(0)
}

fn occupied(path: &Path, span: std::ops::Range<usize>) -> Error {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let overlaps = |line: &&str| {
        let mut ends = line
            .split([' ', '-'])
            .map(|hex| usize::from_str_radix(hex, 16));
        matches!((ends.next(), ends.next()), (Some(Ok(start)), Some(Ok(end))) if start < span.end && span.start < end)
    };
    let occupant = maps
        .lines()
        .find(overlaps)
        .unwrap_or("something that has gone since")
        .to_owned();
    Error::AddressOccupied {
        path: path.into(),
        start: span.start,
        end: span.end,
        occupant,
    }
}

/// Maps one segment; says whether its code needs the backstop.
fn map_segment(path: &Path, file: &File, segment: &Segment, bias: usize) -> Result<bool> {
    let fail = |what: &str| {
        let what = format!("{what} {} at {:#x}", path.display(), segment.vaddr);
        move |errno: Errno| Error::raw(&what, errno)
    };
    let start = bias.wrapping_add(segment.vaddr);
    let in_page = start % PAGE_BYTES;
    let file_end = start + segment.file_bytes;
    let mem_end = start + segment.mem_bytes;
    let first_page = start - in_page;
    let fixed = libc::MAP_PRIVATE | libc::MAP_FIXED;
    let mut zero_from = first_page;
    if segment.file_bytes > 0 {
        zero_from = page_up(file_end);
        let len = file_end - first_page;
        let offset = segment.offset - in_page as u64;
        // SAFETY: inside the reservation made for this image.
        unsafe {
            sys::mmap(
                first_page,
                len,
                segment.prot,
                fixed,
                file.as_raw_fd(),
                offset,
            )
        }
        .map_err(fail("mmap of"))?;
        if mem_end > file_end && segment.prot & libc::PROT_WRITE != 0 {
            // SAFETY: the rest of the file's last page, a private writable copy that nobody uses yet.
            unsafe { std::ptr::write_bytes(file_end as *mut u8, 0, zero_from - file_end) };
        }
    }
    if page_up(mem_end) > zero_from {
        let len = page_up(mem_end) - zero_from;
        // SAFETY: inside the reservation made for this image.
        unsafe {
            sys::mmap(
                zero_from,
                len,
                segment.prot,
                fixed | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        }
        .map_err(fail("mmap of zeroes for"))?;
    }
    let code = libc::PROT_READ | libc::PROT_EXEC;
    if segment.prot & code != code || segment.file_bytes == 0 {
        return Ok(false);
    }
    // SAFETY: mapped above from the file, privately and readable; nothing runs in it yet.
    let scan = unsafe { steer::steer(first_page..page_up(file_end), segment.prot) }
        .map_err(fail("patching the code of"))?;
    Ok(scan.unknown > 0)
}
