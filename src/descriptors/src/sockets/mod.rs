//! Sockets whose other end is in the same process, that listen, or that have no other end.
//!
//! ```text
//!   socketpair, connection within the process   both ends again, with the bytes on their way between them
//!   listening                                   bound and listening again; who had not been accepted is gone
//!   bound, or not even that (UDP, AF_UNIX)      again, with the messages in it
//!   the other end has been closed (AF_UNIX)     the bytes in it, and then the end
//!   a connection that nobody has accepted yet   lost; the listener is told to have had it
//!   the other end is elsewhere                  lost
//! ```
//!
//! Nothing is taken out of a queue: what is in one is peeked at. Names are kept as the system has them.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

mod connections;
mod diag;
mod names;
mod options;
mod queue;
#[expect(
    unsafe_code,
    reason = "system calls about descriptors that the caller owns; see # Safety there"
)]
mod raw;
mod restore;
mod save;

pub(crate) use restore::make;
pub(crate) use save::{find_pairs, save};

/// A socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Socket {
    /// Which one: its inode at the checkpoint.
    pub inode: u64,
    /// AF_UNIX, AF_INET, AF_INET6.
    pub domain: i32,
    /// SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET.
    pub kind: i32,
    /// Its protocol.
    pub protocol: i32,
    /// What it is bound to: a `struct sockaddr`; empty if it is not.
    #[serde(with = "serde_bytes")]
    pub name: Vec<u8>,
    /// Whether the name is one in a folder and is not there any more.
    pub is_unlinked: bool,
    /// How it is connected.
    pub state: State,
    /// Whether it has been shut down for reading, and for writing.
    pub shut: (bool, bool),
    /// Options that are not what they are at first, or may not be.
    pub options: Vec<SocketOption>,
    /// What has arrived; of a stream, one message.
    pub received: Vec<Message>,
}

/// How a socket is connected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// It is not.
    Alone,
    /// listen(2).
    Listening {
        /// How many may wait to be accepted.
        backlog: i32,
    },
    /// With another socket of the program, by its inode; 0, while saving: with one that has none, since nobody has accepted it.
    Ours(u64),
    /// Its other end has been closed.
    Left,
    /// A socket for datagrams, which sends to this `struct sockaddr`.
    Towards(#[serde(with = "serde_bytes")] Vec<u8>),
}

/// getsockopt(2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketOption {
    /// SOL_SOCKET and the like.
    pub level: i32,
    /// Which one.
    pub name: i32,
    /// Its value.
    #[serde(with = "serde_bytes")]
    pub value: Vec<u8>,
}

/// What has arrived at a socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who sent it: a `struct sockaddr`; empty if that has no name.
    #[serde(with = "serde_bytes")]
    pub from: Vec<u8>,
    /// The bytes.
    #[serde(with = "serde_bytes")]
    pub bytes: Vec<u8>,
}

impl Socket {
    /// Whether its bytes are a stream.
    fn is_stream(&self) -> bool {
        self.kind == libc::SOCK_STREAM
    }

    /// Whether it is one of TCP.
    fn is_tcp(&self) -> bool {
        self.is_stream() && self.domain != libc::AF_UNIX
    }

    /// What tells it apart as one that is connected to: its port, or all of its name.
    fn port_or_name(&self) -> &[u8] {
        match self.domain {
            libc::AF_UNIX => &self.name,
            _ => self.name.get(2..4).unwrap_or(&[]),
        }
    }

    /// Whether `other`, which this one sends to, cannot be reached by a name, nor by being the other end of a pair.
    fn name_leads_nowhere(&self, other: &Socket) -> bool {
        other.name.is_empty() && other.state != State::Ours(self.inode)
    }

    /// Whether it has the port of `name`, and any address.
    fn listens_at_all(&self, name: &[u8]) -> bool {
        let address = match self.domain {
            libc::AF_INET => self.name.get(4..8),
            _ => self.name.get(8..24),
        };
        let is_any = address.is_some_and(|address| address.iter().all(|byte| *byte == 0));
        is_any && name.get(2..4) == Some(self.port_or_name())
    }

    /// What it is, for messages.
    pub(crate) fn shown(&self) -> String {
        let kind = match (self.domain, self.kind) {
            (libc::AF_UNIX, _) => "AF_UNIX socket",
            (_, libc::SOCK_STREAM) => "TCP socket",
            _ => "UDP socket",
        };
        match self.address() {
            Some(address) => format!("{kind} {address}"),
            None => kind.to_owned(),
        }
    }

    fn address(&self) -> Option<String> {
        let name = self.name.as_slice();
        let port = || Some(u16::from_be_bytes(name.get(2..4)?.try_into().ok()?));
        Some(match self.domain {
            libc::AF_INET => {
                let address: [u8; 4] = name.get(4..8)?.try_into().ok()?;
                format!("{}:{}", Ipv4Addr::from(address), port()?)
            }
            libc::AF_INET6 => {
                let address: [u8; 16] = name.get(8..24)?.try_into().ok()?;
                format!("[{}]:{}", Ipv6Addr::from(address), port()?)
            }
            _ => match self.path() {
                Some(path) => path.display().to_string(),
                None => format!("@{}", String::from_utf8_lossy(name.get(3..)?)),
            },
        })
    }

    /// The path of its name, where that is in a folder.
    fn path(&self) -> Option<PathBuf> {
        use std::os::unix::ffi::OsStringExt;
        let path = (self.domain == libc::AF_UNIX).then(|| self.name.get(2..))??;
        let end = path
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(path.len());
        (end > 0).then(|| std::ffi::OsString::from_vec(path[..end].to_vec()).into())
    }
}

/// The kind of address that a `struct sockaddr` is, 0 for none.
fn family(name: &[u8]) -> i32 {
    match name {
        [low, high, ..] => i32::from(u16::from_ne_bytes([*low, *high])),
        _ => 0,
    }
}
