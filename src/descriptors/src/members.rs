//! Programs of several processes: a root, which saves and opens descriptors for all of them, and its members.
//!
//! ```text
//!   saving      member: 5  -- SCM_RIGHTS -->  root: 1005        Lent { number: 5, here: 1005 }
//!   restoring   root: 1005 -- SCM_RIGHTS -->  member: whatever  -> place: 5, then epoll sets, then locks
//! ```
//!
//! What an epoll set watches goes by numbers of the process that fills it, a lease tells the process that takes it, and other locks are
//! that process': so a member does these itself.

use std::os::fd::{OwnedFd, RawFd};

use serde::{Deserialize, Serialize};

use crate::error::DescriptorError;
use crate::locks::{self, Lock};
use crate::restore::{above, move_above, put};
use crate::saved::{Descriptors, Number, Watched, What};
use crate::special;

/// A descriptor of a member, of which the root has a duplicate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lent {
    /// The member's number.
    pub number: i32,
    /// The duplicate, in the table of the thread that saves.
    pub here: RawFd,
    /// Whether execve(2) closes the member's, which a duplicate does not tell.
    pub close_on_exec: bool,
    /// The member's own locks that were taken by it: see [`own_locks`](crate::own_locks).
    pub locks: Vec<Lock>,
}

/// Locks of a process, by its numbers.
pub type NumbersLocks = Vec<(i32, Vec<Lock>)>;

/// What a member needs, besides descriptors, to have its own again.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MemberDescriptors {
    /// Its numbers, in the order of the descriptors that it receives.
    pub numbers: Vec<Number>,
    /// The epoll sets that it fills, by its numbers.
    pub polls: Vec<(i32, Vec<Watched>)>,
    /// The locks that it takes, by its numbers.
    pub locks: NumbersLocks,
}

impl Descriptors {
    /// What the member needs that is `member` in [`Descriptors::members`]; nothing if there is none.
    #[must_use]
    pub fn member(&self, member: usize) -> MemberDescriptors {
        let mut needed = MemberDescriptors {
            numbers: self.members.get(member).cloned().unwrap_or_default(),
            ..MemberDescriptors::default()
        };
        for (at, file) in self.files.iter().enumerate() {
            let Some((Some(owner), number)) = self.owner(at) else {
                continue;
            };
            if owner != member {
                continue;
            }
            if let What::Poll { watched } = &file.what {
                needed.polls.push((number, watched.clone()));
            }
            if !file.locks.is_empty() {
                needed.locks.push((number, file.locks.clone()));
            }
        }
        let own = self.member_locks.get(member);
        needed.locks.extend(own.into_iter().flatten().cloned());
        needed
    }
}

impl MemberDescriptors {
    /// Gives what this process, the member, has `received` its numbers, fills its epoll sets and takes its locks. What is at
    /// these numbers is replaced: the caller's own descriptors must lie above [`MemberDescriptors::highest`].
    ///
    /// # Errors
    /// Another number of descriptors has come than there are numbers, the system refuses something, or somebody else has got
    /// a lock. Then some numbers may be in place already; the member is to end.
    pub fn place(&self, received: Vec<OwnedFd>) -> Result<(), DescriptorError> {
        if received.len() != self.numbers.len() {
            return Err(DescriptorError::Inconsistent(format!(
                "{} descriptors have come for {} numbers",
                received.len(),
                self.numbers.len()
            )));
        }
        let above = above(&self.numbers);
        // All of them first: one may lie at the number of another.
        let waiting = received
            .into_iter()
            .zip(&self.numbers)
            .map(|(descriptor, number)| Ok((move_above(number.number, descriptor, above)?, number)))
            .collect::<Result<Vec<_>, DescriptorError>>()?;
        for (descriptor, number) in waiting {
            put(descriptor, *number)?;
        }
        for (set, watched) in &self.polls {
            special::watch(*set, watched)?;
        }
        // Last: a process' locks on a file go when it closes any descriptor of it.
        for (number, locks) in &self.locks {
            locks::take_all(*number, locks)?;
        }
        Ok(())
    }

    /// The highest number.
    #[must_use]
    pub fn highest(&self) -> Option<i32> {
        self.numbers.iter().map(|number| number.number).max()
    }
}
