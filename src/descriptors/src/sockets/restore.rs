//! Sockets made again.
//!
//! ```text
//!   pairs: socketpair, or by a listener for a moment where an end has a name
//!     -> others: socket, bind  -> messages  -> listen, connect  -> streams' bytes  -> shutdown, options, flags
//! ```
//!
//! Connections come before those that listen, which may have the same name.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::net::Shutdown;

use super::connections::{connected, is_connected, leave, partner, waiting_bytes};
use super::{Socket, State, names, options, raw};
use crate::error::DescriptorError;
use crate::saved::Descriptors;

/// The sockets by their inodes at the checkpoint.
pub(super) type Made = BTreeMap<u64, OwnedFd>;

/// Makes all sockets.
pub(crate) fn make(saved: &Descriptors) -> Result<Made, DescriptorError> {
    let sockets: Vec<(&Socket, u32)> = saved
        .files
        .iter()
        .filter_map(|file| Some((file.what.socket()?, file.flags)))
        .collect();
    let all: Vec<&Socket> = sockets.iter().map(|(socket, _)| *socket).collect();
    let mut made = Made::new();
    // Other ends that have been closed: they are here until what they had sent is back.
    let mut gone = Made::new();
    for socket in &all {
        connected(socket, &all, &mut made, &mut gone)?;
    }
    for socket in all.iter().filter(|socket| !is_connected(socket, &all)) {
        let fresh = fresh(socket)?;
        if !socket.name.is_empty() {
            bind(socket, &fresh)?;
        }
        made.insert(socket.inode, fresh);
    }
    for socket in &all {
        if socket.kind != libc::SOCK_STREAM && !gone.contains_key(&socket.inode) {
            send_messages(socket, &all, &made)?;
        }
    }
    for socket in all.iter().filter(|socket| !is_connected(socket, &all)) {
        listen_or_connect(socket, &all, &made)?;
    }
    for socket in &all {
        let sender = match &socket.state {
            State::Ours(peer) if socket.is_stream() => made.get(peer),
            _ if gone.contains_key(&socket.inode) => gone.get(&socket.inode),
            _ => continue,
        };
        let sender = sender.ok_or_else(|| inconsistent(socket))?;
        for message in &socket.received {
            send_all(socket, sender, &message.bytes, &[])?;
        }
    }
    drop(gone);
    for (socket, flags) in &sockets {
        let fresh = made
            .get(&socket.inode)
            .ok_or_else(|| inconsistent(socket))?;
        settle(socket, *flags, fresh)?;
    }
    Ok(made)
}

fn inconsistent(socket: &Socket) -> DescriptorError {
    DescriptorError::Inconsistent(format!("socket {} has no other end", socket.inode))
}

pub(super) fn failed(socket: &Socket, doing: &'static str) -> impl Fn(Errno) -> DescriptorError {
    let what = socket.shown();
    move |errno| DescriptorError::Socket {
        what: what.clone(),
        doing,
        source: errno.into(),
    }
}

pub(super) fn fresh(socket: &Socket) -> Result<OwnedFd, DescriptorError> {
    let fresh = raw::socket(socket.domain, socket.kind, socket.protocol)
        .map_err(failed(socket, "making it again"))?;
    options::before_binding(fresh.as_fd(), &socket.options, socket.is_tcp());
    Ok(fresh)
}

/// Gives a socket its name. A name that a process has left in a folder is in nobody's way.
pub(super) fn bind(socket: &Socket, fresh: &OwnedFd) -> Result<(), DescriptorError> {
    let bound = match raw::bind(fresh.as_fd(), &socket.name) {
        Err(Errno::ADDRINUSE) if is_left_over(socket)? => {
            if let Some(path) = socket.path() {
                remove(&path);
            }
            raw::bind(fresh.as_fd(), &socket.name)
        }
        bound => bound,
    };
    bound.map_err(failed(socket, "binding it to its name again"))?;
    if let Some(path) = socket.path().filter(|_| socket.is_unlinked) {
        remove(&path);
    }
    Ok(())
}

