//! Descriptors of a program of several processes. Its members are played by duplicates in this process; where a number of theirs
//! is another file's here, by a thread with a table of its own.

mod common;

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use mana_descriptors::{
    DescriptorError, Descriptors, FilePolicy, Lent, LockKind, MemberDescriptors, Number, Program,
    Restored, Standard, What, lock, restore_all, save_all, with_table_of_its_own,
};
use rustix::buffer::spare_capacity;
use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use rustix::fs::FlockOperation;

use common::{at, open};

/// What a member has: its numbers, and duplicates.
type Member = Vec<(RawFd, OwnedFd)>;

fn lent((number, duplicate): &(RawFd, OwnedFd)) -> Lent {
    Lent {
        number: *number,
        here: duplicate.as_raw_fd(),
        close_on_exec: false,
        locks: Vec::new(),
    }
}

/// Saves the root's numbers and its members' and closes all of them.
fn save_and_close(own: &[RawFd], members: Vec<Member>) -> Descriptors {
    let lent: Vec<Vec<Lent>> = members
        .iter()
        .map(|member| member.iter().map(lent).collect())
        .collect();
    let saved = save_all(own, &lent, &Standard::default(), &Program::default()).unwrap();
    own.iter().for_each(|number| drop(open::<File>(*number)));
    saved
}

fn restore(saved: &Descriptors) -> Restored {
    restore_all(saved, FilePolicy::Check, &|_, _| {}).unwrap()
}

/// Saves and closes all, and has it again: the members' under their numbers in this process.
fn again(own: &[RawFd], members: Vec<Member>) -> Descriptors {
    let saved = save_and_close(own, members);
    for (at, received) in restore(&saved).members.into_iter().enumerate() {
        saved.member(at).place(received).unwrap();
    }
    saved
}

fn read_all(mut from: File) -> String {
    let mut all = String::new();
    from.read_to_string(&mut all).unwrap();
    all
}

#[test]
fn a_pipe_between_the_root_and_a_member_is_kept() {
    let (reading, mut writing) = std::io::pipe().unwrap();
    writing.write_all(b"on their way").unwrap();
    let saved = again(&[at(500, reading)], vec![vec![(505, writing.into())]]);
    assert!(saved.lost.is_empty(), "{:?}", saved.lost);
    open::<File>(505).write_all(b", and more").unwrap();
    assert_eq!(read_all(open::<File>(500)), "on their way, and more");
}

#[test]
fn a_pipe_between_two_members_is_kept() {
    let (reading, mut writing) = std::io::pipe().unwrap();
    writing.write_all(b"between them").unwrap();
    let (first, second) = (vec![(525, reading.into())], vec![(526, writing.into())]);
    let saved = again(&[], vec![first, second]);
    assert!(saved.lost.is_empty(), "{:?}", saved.lost);
    drop(open::<File>(526));
    assert_eq!(read_all(open::<File>(525)), "between them");
}

#[test]
fn an_open_file_that_is_shared_has_one_position() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = File::create(folder.path().join("log")).unwrap();
    log.write_all(b"abc").unwrap();
    let inherited = log.try_clone().unwrap();
    let saved = again(&[at(540, log)], vec![vec![(545, inherited.into())]]);
    assert_eq!(saved.files.len(), 1);
    assert_eq!(saved.members[0][0].file, saved.numbers[0].file);
    open::<File>(540).write_all(b"def").unwrap();
    assert_eq!(open::<File>(545).stream_position().unwrap(), 6);
}

#[test]
fn what_only_a_member_has_comes_back() {
    let event = eventfd(7, EventfdFlags::empty()).unwrap();
    let saved = again(&[], vec![vec![], vec![(565, event)]]);
    assert!(saved.numbers.is_empty() && saved.members[0].is_empty());
    let mut count = [0; 8];
    open::<File>(565).read_exact(&mut count).unwrap();
    assert_eq!(u64::from_ne_bytes(count), 7);
}

#[test]
fn both_ends_of_a_pair_of_sockets_come_back() {
    let (mut first, mut second) = UnixStream::pair().unwrap();
    first.write_all(b"to the member").unwrap();
    second.write_all(b"to the root").unwrap();
    let saved = again(&[at(580, first)], vec![vec![(585, second.into())]]);
    assert!(saved.lost.is_empty(), "{:?}", saved.lost);
    let mut room = [0; 11];
    open::<File>(580).read_exact(&mut room).unwrap();
    assert_eq!(&room, b"to the root");
    assert_eq!(read_all(open::<File>(585)), "to the member");
}

