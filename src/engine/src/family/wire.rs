//! What the processes of a family tell each other: values of named fields behind their length, and descriptors behind those.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use mana_descriptors::{FileId, Lock, MemberDescriptors, StoredFile};
use mana_image::Written;
use mana_split::numbers::Renumbered;
use mana_split::sysv::Segment;
use mana_split::thread::Tid;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Member;
use crate::shared_mappings::SegmentIds;

/// From the root.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// Park, and say so: an attempt begins, of this number.
    Stop(u64),
    /// Send duplicates of the descriptors.
    Lend,
    /// Write an image.
    Write(Place),
    /// The attempt of this number is over.
    GoOn(u64),
    /// The job ends.
    End,
    /// At a restart: the descriptors, which follow, and behind them the files that all processes of the program share; its segments.
    Place(MemberDescriptors, Vec<FileId>, SegmentIds),
    /// At a restart: all are there; what they are called by the program and by the kernel.
    Run(Vec<Renumbered>),
}

/// Where a member's image goes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Place {
    /// The directory of the checkpoint.
    pub(super) directory: PathBuf,
    /// The rank it belongs to.
    pub(super) rank: u32,
    /// Which of the rank's members it is, from 1.
    pub(super) child: u32,
    /// What the kernel calls the root and all members.
    pub(super) family: Vec<Tid>,
}

/// From a member, in an attempt: the root must not take what was said in an earlier one for an answer.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Said {
    pub(super) attempt: u64,
    pub(super) report: Report,
}

/// What a member says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Report {
    /// All threads are parked; what the kernel calls its parent.
    Stopped(Member, Tid),
    /// The descriptors that follow; files and segments that are mapped and have to be made again.
    Lent(Vec<Open>, Vec<StoredFile>, Vec<Segment>),
    /// The image is on the disk.
    Written(Box<Written>),
    /// It cannot do what it was told to.
    Failed(String),
    /// At a restart: memory is in place, and this is what the kernel calls it; it needs its descriptors.
    Loaded(Tid),
    /// At a restart: it is ready to run.
    Ready,
}

/// A descriptor of a member.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Open {
    pub(super) number: RawFd,
    /// Whether execve(2) closes it.
    pub(super) close_on_exec: bool,
    /// The member's own locks that were taken by it.
    pub(super) locks: Vec<Lock>,
}

/// No message is longer.
const MOST_BYTES: usize = 64 << 20;
/// How many descriptors go with one byte (SCM_MAX_FD).
const AT_ONCE: usize = 253;

pub(super) fn send(mut socket: &UnixStream, message: &impl Serialize) -> io::Result<()> {
    let bytes = rmp_serde::to_vec_named(message).map_err(io::Error::other)?;
    let mut all = (bytes.len() as u64).to_le_bytes().to_vec();
    all.extend(bytes);
    socket.write_all(&all)
}

pub(super) fn receive<T: DeserializeOwned>(mut socket: &UnixStream) -> io::Result<T> {
    let mut length = [0; 8];
    socket.read_exact(&mut length)?;
    let length = usize::try_from(u64::from_le_bytes(length)).unwrap_or(usize::MAX);
    if length > MOST_BYTES {
        return Err(io::Error::other("a message of the family is too long"));
    }
    let mut bytes = vec![0; length];
    socket.read_exact(&mut bytes)?;
    rmp_serde::from_slice(&bytes).map_err(io::Error::other)
}

pub(super) fn send_descriptors(
    socket: &UnixStream,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    for some in descriptors.chunks(AT_ONCE) {
        let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_ONCE))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(some)) {
            return Err(io::Error::other("no room for descriptors"));
        }
        sendmsg(
            socket,
            &[IoSlice::new(&[0])],
            &mut control,
            SendFlags::NOSIGNAL,
        )?;
    }
    Ok(())
}

pub(super) fn receive_descriptors(socket: &UnixStream, count: usize) -> io::Result<Vec<OwnedFd>> {
    let mut all = Vec::with_capacity(count);
    while all.len() < count {
        let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_ONCE))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0];
        let received = recvmsg(
            socket.as_fd(),
            &mut [IoSliceMut::new(&mut byte)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        )?;
        let before = all.len();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(some) = message {
                all.extend(some);
            }
        }
        if received.bytes == 0 || all.len() == before {
            return Err(io::Error::other(
                "descriptors have not come through (see `ulimit -n`)",
            ));
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_descriptors_than_go_at_once_come_in_order() {
        let (here, there) = UnixStream::pair().unwrap();
        let files: Vec<_> = (0..300)
            .map(|_| rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC).unwrap())
            .collect();
        for (value, file) in (1_u64..).zip(&files) {
            rustix::io::write(file, &value.to_ne_bytes()).unwrap();
        }
        let open = Open {
            number: 3,
            close_on_exec: true,
            locks: Vec::new(),
        };
        send(
            &here,
            &Report::Lent(vec![open; files.len()], Vec::new(), Vec::new()),
        )
        .unwrap();
        let borrowed: Vec<_> = files.iter().map(AsFd::as_fd).collect();
        send_descriptors(&here, &borrowed).unwrap();
        send(&here, &Report::Ready).unwrap();
        let Report::Lent(numbers, ..) = receive(&there).unwrap() else {
            panic!("another message");
        };
        let received = receive_descriptors(&there, numbers.len()).unwrap();
        for (value, file) in (1_u64..).zip(&received) {
            let mut bytes = [0; 8];
            rustix::io::read(file, &mut bytes).unwrap();
            assert_eq!(u64::from_ne_bytes(bytes), value);
        }
        assert!(matches!(receive(&there).unwrap(), Report::Ready));
        drop(here);
        assert!(receive::<Report>(&there).is_err());
    }
}
