//! What only the kernel's socket diagnostics tell of an AF_UNIX socket (sock_diag(7)): who is at its other end.

use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;

use super::raw;

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
/// UDIAG_SHOW_PEER and UDIAG_SHOW_RQLEN.
const SHOW: u32 = 0x4 | 0x10;
/// Attributes of the answer, linux/unix_diag.h.
const UNIX_DIAG_PEER: u16 = 2;
const UNIX_DIAG_RQLEN: u16 = 4;
const UNIX_DIAG_SHUTDOWN: u16 = 6;
/// Bytes of `struct nlmsghdr`, and of it and `struct unix_diag_msg`.
const HEADER_BYTES: usize = 16;
const ATTRIBUTES: usize = HEADER_BYTES + 16;

/// What there is to know of one socket.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Told {
    /// The inode of its other end; 0 for none.
    pub(super) peer: u64,
    /// How many may wait to be accepted.
    pub(super) backlog: i32,
    /// How many do.
    pub(super) waiting: u32,
    /// Whether it has been shut down for reading, and for writing.
    pub(super) shut: (bool, bool),
}

/// A socket to the kernel.
pub(super) struct Diag(OwnedFd);

impl Diag {
    pub(super) fn open() -> Result<Self, Errno> {
        /// NETLINK_SOCK_DIAG.
        const SOCK_DIAG: i32 = 4;
        raw::socket(libc::AF_NETLINK, libc::SOCK_RAW, SOCK_DIAG).map(Self)
    }

    /// Asks for the socket with this inode.
    pub(super) fn ask(&self, inode: u64) -> Result<Told, Errno> {
        let inode = u32::try_from(inode).map_err(|_| Errno::OVERFLOW)?;
        let mut request = Vec::with_capacity(40);
        request.extend(40_u32.to_ne_bytes());
        request.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        request.extend(NLM_F_REQUEST.to_ne_bytes());
        request.extend([0; 8]);
        // struct unix_diag_req: family, protocol, states, inode, what to show, a cookie that fits any.
        request.extend([libc::AF_UNIX as u8, 0, 0, 0]);
        request.extend(u32::MAX.to_ne_bytes());
        request.extend(inode.to_ne_bytes());
        request.extend(SHOW.to_ne_bytes());
        request.extend([0xff; 8]);
        raw::send(self.0.as_fd(), &request, &[])?;
        let mut answer = vec![0; 8192];
        // The answer is there when send returns: the kernel makes it in that call.
        let received = raw::receive(self.0.as_fd(), &mut answer, 0)?;
        told(&answer[..received.bytes]).ok_or(Errno::NOENT)
    }
}

/// Reads an answer; `None` for an error.
fn told(answer: &[u8]) -> Option<Told> {
    let word = |at: usize| Some(u16::from_ne_bytes(answer.get(at..at + 2)?.try_into().ok()?));
    let long = |at: usize| Some(u32::from_ne_bytes(answer.get(at..at + 4)?.try_into().ok()?));
    if word(4)? != SOCK_DIAG_BY_FAMILY {
        return None;
    }
    let mut told = Told::default();
    let mut at = ATTRIBUTES;
    while let (Some(bytes), Some(kind)) = (word(at), word(at + 2)) {
        let value = at + 4;
        match kind {
            UNIX_DIAG_PEER => told.peer = u64::from(long(value)?),
            // Of a connection these are bytes.
            UNIX_DIAG_RQLEN => {
                told.waiting = long(value)?;
                told.backlog = long(value + 4)? as i32;
            }
            UNIX_DIAG_SHUTDOWN => {
                let shut = *answer.get(value)?;
                told.shut = (shut & 1 != 0, shut & 2 != 0);
            }
            _ => {}
        }
        if bytes < 4 {
            break;
        }
        at += usize::from(bytes).next_multiple_of(4);
    }
    Some(told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Shutdown;
    use std::os::unix::net::UnixStream;

    #[test]
    fn the_kernel_tells_who_is_at_the_other_end() {
        let (first, second) = UnixStream::pair().unwrap();
        let inode = |socket: &UnixStream| rustix::fs::fstat(socket).unwrap().st_ino;
        let diag = Diag::open().unwrap();
        let told = diag.ask(inode(&first)).unwrap();
        assert_eq!((told.peer, told.shut), (inode(&second), (false, false)));
        first.shutdown(Shutdown::Write).unwrap();
        assert_eq!(diag.ask(inode(&first)).unwrap().shut, (false, true));
        assert_eq!(diag.ask(inode(&second)).unwrap().shut, (true, false));
        drop(second);
        assert_eq!(diag.ask(inode(&first)).unwrap().peer, 0);
    }
}
