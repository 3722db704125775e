//! The epochs that an application sees on a window (MPI-5.0 section 12.5), as a state machine without a library.
//!
//! ```text
//!   fence       Closed --fence--> Open --RMA--> Used --fence(NOSUCCEED)--> Closed
//!   access      start(group) .. complete            exposure    post(group) .. wait
//!   passive     lock(rank) .. unlock(rank)          lock_all .. unlock_all
//!
//!   RMA to rank t is allowed:  fence Open or Used  |  t in access  |  t locked  |  lock_all
//! ```
//!
//! A fence that may be the last one leaves its epoch open: it counts as begun only when it is used, so that a lock or
//! a start may follow it.
//!
//! Tokens are the messages of post and complete that have arrived and not been used, counted by origin.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Whether a fence has opened an epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Fence {
    /// None, or the last one said that nothing follows.
    #[default]
    Closed,
    /// Nothing has been done since.
    Open,
    /// There has been communication since.
    Used,
}

/// A lock that is held.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Held {
    /// `MPI_LOCK_EXCLUSIVE`; else shared.
    pub exclusive: bool,
    /// Whether the target's lock word says so too; not with `MPI_MODE_NOCHECK`.
    pub checked: bool,
}

/// What the application has opened on a window.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Epoch {
    /// By fences.
    pub fence: Fence,
    /// The targets of `MPI_Win_start`.
    pub access: Option<BTreeSet<i32>>,
    /// The origins of `MPI_Win_post`.
    pub exposure: Option<BTreeSet<i32>>,
    /// Locks by target.
    pub locks: BTreeMap<i32, Held>,
    /// `MPI_Win_lock_all`, and whether it is checked.
    pub lock_all: Option<bool>,
    /// Posts that have arrived, by target of a coming start.
    pub posts: BTreeMap<i32, u32>,
    /// Completes that have arrived, by origin.
    pub completes: BTreeMap<i32, u32>,
}

/// Why a call is not allowed now.
pub type Refusal = &'static str;

impl Epoch {
    /// Communication with `target`: allowed only inside an access epoch.
    ///
    /// # Errors
    /// There is none for that target.
    #[inline]
    pub fn communicate(&mut self, target: i32) -> Result<(), Refusal> {
        if self.lock_all.is_some() || self.locks.contains_key(&target) {
            return Ok(());
        }
        if let Some(access) = &self.access {
            return if access.contains(&target) {
                Ok(())
            } else {
                Err("the target is not in the group of MPI_Win_start")
            };
        }
        if self.fence == Fence::Closed || !self.locks.is_empty() {
            return Err("there is no access epoch for the target");
        }
        self.fence = Fence::Used;
        Ok(())
    }

    /// Communication that is completed by a request: in a passive epoch only.
    ///
    /// # Errors
    /// There is none for that target.
    pub fn request(&self, target: i32) -> Result<(), Refusal> {
        self.passive(target)
            .map_err(|_| "operations with a request need MPI_Win_lock or MPI_Win_lock_all")
    }

    /// Whether there is a passive epoch for `target`, as flushes need.
    ///
    /// # Errors
    /// There is none.
    pub fn passive(&self, target: i32) -> Result<(), Refusal> {
        if self.lock_all.is_some() || self.locks.contains_key(&target) {
            Ok(())
        } else {
            Err("the target is not locked")
        }
    }

    /// Whether there is a passive epoch for anybody.
    ///
    /// # Errors
    /// There is none.
    pub fn any_passive(&self) -> Result<(), Refusal> {
        if self.lock_all.is_some() || !self.locks.is_empty() {
            Ok(())
        } else {
            Err("nothing is locked")
        }
    }

    /// Whether a fence may come.
    ///
    /// # Errors
    /// Another epoch is open.
    pub fn may_fence(&self) -> Result<(), Refusal> {
        self.no_locks()?;
        self.no_access()?;
        self.no_exposure()
    }

    /// Whether an access epoch of another kind than by fence may begin, with a lock on `target` or on all.
    ///
    /// # Errors
    /// One is open, or the target is locked already.
    pub fn may_lock(&self, target: Option<i32>) -> Result<(), Refusal> {
        self.no_access()?;
        self.not_fenced()?;
        match target {
            _ if self.lock_all.is_some() => Err("MPI_Win_lock_all is in force"),
            Some(target) if self.locks.contains_key(&target) => Err("the target is locked already"),
            None => self.no_locks(),
            Some(_) => Ok(()),
        }
    }

