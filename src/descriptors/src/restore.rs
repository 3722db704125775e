//! Opening descriptors again, in a process in which the program does not run yet.
//!
//! ```text
//!   open each file (above all numbers of the program)  ->  dup2 to its numbers  ->  fill epoll sets
//!                                                      ->  a duplicate for each number of a member (see `members`)
//! ```

use std::collections::BTreeMap;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, RawDir};
use rustix::io::{FdFlags, fcntl_dupfd_cloexec};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use crate::error::{DescriptorError, OF_THE_PROGRAM, os};
use crate::number;
use crate::pipes::Ends;
use crate::regular::{self, FilePolicy, open_flags};
use crate::saved::{Descriptors, FileId, Number, OpenFile, What};
use crate::sockets;
use crate::special;
use crate::stored::Stored;
use crate::terminals::Masters;
use crate::watches;

/// Opens everything again under its numbers, which may be taken by placeholders: these are replaced. Returns the files that
/// were made again: memory that maps them is the caller's to map, and they are to be sealed afterwards. `note_watched` hears by which path a file is watched.
///
/// # Errors
/// A file is missing or another one, or the system refuses something. Nothing of the program has run by then, so nothing is
/// lost: it can be tried again.
pub fn restore(
    saved: &Descriptors,
    policy: FilePolicy,
    note_watched: &dyn Fn(&Path, FileId),
) -> Result<Stored, DescriptorError> {
    restore_all(saved, policy, note_watched).map(|restored| restored.stored)
}

/// What there is once everything is open again.
#[derive(Debug)]
pub struct Restored {
    /// The files that were made again.
    pub stored: Stored,
    /// What each member is to receive, in the order of its list in [`Descriptors::members`]. They lie above all numbers of the
    /// root, and are to be dropped before it calls [`lock`](crate::lock).
    pub members: Vec<Vec<OwnedFd>>,
}

/// As [`restore`], for all processes of a program: this one is its root, the members' descriptors are returned.
///
/// # Errors
/// As for [`restore`].
pub fn restore_all(
    saved: &Descriptors,
    policy: FilePolicy,
    note_watched: &dyn Fn(&Path, FileId),
) -> Result<Restored, DescriptorError> {
    let above = above(&saved.numbers);
    let stored = Stored::make(&saved.stored, above)?;
    let opened = open_all(saved, &stored, above, policy, note_watched)?;
    let copies = |numbers: &Vec<Number>| {
        let copies = numbers.iter().map(|number| copy(*number, &opened, above));
        copies.collect::<Result<Vec<_>, _>>()
    };
    let members = saved.members.iter().map(copies);
    let members = members.collect::<Result<Vec<_>, _>>()?;
    for number in &saved.numbers {
        put(copy(*number, &opened, above)?, *number)?;
    }
    for (at, file) in saved.files.iter().enumerate() {
        if let (What::Poll { watched }, Some((None, number))) = (&file.what, saved.owner(at)) {
            special::watch(number, watched)?;
        }
    }
    Ok(Restored { stored, members })
}

/// Opens each file once, above `above`.
fn open_all(
    saved: &Descriptors,
    stored: &Stored,
    above: i32,
    policy: FilePolicy,
    note_watched: &dyn Fn(&Path, FileId),
) -> Result<Vec<OwnedFd>, DescriptorError> {
    let pipes = saved
        .pipes
        .iter()
        .map(|pipe| Ok((pipe.pipe, Ends::open(pipe)?)))
        .collect::<Result<BTreeMap<_, _>, DescriptorError>>()?;
    let sockets = sockets::make(saved)?;
    let masters = Masters::make(&saved.terminals)?;
    let mut opened = Vec::with_capacity(saved.files.len());
    for (at, file) in saved.files.iter().enumerate() {
        let (_, number) = saved
            .owner(at)
            .ok_or_else(|| DescriptorError::Inconsistent(format!("file {at} has no number")))?;
        let made = match &file.what {
            What::Socket(socket) => of_socket(number, sockets.get(&socket.inode))?,
            What::Terminal {
                number: terminal,
                is_master,
            } => masters.open(number, file.flags, *terminal, *is_master)?,
            What::Watches(watches) => watches::open(number, file.flags, watches, note_watched)?,
            _ => open(number, file, &pipes, stored, policy)?,
        };
        opened.push(move_above(number, made, above)?);
    }
    Ok(opened)
}

/// Where descriptors are out of the way of `numbers`, and of standard streams.
pub(crate) fn above(numbers: &[Number]) -> i32 {
    let highest = numbers.iter().map(|number| number.number).max();
    highest.map_or(3, |highest| highest.max(2).saturating_add(1))
}

/// A duplicate of the file that a number stands for, above `above`.
fn copy(number: Number, opened: &[OwnedFd], above: i32) -> Result<OwnedFd, DescriptorError> {
    let file = opened.get(number.file).ok_or_else(|| {
        DescriptorError::Inconsistent(format!("descriptor {} is no file", number.number))
    })?;
    fcntl_dupfd_cloexec(file, above).map_err(os(number.number, OF_THE_PROGRAM, "dup"))
}

