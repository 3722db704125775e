//! Sockets are saved, closed, and made again under their numbers, in this process.

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, RawFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

use mana_descriptors::{Descriptors, FilePolicy, Program, Standard, restore, save};

use common::{at, open};

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

/// Sends a descriptor along with a byte.
fn send_descriptor(through: &impl AsFd) {
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
    let descriptors = [std::io::stderr()];
    let descriptors = descriptors.each_ref().map(AsFd::as_fd);
    let mut room = [std::mem::MaybeUninit::uninit(); 64];
    let mut with = SendAncillaryBuffer::new(&mut room);
    assert!(with.push(SendAncillaryMessage::ScmRights(&descriptors)));
    let bytes = [std::io::IoSlice::new(b"x")];
    rustix::net::sendmsg(through, &bytes, &mut with, SendFlags::empty()).unwrap();
}

/// Messages that had nobody to come from any more, and no name to come to.
#[test]
fn datagrams_of_a_nameless_sender_that_is_gone_come_back() {
    let (first, second) = UnixDatagram::pair().unwrap();
    first.send(b"one").unwrap();
    first.send(b"").unwrap();
    first.send(b"last").unwrap();
    drop(first);
    let saved = again(&[at(780, second)]);
    assert!(saved.lost.is_empty(), "{:?}", saved.lost);
    let second: UnixDatagram = open(780);
    let mut room = [0; 100];
    let lengths = [0; 3].map(|_: i32| second.recv(&mut room).unwrap());
    assert_eq!(lengths, [3, 0, 4]);
    let refused = second.send(b"no").unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn a_named_socket_whose_peer_is_gone_stays_connected_with_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stays");
    let first = UnixDatagram::bind(folder.path().join("goes")).unwrap();
    let second = UnixDatagram::bind(&path).unwrap();
    second.connect(folder.path().join("goes")).unwrap();
    first.send_to(b"last", &path).unwrap();
    drop(first);
    let saved = again(&[at(785, second)]);
    assert!(saved.lost.is_empty(), "{:?}", saved.lost);
    let second: UnixDatagram = open(785);
    assert_eq!(second.recv(&mut [0; 100]).unwrap(), 4);
    let local = second.local_addr().unwrap();
    assert_eq!(local.as_pathname(), Some(path.as_path()));
    let refused = second.send(b"no").unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn a_socket_that_has_disconnected_has_its_messages_and_its_sender_is_named() {
    let (first, second) = UnixDatagram::pair().unwrap();
    rustix::net::connect_unspec(&second).unwrap();
    first.send(b"one").unwrap();
    let saved = again(&[at(790, first), at(791, second)]);
    let objects: Vec<_> = saved.lost.iter().map(|lost| &lost.object).collect();
    assert_eq!(objects, ["descriptor 790"], "{:?}", saved.lost);
    drop(open::<UnixDatagram>(790));
    let second: UnixDatagram = open(791);
    assert_eq!(second.recv(&mut [0; 100]).unwrap(), 3);
    let alone = second.send(b"no").unwrap_err();
    assert_eq!(alone.kind(), ErrorKind::NotConnected);
}

#[test]
fn a_connection_that_has_not_been_accepted_is_named_at_both_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("listens");
    let listener = UnixListener::bind(&path).unwrap();
    let client = UnixStream::connect(&path).unwrap();
    let saved = again(&[at(795, listener), at(796, client)]);
    let about = |number: i32| {
        let object = format!("descriptor {number}");
        let lost = saved.lost.iter().find(|lost| lost.object == object);
        lost.unwrap_or_else(|| panic!("{object}: {:?}", saved.lost))
    };
    assert!(about(795).why.contains("have not been accepted yet"));
    assert!(about(796).why.contains("has not accepted it yet"));
    let (listener, mut client): (UnixListener, UnixStream) = (open(795), open(796));
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    let _another = UnixStream::connect(&path).unwrap();
    listener.accept().unwrap();
}

#[test]
fn a_connection_over_tcp_that_has_not_been_accepted_is_named_at_both_ends() {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let saved = again(&[at(797, listener), at(798, client)]);
    let whys: Vec<_> = saved.lost.iter().map(|lost| lost.why.as_str()).collect();
    assert!(
        whys.iter()
            .any(|why| why.contains("have not been accepted yet")),
        "{whys:?}"
    );
    assert!(
        whys.iter()
            .any(|why| why.contains("has not accepted it yet")),
        "{whys:?}"
    );
    drop((open::<TcpListener>(797), open::<TcpStream>(798)));
}

#[test]
fn a_connection_that_the_listener_has_taken_along_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("listens");
    let listener = UnixListener::bind(&path).unwrap();
    let mut client = UnixStream::connect(&path).unwrap();
    client.write_all(b"never read").unwrap();
    drop(listener);
    let saved = again(&[at(800, client)]);
    assert!(saved.lost.is_empty(), "{:?}", saved.lost);
    let mut client: UnixStream = open(800);
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
}

