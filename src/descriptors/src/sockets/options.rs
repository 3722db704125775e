//! Options of sockets: saved as bytes, set where a new socket has another value.

use std::os::fd::BorrowedFd;

use super::{SocketOption, raw};

const SOCKET: i32 = libc::SOL_SOCKET;
const TCP: i32 = libc::IPPROTO_TCP;

/// Those that a name depends on: they are set before it is bound.
const BEFORE_BINDING: [(i32, i32); 3] = [
    (SOCKET, libc::SO_REUSEPORT),
    (libc::IPPROTO_IPV6, libc::IPV6_V6ONLY),
    (libc::IPPROTO_IP, libc::IP_FREEBIND),
];

/// The others.
const AFTERWARDS: [(i32, i32); 27] = [
    (SOCKET, libc::SO_REUSEADDR),
    (SOCKET, libc::SO_KEEPALIVE),
    (SOCKET, libc::SO_BROADCAST),
    (SOCKET, libc::SO_OOBINLINE),
    (SOCKET, libc::SO_LINGER),
    (SOCKET, libc::SO_RCVLOWAT),
    (SOCKET, libc::SO_RCVTIMEO),
    (SOCKET, libc::SO_SNDTIMEO),
    (SOCKET, libc::SO_PASSCRED),
    (SOCKET, libc::SO_PRIORITY),
    (SOCKET, libc::SO_DONTROUTE),
    (SOCKET, libc::SO_TIMESTAMP),
    (SOCKET, libc::SO_TIMESTAMPNS),
    (SOCKET, libc::SO_BUSY_POLL),
    (SOCKET, libc::SO_PEEK_OFF),
    (TCP, libc::TCP_NODELAY),
    (TCP, libc::TCP_KEEPIDLE),
    (TCP, libc::TCP_KEEPINTVL),
    (TCP, libc::TCP_KEEPCNT),
    (TCP, libc::TCP_SYNCNT),
    (TCP, libc::TCP_LINGER2),
    (TCP, libc::TCP_DEFER_ACCEPT),
    (TCP, libc::TCP_USER_TIMEOUT),
    (libc::IPPROTO_IP, libc::IP_TOS),
    (libc::IPPROTO_IP, libc::IP_TTL),
    (libc::IPPROTO_IP, libc::IP_PKTINFO),
    (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO),
];

/// SO_BUF_LOCK of linux/socket.h: which buffers have been given a size, rather than left to the kernel.
const SO_BUF_LOCK: i32 = 72;
/// A buffer: the bit of SO_BUF_LOCK, the option, and the one that goes beyond the system's limit.
const BUFFERS: [(i32, i32, i32); 2] = [
    (1, libc::SO_SNDBUF, libc::SO_SNDBUFFORCE),
    (2, libc::SO_RCVBUF, libc::SO_RCVBUFFORCE),
];

/// All options of a socket.
pub(super) fn save(socket: BorrowedFd<'_>) -> Vec<SocketOption> {
    let locked = raw::number(socket, SOCKET, SO_BUF_LOCK).unwrap_or(0);
    let buffers = BUFFERS.iter().filter(|(bit, ..)| locked & bit != 0);
    BEFORE_BINDING
        .into_iter()
        .chain(AFTERWARDS)
        .chain(buffers.map(|(_, name, _)| (SOCKET, *name)))
        .map(|(level, name)| SocketOption {
            level,
            name,
            value: raw::option(socket, level, name),
        })
        .filter(|option| !option.value.is_empty())
        .collect()
}

/// Sets those that a name depends on. An address that a killed process had just used is to be had again.
pub(super) fn before_binding(socket: BorrowedFd<'_>, saved: &[SocketOption], is_tcp: bool) {
    let mine = |option: &&SocketOption| BEFORE_BINDING.contains(&(option.level, option.name));
    saved
        .iter()
        .filter(mine)
        .for_each(|option| set(socket, option));
    if is_tcp && let Err(error) = raw::set_number(socket, SOCKET, libc::SO_REUSEADDR, 1) {
        tracing::debug!("SO_REUSEADDR: {error}");
    }
}

/// Sets the others.
pub(super) fn afterwards(socket: BorrowedFd<'_>, saved: &[SocketOption]) {
    let early = |option: &&SocketOption| !BEFORE_BINDING.contains(&(option.level, option.name));
    for option in saved.iter().filter(early) {
        let buffer = BUFFERS
            .iter()
            .find(|(_, name, _)| option.level == SOCKET && option.name == *name);
        match (buffer, <[u8; 4]>::try_from(option.value.as_slice())) {
            // The kernel tells twice of what it was told.
            (Some((_, name, force)), Ok(bytes)) => {
                let half = i32::from_ne_bytes(bytes) / 2;
                let set = raw::set_number(socket, SOCKET, *force, half)
                    .or_else(|_| raw::set_number(socket, SOCKET, *name, half));
                if let Err(error) = set {
                    tracing::warn!("a socket's buffer cannot have its {half} bytes again: {error}");
                }
            }
            _ => set(socket, option),
        }
    }
}

/// Makes room for what is on its way; what the program had set comes afterwards.
pub(super) fn widen(socket: BorrowedFd<'_>, bytes: usize) {
    // Small messages take several times their bytes of it.
    let wanted = i32::try_from(bytes.saturating_mul(4)).unwrap_or(i32::MAX / 2);
    for (_, name, force) in BUFFERS {
        let has = raw::number(socket, SOCKET, name).unwrap_or(0);
        if has / 2 >= wanted {
            continue;
        }
        let set = raw::set_number(socket, SOCKET, force, wanted)
            .or_else(|_| raw::set_number(socket, SOCKET, name, wanted));
        if let Err(error) = set {
            tracing::debug!("widening a buffer: {error}");
        }
    }
}

fn set(socket: BorrowedFd<'_>, option: &SocketOption) {
    let SocketOption { level, name, value } = option;
    if raw::option(socket, *level, *name) == *value {
        return;
    }
    if let Err(error) = raw::set_option(socket, *level, *name, value) {
        tracing::warn!("option {name} (level {level}) of a socket cannot be set again: {error}");
    }
}
