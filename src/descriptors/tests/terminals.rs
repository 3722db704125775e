//! A terminal is saved, closed, and made again, in this process.

mod common;

use std::fs::File;
use std::io::{Read, Write};

use mana_descriptors::{FilePolicy, Program, Standard, restore, save};

use common::{at, open};

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
    let numbers = [at(800, open::<File>(master)), at(801, open::<File>(slave))];
    let saved = save(&numbers, &Standard::default(), &Program::default()).unwrap();
    assert!(saved.lost.is_empty(), "{:?}", saved.lost);
    assert_eq!(saved.terminals[0].window, [33, 99, 0, 0]);
    numbers
        .iter()
        .for_each(|number| drop(open::<File>(*number)));

    restore(&saved, FilePolicy::Check, &|_, _| {}).unwrap();
    let (mut master, mut slave) = (open::<File>(800), open::<File>(801));
    let mut room = [0; 100];
    master.write_all(b"hello\n").unwrap();
    assert_eq!(slave.read(&mut room).unwrap(), 6);
    slave.write_all(b"answer\n").unwrap();
    // There is no echo of the line, and no carriage return.
    assert_eq!(master.read(&mut room).unwrap(), 7);
    assert_eq!(&room[..7], b"answer\n");
}
