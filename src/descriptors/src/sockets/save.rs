//! Describing sockets: each by itself first, then who is connected with whom.

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use super::diag::Diag;
use super::{Socket, State, family, names, options, queue, raw};
use crate::error::{DescriptorError, os};
use crate::save::Found;
use crate::saved::{Descriptors, Lost, What};

/// TCP states, linux/tcp_states.h.
const ESTABLISHED: u8 = 1;
const FIN_WAIT1: u8 = 4;
const FIN_WAIT2: u8 = 5;
const CLOSE: u8 = 7;
const CLOSE_WAIT: u8 = 8;
const LAST_ACK: u8 = 9;
const LISTEN: u8 = 10;
const CLOSING: u8 = 11;

/// Why a connection to elsewhere is lost.
const ELSEWHERE: &str = "its other end is in another process";
/// Why a socket is lost whose other end no name leads to.
const ONE_WAY: &str = "its other end has no name, and is not connected with it any more";

/// Describes a socket; `Err` says why it cannot be kept.
pub(crate) fn save(found: &Found) -> Result<Result<Socket, &'static str>, DescriptorError> {
    let socket = found.descriptor;
    let level = libc::SOL_SOCKET;
    let number = |name| raw::number(socket, level, name).unwrap_or(-1);
    let (domain, kind) = (number(libc::SO_DOMAIN), number(libc::SO_TYPE));
    let is_known = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6].contains(&domain)
        && [libc::SOCK_STREAM, libc::SOCK_DGRAM, libc::SOCK_SEQPACKET].contains(&kind);
    if !is_known {
        return Ok(Err("sockets of this kind cannot be made again"));
    }
    let failed = |doing| os(found.number, "socket", doing);
    let mut saved = Socket {
        inode: found.stat.st_ino,
        domain,
        kind,
        protocol: number(libc::SO_PROTOCOL),
        name: bound_name(socket, domain).map_err(failed("getsockname"))?,
        is_unlinked: false,
        state: State::Alone,
        shut: (false, false),
        options: options::save(socket),
        received: Vec::new(),
    };
    saved.is_unlinked = saved
        .path()
        .is_some_and(|path| path.symlink_metadata().is_err());
    let state = if domain == libc::AF_UNIX {
        unix_state(socket, &mut saved)
    } else if saved.is_tcp() {
        Ok(tcp_state(socket, &mut saved))
    } else {
        Ok(Ok(towards(socket)))
    };
    Ok(
        match state.map_err(failed("asking the kernel's socket diagnostics"))? {
            Ok(state) => {
                saved.state = state;
                Ok(saved)
            }
            Err(why) => Err(why),
        },
    )
}

/// The name that a socket has, empty where it has been given none.
fn bound_name(socket: BorrowedFd<'_>, domain: i32) -> Result<Vec<u8>, rustix::io::Errno> {
    let name = raw::name(socket, false)?;
    let is_bound = match domain {
        libc::AF_UNIX => name.len() > 2,
        // A port of 0 is none.
        _ => name.get(2..4).is_some_and(|port| port != [0, 0]),
    };
    Ok(if is_bound { name } else { Vec::new() })
}

type Known = Result<State, &'static str>;

fn unix_state(socket: BorrowedFd<'_>, saved: &mut Socket) -> Result<Known, rustix::io::Errno> {
    let told = Diag::open()?.ask(saved.inode)?;
    saved.shut = told.shut;
    if raw::number(socket, libc::SOL_SOCKET, libc::SO_ACCEPTCONN) == Some(1) {
        let backlog = told.backlog;
        return Ok(Ok(State::Listening { backlog }));
    }
    let is_connected = raw::name(socket, true).is_ok();
    // One that was closed has shut its other end, but for datagrams; one that nobody has accepted yet has no inode either.
    let is_closed = saved.kind == libc::SOCK_DGRAM || told.shut == (true, true);
    Ok(Ok(match told.peer {
        0 if is_connected && is_closed => State::Left,
        0 if is_connected => State::Ours(0),
        0 => State::Alone,
        peer => State::Ours(peer),
    }))
}

