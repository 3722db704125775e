//! A connection to a neighbour or a client: framed messages over a nonblocking socket.
//!
//! Sending never waits: what the kernel does not take at once is kept until poll(2) says that it will.
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::{Deserialize, Serialize};

use crate::wire;

/// How much is read at a time.
const READ_BYTES: usize = 64 << 10;

/// How long an orderly goodbye waits for a neighbour that does not read.
const FLUSH_PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Link {
    socket: TcpStream,
    received: Vec<u8>,
    unsent: Vec<u8>,
    /// Why the connection is of no use any more.
    broken: Option<String>,
}

impl Link {
    /// Takes over a connected socket.
    pub(crate) fn new(socket: TcpStream) -> std::io::Result<Link> {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        keep_alive(&socket)?;
        Ok(Link {
            socket,
            received: Vec::new(),
            unsent: Vec::new(),
            broken: None,
        })
    }

    /// What poll(2) is to wait for.
    pub(crate) fn poll_fd(&self) -> PollFd<'_> {
        let writable = if self.unsent.is_empty() {
            PollFlags::empty()
        } else {
            PollFlags::OUT
        };
        PollFd::new(&self.socket, PollFlags::IN | writable)
    }

    pub(crate) fn send<T: Serialize>(&mut self, message: &T) {
        self.send_bytes(&wire::frame(message));
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.unsent.extend_from_slice(bytes);
        self.write();
    }

    /// Sends what the kernel takes.
    pub(crate) fn write(&mut self) {
        while !self.unsent.is_empty() && self.broken.is_none() {
            match self.socket.write(&self.unsent) {
                Ok(0) => self.broken = Some("connection closed".to_owned()),
                Ok(taken) => drop(self.unsent.drain(..taken)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => self.broken = Some(error.to_string()),
            }
        }
    }

    /// Reads what is there. Messages that came before the end of the connection are still handed out.
    pub(crate) fn read(&mut self) {
        let mut chunk = vec![0; READ_BYTES];
        while self.broken.is_none() {
            match self.socket.read(&mut chunk) {
                Ok(0) => self.broken = Some("connection closed".to_owned()),
                Ok(length) => self.received.extend_from_slice(&chunk[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => self.broken = Some(error.to_string()),
            }
        }
    }

    /// The next message that has come in whole.
    pub(crate) fn next<T: for<'de> Deserialize<'de>>(&mut self) -> Option<T> {
        wire::unframe(&mut self.received).unwrap_or_else(|error| {
            self.broken = Some(error);
            self.received.clear();
            None
        })
    }

    /// Why the connection is of no use any more, if so.
    pub(crate) fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    /// Waits until all is sent; not for ever, since a neighbour that is stopped must not stop this one.
    pub(crate) fn flush(&mut self) {
        let patience = Timespec::try_from(FLUSH_PATIENCE).expect("two seconds are a time");
        while !self.unsent.is_empty() && self.broken.is_none() {
            match poll(
                &mut [PollFd::new(&self.socket, PollFlags::OUT)],
                Some(&patience),
            ) {
                Ok(0) => return,
                Ok(_) => self.write(),
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }
}

/// Lets the kernel notice a host that vanished without closing: after 60 s of silence it asks every 10 s, and
/// gives up after six askings without an answer.
fn keep_alive(socket: &TcpStream) -> std::io::Result<()> {
    use rustix::net::sockopt;
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, Duration::from_secs(60))?;
    sockopt::set_tcp_keepintvl(socket, Duration::from_secs(10))?;
    sockopt::set_tcp_keepcnt(socket, 6)?;
    Ok(())
}
