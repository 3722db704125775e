//! Sockets are saved, closed, and made again under their numbers, in this process.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{FromRawFd, IntoRawFd, RawFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

use mana_descriptors::{Descriptors, FilePolicy, Program, Standard, restore, save};

/// Gives `socket` a number that no other test uses.
fn at(number: RawFd, socket: impl IntoRawFd) -> RawFd {
    let socket = socket.into_raw_fd();
    // SAFETY: two numbers of this test alone.
    unsafe {
        assert_eq!(libc::dup2(socket, number), number);
        libc::close(socket);
    }
    number
}

/// The descriptor that the test put at `number`.
fn open<T: FromRawFd>(number: RawFd) -> T {
    // SAFETY: open, and used by this test alone.
    unsafe { T::from_raw_fd(number) }
}

/// Saves `numbers`, closes them, and makes them again.
fn again(numbers: &[RawFd]) -> Descriptors {
    let saved = save(numbers, &Standard::default(), &Program::default()).unwrap();
    numbers
        .iter()
        .for_each(|number| drop(open::<UnixStream>(*number)));
    restore(&saved, FilePolicy::Check, &|_, _| {}).unwrap();
    saved
}

fn read_some(mut from: impl Read) -> String {
    let mut room = [0; 100];
    let bytes = from.read(&mut room).unwrap();
    String::from_utf8_lossy(&room[..bytes]).into_owned()
}

#[test]
fn both_ends_of_a_pair_have_what_was_on_its_way() {
    let (mut first, mut second) = UnixStream::pair().unwrap();
    first.write_all(b"one ").unwrap();
    first.write_all(b"two").unwrap();
    second.write_all(b"back").unwrap();
    first.shutdown(Shutdown::Write).unwrap();
    first.set_nonblocking(true).unwrap();
    let saved = again(&[at(700, first), at(701, second)]);
    assert!(saved.lost.is_empty(), "{:?}", saved.lost);
    let (mut first, mut second): (UnixStream, UnixStream) = (open(700), open(701));
    let mut all = String::new();
    second.read_to_string(&mut all).unwrap();
    assert_eq!(all, "one two");
    assert_eq!(read_some(&mut first), "back");
    let waits = first.read(&mut [0]).unwrap_err();
    assert_eq!(waits.kind(), ErrorKind::WouldBlock);
    second.write_all(b"more").unwrap();
    assert_eq!(read_some(&mut first), "more");
    assert_eq!(
        first.write(b"no").unwrap_err().kind(),
        ErrorKind::BrokenPipe
    );
}

#[test]
fn messages_stay_apart() {
    let (first, second) = UnixDatagram::pair().unwrap();
    first.send(b"one").unwrap();
    first.send(b"").unwrap();
    first.send(b"three").unwrap();
    again(&[at(710, first), at(711, second)]);
    let (first, second): (UnixDatagram, UnixDatagram) = (open(710), open(711));
    let mut room = [0; 100];
    let lengths = [0; 3].map(|_: i32| second.recv(&mut room).unwrap());
    assert_eq!(lengths, [3, 0, 5]);
    second.send(b"back").unwrap();
    assert_eq!(first.recv(&mut room).unwrap(), 4);
}

#[test]
fn what_has_been_left_ends_after_what_is_in_it() {
    let (mut first, second) = UnixStream::pair().unwrap();
    first.write_all(b"last words").unwrap();
    drop(first);
    let saved = again(&[at(720, second)]);
    assert!(saved.lost.is_empty());
    let mut second: UnixStream = open(720);
    let mut all = String::new();
    second.read_to_string(&mut all).unwrap();
    assert_eq!(all, "last words");
    assert_eq!(
        second.write(b"no").unwrap_err().kind(),
        ErrorKind::BrokenPipe
    );
}

#[test]
fn a_listener_and_its_connections_come_back() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let name = listener.local_addr().unwrap();
    let mut client = TcpStream::connect(name).unwrap();
    let (mut server, from) = listener.accept().unwrap();
    client.set_nodelay(true).unwrap();
    client.write_all(b"asked").unwrap();
    server.write_all(b"answered").unwrap();
    let saved = again(&[at(730, listener), at(731, client), at(732, server)]);
    assert!(saved.lost.is_empty(), "{:?}", saved.lost);
    let listener: TcpListener = open(730);
    let (client, server): (TcpStream, TcpStream) = (open(731), open(732));
    assert_eq!(listener.local_addr().unwrap(), name);
    assert_eq!(server.local_addr().unwrap(), name);
    assert_eq!(client.peer_addr().unwrap(), name);
    assert_eq!(server.peer_addr().unwrap(), client.local_addr().unwrap());
    assert_eq!(from.ip(), client.local_addr().unwrap().ip());
    assert!(client.nodelay().unwrap() && !server.nodelay().unwrap());
    assert_eq!(read_some(&server), "asked");
    assert_eq!(read_some(&client), "answered");
    let another = TcpStream::connect(name).unwrap();
    drop(listener.accept().unwrap());
    drop(another);
}

#[test]
fn a_name_in_a_folder_is_bound_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let client = UnixStream::connect(&path).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    server.write_all(b"hello").unwrap();
    let saved = again(&[at(740, listener), at(741, client), at(742, server)]);
    assert!(saved.lost.is_empty(), "{:?}", saved.lost);
    let listener: UnixListener = open(740);
    let (client, server): (UnixStream, UnixStream) = (open(741), open(742));
    assert_eq!(read_some(&client), "hello");
    assert_eq!(
        server.local_addr().unwrap().as_pathname(),
        Some(path.as_path())
    );
    let _another = UnixStream::connect(&path).unwrap();
    listener.accept().unwrap();
}

#[test]
fn datagrams_come_from_whom_they_came() {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (to, from) = (receiver.local_addr().unwrap(), sender.local_addr().unwrap());
    sender.connect(to).unwrap();
    sender.send(b"one").unwrap();
    sender.send(b"two").unwrap();
    again(&[at(750, receiver), at(751, sender)]);
    let (receiver, sender): (UdpSocket, UdpSocket) = (open(750), open(751));
    let mut room = [0; 100];
    assert_eq!(receiver.recv_from(&mut room).unwrap(), (3, from));
    assert_eq!(receiver.recv_from(&mut room).unwrap(), (3, from));
    sender.send(b"three").unwrap();
    assert_eq!(receiver.recv_from(&mut room).unwrap(), (5, from));
}

#[test]
fn a_connection_to_somebody_else_is_lost_and_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    // The listener and what waits in it are not among those that are saved.
    let saved = again(&[at(760, client)]);
    assert_eq!(saved.lost.len(), 1);
    assert_eq!(saved.lost[0].object, "descriptor 760");
    assert_eq!(open::<TcpStream>(760).read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_connection_that_is_too_full_is_lost_at_both_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    client.set_nonblocking(true).unwrap();
    while client.write(&[7; 65536]).is_ok() {}
    let saved = again(&[at(770, client), at(771, server)]);
    assert_eq!(saved.lost.len(), 2, "{:?}", saved.lost);
    drop((open::<TcpStream>(770), open::<TcpStream>(771)));
}
