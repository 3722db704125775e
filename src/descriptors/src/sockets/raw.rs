//! System calls about sockets whose addresses and options are bytes here.
//!
//! # Safety
//! Each passes buffers of this code's own, with their lengths; the kernel writes no more. The descriptors are open.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::Errno;

/// As many bytes as the longest address has: `struct sockaddr_storage`.
const NAME_BYTES: usize = 128;

fn last_error() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

fn check(result: i32) -> Result<i32, Errno> {
    if result < 0 {
        Err(last_error())
    } else {
        Ok(result)
    }
}

/// socket(2).
pub(super) fn socket(domain: i32, kind: i32, protocol: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: takes no pointers; the descriptor that comes back is nobody's yet.
    unsafe {
        let made = check(libc::socket(domain, kind | libc::SOCK_CLOEXEC, protocol))?;
        Ok(OwnedFd::from_raw_fd(made))
    }
}

/// socketpair(2).
pub(super) fn pair(domain: i32, kind: i32) -> Result<(OwnedFd, OwnedFd), Errno> {
    let mut made = [-1; 2];
    // SAFETY: writes two descriptors, which are nobody's yet.
    unsafe {
        let kind = kind | libc::SOCK_CLOEXEC;
        check(libc::socketpair(domain, kind, 0, made.as_mut_ptr()))?;
        Ok((OwnedFd::from_raw_fd(made[0]), OwnedFd::from_raw_fd(made[1])))
    }
}

/// accept(2).
pub(super) fn accept(socket: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let null = std::ptr::null_mut();
    // SAFETY: no address is asked for; the descriptor that comes back is nobody's yet.
    unsafe {
        let flags = libc::SOCK_CLOEXEC;
        let made = check(libc::accept4(socket.as_raw_fd(), null, null.cast(), flags))?;
        Ok(OwnedFd::from_raw_fd(made))
    }
}

/// getsockname(2) or getpeername(2).
pub(super) fn name(socket: BorrowedFd<'_>, of_peer: bool) -> Result<Vec<u8>, Errno> {
    let mut name = vec![0_u8; NAME_BYTES];
    let mut bytes = NAME_BYTES as libc::socklen_t;
    let ask = if of_peer {
        libc::getpeername
    } else {
        libc::getsockname
    };
    // SAFETY: writes at most as many bytes as are said to be there. An address is read as bytes.
    check(unsafe { ask(socket.as_raw_fd(), name.as_mut_ptr().cast(), &raw mut bytes) })?;
    name.truncate(bytes as usize);
    Ok(name)
}

/// bind(2).
pub(super) fn bind(socket: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
    // SAFETY: reads the address, of the stated length.
    check(unsafe { libc::bind(socket.as_raw_fd(), name.as_ptr().cast(), name.len() as u32) })
        .map(drop)
}

/// connect(2).
pub(super) fn connect(socket: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
    // SAFETY: reads the address, of the stated length.
    check(unsafe { libc::connect(socket.as_raw_fd(), name.as_ptr().cast(), name.len() as u32) })
        .map(drop)
}

/// getsockopt(2); empty where the socket has no such option.
pub(super) fn option(socket: BorrowedFd<'_>, level: i32, name: i32) -> Vec<u8> {
    let mut value = vec![0_u8; 256];
    let mut bytes = value.len() as libc::socklen_t;
    // SAFETY: writes at most as many bytes as are said to be there.
    let result = unsafe {
        let value = value.as_mut_ptr().cast();
        libc::getsockopt(socket.as_raw_fd(), level, name, value, &raw mut bytes)
    };
    value.truncate(if result == 0 { bytes as usize } else { 0 });
    value
}

/// An option that is a number.
pub(super) fn number(socket: BorrowedFd<'_>, level: i32, name: i32) -> Option<i32> {
    let value = option(socket, level, name);
    Some(i32::from_ne_bytes(value.try_into().ok()?))
}

/// setsockopt(2).
pub(super) fn set_option(
    socket: BorrowedFd<'_>,
    level: i32,
    name: i32,
    value: &[u8],
) -> Result<(), Errno> {
    // SAFETY: reads as many bytes as are said to be there.
    check(unsafe {
        let (bytes, value) = (value.len() as u32, value.as_ptr().cast());
        libc::setsockopt(socket.as_raw_fd(), level, name, value, bytes)
    })
    .map(drop)
}

/// Sets an option that is a number.
pub(super) fn set_number(
    socket: BorrowedFd<'_>,
    level: i32,
    name: i32,
    value: i32,
) -> Result<(), Errno> {
    set_option(socket, level, name, &value.to_ne_bytes())
}

/// One message as recvmsg(2) gives it.
pub(super) struct Received {
    pub(super) bytes: usize,
    pub(super) from: Vec<u8>,
    /// Descriptors or the like came with it, for which there was no room.
    pub(super) had_more: bool,
}

/// recvmsg(2), never waiting.
pub(super) fn receive(
    socket: BorrowedFd<'_>,
    room: &mut [u8],
    flags: i32,
) -> Result<Received, Errno> {
    let mut from = vec![0_u8; NAME_BYTES];
    let mut part = libc::iovec {
        iov_base: room.as_mut_ptr().cast(),
        iov_len: room.len(),
    };
    // SAFETY: zeros are a valid header.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_name = from.as_mut_ptr().cast();
    header.msg_namelen = NAME_BYTES as u32;
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    let flags = flags | libc::MSG_DONTWAIT;
    // SAFETY: a header whose parts are as long as it says.
    let bytes = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, flags) };
    if bytes < 0 {
        return Err(last_error());
    }
    from.truncate(header.msg_namelen as usize);
    Ok(Received {
        bytes: bytes as usize,
        from,
        had_more: header.msg_flags & libc::MSG_CTRUNC != 0,
    })
}

/// sendto(2), never waiting; `to` is empty for a socket that is connected.
pub(super) fn send(socket: BorrowedFd<'_>, bytes: &[u8], to: &[u8]) -> Result<usize, Errno> {
    let name = if to.is_empty() {
        std::ptr::null()
    } else {
        to.as_ptr().cast()
    };
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: reads both buffers, of the stated lengths.
    let sent = unsafe {
        let (start, length) = (bytes.as_ptr().cast(), bytes.len());
        libc::sendto(
            socket.as_raw_fd(),
            start,
            length,
            flags,
            name,
            to.len() as u32,
        )
    };
    if sent < 0 {
        Err(last_error())
    } else {
        Ok(sent as usize)
    }
}

/// How many bytes that were sent have not been taken in by the other side: SIOCOUTQ.
pub(super) fn unsent(socket: BorrowedFd<'_>) -> Result<i32, Errno> {
    let mut bytes = 0_i32;
    // SAFETY: writes one int.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) })?;
    Ok(bytes)
}
