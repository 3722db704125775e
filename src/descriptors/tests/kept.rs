//! Descriptors are saved, closed, and opened again under their numbers, in this process.

mod common;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::{AsRawFd, RawFd};

use mana_descriptors::{
    DescriptorError, Descriptors, FilePolicy, Program, Standard, What, restore, save,
};

use common::{at, open};

/// Saves `numbers` and closes them.
fn save_and_close(numbers: &[RawFd]) -> Descriptors {
    let saved = save(numbers, &Standard::default(), &Program::default()).unwrap();
    numbers
        .iter()
        .for_each(|number| drop(open::<File>(*number)));
    saved
}

#[test]
fn a_file_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let mut log = File::options()
        .create(true)
        .append(true)
        .read(true)
        .open(&path)
        .unwrap();
    log.write_all(b"one two").unwrap();
    log.seek(SeekFrom::Start(4)).unwrap();
    let saved = save_and_close(&[at(600, log)]);

    std::fs::write(&path, "one two and more").unwrap();
    restore(&saved, FilePolicy::Cut, &|_, _| {}).unwrap();
    let mut log = open::<File>(600);
    let mut rest = String::new();
    log.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "two");
    log.write_all(b" three").unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "one two three");
}

#[test]
fn nothing_is_cut_unasked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let saved = save_and_close(&[at(610, File::create(&path).unwrap())]);
    std::fs::write(&path, "written later").unwrap();
    restore(&saved, FilePolicy::Check, &|_, _| {}).unwrap();
    drop(open::<File>(610));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "written later");
}

#[test]
fn an_empty_file_that_is_gone_is_made_again_where_files_are_cut() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("object.o");
    let saved = save_and_close(&[at(615, File::create(&path).unwrap())]);
    std::fs::rename(&path, folder.path().join("renamed.o")).unwrap();
    let missing = restore(&saved, FilePolicy::Check, &|_, _| {}).unwrap_err();
    assert!(matches!(missing, DescriptorError::Missing { .. }));
    restore(&saved, FilePolicy::Cut, &|_, _| {}).unwrap();
    open::<File>(615).write_all(b"anew").unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "anew");
}

#[test]
fn a_missing_or_shorter_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("input");
    std::fs::write(&path, "0123456789").unwrap();
    let saved = save_and_close(&[at(620, File::open(&path).unwrap())]);

    std::fs::write(&path, "0123").unwrap();
    let changed = restore(&saved, FilePolicy::Check, &|_, _| {}).unwrap_err();
    assert!(matches!(
        changed,
        DescriptorError::Changed { number: 620, .. }
    ));
    assert!(changed.to_string().contains("has 4 bytes now and had 10"));
    restore(&saved, FilePolicy::Accept, &|_, _| {}).unwrap();
    drop(open::<File>(620));

    std::fs::remove_file(&path).unwrap();
    let missing = restore(&saved, FilePolicy::Accept, &|_, _| {}).unwrap_err();
    assert!(matches!(missing, DescriptorError::Missing { .. }));
    assert!(missing.to_string().contains(path.to_str().unwrap()));
}

#[test]
fn copies_share_their_position_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = File::create(folder.path().join("shared")).unwrap();
    first.write_all(b"abc").unwrap();
    let second = first.try_clone().unwrap();
    let other = File::open(folder.path().join("shared")).unwrap();
    let saved = save_and_close(&[at(630, first), at(631, second), at(632, other)]);
    assert_eq!(saved.files.len(), 2);
    restore(&saved, FilePolicy::Check, &|_, _| {}).unwrap();
    let (mut first, mut second, mut other) =
        (open::<File>(630), open::<File>(631), open::<File>(632));
    first.write_all(b"def").unwrap();
    assert_eq!(second.stream_position().unwrap(), 6);
    assert_eq!(other.stream_position().unwrap(), 0);
}