#[test]
fn credentials_are_no_descriptors() {
    let (mut first, second) = UnixStream::pair().unwrap();
    let (other, datagrams) = UnixDatagram::pair().unwrap();
    rustix::net::sockopt::set_socket_passcred(&second, true).unwrap();
    rustix::net::sockopt::set_socket_passcred(&datagrams, true).unwrap();
    first.write_all(b"with credentials").unwrap();
    other.send(b"too").unwrap();
    let numbers = [
        at(810, first),
        at(811, second),
        at(812, other),
        at(813, datagrams),
    ];
    let saved = again(&numbers);
    assert!(saved.lost.is_empty(), "{:?}", saved.lost);
    let second: UnixStream = open(811);
    assert_eq!(read_some(&second), "with credentials");
    assert!(rustix::net::sockopt::socket_passcred(&second).unwrap());
    drop((
        open::<UnixStream>(810),
        open::<UnixDatagram>(812),
        open::<UnixDatagram>(813),
    ));
}

#[test]
fn descriptors_on_their_way_are_named() {
    let (first, second) = UnixStream::pair().unwrap();
    send_descriptor(&first);
    let saved = again(&[at(815, first), at(816, second)]);
    assert_eq!(saved.lost.len(), 1, "{:?}", saved.lost);
    assert!(saved.lost[0].why.contains("SCM_RIGHTS"));
    assert_eq!(read_some(open::<UnixStream>(816)), "x");
    drop(open::<UnixStream>(815));
}

/// A socket with a message in it, connected to an address that nobody has any more, and that has been told so.
fn refused() -> UdpSocket {
    let gone = UdpSocket::bind("127.0.0.1:0").unwrap();
    let refused = UdpSocket::bind("127.0.0.1:0").unwrap();
    refused.connect(gone.local_addr().unwrap()).unwrap();
    gone.send_to(b"before", refused.local_addr().unwrap())
        .unwrap();
    drop(gone);
    refused.send(b"to nobody").unwrap();
    refused
}

#[test]
fn a_refused_datagram_hides_no_message() {
    let refused = refused();
    let saved = again(&[at(820, refused)]);
    assert!(saved.lost.is_empty(), "{:?}", saved.lost);
    assert_eq!(open::<UdpSocket>(820).recv(&mut [0; 100]).unwrap(), 6);
}

#[test]
fn a_program_hears_of_a_refused_datagram_after_a_checkpoint() {
    let refused = refused();
    refused.set_nonblocking(true).unwrap();
    let mut room = [0; 100];
    // The error is told first, and then what has arrived.
    refused.recv(&mut room).unwrap_err();
    refused.recv(&mut room).unwrap();
    refused.send(b"to nobody").unwrap();
    save(
        &[at(825, refused.try_clone().unwrap())],
        &Standard::default(),
        &Program::default(),
    )
    .unwrap();
    let told = refused.recv(&mut room).unwrap_err();
    assert_eq!(told.kind(), ErrorKind::ConnectionRefused);
    drop(open::<UdpSocket>(825));
}

#[test]
fn a_connection_between_both_forms_of_an_address_is_one() {
    let Ok(listener) = TcpListener::bind("[::]:0") else {
        eprintln!("no IPv6 here: nothing is tested");
        return;
    };
    let port = listener.local_addr().unwrap().port();
    let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    client.write_all(b"asked").unwrap();
    server.write_all(b"answered").unwrap();
    let names = (client.local_addr().unwrap(), server.peer_addr().unwrap());
    let saved = again(&[at(830, listener), at(831, client), at(832, server)]);
    assert!(saved.lost.is_empty(), "{:?}", saved.lost);
    let (client, server): (TcpStream, TcpStream) = (open(831), open(832));
    assert_eq!(
        (client.local_addr().unwrap(), server.peer_addr().unwrap()),
        names
    );
    assert_eq!(
        (read_some(&server), read_some(&client)),
        ("asked".into(), "answered".into())
    );
    drop(open::<TcpListener>(830));
}

#[test]
fn a_datagram_from_the_other_form_of_an_address_comes_from_its_sender() {
    let Ok(receiver) = UdpSocket::bind("[::]:0") else {
        eprintln!("no IPv6 here: nothing is tested");
        return;
    };
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = receiver.local_addr().unwrap().port();
    sender.send_to(b"one", ("127.0.0.1", port)).unwrap();
    let from = format!("[::ffff:127.0.0.1]:{}", sender.local_addr().unwrap().port());
    again(&[at(840, receiver), at(841, sender)]);
    let (receiver, _sender): (UdpSocket, UdpSocket) = (open(840), open(841));
    let (bytes, seen) = receiver.recv_from(&mut [0; 100]).unwrap();
    assert_eq!((bytes, seen), (3, from.parse().unwrap()));
}