#[test]
fn both_sides_of_a_terminal_come_back() {
    let (mut master, mut slave) = (0, 0);
    // SAFETY: writes two descriptors; nothing else is asked for.
    unsafe {
        let (name, modes) = (std::ptr::null_mut(), std::ptr::null_mut());
        let made = libc::openpty(&mut master, &mut slave, name, modes, std::ptr::null());
        assert_eq!(made, 0);
    }
    let saved = again(
        &[at(600, open::<File>(master))],
        vec![vec![(605, open::<File>(slave).into())]],
    );
    assert!(saved.lost.is_empty(), "{:?}", saved.lost);
    let (mut master, mut slave) = (open::<File>(600), open::<File>(605));
    let mut room = [0; 6];
    master.write_all(b"hello\n").unwrap();
    slave.read_exact(&mut room).unwrap();
    assert_eq!(&room, b"hello\n");
}

#[test]
fn a_standard_stream_that_is_inherited_is_the_launchers() {
    let output = rustix::io::fcntl_dupfd_cloexec(std::io::stdout(), 3).unwrap();
    let inherited = Lent {
        number: 1,
        here: output.as_raw_fd(),
        close_on_exec: true,
        locks: Vec::new(),
    };
    let members = [vec![inherited]];
    let saved = save_all(&[], &members, &Standard::now(), &Program::default()).unwrap();
    assert_eq!(saved.files[0].what, What::Standard(1));
    assert!(saved.members[0][0].close_on_exec);
    assert_eq!(restore(&saved).members[0].len(), 1);
}

#[test]
fn what_is_lost_of_a_member_is_said_to_be_its() {
    let (reading, _writing) = std::io::pipe().unwrap();
    let saved = save_and_close(&[], vec![vec![], vec![(5, reading.into())]]);
    assert_eq!(saved.lost[0].object, "descriptor 5 of child 2");
    assert_eq!(saved.files[0].what, What::Lost);
}

/// Has `set` watch what is open at `number`.
fn watch(set: &OwnedFd, number: RawFd) {
    let watched = ManuallyDrop::new(open::<File>(number));
    let data = epoll::EventData::new_u64(77);
    epoll::add(set, &*watched, data, epoll::EventFlags::IN).unwrap();
}

/// What the set at `set` says, once the entry of `number` has been told to say something else.
fn told_of(set: RawFd, number: RawFd) -> u64 {
    let (set, watched) = (
        ManuallyDrop::new(open::<File>(set)),
        ManuallyDrop::new(open::<File>(number)),
    );
    let data = epoll::EventData::new_u64(78);
    epoll::modify(&*set, &*watched, data, epoll::EventFlags::IN).unwrap();
    let mut events = Vec::with_capacity(2);
    let now = Timespec::default();
    epoll::wait(&*set, spare_capacity(&mut events), Some(&now)).unwrap();
    assert_eq!(events.len(), 1);
    events[0].data.u64()
}

#[test]
fn a_set_watches_what_the_member_has_by_its_numbers() {
    let (reading, mut writing) = std::io::pipe().unwrap();
    writing.write_all(b"something").unwrap();
    let set = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    let reading = open::<File>(at(625, reading));
    watch(&set, 625);
    again(
        &[],
        vec![vec![
            (625, reading.into()),
            (626, writing.into()),
            (627, set),
        ]],
    );
    assert_eq!(told_of(627, 625), 78);
}

#[test]
fn a_set_that_is_shared_goes_by_the_numbers_of_the_root() {
    let (reading, mut writing) = std::io::pipe().unwrap();
    writing.write_all(b"something").unwrap();
    let set = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    at(645, reading);
    watch(&set, 645);
    let inherited = vec![(648, set.try_clone().unwrap())];
    let own = [645, at(646, writing), at(647, set)];
    let saved = again(&own, vec![inherited]);
    assert!(saved.member(0).polls.is_empty());
    assert_eq!(told_of(648, 645), 78);
}

