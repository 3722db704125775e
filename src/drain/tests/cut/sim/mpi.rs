//! The MPI of a simulated job: when a rank gets on. Collectives and rendezvous sends block as long as they may.
use super::job::Job;
use super::proc::{Doing, Icoll, Message};
use super::program::Op;
use super::setup::Setup;

impl Job {
    pub(super) fn run(&mut self, setup: &Setup, rank: usize) {
        let finished = match self.ranks[rank].proc.doing {
            Doing::Running => return self.begin(setup, rank),
            Doing::InColl { comm, count } => self.all_started(setup, Icoll { comm, count }),
            Doing::InSsend { to, seq } => !self
                .under_way(rank)
                .any(|(dest, message)| dest == to && message.seq == seq),
            Doing::InRecv { from, nth } => self.ranks[rank].proc.delivered[from] > nth,
            Doing::Done => false,
        };
        if finished {
            let running = self.rank(rank);
            let in_program = running.op(&setup.program).is_some();
            running.proc.doing = if in_program {
                Doing::Running
            } else {
                Doing::Done
            };
            running.proc.pc += usize::from(in_program);
        }
    }

    fn begin(&mut self, setup: &Setup, rank: usize) {
        if self.ranks[rank].op(&setup.program) == Some(Op::Waitall)
            && self.rendezvous_under_way(rank) > 0
        {
            return;
        }
        let mut outbox = Vec::new();
        self.rank(rank).begin(&setup.program, &mut outbox);
        for (to, message) in outbox {
            self.channels
                .entry((rank, to))
                .or_default()
                .push_back(message);
        }
    }

    pub(super) fn complete(&mut self, setup: &Setup, rank: usize) {
        let icolls = &self.ranks[rank].proc.icolls;
        let done = icolls
            .iter()
            .position(|icoll| self.all_started(setup, *icoll));
        self.rank(rank)
            .proc
            .icolls
            .remove(done.expect("looked at before"));
    }

    pub(super) fn all_started(&self, setup: &Setup, icoll: Icoll) -> bool {
        let members = &setup.program.comms[icoll.comm];
        members
            .iter()
            .all(|&member| self.ranks[member].proc.started[icoll.comm] >= icoll.count)
    }

    pub(super) fn rendezvous_under_way(&self, rank: usize) -> u64 {
        self.under_way(rank)
            .filter(|(_, message)| message.rendezvous)
            .count() as u64
    }

    /// Messages of a rank that have not been received, with their destinations.
    pub(super) fn under_way(&self, rank: usize) -> impl Iterator<Item = (usize, &Message)> {
        let own = self.channels.range((rank, 0)..(rank + 1, 0));
        own.flat_map(|(&(_, to), channel)| channel.iter().map(move |message| (to, message)))
    }
}
