//! Live communicators: everything that a rebuilt one must have again.
//!
//! ```text
//!   handle ──> Communicator { gid, local group, remote group?, rank, topology, name, error handler, attributes, info }
//!                 │
//!                 └ rebuild: in the order of gids (equal on all members, so nobody waits in a circle),
//!                   intra: MPI_Comm_create_group(world, local group)
//!                   inter: the same for its local side, then MPI_Intercomm_create with the two first members as leaders
//! ```
//!
//! MPI_COMM_WORLD and MPI_COMM_SELF have predefined handles, so they lie beside the table.

use std::ffi::{CStr, CString};

use mana_drain::Gid;
use serde::{Deserialize, Serialize};

use crate::abi::MAX_OBJECT_NAME;
use crate::attr::Attributes;
use crate::errhandler::NOT_CHOSEN;
use crate::error::ObjectError;
use crate::group::{Group, GroupComparison, GroupRank, WorldRank};
use crate::handle::{CommHandle, ErrhandlerHandle, kind};
use crate::info::Info;
use crate::shared::SharedTable;
use crate::topology::Topology;

/// MPI_COMM_WORLD.
pub const COMM_WORLD: CommHandle = CommHandle::predefined(0x101);
/// MPI_COMM_SELF.
pub const COMM_SELF: CommHandle = CommHandle::predefined(0x102);

/// A communicator.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Communicator {
    /// The same on all members.
    pub gid: Gid,
    /// This rank's side.
    pub local: Group,
    /// The other side of an intercommunicator.
    pub remote: Option<Group>,
    /// This process's rank in `local`.
    pub rank: GroupRank,
    /// Its topology.
    pub topology: Topology,
    /// `MPI_Comm_set_name`.
    pub name: CString,
    /// `MPI_Comm_set_errhandler`; the communicator holds it.
    pub errhandler: ErrhandlerHandle,
    /// Cached values.
    pub attributes: Attributes,
    /// `MPI_Comm_set_info`: the hints given.
    pub info: Info,
}

impl Communicator {
    /// An intracommunicator without topology, name, attributes and hints, and with the default error handler.
    ///
    /// # Errors
    /// [`ObjectError::Rank`] when `process` is not in the group.
    pub fn intra(gid: Gid, local: Group, process: WorldRank) -> Result<Self, ObjectError> {
        let rank = local.rank_of(process);
        let rank = rank.ok_or(ObjectError::Rank {
            rank: i64::from(process.0),
            size: local.size(),
        })?;
        Ok(Self {
            gid,
            local,
            remote: None,
            rank,
            topology: Topology::None,
            name: CString::default(),
            errhandler: NOT_CHOSEN,
            attributes: Attributes::default(),
            info: Info::default(),
        })
    }

    /// An intercommunicator, as [`Communicator::intra`].
    ///
    /// # Errors
    /// [`ObjectError::Rank`] when `process` is not in the local group.
    pub fn inter(
        gid: Gid,
        local: Group,
        remote: Group,
        process: WorldRank,
    ) -> Result<Self, ObjectError> {
        Ok(Self {
            remote: Some(remote),
            ..Self::intra(gid, local, process)?
        })
    }

    /// `MPI_Comm_size`.
    #[inline]
    #[must_use]
    pub fn size(&self) -> u32 {
        self.local.size()
    }

    /// The group that ranks in point-to-point calls refer to.
    #[inline]
    #[must_use]
    pub fn peers(&self) -> &Group {
        self.remote.as_ref().unwrap_or(&self.local)
    }

    /// How many processes take part in its collectives: both sides.
    #[must_use]
    pub fn member_count(&self) -> u32 {
        self.local.size() + self.remote.as_ref().map_or(0, Group::size)
    }

    /// `MPI_Comm_set_name`: cut to what MPI_MAX_OBJECT_NAME leaves.
    pub fn set_name(&mut self, name: &CStr) {
        self.name = cut_name(name);
    }

