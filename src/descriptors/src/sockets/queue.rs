//! What has arrived at a socket and has not been read: looked at, not taken out.

use std::os::fd::BorrowedFd;

use rustix::io::Errno;

use super::{Message, Socket, raw};

/// The longest message that is kept, in bytes; what a system lets through by itself is a fifth of it.
const LONGEST_BYTES: usize = 1 << 20;
/// Empty messages that are looked at.
const EMPTY_MAX: usize = 1000;

/// What is in a queue.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) messages: Vec<Message>,
    /// Messages had descriptors with them, which were not looked at.
    pub(super) had_descriptors: bool,
}

/// Looks at all of it.
pub(super) fn peek(socket: BorrowedFd<'_>, about: &Socket) -> Result<Queue, Errno> {
    if about.is_tcp() {
        return peek_tcp(socket);
    }
    let level = libc::SOL_SOCKET;
    let before = raw::number(socket, level, libc::SO_PEEK_OFF).unwrap_or(-1);
    raw::set_number(socket, level, libc::SO_PEEK_OFF, 0)?;
    let looked = peek_on(socket, about);
    raw::set_number(socket, level, libc::SO_PEEK_OFF, before)?;
    let mut queue = looked?;
    if about.is_stream() {
        let bytes: Vec<u8> = queue.messages.into_iter().flat_map(|m| m.bytes).collect();
        queue.messages = Vec::new();
        if !bytes.is_empty() {
            queue.messages.push(Message {
                from: Vec::new(),
                bytes,
            });
        }
    }
    Ok(queue)
}

/// A connection of TCP shows all that it has at once.
fn peek_tcp(socket: BorrowedFd<'_>) -> Result<Queue, Errno> {
    let waiting = rustix::io::ioctl_fionread(socket)? as usize;
    let mut bytes = vec![0; waiting];
    let mut queue = Queue::default();
    if waiting > 0 {
        let received = raw::receive(socket, &mut bytes, libc::MSG_PEEK)?;
        if received.bytes != waiting {
            return Err(Errno::AGAIN);
        }
        queue.messages.push(Message {
            from: Vec::new(),
            bytes,
        });
    }
    Ok(queue)
}

/// Each look begins where the last one has ended (SO_PEEK_OFF).
fn peek_on(socket: BorrowedFd<'_>, about: &Socket) -> Result<Queue, Errno> {
    let mut queue = Queue::default();
    let mut room = vec![0; LONGEST_BYTES];
    let mut empty = 0;
    loop {
        let flags = libc::MSG_PEEK | libc::MSG_TRUNC;
        let flags = if about.is_stream() {
            libc::MSG_PEEK
        } else {
            flags
        };
        let received = match raw::receive(socket, &mut room, flags) {
            Ok(received) => received,
            Err(Errno::AGAIN | Errno::NOTCONN | Errno::INVAL) => return Ok(queue),
            Err(errno) => return Err(errno),
        };
        if received.bytes > room.len() {
            return Err(Errno::MSGSIZE);
        }
        if received.bytes == 0 {
            empty += 1;
            // The end of a connection looks like an empty message.
            if about.kind != libc::SOCK_DGRAM || about.shut.0 || empty > EMPTY_MAX {
                return Ok(queue);
            }
        }
        queue.had_descriptors |= received.had_more;
        queue.messages.push(Message {
            from: received.from,
            bytes: room[..received.bytes].to_vec(),
        });
    }
}
