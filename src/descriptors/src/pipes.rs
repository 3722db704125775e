//! Pipes within the program: the bytes in them are copied without being taken out.
//!
//! ```text
//!   reading end here  writing end here
//!        yes               yes           a pipe of ours
//!        yes               no            if nobody writes any more: what is left in it;  else another process does: lost
//!        no                yes           if nobody reads any more: writing fails;         else lost
//! ```

use std::collections::BTreeMap;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::OFlags;
use rustix::pipe::{
    PipeFlags, SpliceFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with, tee,
};

use crate::error::{DescriptorError, os};
use crate::save::Found;
use crate::saved::{Descriptors, Lost, PipeContent, What};

/// Whether a file with these flags is a reading end.
fn reads(flags: OFlags) -> bool {
    flags & OFlags::RWMODE == OFlags::RDONLY
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
        let writer = files.iter().find(|at| !reads(found[**at].flags));
        match (reader, writer) {
            (Some(reader), Some(_)) => saved.pipes.push(content(pipe, &found[*reader])?),
            (Some(reader), None) if is_left(found[*reader].descriptor, PollFlags::HUP) => {
                saved.pipes.push(content(pipe, &found[*reader])?);
            }
            (None, Some(writer)) if is_left(found[*writer].descriptor, PollFlags::ERR) => {
                saved.pipes.push(PipeContent {
                    pipe,
                    capacity_bytes: 0,
                    content: Vec::new(),
                });
            }
            _ => {
                for at in files {
                    saved.files[at].what = What::Lost;
                    let why = "its other end is in another process";
                    let lost = Lost::descriptor(found[at].number, &found[at].link, why);
                    saved.lost.push(lost);
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
        capacity_bytes,
        content,
    })
}

/// Both ends of a pipe that is made again.
pub(crate) struct Ends {
    reading: OwnedFd,
    writing: OwnedFd,
}

impl Ends {
    /// A pipe with what was in it.
    pub(crate) fn open(saved: &PipeContent) -> Result<Self, DescriptorError> {
        let failed = |doing| os(-1, "pipe", doing);
        let (reading, writing) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)
            .map_err(failed("making it again"))?;
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
        Ok(Self { reading, writing })
    }

    /// The end that a file with `flags` is.
    pub(crate) fn end(&self, number: i32, flags: u32) -> Result<OwnedFd, DescriptorError> {
        let flags = OFlags::from_bits_retain(flags);
        let end = if reads(flags) {
            &self.reading
        } else {
            &self.writing
        };
        let kept = flags & (OFlags::NONBLOCK | OFlags::DIRECT);
        rustix::fs::fcntl_setfl(end, kept).map_err(os(number, "pipe", "F_SETFL"))?;
        rustix::io::fcntl_dupfd_cloexec(end, 3).map_err(os(number, "pipe", "dup"))
    }
}