    /// `MPI_Comm_compare` with another communicator than itself: MPI_CONGRUENT, MPI_SIMILAR or MPI_UNEQUAL.
    #[must_use]
    pub fn compare(&self, other: &Self) -> i32 {
        if self.gid == other.gid {
            return crate::abi::IDENT;
        }
        let remote = match (&self.remote, &other.remote) {
            (None, None) => GroupComparison::Identical,
            (Some(mine), Some(theirs)) => mine.compare(theirs),
            _ => GroupComparison::Unequal,
        };
        match (self.local.compare(&other.local), remote) {
            (GroupComparison::Unequal, _) | (_, GroupComparison::Unequal) => crate::abi::UNEQUAL,
            (GroupComparison::Identical, GroupComparison::Identical) => crate::abi::CONGRUENT,
            _ => crate::abi::SIMILAR,
        }
    }
}

/// An object's name as it is kept: at most MPI_MAX_OBJECT_NAME − 1 bytes.
#[must_use]
pub fn cut_name(name: &CStr) -> CString {
    let bytes = name.to_bytes();
    CString::new(&bytes[..bytes.len().min(MAX_OBJECT_NAME - 1)]).unwrap_or_default()
}

/// The communicators of a rank.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Communicators {
    world: Communicator,
    own: Communicator,
    table: SharedTable<kind::Comm, Communicator>,
}

impl Communicators {
    /// MPI_COMM_WORLD and MPI_COMM_SELF of the process `rank` of `size`.
    ///
    /// # Errors
    /// [`ObjectError::Rank`] when the rank is not below the size.
    pub fn new(rank: WorldRank, size: u32) -> Result<Self, ObjectError> {
        let mut world = Communicator::intra(Gid::WORLD, Group::world(size), rank)?;
        let mut own = Communicator::intra(Gid::of_self(rank.0), Group::of_one(rank), rank)?;
        world.name = c"MPI_COMM_WORLD".into();
        own.name = c"MPI_COMM_SELF".into();
        Ok(Self {
            world,
            own,
            table: SharedTable::new(),
        })
    }

    /// Adds a communicator that was created.
    ///
    /// # Errors
    /// [`ObjectError::TableFull`].
    pub fn insert(&mut self, communicator: Communicator) -> Result<CommHandle, ObjectError> {
        self.table.insert(communicator)
    }

    /// The communicator, as the application sees it.
    ///
    /// # Errors
    /// [`ObjectError::DeadHandle`] for one that is null or was freed.
    #[inline]
    pub fn get(&self, handle: CommHandle) -> Result<&Communicator, ObjectError> {
        match handle {
            COMM_WORLD => Ok(&self.world),
            COMM_SELF => Ok(&self.own),
            _ => self.table.require(handle),
        }
    }

    /// As [`Communicators::get`], to change it.
    ///
    /// # Errors
    /// As [`Communicators::get`].
    pub fn get_mut(&mut self, handle: CommHandle) -> Result<&mut Communicator, ObjectError> {
        match handle {
            COMM_WORLD => Ok(&mut self.world),
            COMM_SELF => Ok(&mut self.own),
            _ => self.table.require_mut(handle),
        }
    }

    /// The communicator for an operation that holds it, also after `MPI_Comm_free`.
    #[must_use]
    pub fn get_held(&self, handle: CommHandle) -> Option<&Communicator> {
        match handle {
            COMM_WORLD => Some(&self.world),
            COMM_SELF => Some(&self.own),
            _ => self.table.get_held(handle),
        }
    }

    /// `MPI_Comm_free`, `MPI_Comm_disconnect`: returns the communicator when nothing uses it any more.
    ///
    /// # Errors
    /// [`ObjectError::Predefined`] for the world and self, [`ObjectError::DeadHandle`].
    pub fn free(&mut self, handle: CommHandle) -> Result<Option<Communicator>, ObjectError> {
        if handle == COMM_WORLD || handle == COMM_SELF {
            return Err(ObjectError::predefined(handle, "freed"));
        }
        self.table.free(handle)
    }