fn tcp_state(socket: BorrowedFd<'_>, saved: &mut Socket) -> Known {
    // struct tcp_info: the state is its first byte; of a listening socket, tcpi_sacked is how many may wait.
    let info = raw::option(socket, libc::IPPROTO_TCP, libc::TCP_INFO);
    let state = info.first().copied().unwrap_or(CLOSE);
    saved.shut.1 = [FIN_WAIT1, FIN_WAIT2, LAST_ACK, CLOSING].contains(&state);
    match state {
        LISTEN => {
            let told = info.get(28..32).and_then(|bytes| bytes.try_into().ok());
            let backlog = told.map_or(libc::SOMAXCONN, i32::from_ne_bytes);
            Ok(State::Listening { backlog })
        }
        CLOSE => Ok(State::Alone),
        ESTABLISHED | FIN_WAIT1 | FIN_WAIT2 | CLOSE_WAIT | LAST_ACK | CLOSING => {
            Ok(towards(socket))
        }
        _ => Err("it is being connected"),
    }
}

fn towards(socket: BorrowedFd<'_>) -> State {
    match raw::name(socket, true) {
        Ok(peer) if family(&peer) != 0 => State::Towards(peer),
        _ => State::Alone,
    }
}

/// How long acknowledgements between ends of the program are waited for; those that do not come by then wait for room.
const SETTLES_WITHIN: Duration = Duration::from_millis(300);

/// Finds out whose other end is whose, and looks at what is in the sockets; `found`: the first descriptor of each open file.
pub(crate) fn find_pairs(found: &[Found], saved: &mut Descriptors) {
    let all: Vec<Socket> = saved
        .files
        .iter()
        .filter_map(|file| file.what.socket().cloned())
        .collect();
    for_each_socket(found, saved, |socket, found| {
        connect(socket, &all, found.descriptor).map(|()| Vec::new())
    });
    settle(found, saved);
    for_each_socket(found, saved, fill);
    while lose_other_ends(found, saved) {}
}

/// Something of a socket that is lost, though the socket is not.
struct Part {
    why: &'static str,
    then: &'static str,
}

/// Descriptors in messages.
const DESCRIPTORS: Part = Part {
    why: "descriptors are on their way in it (SCM_RIGHTS)",
    then: "After a restart the messages come without them",
};
/// Connections at one that listens.
const WAITING: Part = Part {
    why: "connections wait in it that have not been accepted yet",
    then: "After a restart they are gone",
};

/// Does `look` to each socket. It says what of it is lost, or why all of it is.
fn for_each_socket(
    found: &[Found],
    saved: &mut Descriptors,
    mut look: impl FnMut(&mut Socket, &Found) -> Result<Vec<Part>, String>,
) {
    for (at, file) in saved.files.iter_mut().enumerate() {
        let What::Socket(socket) = &mut file.what else {
            continue;
        };
        let lost = |why: &str| Lost::descriptor(&found[at], why);
        match look(socket, &found[at]) {
            Ok(parts) => saved.lost.extend(parts.iter().map(|part| Lost {
                then: part.then.into(),
                ..lost(part.why)
            })),
            Err(why) => {
                saved.lost.push(lost(&why));
                file.what = What::Lost;
            }
        }
    }
}

