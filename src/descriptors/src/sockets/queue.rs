//! What has arrived at a socket and has not been read: looked at, not taken out.

use std::os::fd::BorrowedFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::time::Timespec;

use super::{Message, Socket, raw};

/// The longest message that is kept, in bytes; what a system lets through by itself is a fifth of it.
const LONGEST_BYTES: usize = 1 << 20;
/// Empty messages that are looked at.
const EMPTY_MAX: usize = 1000;

/// What is in a queue.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) messages: Vec<Message>,
    /// Messages had more than bytes with them, which was not looked at.
    pub(super) had_more: bool,
}

/// Looks at all of it.
pub(super) fn peek(socket: BorrowedFd<'_>, about: &Socket) -> Result<Queue, Errno> {
    if about.is_tcp() {
        return peek_tcp(socket);
    }
    // To look where there is nothing would take an error that waits for the program (a datagram that was refused).
    if !has_something(socket) {
        return Ok(Queue::default());
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

/// Whether there is something to read, or the end.
fn has_something(socket: BorrowedFd<'_>) -> bool {
    let mut polled = [PollFd::from_borrowed_fd(socket, PollFlags::IN)];
    let now = Timespec::default();
    poll(&mut polled, Some(&now)).is_ok() && polled[0].revents().contains(PollFlags::IN)
}

/// Each look begins where the last one has ended (SO_PEEK_OFF).
fn peek_on(socket: BorrowedFd<'_>, about: &Socket) -> Result<Queue, Errno> {
    let mut queue = Queue::default();
    let mut room = vec![0; LONGEST_BYTES];
    let (mut empty, mut had_error) = (0, false);
    // Of a stream this is all that is in it: to look behind that would take an error that waits there.
    let waiting = about
        .is_stream()
        .then(|| rustix::io::ioctl_fionread(socket));
    let waiting = waiting.transpose()?;
    let mut looked_at = 0;
    while waiting != Some(looked_at) {
        let flags = libc::MSG_PEEK | libc::MSG_TRUNC;
        let flags = if about.is_stream() {
            libc::MSG_PEEK
        } else {
            flags
        };
        let received = match raw::receive(socket, &mut room, flags) {
            Ok(received) => received,
            Err(Errno::AGAIN | Errno::NOTCONN | Errno::INVAL) => return Ok(queue),
            // It is told once, and not about what is in the queue.
            Err(_) if !had_error => {
                had_error = true;
                continue;
            }
            Err(errno) => return Err(errno),
        };
        looked_at += received.bytes as u64;
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
        queue.had_more |= received.had_more;
        queue.messages.push(Message {
            from: received.from,
            bytes: room[..received.bytes].to_vec(),
        });
    }
    Ok(queue)
}
