//! Mistakes made on purpose, to show that the checks find them.
use mana_drain::{Broadcast, Phase};

use super::job::Job;
use super::proc::{Doing, gid};
use super::setup::{Setup, Variant};

impl Job {
    /// Variant: remembers what the rank has been told to start.
    pub(super) fn note_allowed(&mut self, setup: &Setup, rank: usize, broadcast: &Broadcast) {
        let Broadcast::Targets {
            targets, to_all, ..
        } = broadcast
        else {
            return;
        };
        if setup.variant != Variant::StopDeadAtMaximum {
            return;
        }
        for (comm, allowed) in self.allowed[rank].iter_mut().enumerate() {
            let mut all = targets.iter().chain(to_all);
            let target = all
                .find(|(of, _)| *of == gid(comm))
                .map_or(0, |&(_, target)| target);
            *allowed = target.max(*allowed);
        }
    }

    /// Variant: the rank has been told to go no further than it is.
    pub(super) fn stands_still(&self, setup: &Setup, rank: usize) -> bool {
        let running = &self.ranks[rank];
        if setup.variant != Variant::StopDeadAtMaximum || running.machine.phase() != Phase::Converge
        {
            return false;
        }
        let behind = |(comm, &target): (usize, &u64)| {
            setup.program.comms[comm].contains(&rank) && running.proc.started[comm] < target
        };
        let inside = !matches!(running.proc.threads[0].doing, Doing::Running);
        !inside && !self.allowed[rank].iter().enumerate().any(behind)
    }

    /// Variant: whether any thread of the rank is parked.
    pub(super) fn parked_by_any(&self, rank: usize) -> u32 {
        u32::from(self.ranks[rank].proc.alive().any(|thread| thread.parked))
    }

    /// Variant: nobody is told to start what nobody has started.
    pub(super) fn withhold_go(&self, setup: &Setup, broadcast: &mut Broadcast) {
        let Broadcast::Targets {
            targets, to_all, ..
        } = broadcast
        else {
            return;
        };
        let most = |comm: usize| {
            self.ranks
                .iter()
                .map(|rank| rank.proc.started[comm])
                .max()
                .unwrap_or(0)
        };
        for allowed in [targets, to_all] {
            allowed.retain(|&(of, target)| {
                (0..setup.program.comms.len()).any(|comm| gid(comm) == of && most(comm) >= target)
            });
        }
    }

    /// Variant: targets go only where reports of the communicator came from, though some members have sent none.
    pub(super) fn trust_reports(broadcast: &mut Broadcast) {
        if let Broadcast::Targets {
            targets, to_all, ..
        } = broadcast
        {
            targets.append(to_all);
        }
    }
}