#[test]
fn bytes_stay_in_a_pipe() {
    let (reading, mut writing) = std::io::pipe().unwrap();
    writing.write_all(b"on their way").unwrap();
    let numbers = [at(640, reading), at(641, writing)];
    let saved = save(&numbers, &Standard::default(), &Program::default()).unwrap();
    assert_eq!(saved.pipes[0].content, b"on their way");
    assert!(saved.lost.is_empty());
    let mut there = [0; 12];
    open::<File>(640).read_exact(&mut there).unwrap();
    assert_eq!(&there, b"on their way", "saving has not taken them out");
    drop(open::<File>(641));

    restore(&saved, FilePolicy::Check, &|_, _| {}).unwrap();
    let (mut reading, writing) = (open::<File>(640), open::<File>(641));
    drop(writing);
    let mut all = Vec::new();
    reading.read_to_end(&mut all).unwrap();
    assert_eq!(all, b"on their way");
}

#[test]
fn a_pipe_to_somebody_else_is_lost_and_ends() {
    let (reading, writing) = std::io::pipe().unwrap();
    // The other end is open, and not among those that are saved.
    let saved = save_and_close(&[at(650, reading)]);
    drop(writing);
    assert_eq!(saved.lost.len(), 1);
    assert_eq!(saved.lost[0].object, "descriptor 650");
    assert_eq!(saved.files[0].what, What::Lost);
    restore(&saved, FilePolicy::Check, &|_, _| {}).unwrap();
    assert_eq!(open::<File>(650).read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_connection_is_lost_and_ends() {
    let (kept, other) = std::os::unix::net::UnixStream::pair().unwrap();
    let saved = save_and_close(&[at(660, kept)]);
    drop(other);
    assert_eq!(saved.lost.len(), 1);
    restore(&saved, FilePolicy::Check, &|_, _| {}).unwrap();
    assert_eq!(open::<File>(660).read(&mut [0]).unwrap(), 0);
}

#[test]
fn what_is_closed_is_left_out() {
    let saved = save(&[670, 671], &Standard::default(), &Program::default()).unwrap();
    assert_eq!(saved, Descriptors::default());
}

/// Whether the process has a lock on `file`, as another open file sees it.
fn is_locked(file: &File) -> bool {
    // SAFETY: zeros are a valid `struct flock`, which the call reads and writes.
    unsafe {
        let mut range: libc::flock = std::mem::zeroed();
        range.l_type = libc::F_WRLCK as i16;
        assert_eq!(
            libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &raw mut range),
            0
        );
        range.l_type != libc::F_UNLCK as i16
    }
}

/// A removed file of which the process has a lock, opened with `options` at `number`, and opened again.
fn removed_and_locked(number: RawFd, options: &std::fs::OpenOptions) -> (RawFd, File) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("locked");
    std::fs::write(&path, "what is in it").unwrap();
    let number = at(number, options.open(&path).unwrap());
    let locking = File::options().read(true).write(true).open(&path).unwrap();
    drop(folder);
    // SAFETY: zeros are a valid `struct flock`, which the call reads.
    unsafe {
        let mut range: libc::flock = std::mem::zeroed();
        range.l_type = libc::F_WRLCK as i16;
        assert_eq!(
            libc::fcntl(locking.as_raw_fd(), libc::F_SETLK, &raw const range),
            0
        );
    }
    assert!(is_locked(&locking));
    (number, locking)
}

#[test]
fn a_lock_stays_when_a_removed_file_is_read() {
    let (number, locking) = removed_and_locked(680, File::options().read(true));
    let saved = save(&[number], &Standard::default(), &Program::default()).unwrap();
    assert_eq!(saved.stored[0].content, b"what is in it");
    assert!(is_locked(&locking));
}

#[test]
fn a_lock_stays_when_a_removed_file_is_open_for_writing_only() {
    let (number, locking) = removed_and_locked(681, File::options().append(true));
    let saved = save(&[number], &Standard::default(), &Program::default()).unwrap();
    assert_eq!(saved.stored[0].content, b"what is in it");
    assert!(is_locked(&locking));
}
