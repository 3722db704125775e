//! Per-rank collective clocks: how many collectives this rank has started on each communicator.
//!
//! Invariant: a clock counts since the last cut. All clocks of a communicator are equal at the cut, so every
//! rank sets them to zero there.
use std::collections::BTreeMap;

use crate::Gid;

/// A communicator's place in a rank's [`Clocks`]: an index, so that counting needs no search.
///
/// Valid from [`Clocks::register`] until its last [`Clocks::retire`]; it means nothing on another rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClockId(u32);

impl ClockId {
    /// The id as a number, to keep it in an atomic.
    #[must_use]
    pub fn to_bits(self) -> u32 {
        self.0
    }

    /// The id that [`ClockId::to_bits`] gave.
    #[must_use]
    pub fn from_bits(bits: u32) -> Self {
        Self(bits)
    }
}

/// How a collective starts, which decides what holding it can do to the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Start {
    /// A blocking collective. A correct program works also if it synchronises (MPI 5.0, chapter 6, "Correctness"), so
    /// nothing waits for a rank held here that would not wait for it anyway.
    Blocking,
    /// Initiation of a nonblocking or persistent collective, which must be local: others may rightly wait
    /// for what the program does after it.
    Nonblocking,
}

/// A communicator was registered with another size than before: two communicators share an id, or the
/// members disagree on who they are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "communicator {gid:?} has {new} members here and had {old} before: two communicators have the same \
     global id, so their collectives cannot be told apart"
)]
pub struct RegisterError {
    /// The id both have.
    pub gid: Gid,
    /// Members when first registered.
    pub old: u32,
    /// Members now.
    pub new: u32,
}

/// One communicator's clock on this rank.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Clock {
    pub(crate) gid: Gid,
    /// Members (of both groups, for an intercommunicator).
    pub(crate) size: u32,
    /// Collectives started since the last cut.
    pub(crate) started: u64,
    /// Registrations not yet retired.
    users: u32,
    /// A thread is held before collective `started + 1`.
    pub(crate) want: Option<Start>,
}

/// The clocks of one rank.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Clocks {
    /// `None` is a free place.
    places: Vec<Option<Clock>>,
    /// The first free place, or where the next one will be: places are taken in ascending order between cuts, so that a program
    /// which makes and frees communicators all the time searches none twice.
    first_free: usize,
    by_gid: BTreeMap<Gid, ClockId>,
}

impl Clocks {
    /// Gives the communicator `gid` of `size` members a clock, or finds the one it has: ad-hoc groups come
    /// back under the same id.
    ///
    /// # Errors
    /// If `gid` is known with another size.
    pub fn register(&mut self, gid: Gid, size: u32) -> Result<ClockId, RegisterError> {
        if let Some(&id) = self.by_gid.get(&gid) {
            let clock = self.get_mut(id);
            if clock.size != size {
                return Err(RegisterError {
                    gid,
                    old: clock.size,
                    new: size,
                });
            }
            clock.users += 1;
            return Ok(id);
        }
        let clock = Some(Clock {
            gid,
            size,
            started: 0,
            users: 1,
            want: None,
        });
        let place = self.first_free;
        match self.places.get_mut(place) {
            Some(free) => *free = clock,
            None => self.places.push(clock),
        }
        self.first_free = self.free_from(place + 1);
        let id =
            ClockId(u32::try_from(place).expect("fewer than 2^32 communicators fit in memory"));
        self.by_gid.insert(gid, id);
        Ok(id)
    }

    /// The first free place at or behind `place`.
    fn free_from(&self, place: usize) -> usize {
        let free = self.places[place..].iter().position(Option::is_none);
        free.map_or(self.places.len(), |further| place + further)
    }

    /// The communicator was freed here. Its count stays until the next cut, because another member may be
    /// behind and still has to come to the same number.
    pub fn retire(&mut self, id: ClockId) {
        let clock = self.get_mut(id);
        clock.users = clock.users.saturating_sub(1);
    }

    /// Collectives started on `id` since the last cut.
    #[must_use]
    pub fn started(&self, id: ClockId) -> u64 {
        self.get(id).started
    }

    /// The communicator of a clock.
    #[must_use]
    pub fn gid(&self, id: ClockId) -> Gid {
        self.get(id).gid
    }

    /// Counts one started collective. This is what normal running pays.
    pub(crate) fn start(&mut self, id: ClockId) {
        let clock = self.get_mut(id);
        clock.started += 1;
        clock.want = None;
    }

    pub(crate) fn get(&self, id: ClockId) -> &Clock {
        self.places[id.0 as usize]
            .as_ref()
            .expect("the communicator was freed before the last cut")
    }

    pub(crate) fn get_mut(&mut self, id: ClockId) -> &mut Clock {
        self.places[id.0 as usize]
            .as_mut()
            .expect("the communicator was freed before the last cut")
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Clock> {
        self.places.iter().flatten()
    }

    /// Nobody is held any more: the checkpoint ended.
    pub(crate) fn forget_wants(&mut self) {
        for clock in self.places.iter_mut().flatten() {
            clock.want = None;
        }
    }

    /// At the cut all members' clocks are equal, so zero says as much; retired ones can go.
    pub(crate) fn reset_at_cut(&mut self) {
        for place in &mut self.places {
            if place.as_ref().is_some_and(|clock| clock.users == 0) {
                *place = None;
            }
            if let Some(clock) = place {
                clock.started = 0;
            }
        }
        let places = &self.places;
        self.by_gid.retain(|_, id| places[id.0 as usize].is_some());
        self.first_free = self.free_from(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_taken_again_after_the_cut() {
        let mut clocks = Clocks::default();
        let ids: Vec<ClockId> = (0..4)
            .map(|child| clocks.register(Gid::WORLD.child(child, 0), 2).unwrap())
            .collect();
        assert_eq!(ids, [0, 1, 2, 3].map(ClockId));
        clocks.retire(ids[1]);
        clocks.retire(ids[3]);
        assert_eq!(clocks.register(Gid::WORLD.child(4, 0), 2), Ok(ClockId(4)));
        clocks.reset_at_cut();
        let next: Vec<ClockId> = (5..8)
            .map(|child| clocks.register(Gid::WORLD.child(child, 0), 2).unwrap())
            .collect();
        assert_eq!(next, [1, 3, 5].map(ClockId));
    }

    #[test]
    fn a_freed_communicator_counts_until_the_cut() {
        let mut clocks = Clocks::default();
        let gid = Gid::WORLD.child(1, 0);
        let id = clocks.register(gid, 2).unwrap();
        clocks.start(id);
        clocks.retire(id);
        assert_eq!(clocks.started(id), 1);
        // An ad-hoc group that comes back goes on where it was: the other members did not forget either.
        assert_eq!(clocks.register(gid, 2), Ok(id));
        assert_eq!(clocks.started(id), 1);
        clocks.retire(id);
        clocks.reset_at_cut();
        assert_eq!(clocks.iter().count(), 0);
        let other = clocks.register(Gid::WORLD, 4).unwrap();
        assert_eq!(other, id, "the place is free again");
    }

    #[test]
    fn one_id_for_two_communicators_is_an_error() {
        let mut clocks = Clocks::default();
        clocks.register(Gid::WORLD, 4).unwrap();
        let error = clocks.register(Gid::WORLD, 3).unwrap_err();
        assert_eq!(
            error,
            RegisterError {
                gid: Gid::WORLD,
                old: 4,
                new: 3
            }
        );
    }
}
