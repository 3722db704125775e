//! Standard input, output and error: which open files the launcher gave.
//!
//! A restarted program gets those of the new launcher, also under other numbers that it gave them (dup(2)); a file that
//! it put in their place (freopen(3)) is a file like any other.

use std::io::IsTerminal;

use rustix::fs::{FileType, Stat};

use crate::number;

/// What tells open files apart that are not the same.
type Identity = (u64, u64, u64);

/// The identities of 0, 1 and 2 as the launcher gave them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standard([Option<Identity>; 3]);

fn identity(stat: &Stat) -> Identity {
    (stat.st_dev, stat.st_ino, stat.st_rdev)
}

impl Standard {
    /// Those of this process, before its program runs.
    #[must_use]
    pub fn now() -> Self {
        Self([0, 1, 2].map(|n| {
            let stat = rustix::fs::fstat(number::borrow(n)?).ok()?;
            Some(identity(&stat))
        }))
    }

    /// Which of the three the descriptor `number` is, if any.
    pub(crate) fn which(&self, number: i32, stat: &Stat) -> Option<i32> {
        let own = usize::try_from(number).ok().filter(|n| *n < 3);
        let order = own.into_iter().chain([1, 2, 0]);
        // Anybody may open a device such as /dev/null or the terminal by its name.
        let is_device = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice;
        if own.is_none() && is_device && !number::borrow(number)?.is_terminal() {
            return None;
        }
        order
            .into_iter()
            .find(|n| self.0[*n] == Some(identity(stat)))
            .map(|n| n as i32)
    }
}