    /// Whether `MPI_Win_start` may come.
    ///
    /// # Errors
    /// An access epoch is open.
    pub fn may_start(&self) -> Result<(), Refusal> {
        self.no_access()?;
        self.no_locks()?;
        self.not_fenced()
    }

    /// Whether `MPI_Win_post` may come.
    ///
    /// # Errors
    /// An exposure epoch is open.
    pub fn may_post(&self) -> Result<(), Refusal> {
        self.no_exposure()?;
        self.not_fenced()
    }

    /// Whether the window may be freed.
    ///
    /// # Errors
    /// An epoch is open.
    pub fn may_free(&self) -> Result<(), Refusal> {
        self.may_fence()
    }

    fn no_locks(&self) -> Result<(), Refusal> {
        if self.locks.is_empty() && self.lock_all.is_none() {
            Ok(())
        } else {
            Err("locks are held")
        }
    }

    fn no_access(&self) -> Result<(), Refusal> {
        match self.access {
            None => Ok(()),
            Some(_) => Err("MPI_Win_start has not been completed"),
        }
    }

    fn no_exposure(&self) -> Result<(), Refusal> {
        match self.exposure {
            None => Ok(()),
            Some(_) => Err("MPI_Win_post has not been waited for"),
        }
    }

    fn not_fenced(&self) -> Result<(), Refusal> {
        match self.fence {
            Fence::Used => Err("a fence has begun an epoch that no other fence has ended"),
            Fence::Open | Fence::Closed => Ok(()),
        }
    }

    /// Uses one post of each of `targets`, if all have posted.
    pub fn take_posts(&mut self, targets: &BTreeSet<i32>) -> bool {
        take_tokens(&mut self.posts, targets)
    }

    /// Uses one complete of each of `origins`, if all have completed.
    pub fn take_completes(&mut self, origins: &BTreeSet<i32>) -> bool {
        take_tokens(&mut self.completes, origins)
    }
}

fn take_tokens(tokens: &mut BTreeMap<i32, u32>, ranks: &BTreeSet<i32>) -> bool {
    if !ranks.iter().all(|rank| tokens.contains_key(rank)) {
        return false;
    }
    for rank in ranks {
        if let Some(count) = tokens.get_mut(rank) {
            *count -= 1;
            if *count == 0 {
                tokens.remove(rank);
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARED: Held = Held {
        exclusive: false,
        checked: true,
    };

    #[test]
    fn a_fence_epoch_begins_with_its_first_use() {
        let mut epoch = Epoch::default();
        assert!(epoch.communicate(0).is_err());
        epoch.fence = Fence::Open;
        assert!(epoch.may_lock(Some(0)).is_ok() && epoch.may_start().is_ok());
        assert!(epoch.request(0).is_err());
        assert!(epoch.communicate(0).is_ok());
        assert!(epoch.may_lock(Some(0)).is_err() && epoch.may_post().is_err());
        assert!(epoch.may_fence().is_ok());
    }

    #[test]
    fn locks_are_per_target() {
        let mut epoch = Epoch::default();
        epoch.locks.insert(1, SHARED);
        assert!(epoch.communicate(1).is_ok() && epoch.communicate(0).is_err());
        assert!(epoch.may_lock(Some(1)).is_err() && epoch.may_lock(Some(0)).is_ok());
        assert!(epoch.may_lock(None).is_err() && epoch.may_fence().is_err());
        assert!(epoch.passive(1).is_ok() && epoch.passive(0).is_err());
        epoch.locks.clear();
        epoch.lock_all = Some(true);
        assert!(epoch.communicate(7).is_ok() && epoch.may_lock(Some(0)).is_err());
        assert!(epoch.may_free().is_err() && epoch.any_passive().is_ok());
    }

    #[test]
    fn tokens_are_used_by_all_or_none() {
        let mut epoch = Epoch {
            posts: BTreeMap::from([(0, 2), (1, 1)]),
            ..Epoch::default()
        };
        assert!(!epoch.take_posts(&BTreeSet::from([0, 2])));
        assert!(epoch.take_posts(&BTreeSet::from([0, 1])));
        assert_eq!(epoch.posts, BTreeMap::from([(0, 1)]));
        assert!(epoch.take_posts(&BTreeSet::new()));
    }

    #[test]
    fn access_and_exposure_go_side_by_side() {
        let mut epoch = Epoch {
            access: Some(BTreeSet::from([1])),
            ..Epoch::default()
        };
        assert!(epoch.communicate(1).is_ok() && epoch.communicate(0).is_err());
        assert!(epoch.may_post().is_ok() && epoch.may_start().is_err());
        assert!(epoch.may_lock(Some(0)).is_err());
    }
}
