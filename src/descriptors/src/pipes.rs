//! Pipes within the program, with or without a name: the bytes in them are copied without being taken out.
//!
//! ```text
//!   reading end here  writing end here
//!        yes               yes           a pipe of ours
//!        yes               no            if nobody writes any more: what is left in it;  else another process does: lost
//!        no                yes           if nobody reads any more: writing fails;         else lost
//! ```
//!
//! A FIFO with a name that another process has open too is opened again by its name; so it is not lost, and its bytes are
//! that process' business.

use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::pipe::{
    PipeFlags, SpliceFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with, tee,
};

use crate::error::{DescriptorError, os};
use crate::save::Found;
use crate::saved::{Descriptors, Lost, PipeContent, What};

/// Whether a file with these flags is a reading end.
fn reads(flags: OFlags) -> bool {
    flags & OFlags::RWMODE != OFlags::WRONLY
}

/// Whether a file with these flags is a writing end.
fn writes(flags: OFlags) -> bool {
    flags & OFlags::RWMODE != OFlags::RDONLY
}

/// Saves what is in the pipes among `found`, the first descriptor of each open file.
pub(crate) fn save(found: &[Found], saved: &mut Descriptors) -> Result<(), DescriptorError> {
    let mut pipes: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (at, file) in saved.files.iter().enumerate() {
        if let What::Pipe { pipe } = file.what {
            pipes.entry(pipe).or_default().push(at);
        }
    }
    for (pipe, files) in pipes {
        let reader = files.iter().find(|at| reads(found[**at].flags));
        let writer = files.iter().find(|at| writes(found[**at].flags));
        match (reader, writer) {
            (Some(reader), Some(_)) => saved.pipes.push(content(pipe, &found[*reader])?),
            (Some(reader), None) if is_left(found[*reader].descriptor, PollFlags::HUP) => {
                saved.pipes.push(content(pipe, &found[*reader])?);
            }
            (None, Some(writer)) if is_left(found[*writer].descriptor, PollFlags::ERR) => {
                saved.pipes.push(PipeContent {
                    pipe,
                    path: name(&found[*writer]),
                    mode: found[*writer].stat.st_mode & 0o7777,
                    capacity_bytes: 0,
                    content: Vec::new(),
                });
            }
            _ => {
                for at in files {
                    if let Some(path) = name(&found[at]) {
                        saved.files[at].what = What::ByPath(path);
                        continue;
                    }
                    saved.files[at].what = What::Lost;
                    let why = "its other end is in another process";
                    saved.lost.push(Lost::descriptor(&found[at], why));
                }
            }
        }
    }
    Ok(())
}

/// Whether the other side is gone: poll(2) says `event` then.
fn is_left(end: BorrowedFd<'_>, event: PollFlags) -> bool {
    let mut polled = [PollFd::from_borrowed_fd(end, PollFlags::empty())];
    let now = rustix::time::Timespec::default();
    poll(&mut polled, Some(&now)).is_ok() && polled[0].revents().contains(event)
}

/// The path of a FIFO, if it has one.
fn name(found: &Found) -> Option<PathBuf> {
    let is_named = found.link.is_absolute() && found.stat.st_nlink > 0;
    is_named.then(|| found.link.clone())
}

/// The bytes in a pipe, which stay there.
fn content(pipe: u64, reader: &Found) -> Result<PipeContent, DescriptorError> {
    let failed = |doing| os(reader.number, "pipe", doing);
    let capacity_bytes =
        fcntl_getpipe_size(reader.descriptor).map_err(failed("asking for its size"))?;
    let waiting = rustix::io::ioctl_fionread(reader.descriptor)
        .map_err(failed("asking what is in it"))? as usize;
    let mut content = vec![0; waiting];
    if waiting > 0 {
        let (copied, copy) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)
            .map_err(failed("making a pipe to copy to"))?;
        fcntl_setpipe_size(&copy, capacity_bytes).map_err(failed("making that as large"))?;
        let there = tee(reader.descriptor, &copy, waiting, SpliceFlags::NONBLOCK)
            .map_err(failed("copying what is in it"))?;
        let mut read = 0;
        while read < there {
            read += rustix::io::read(&copied, &mut content[read..there])
                .map_err(failed("reading the copy"))?;
        }
        if there != waiting {
            return Err(failed("copying all that is in it")(
                rustix::io::Errno::AGAIN,
            ));
        }
    }
    Ok(PipeContent {
        pipe,
        path: name(reader),
        mode: reader.stat.st_mode & 0o7777,
        capacity_bytes,
        content,
    })
}

/// Both ends of a pipe that is made again.
pub(crate) struct Ends {
    reading: OwnedFd,
    writing: OwnedFd,
    has_name: bool,
}

impl Ends {
    /// A pipe with what was in it.
    pub(crate) fn open(saved: &PipeContent) -> Result<Self, DescriptorError> {
        let failed = |doing| os(-1, "pipe", doing);
        let (reading, writing) = match &saved.path {
            Some(path) => named(path, saved.mode)?,
            None => pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)
                .map_err(failed("making it again"))?,
        };
        if saved.capacity_bytes > 0
            && let Err(error) = fcntl_setpipe_size(&writing, saved.capacity_bytes)
        {
            tracing::warn!("a pipe is smaller than it was: {error}");
        }
        let mut written = 0;
        while written < saved.content.len() {
            written += rustix::io::write(&writing, &saved.content[written..])
                .map_err(failed("filling it"))?;
        }
        Ok(Self {
            reading,
            writing,
            has_name: saved.path.is_some(),
        })
    }

    /// The end that a file with `flags` is.
    pub(crate) fn end(&self, number: i32, flags: u32) -> Result<OwnedFd, DescriptorError> {
        let flags = OFlags::from_bits_retain(flags);
        let end = if reads(flags) {
            &self.reading
        } else {
            &self.writing
        };
        if !self.has_name {
            let kept = flags & (OFlags::NONBLOCK | OFlags::DIRECT);
            rustix::fs::fcntl_setfl(end, kept).map_err(os(number, "pipe", "F_SETFL"))?;
            return rustix::io::fcntl_dupfd_cloexec(end, 3).map_err(os(number, "pipe", "dup"));
        }
        // Both ends are one open file here.
        let path = format!("/proc/self/fd/{}", end.as_raw_fd());
        let kept = flags & (OFlags::RWMODE | OFlags::NONBLOCK | OFlags::DIRECT);
        rustix::fs::open(path, kept | OFlags::CLOEXEC, Mode::empty()).map_err(os(
            number,
            "pipe",
            "opening its end again",
        ))
    }
}

/// Both ends of a FIFO with a name, which is made again if it is not there.
fn named(path: &Path, mode: u32) -> Result<(OwnedFd, OwnedFd), DescriptorError> {
    let shown = path.display().to_string();
    let failed = |doing| os(-1, &shown, doing);
    let mode = Mode::from_raw_mode(mode);
    match rustix::fs::mknodat(rustix::fs::CWD, path, FileType::Fifo, mode, 0) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => {}
        Err(errno) => return Err(failed("making it again")(errno)),
    }
    // For both, so that it does not wait for somebody at the other end.
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let both = rustix::fs::open(path, flags, Mode::empty()).map_err(failed("opening it"))?;
    let other = rustix::io::fcntl_dupfd_cloexec(&both, 3).map_err(failed("dup"))?;
    Ok((both, other))
}
