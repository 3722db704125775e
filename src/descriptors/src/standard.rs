//! Standard input, output and error: which open files the launcher gave.
//!
//! A restarted program gets those of the new launcher, also under other numbers that it gave them (dup(2)); a file that
//! it put in their place (freopen(3)) is a file like any other.

use std::fmt;
use std::io::IsTerminal;
use std::os::fd::BorrowedFd;
use std::str::FromStr;

use rustix::fs::{FileType, Stat};

use crate::number;

/// What tells open files apart that are not the same.
type Identity = (u64, u64, u64);

/// The identities of 0, 1 and 2 as the launcher gave them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standard([Option<Identity>; 3]);

/// For a program that is executed in place of the one that the launcher started: `device.inode.kind` or `-`, three times.
impl fmt::Display for Standard {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, one) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            match one {
                Some((device, inode, kind)) => write!(out, "{comma}{device}.{inode}.{kind}")?,
                None => write!(out, "{comma}-")?,
            }
        }
        Ok(())
    }
}

/// The text is none that [`Standard`] has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoStandard;

impl FromStr for Standard {
    type Err = NoStandard;

    fn from_str(text: &str) -> Result<Self, NoStandard> {
        let mut streams = Self::default();
        let mut parts = text.split(',');
        for stream in &mut streams.0 {
            let part = parts.next().ok_or(NoStandard)?;
            if part == "-" {
                continue;
            }
            let mut numbers = part.split('.').map(|number| number.parse().ok());
            let mut next = || numbers.next().flatten().ok_or(NoStandard);
            *stream = Some((next()?, next()?, next()?));
        }
        Ok(streams)
    }
}

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

    /// Which of the three a descriptor is, if any; `number`: what its process knows it by.
    pub(crate) fn which(
        &self,
        number: i32,
        descriptor: BorrowedFd<'_>,
        stat: &Stat,
    ) -> Option<i32> {
        let own = usize::try_from(number).ok().filter(|n| *n < 3);
        let order = own.into_iter().chain([1, 2, 0]);
        // Anybody may open a device such as /dev/null or the terminal by its name.
        let is_device = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice;
        if own.is_none() && is_device && !descriptor.is_terminal() {
            return None;
        }
        order
            .into_iter()
            .find(|n| self.0[*n] == Some(identity(stat)))
            .map(|n| n as i32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_text() {
        let streams = Standard([Some((1, 2, 3)), None, Some((u64::MAX, 0, 5))]);
        assert_eq!(streams.to_string().parse(), Ok(streams));
        assert_eq!(streams.to_string(), "1.2.3,-,18446744073709551615.0.5");
        for text in ["", "-,-", "1.2,-,-", "a.b.c,-,-"] {
            assert_eq!(text.parse::<Standard>(), Err(NoStandard), "{text}");
        }
    }
}