/// Gives a descriptor its number.
pub(crate) fn put(descriptor: OwnedFd, number: Number) -> Result<(), DescriptorError> {
    let failed = |doing| os(number.number, OF_THE_PROGRAM, doing);
    number::place(descriptor, number.number).map_err(failed("dup2"))?;
    let mut flags = FdFlags::empty();
    flags.set(FdFlags::CLOEXEC, number.close_on_exec);
    if let Some(placed) = number::borrow(number.number) {
        rustix::io::fcntl_setfd(placed, flags).map_err(failed("F_SETFD"))?;
    }
    Ok(())
}

/// Takes a descriptor out of the way of the program's numbers.
pub(crate) fn move_above(
    number: i32,
    made: OwnedFd,
    above: i32,
) -> Result<OwnedFd, DescriptorError> {
    if made.as_raw_fd() >= above {
        return Ok(made);
    }
    fcntl_dupfd_cloexec(&made, above).map_err(os(number, OF_THE_PROGRAM, "dup"))
}

/// Makes an open file again.
fn open(
    number: i32,
    file: &OpenFile,
    pipes: &BTreeMap<u64, Ends>,
    stored: &Stored,
    policy: FilePolicy,
) -> Result<OwnedFd, DescriptorError> {
    let flags = file.flags;
    match &file.what {
        What::Standard(which) => match number::borrow(*which) {
            Some(given) => duplicate(number, given),
            None => nothing(number),
        },
        What::File {
            path,
            offset_bytes,
            length_bytes,
        } => regular::open(number, flags, path, (*offset_bytes, *length_bytes), policy),
        What::Stored { id, offset_bytes } => stored.open(number, *id, flags, *offset_bytes),
        What::Directory { path, offset_bytes } => {
            let opened = by_path(number, flags, path)?;
            // ext4 takes a stream whose first look is at its end for one that has none before it: so it looks at its beginning.
            if *offset_bytes > 0 {
                let mut room = vec![std::mem::MaybeUninit::uninit(); 4096];
                let _ = RawDir::new(&opened, &mut room).next();
            }
            rustix::fs::seek(&opened, rustix::fs::SeekFrom::Start(*offset_bytes)).map_err(os(
                number,
                "directory",
                "setting the position",
            ))?;
            Ok(opened)
        }
        What::ByPath(path) => by_path(number, flags, path),
        What::Pipe { pipe } => match pipes.get(pipe) {
            Some(ends) => ends.end(number, flags),
            None => nothing(number),
        },
        What::Event { count, semaphore } => special::open_event(number, flags, *count, *semaphore),
        What::Timer {
            clock,
            remaining_ns,
            interval_ns,
            ticks,
        } => special::open_timer(number, flags, *clock, (*remaining_ns, *interval_ns), *ticks),
        What::Signal { mask } => special::open_signal(number, flags, *mask),
        What::Poll { .. } => special::open_poll(number),
        What::Watches(_) | What::Socket(_) | What::Terminal { .. } | What::Lost => nothing(number),
    }
}

/// A socket that has been made with the others.
fn of_socket(number: i32, made: Option<&OwnedFd>) -> Result<OwnedFd, DescriptorError> {
    let made = made.ok_or_else(|| {
        DescriptorError::Inconsistent(format!("the socket of descriptor {number} is missing"))
    })?;
    fcntl_dupfd_cloexec(made, 3).map_err(os(number, "socket", "dup"))
}

fn duplicate(number: i32, given: impl AsFd) -> Result<OwnedFd, DescriptorError> {
    fcntl_dupfd_cloexec(given, 3).map_err(os(number, "standard stream", "dup"))
}

fn by_path(number: i32, flags: u32, path: &Path) -> Result<OwnedFd, DescriptorError> {
    let flags = open_flags(flags);
    // A FIFO that nobody has opened on the other side would keep the restart waiting, or could not be opened for writing.
    let is_fifo = rustix::fs::stat(path)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo);
    let _other_side = is_fifo.then(|| {
        let both = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        rustix::fs::open(path, both, Mode::empty())
    });
    let opened =
        rustix::fs::open(path, flags | OFlags::NONBLOCK, Mode::empty()).map_err(|errno| {
            DescriptorError::Missing {
                path: path.to_owned(),
                number,
                source: errno.into(),
            }
        })?;
    if !flags.contains(OFlags::PATH) {
        rustix::fs::fcntl_setfl(&opened, flags).map_err(os(
            number,
            &path.display().to_string(),
            "F_SETFL",
        ))?;
    }
    Ok(opened)
}

/// Something whose other side has gone: reading ends, writing fails.
fn nothing(number: i32) -> Result<OwnedFd, DescriptorError> {
    let (kept, _gone) = socketpair(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .map_err(os(number, "what could not be kept", "socketpair"))?;
    Ok(kept)
}
