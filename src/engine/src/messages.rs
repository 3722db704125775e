//! What `mana` says to the user: on the standard error of the launcher, whatever the program has put in its place.

use std::fmt::Arguments;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::sync::OnceLock;

/// The launcher's standard error, under a number of ours.
static STDERR: OnceLock<File> = OnceLock::new();

/// Keeps the standard error as it is now, at a number from `above` on.
pub fn keep_stderr(above: i32) {
    // Where it is closed there is nothing to keep, and one that is kept already stays.
    if let Ok(kept) = rustix::io::fcntl_dupfd_cloexec(io::stderr(), above) {
        let _ = STDERR.set(kept.into());
    }
}

/// Its number, if it is kept.
pub fn number() -> Option<i32> {
    STDERR.get().map(AsRawFd::as_raw_fd)
}

/// Writes to it. Nobody can be told that this fails.
#[derive(Debug, Clone, Copy, Default)]
pub struct ToUser;

impl Write for ToUser {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match STDERR.get() {
            Some(mut kept) => kept.write(bytes),
            None => io::stderr().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A line, in one piece where it is short.
pub fn line(text: Arguments<'_>) {
    let _ = ToUser.write_all(format!("{text}\n").as_bytes());
}

/// [`line`], as `eprintln!`.
macro_rules! say {
    ($($text:tt)*) => {
        $crate::messages::line(format_args!($($text)*))
    };
}

pub(crate) use say;