/// Whether nobody has the socket that is there.
fn is_left_over(socket: &Socket) -> Result<bool, DescriptorError> {
    if socket.path().is_none() {
        return Ok(false);
    }
    let caller = raw::socket(socket.domain, socket.kind, 0).map_err(failed(socket, "socket"))?;
    Ok(raw::connect(caller.as_fd(), &socket.name) == Err(Errno::CONNREFUSED))
}

pub(super) fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path) {
        tracing::debug!("{}: {error}", path.display());
    }
}

/// Puts messages back, each from a socket with its sender's name where there is one.
fn send_messages(socket: &Socket, all: &[&Socket], made: &Made) -> Result<(), DescriptorError> {
    let receiver = made
        .get(&socket.inode)
        .ok_or_else(|| inconsistent(socket))?;
    options::widen(receiver.as_fd(), waiting_bytes(socket));
    for message in &socket.received {
        let of_name = |other: &&&Socket| {
            !message.from.is_empty() && names::is_same(&other.name, &message.from)
        };
        let sender = partner(socket, all).or(all.iter().find(of_name).copied());
        let sender = sender.and_then(|sender| Some((made.get(&sender.inode)?, sender.domain)));
        let is_partner = partner(socket, all).is_some();
        let to: &[u8] = if is_partner { &[] } else { &socket.name };
        match sender {
            Some((sender, domain)) => {
                send_all(
                    socket,
                    sender,
                    &message.bytes,
                    &names::of_domain(to, domain),
                )?;
            }
            None => {
                let stranger = raw::socket(socket.domain, socket.kind, socket.protocol)
                    .map_err(failed(socket, "socket"))?;
                if socket.domain != libc::AF_UNIX
                    && let Err(error) = raw::bind(stranger.as_fd(), &message.from)
                {
                    tracing::warn!("a datagram comes from another address now: {error}");
                }
                send_all(socket, &stranger, &message.bytes, to)?;
            }
        }
    }
    Ok(())
}

/// Sends all of `bytes`, at once.
fn send_all(
    socket: &Socket,
    sender: &OwnedFd,
    bytes: &[u8],
    to: &[u8],
) -> Result<(), DescriptorError> {
    let mut rest = bytes;
    loop {
        let sent = raw::send(sender.as_fd(), rest, to).map_err(failed(socket, "filling it"))?;
        rest = &rest[sent..];
        if rest.is_empty() {
            return Ok(());
        }
    }
}

fn listen_or_connect(socket: &Socket, all: &[&Socket], made: &Made) -> Result<(), DescriptorError> {
    let end = made
        .get(&socket.inode)
        .ok_or_else(|| inconsistent(socket))?;
    match &socket.state {
        State::Listening { backlog } => {
            rustix::net::listen(end, *backlog).map_err(failed(socket, "listen"))
        }
        State::Towards(name) => {
            raw::connect(end.as_fd(), name).map_err(failed(socket, "connecting it again"))
        }
        State::Ours(peer) => {
            let peer = all.iter().find(|other| other.inode == *peer);
            let peer = peer.ok_or_else(|| inconsistent(socket))?;
            raw::connect(end.as_fd(), &peer.name).map_err(failed(socket, "connecting it again"))
        }
        State::Left => leave(socket, end),
        State::Alone => Ok(()),
    }
}

/// What comes last.
fn settle(socket: &Socket, flags: u32, end: &OwnedFd) -> Result<(), DescriptorError> {
    if socket.state != State::Left || socket.kind == libc::SOCK_DGRAM {
        let both = [
            (socket.shut.0, Shutdown::Read),
            (socket.shut.1, Shutdown::Write),
        ];
        for (_, how) in both.into_iter().filter(|(is_shut, _)| *is_shut) {
            match rustix::net::shutdown(end, how) {
                // One that has never been connected.
                Ok(()) | Err(Errno::NOTCONN) => {}
                Err(errno) => return Err(failed(socket, "shutdown")(errno)),
            }
        }
    }
    options::afterwards(end.as_fd(), &socket.options);
    let flags = OFlags::from_bits_retain(flags) & OFlags::NONBLOCK;
    rustix::fs::fcntl_setfl(end, flags).map_err(failed(socket, "F_SETFL"))
}
