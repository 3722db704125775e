//! Becomes `mana`, which then starts the program again under itself, in the same process id.
//!
//! ```text
//!   execve(MANA, ["mana", "__exec", PROGRAM, argv[0], argv[1], ...], environment)
//! ```
//!
//! PROGRAM is the absolute path of the running executable; where MANA is looked for, [`places`] says.
//!
//! # Safety
//!
//! The strings are the program's own and the new array is never freed: all of them live until the
//! process is another program or has ended.

use core::ffi::{CStr, c_char};

use crate::places::{self, Path};
use crate::system::{self, Errno, memory};
use crate::text::{Decimal, after};

/// The place is not there, or is nothing that can be executed: try the next.
const TRY_NEXT: [Errno; 4] = [Errno(2), Errno(13), Errno(20), Errno(40)]; // ENOENT EACCES ENOTDIR ELOOP

/// Becomes `mana`, or ends the process with a message that says where it was looked for.
///
/// # Safety
/// `argv` must be an array of `argc` C strings, `environment` one that ends with a null pointer, and
/// all must stay as they are.
pub unsafe fn become_mana(
    argv: *const *const c_char,
    argc: usize,
    environment: *const *const c_char,
) -> ! {
    // SAFETY: argv has argc C strings.
    let arguments = unsafe { arguments(argv, argc) };
    // SAFETY: the environment is an array of C strings that ends with a null pointer.
    let path = unsafe { variable(environment, b"PATH=") }.unwrap_or(b"");
    let library = places::own_directory();
    let mut place = Path::new();
    places::for_each(library, path, &mut place, &mut |place: &CStr| {
        // SAFETY: both arrays end with a null pointer.
        let error = unsafe { system::execute(place, arguments, environment) };
        if !TRY_NEXT.contains(&error) {
            cannot_execute(place, error);
        }
    });
    system::say(&[
        b"libmana_stub: this program is started by `mana`, which was found in none of\n",
    ]);
    places::for_each(library, path, &mut place, &mut |place: &CStr| {
        system::say(&[b"  ", place.to_bytes(), b"\n"]);
    });
    system::fail(&[b"Install mana beside this library, or add its directory to PATH.\n"])
}

fn cannot_execute(place: &CStr, error: Errno) -> ! {
    let number = Decimal::new(u64::from(error.0));
    let what: &[u8] = match error.0 {
        7 => b" (the arguments and the environment are too long)",
        8 => b" (not a program for this machine)",
        12 => b" (no memory)",
        _ => b"",
    };
    system::fail(&[
        b"libmana_stub: cannot execute ",
        place.to_bytes(),
        b": error ",
        number.bytes(),
        what,
        b"\n",
    ])
}

/// The argument array for `mana`: its own three, then the program's.
///
/// # Safety
/// `argv` must be an array of `argc` C strings.
unsafe fn arguments(argv: *const *const c_char, argc: usize) -> *const *const c_char {
    let own = [c"mana".as_ptr(), c"__exec".as_ptr(), places::own_program()];
    let slots = memory((own.len() + argc + 1) * size_of::<*const c_char>());
    let array: *mut *const c_char = slots.as_mut_ptr().cast();
    // SAFETY: the mapping is page-aligned and has room for all pointers and the null pointer at the
    // end, which is there already because the memory is zeroed; argv has argc entries.
    unsafe {
        for (index, argument) in own.iter().enumerate() {
            array.add(index).write(*argument);
        }
        for index in 0..argc {
            array.add(own.len() + index).write(argv.add(index).read());
        }
    }
    array
}

/// The value of the variable `prefix` (`NAME=`).
///
/// # Safety
/// `environment` must be an array of C strings that ends with a null pointer and stays as it is.
unsafe fn variable(environment: *const *const c_char, prefix: &[u8]) -> Option<&'static [u8]> {
    let mut entry = environment;
    // SAFETY: the array ends with a null pointer, and `entry` does not pass it.
    while let Some(text) = unsafe { entry.read().as_ref() } {
        // SAFETY: every entry is a C string that stays.
        let text = unsafe { CStr::from_ptr(text) };
        if let Some(value) = after(text.to_bytes(), prefix) {
            return Some(value);
        }
        // SAFETY: this entry was not the last.
        entry = unsafe { entry.add(1) };
    }
    None
}
