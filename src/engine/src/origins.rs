//! Which session a group, a communicator or a file comes of (MPI-5.0 section 11.3): what is derived from something of a session is that
//! session's, too. Buffered sends ask, since a session may have a buffer of its own.
//!
//! ```text
//!   session --MPI_Group_from_session_pset--> group --MPI_Group_incl--> group --MPI_Comm_create_from_group--> comm --dup--> comm
//! ```

use std::collections::HashMap;

use mana_record_replay::handle::{GroupHandle, SessionHandle};
use mana_table::constants as mpi;
use serde::{Deserialize, Serialize};

/// The sessions of groups, communicators and files that come of one, all by their upper handles, which differ between kinds.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Origins {
    sessions: HashMap<u64, u64>,
}

impl Origins {
    /// `group` was made of a process set of `session`.
    pub fn begin(&mut self, group: GroupHandle, session: SessionHandle) {
        self.note(u64::from(group.word()), u64::from(session.word()));
    }

    /// `made` was derived from `from`: each a group, a communicator or a file.
    pub fn derive(&mut self, made: u64, from: u64) {
        if let Some(session) = self.session_of(from) {
            self.note(made, session);
        }
    }

    /// The session that a group or a communicator comes of.
    pub fn session_of(&self, handle: u64) -> Option<u64> {
        self.sessions.get(&handle).copied()
    }

    /// A group, a communicator or a file was freed.
    pub fn forget(&mut self, handle: u64) {
        self.sessions.remove(&handle);
    }

    fn note(&mut self, made: u64, session: u64) {
        // These two are nobody's, and never freed.
        if ![mpi::MPI_GROUP_EMPTY, mpi::MPI_COMM_NULL].contains(&made) {
            self.sessions.insert(made, session);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_derived_is_of_the_same_session() {
        let mut origins = Origins::default();
        origins.note(10, 1);
        origins.derive(11, 10);
        origins.derive(12, 11);
        origins.derive(20, 99);
        assert_eq!(origins.session_of(12), Some(1));
        assert_eq!(origins.session_of(20), None);
        origins.forget(11);
        assert_eq!(origins.session_of(11), None);
        assert_eq!(origins.session_of(12), Some(1));
        origins.derive(mpi::MPI_GROUP_EMPTY, 10);
        assert_eq!(origins.session_of(mpi::MPI_GROUP_EMPTY), None);
    }
}
