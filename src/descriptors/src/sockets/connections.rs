//! Sockets that are made together with their other ends.
//!
//! ```text
//!   neither has a name      socketpair
//!   datagrams, named        bound and connected, each to the other
//!   a connection, named     listener for a moment  <- connect -  client, bound if it was       accept -> server
//!   the other end is gone   socketpair, of which the other end stays until what it had sent is back
//!   datagrams, no name      the same, and then disconnected if it was
//! ```

use std::os::fd::{AsFd, OwnedFd};

use super::restore::{Made, bind, failed, fresh, remove};
use super::{Socket, State, names, options, raw};
use crate::error::DescriptorError;

/// The other end, where each is the other's.
pub(super) fn partner<'a>(socket: &Socket, all: &[&'a Socket]) -> Option<&'a Socket> {
    let State::Ours(peer) = socket.state else {
        return None;
    };
    all.iter()
        .find(|other| other.inode == peer && other.state == State::Ours(socket.inode))
        .copied()
}

/// Whether a socket is made together with another one.
pub(super) fn is_connected(socket: &Socket, all: &[&Socket]) -> bool {
    is_left(socket) || partner(socket, all).is_some()
}

/// Whether its other end is there only while it is made. One for datagrams that has a name is sent to by that.
fn is_left(socket: &Socket) -> bool {
    if socket.kind != libc::SOCK_DGRAM {
        return socket.state == State::Left;
    }
    let is_sent_to = !socket.received.is_empty() && socket.state == State::Alone;
    socket.domain == libc::AF_UNIX
        && socket.name.is_empty()
        && (socket.state == State::Left || is_sent_to)
}

/// A `struct sockaddr` of AF_UNSPEC: connect(2) to it disconnects.
const NOBODY: [u8; 16] = [0; 16];

/// Makes a socket that has another end, if it is one, and that end.
pub(super) fn connected(
    socket: &Socket,
    all: &[&Socket],
    made: &mut Made,
    gone: &mut Made,
) -> Result<(), DescriptorError> {
    if is_left(socket) {
        let (kept, other) =
            raw::pair(socket.domain, socket.kind).map_err(failed(socket, "socketpair"))?;
        options::widen(other.as_fd(), waiting_bytes(socket));
        if socket.state == State::Alone {
            // Now, since that empties it.
            raw::connect(kept.as_fd(), &NOBODY).map_err(failed(socket, "disconnecting it"))?;
        }
        made.insert(socket.inode, kept);
        gone.insert(socket.inode, other);
        return Ok(());
    }
    let Some(other) = partner(socket, all) else {
        return Ok(());
    };
    if made.contains_key(&socket.inode) {
        return Ok(());
    }
    let is_nameless = socket.name.is_empty() && other.name.is_empty();
    let (first, second) = if socket.domain == libc::AF_UNIX && is_nameless {
        raw::pair(socket.domain, socket.kind).map_err(failed(socket, "socketpair"))?
    } else if socket.kind == libc::SOCK_DGRAM {
        named_pair(socket, other)?
    } else if is_server(socket, other, all) {
        let (server, client) = connection(socket, other)?;
        (server, client)
    } else {
        let (server, client) = connection(other, socket)?;
        (client, server)
    };
    for (end, towards) in [(&first, other), (&second, socket)] {
        options::widen(end.as_fd(), waiting_bytes(towards));
    }
    made.insert(socket.inode, first);
    made.insert(other.inode, second);
    Ok(())
}

pub(super) fn waiting_bytes(socket: &Socket) -> usize {
    // Every message has a header in the system's memory.
    socket
        .received
        .iter()
        .map(|message| message.bytes.len() + 512)
        .sum()
}

/// Two sockets for datagrams that are connected with each other.
fn named_pair(first: &Socket, second: &Socket) -> Result<(OwnedFd, OwnedFd), DescriptorError> {
    let ends = (fresh(first)?, fresh(second)?);
    for (socket, end) in [(first, &ends.0), (second, &ends.1)] {
        if !socket.name.is_empty() {
            bind(socket, end)?;
        }
    }
    for (other, end) in [(second, &ends.0), (first, &ends.1)] {
        if !other.name.is_empty() {
            raw::connect(end.as_fd(), &other.name).map_err(failed(other, "connecting to it"))?;
        }
    }
    Ok(ends)
}

/// Whether it was `socket` that had been accepted: it has the name of the one that listened.
fn is_server(socket: &Socket, other: &Socket, all: &[&Socket]) -> bool {
    let port_of_listener = |end: &Socket| {
        all.iter().any(|listener| {
            matches!(listener.state, State::Listening { .. })
                && !end.name.is_empty()
                && listener.port_or_name() == end.port_or_name()
        })
    };
    if port_of_listener(socket) || port_of_listener(other) {
        return port_of_listener(socket);
    }
    !socket.name.is_empty()
}

/// Connects two sockets by way of one that listens for that long: the one that is accepted, and the other.
fn connection(server: &Socket, client: &Socket) -> Result<(OwnedFd, OwnedFd), DescriptorError> {
    let listener = fresh(server)?;
    options::widen(listener.as_fd(), waiting_bytes(server));
    bind(server, &listener)?;
    rustix::net::listen(&listener, 1).map_err(failed(server, "listen"))?;
    let connect = |with_name: bool| {
        let end = fresh(client)?;
        options::widen(end.as_fd(), waiting_bytes(client));
        if with_name {
            bind(client, &end)?;
        }
        let to = names::of_domain(&server.name, client.domain);
        raw::connect(end.as_fd(), &to).map_err(failed(server, "connecting to it"))?;
        Ok(end)
    };
    let end = match connect(!client.name.is_empty()) {
        Err(DescriptorError::Socket { source, .. }) if client.is_tcp() => {
            tracing::warn!(
                "a connection to {} has another port now: {source}",
                server.shown()
            );
            connect(false)?
        }
        connected => connected?,
    };
    let accepted = raw::accept(listener.as_fd()).map_err(failed(server, "accept"))?;
    if let Some(path) = server.path() {
        remove(&path);
    }
    Ok((accepted, end))
}

/// Connects a socket for datagrams, which has a name, with one that is gone.
pub(super) fn leave(socket: &Socket, end: &OwnedFd) -> Result<(), DescriptorError> {
    let gone = raw::socket(socket.domain, socket.kind, 0).map_err(failed(socket, "socket"))?;
    // No more than its family: the system finds a name.
    let any = &(socket.domain as u16).to_ne_bytes();
    raw::bind(gone.as_fd(), any)
        .and_then(|()| raw::name(gone.as_fd(), false))
        .and_then(|name| raw::connect(end.as_fd(), &name))
        .map_err(failed(socket, "connecting it again"))
}
