//! Describing sockets: each by itself first, then who is connected with whom.

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use super::diag::Diag;
use super::{Socket, State, family, options, queue, raw};
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
    let is_connection = saved.kind != libc::SOCK_DGRAM;
    Ok(Ok(match told.peer {
        0 if is_connection && raw::name(socket, true).is_ok() => State::Left,
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
    for_each_socket(found, saved, |socket, end| {
        connect(socket, &all, end).map(|()| false)
    });
    settle(found, saved);
    for_each_socket(found, saved, fill);
    while lose_other_ends(found, saved) {}
}

/// Does `look` to each socket. It says whether descriptors were on their way in it, or why it is lost.
fn for_each_socket(
    found: &[Found],
    saved: &mut Descriptors,
    mut look: impl FnMut(&mut Socket, BorrowedFd<'_>) -> Result<bool, String>,
) {
    for (at, file) in saved.files.iter_mut().enumerate() {
        let What::Socket(socket) = &mut file.what else {
            continue;
        };
        let lost = |why: &str| Lost::descriptor(found[at].number, &found[at].link, why);
        match look(socket, found[at].descriptor) {
            Ok(false) => {}
            Ok(true) => saved.lost.push(Lost {
                then: "After a restart the messages come without them".into(),
                ..lost("descriptors are on their way in it (SCM_RIGHTS)")
            }),
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
        State::Ours(peer) if !all.iter().any(|other| other.inode == *peer) => {
            let peer_name = raw::name(end, true).unwrap_or_default();
            let is_waiting = all.iter().any(|other| {
                matches!(other.state, State::Listening { .. }) && other.name == peer_name
            });
            let waiting = "the program has not accepted it yet";
            Err(if is_waiting { waiting } else { ELSEWHERE }.into())
        }
        State::Towards(peer) if socket.is_tcp() => {
            let other = all.iter().find(|other| {
                other.name == *peer && other.state == State::Towards(socket.name.clone())
            });
            let other = other.ok_or(ELSEWHERE)?;
            socket.state = State::Ours(other.inode);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Adds what has arrived. Says whether descriptors were among it.
fn fill(socket: &mut Socket, end: BorrowedFd<'_>) -> Result<bool, String> {
    if matches!(socket.state, State::Listening { .. }) {
        return Ok(false);
    }
    let failed = |errno| format!("what is in it cannot be looked at: {errno}");
    if socket.is_tcp() && matches!(socket.state, State::Ours(_)) {
        // When this process has been killed, the system keeps the connection's ports for a minute; so a restart may have them.
        let told = raw::set_number(end, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1);
        told.map_err(failed)?;
    }
    let queue = queue::peek(end, socket).map_err(failed)?;
    socket.received = queue.messages;
    Ok(queue.had_descriptors)
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
            None => Ok(false),
        }
    });
    !lost_ends.is_empty()
}
