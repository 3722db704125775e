//! A terminal is saved, closed, and made again, in this process.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, IntoRawFd, RawFd};

use mana_descriptors::{FilePolicy, Program, Standard, restore, save};

/// Gives `file` a number that no other test uses.
fn at(number: RawFd, file: impl IntoRawFd) -> RawFd {
    let file = file.into_raw_fd();
    // SAFETY: two numbers of this test alone.
    unsafe {
        assert_eq!(libc::dup2(file, number), number);
        libc::close(file);
    }
    number
}

fn file(number: RawFd) -> File {
    // SAFETY: open, and used by this test alone.
    unsafe { File::from_raw_fd(number) }
}

#[test]
fn both_sides_come_back_with_their_modes() {
    let (mut master, mut slave) = (0, 0);
    let window = libc::winsize {
        ws_row: 33,
        ws_col: 99,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: writes two descriptors, reads a size; no name and no modes are asked for. Then one `struct termios` each.
    unsafe {
        let (name, modes) = (std::ptr::null_mut(), std::ptr::null_mut());
        assert_eq!(
            libc::openpty(&mut master, &mut slave, name, modes, &window),
            0
        );
        let mut modes: libc::termios = std::mem::zeroed();
        assert_eq!(libc::tcgetattr(slave, &mut modes), 0);
        modes.c_lflag &= !libc::ECHO;
        modes.c_oflag &= !libc::ONLCR;
        assert_eq!(libc::tcsetattr(slave, libc::TCSANOW, &modes), 0);
    }
    let numbers = [at(800, file(master)), at(801, file(slave))];
    let saved = save(&numbers, &Standard::default(), &Program::default()).unwrap();
    assert!(saved.lost.is_empty(), "{:?}", saved.lost);
    assert_eq!(saved.terminals[0].window, [33, 99, 0, 0]);
    numbers.iter().for_each(|number| drop(file(*number)));

    restore(&saved, FilePolicy::Check, &|_, _| {}).unwrap();
    let (mut master, mut slave) = (file(800), file(801));
    let mut room = [0; 100];
    master.write_all(b"hello\n").unwrap();
    assert_eq!(slave.read(&mut room).unwrap(), 6);
    slave.write_all(b"answer\n").unwrap();
    // There is no echo of the line, and no carriage return.
    assert_eq!(master.read(&mut room).unwrap(), 7);
    assert_eq!(&room[..7], b"answer\n");
}