#[test]
fn a_number_is_another_file_in_each_process() {
    const NUMBER: RawFd = 665;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, "of the root").unwrap();
    let own = at(NUMBER, File::open(&path).unwrap());
    let (reading, mut writing) = std::io::pipe().unwrap();
    writing.write_all(b"of the member").unwrap();
    let set = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    let watches = || {
        at(NUMBER, reading.try_clone().unwrap());
        watch(&set, NUMBER);
    };
    with_table_of_its_own(&watches).unwrap();
    let member = vec![
        (NUMBER, reading.into()),
        (NUMBER + 1, set),
        (NUMBER + 2, writing.into()),
    ];
    let saved = save_and_close(&[own], vec![member]);

    let received = restore(&saved).members.remove(0);
    let sent = serde_json::to_string(&saved.member(0)).unwrap();
    let has_its_own = || {
        let needed: MemberDescriptors = serde_json::from_str(&sent).unwrap();
        let received = received.iter().map(|it| it.try_clone().unwrap());
        needed.place(received.collect()).unwrap();
        let told = told_of(NUMBER + 1, NUMBER);
        let mut content = [0; 13];
        open::<File>(NUMBER).read_exact(&mut content).unwrap();
        (told, content)
    };
    let (told, content) = with_table_of_its_own(&has_its_own).unwrap();
    assert_eq!((told, &content), (78, b"of the member"));
    assert_eq!(read_all(open::<File>(NUMBER)), "of the root");
}

#[test]
fn what_is_received_may_lie_at_the_number_of_another() {
    let (first, mut to_first) = std::io::pipe().unwrap();
    let (second, mut to_second) = std::io::pipe().unwrap();
    to_first.write_all(b"first").unwrap();
    to_second.write_all(b"second").unwrap();
    let needed = MemberDescriptors {
        numbers: [685, 686].map(number).to_vec(),
        ..MemberDescriptors::default()
    };
    let received = vec![
        open::<File>(at(686, first)).into(),
        open::<File>(at(685, second)).into(),
    ];
    needed.place(received).unwrap();
    drop((to_first, to_second));
    assert_eq!(read_all(open::<File>(685)), "first");
    assert_eq!(read_all(open::<File>(686)), "second");
}

#[test]
fn what_has_not_come_is_missed() {
    let needed = MemberDescriptors {
        numbers: vec![number(700)],
        ..MemberDescriptors::default()
    };
    let error = needed.place(Vec::new()).unwrap_err();
    assert!(matches!(error, DescriptorError::Inconsistent(_)));
}

fn number(number: RawFd) -> Number {
    Number {
        number,
        file: 0,
        close_on_exec: true,
    }
}

#[test]
fn each_process_takes_the_locks_of_what_it_has_first() {
    let folder = tempfile::tempdir().unwrap();
    let (shared, own) = (folder.path().join("shared"), folder.path().join("own"));
    let files = [&shared, &own].map(|path| {
        let file = File::create(path).unwrap();
        rustix::fs::flock(&file, FlockOperation::LockExclusive).unwrap();
        file
    });
    let is_locked = |path| {
        let other = File::open(path).unwrap();
        rustix::fs::flock(&other, FlockOperation::NonBlockingLockShared).is_err()
    };
    let [of_both, of_member] = files;
    let inherited = of_both.try_clone().unwrap();
    let member = vec![(725, inherited.into()), (726, of_member.into())];
    let saved = save_and_close(&[at(720, of_both)], vec![member]);
    assert!(!is_locked(&shared) && !is_locked(&own));

    let received = restore(&saved).members.remove(0);
    saved.member(0).place(received).unwrap();
    assert!(!is_locked(&shared) && is_locked(&own));
    lock(&saved).unwrap();
    assert!(is_locked(&shared));
    [720, 725, 726]
        .into_iter()
        .for_each(|number| drop(open::<File>(number)));
}

#[test]
fn a_lock_of_the_root_stays_when_duplicates_are_closed_in_another_table() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("locked");
    let locking = File::create(&path).unwrap();
    // SAFETY: zeros are a valid `struct flock`, which the calls read and write.
    let range = |command, kind: i32| unsafe {
        let mut range: libc::flock = std::mem::zeroed();
        range.l_type = kind as i16;
        assert_eq!(libc::fcntl(locking.as_raw_fd(), command, &raw mut range), 0);
        i32::from(range.l_type)
    };
    range(libc::F_SETLK, libc::F_WRLCK);
    let own = [locking.as_raw_fd()];
    let saved = with_table_of_its_own(&|| {
        let of_member = File::open(&path).unwrap();
        let inherited = locking.try_clone().unwrap();
        let member = [(5, of_member.into()), (6, inherited.into())];
        let lent = [member.iter().map(lent).collect()];
        save_all(&own, &lent, &Standard::default(), &Program::default())
    });
    let saved = saved.unwrap().unwrap();
    assert_eq!(saved.files[0].locks[0].kind, LockKind::Process);
    let members: Vec<_> = saved.members[0].iter().map(|number| number.file).collect();
    assert_eq!(members, [1, 0]);
    assert_eq!(range(libc::F_OFD_GETLK, libc::F_WRLCK), libc::F_WRLCK);
}
