//! Tables of descriptors: the process', and the one of the thread that asks.
//!
//! ```text
//!   numbers of the program     /proc/self          whatever table the thread has
//!   duplicates of others'      /proc/thread-self   the thread that received them has them, maybe in a table of its own
//! ```

use std::os::fd::RawFd;
use std::path::PathBuf;

/// In which table a number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    /// The process'.
    Process,
    /// The calling thread's.
    Thread,
}

impl Table {
    /// The task that has it, for system calls.
    pub(crate) fn task(self) -> i32 {
        let task = match self {
            Table::Process => rustix::process::getpid(),
            Table::Thread => rustix::thread::gettid(),
        };
        task.as_raw_nonzero().get()
    }

    /// What there is in /proc about a number: its link in `fd`, its lines in `fdinfo`.
    pub(crate) fn path(self, folder: &str, number: RawFd) -> PathBuf {
        let task = match self {
            Table::Process => "self",
            Table::Thread => "thread-self",
        };
        PathBuf::from(format!("/proc/{task}/{folder}/{number}"))
    }
}