/// Waits until what was sent over the program's TCP connections has arrived, as far as there is room for it.
///
/// The system delivers over the loopback when it comes to it, and delays acknowledgements.
fn settle(found: &[Found], saved: &Descriptors) {
    let begin = Instant::now();
    let ends = saved.files.iter().enumerate().filter(|(_, file)| {
        file.what
            .socket()
            .is_some_and(|socket| socket.is_tcp() && matches!(socket.state, State::Ours(_)))
    });
    let ends: Vec<_> = ends.map(|(at, _)| found[at].descriptor).collect();
    loop {
        for end in &ends {
            // Sends the acknowledgement that is due. Where it is refused, the wait ends with its time.
            let _ = raw::set_number(*end, libc::IPPROTO_TCP, libc::TCP_QUICKACK, 1);
        }
        let has_arrived = ends.iter().all(|end| raw::unsent(*end) == Ok(0));
        if has_arrived || begin.elapsed() > SETTLES_WITHIN {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Sees whether the other end is one of the program's.
fn connect(socket: &mut Socket, all: &[Socket], end: BorrowedFd<'_>) -> Result<(), String> {
    match &socket.state {
        State::Ours(peer) => match all.iter().find(|other| other.inode == *peer) {
            Some(other) if socket.name_leads_nowhere(other) => Err(ONE_WAY.into()),
            Some(_) => Ok(()),
            None => Err(why_no_other_end(all, end).into()),
        },
        State::Towards(peer) if socket.is_tcp() => {
            let other = all.iter().find(|other| {
                let towards = match &other.state {
                    State::Towards(name) => name,
                    _ => return false,
                };
                names::is_same(&other.name, peer) && names::is_same(towards, &socket.name)
            });
            let other = other.ok_or_else(|| why_no_other_end(all, end))?;
            socket.state = State::Ours(other.inode);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Why the other end of a connection is not among the program's.
fn why_no_other_end(all: &[Socket], end: BorrowedFd<'_>) -> &'static str {
    let peer = raw::name(end, true).unwrap_or_default();
    let listens = |other: &Socket| {
        matches!(other.state, State::Listening { .. })
            && (names::is_same(&other.name, &peer) || other.is_tcp() && other.listens_at_all(&peer))
    };
    // One of TCP that has been left is there no more to be accepted.
    let state = raw::option(end, libc::IPPROTO_TCP, libc::TCP_INFO);
    let is_left = state.first().is_some_and(|state| *state != ESTABLISHED);
    if !is_left && all.iter().any(listens) {
        "the program has not accepted it yet"
    } else {
        ELSEWHERE
    }
}

/// Adds what has arrived. Says what of it is lost.
fn fill(socket: &mut Socket, found: &Found) -> Result<Vec<Part>, String> {
    let end = found.descriptor;
    if matches!(socket.state, State::Listening { .. }) {
        let some_wait = waiting(socket, end) > 0;
        return Ok(some_wait.then_some(WAITING).into_iter().collect());
    }
    let failed = |errno| format!("what is in it cannot be looked at: {errno}");
    if socket.is_tcp() && matches!(socket.state, State::Ours(_)) {
        // When this process has been killed, the system keeps the connection's ports for a minute; so a restart may have them.
        let told = raw::set_number(end, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1);
        told.map_err(failed)?;
    }
    let queue = queue::peek(end, socket).map_err(failed)?;
    socket.received = queue.messages;
    // Older systems tell only that a message has more than bytes: credentials and the like, too.
    let had_descriptors = match found.info.decimal("scm_fds") {
        Some(descriptors) => descriptors > 0,
        None => socket.domain == libc::AF_UNIX && queue.had_more,
    };
    Ok(had_descriptors.then_some(DESCRIPTORS).into_iter().collect())
}

/// How many connections wait at a socket that listens.
fn waiting(socket: &Socket, end: BorrowedFd<'_>) -> u32 {
    if socket.domain == libc::AF_UNIX {
        let told = Diag::open().and_then(|diag| diag.ask(socket.inode));
        return told.map_or(0, |told| told.waiting);
    }
    // Of one that listens, tcpi_unacked is how many wait.
    let info = raw::option(end, libc::IPPROTO_TCP, libc::TCP_INFO);
    let told = info.get(24..28).and_then(|bytes| bytes.try_into().ok());
    told.map_or(0, u32::from_ne_bytes)
}

/// Why an end is lost with the other one.
const OTHER_END_LOST: &str = "its other end cannot be kept";
/// Why both are.
const STUCK: &str = "more bytes are on their way in the connection than its other end has room for";

/// A connection of which one end cannot be kept has no other either; nor has one with bytes between its ends.
///
/// Says whether there were any; then ends of theirs may have none.
fn lose_other_ends(found: &[Found], saved: &mut Descriptors) -> bool {
    let sockets = || saved.files.iter().map(|file| file.what.socket());
    let kept: Vec<u64> = sockets().flatten().map(|socket| socket.inode).collect();
    let mut lost_ends = BTreeMap::new();
    for (socket, found) in sockets().zip(found) {
        let Some(socket) = socket else { continue };
        let State::Ours(peer) = socket.state else {
            continue;
        };
        if !kept.contains(&peer) {
            lost_ends.insert(socket.inode, OTHER_END_LOST);
        } else if socket.is_tcp() && raw::unsent(found.descriptor) != Ok(0) {
            lost_ends.extend([(socket.inode, STUCK), (peer, STUCK)]);
        }
    }
    for_each_socket(found, saved, |socket, _| {
        match lost_ends.get(&socket.inode) {
            Some(why) => Err((*why).to_owned()),
            None => Ok(Vec::new()),
        }
    });
    !lost_ends.is_empty()
}