    /// An operation begins to use the communicator.
    ///
    /// # Errors
    /// [`ObjectError::DeadHandle`].
    pub fn hold(&mut self, handle: CommHandle) -> Result<(), ObjectError> {
        self.table.hold(handle)
    }

    /// An operation that held it ends. Returns the communicator when it was freed and this was its last use.
    pub fn release(&mut self, handle: CommHandle) -> Option<Communicator> {
        self.table.release(handle)
    }

    /// All communicators, the predefined ones first, then in the order of their creation.
    #[must_use]
    pub fn all(&self) -> Vec<(CommHandle, &Communicator)> {
        let mut all = vec![(COMM_WORLD, &self.world), (COMM_SELF, &self.own)];
        all.extend(self.table.by_birth());
        all
    }

    /// The communicators to rebuild at a restart, in the order in which to do it.
    #[must_use]
    pub fn rebuild_order(&self) -> Vec<(CommHandle, &Communicator)> {
        let mut all: Vec<_> = self.table.iter().collect();
        all.sort_unstable_by_key(|(_, communicator)| communicator.gid);
        all
    }

    /// The communicator with this global id.
    #[must_use]
    pub fn by_gid(&self, gid: Gid) -> Option<(CommHandle, &Communicator)> {
        if gid == Gid::WORLD {
            return Some((COMM_WORLD, &self.world));
        }
        if gid == self.own.gid {
            return Some((COMM_SELF, &self.own));
        }
        self.table
            .iter()
            .find(|(_, communicator)| communicator.gid == gid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::{CONGRUENT, IDENT, SIMILAR, UNEQUAL};

    fn intra(gid: u64, members: &[u32]) -> Communicator {
        let group = Group::from_world_ranks(members.to_vec()).unwrap();
        Communicator::intra(Gid(gid), group, WorldRank(1)).unwrap()
    }

    #[test]
    fn comparison_looks_at_context_and_members() {
        let a = intra(100, &[0, 1, 2]);
        assert_eq!(a.compare(&a), IDENT);
        assert_eq!(a.compare(&intra(101, &[0, 1, 2])), CONGRUENT);
        assert_eq!(a.compare(&intra(101, &[2, 1, 0])), SIMILAR);
        assert_eq!(a.compare(&intra(101, &[0, 1])), UNEQUAL);
        let remote = Group::of_one(WorldRank(7));
        let inter = Communicator::inter(Gid(102), a.local.clone(), remote, WorldRank(1)).unwrap();
        assert_eq!(a.compare(&inter), UNEQUAL);
        assert_eq!(
            (inter.size(), inter.member_count(), inter.peers().size()),
            (3, 4, 1)
        );
    }

    #[test]
    fn the_world_is_there_and_stays() {
        let mut comms = Communicators::new(WorldRank(1), 4).unwrap();
        assert_eq!(comms.get(COMM_WORLD).unwrap().rank, GroupRank(1));
        assert_eq!(comms.get(COMM_SELF).unwrap().size(), 1);
        assert!(comms.free(COMM_WORLD).is_err());
        assert!(comms.get(CommHandle::NULL).is_err());
        assert!(Communicators::new(WorldRank(4), 4).is_err());
    }

    #[test]
    fn rebuilding_follows_the_global_ids() {
        let mut comms = Communicators::new(WorldRank(1), 4).unwrap();
        for clock in 0..20 {
            comms
                .insert(intra(Gid::WORLD.child(clock, 0).0, &[0, 1]))
                .unwrap();
        }
        let order: Vec<_> = comms
            .rebuild_order()
            .iter()
            .map(|(_, communicator)| communicator.gid)
            .collect();
        assert_eq!(order.len(), 20);
        assert!(order.is_sorted());
        assert_eq!(comms.by_gid(order[3]).unwrap().1.gid, order[3]);
    }

    #[test]
    fn long_names_are_cut() {
        let mut communicator = intra(100, &[1]);
        communicator.set_name(&CString::new(vec![b'n'; 500]).unwrap());
        assert_eq!(communicator.name.count_bytes(), MAX_OBJECT_NAME - 1);
    }
}
