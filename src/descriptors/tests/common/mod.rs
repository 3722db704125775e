//! What the tests share: descriptors under numbers of their choice.

use std::os::fd::{FromRawFd, IntoRawFd, RawFd};

/// Gives `file` a number that no other test uses.
pub fn at(number: RawFd, file: impl IntoRawFd) -> RawFd {
    let file = file.into_raw_fd();
    // SAFETY: two numbers of this test alone.
    unsafe {
        assert_eq!(libc::dup2(file, number), number);
        libc::close(file);
    }
    number
}

/// The descriptor that the test put at `number`.
pub fn open<T: FromRawFd>(number: RawFd) -> T {
    // SAFETY: open, and used by this test alone.
    unsafe { T::from_raw_fd(number) }
}
