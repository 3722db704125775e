//! The MPI of a simulated job: when a thread gets on. Collectives and rendezvous sends block as long as they may.
use super::job::Job;
use super::mail::Message;
use super::proc::{Doing, Open, What};
use super::program::{Lane, Op, comm_of, on, peer_of};
use super::setup::Setup;

impl Job {
    pub(super) fn run(&mut self, setup: &Setup, rank: usize, thread: usize) {
        let finished = match self.ranks[rank].proc.threads[thread].doing {
            Doing::Running => return self.begin(setup, rank, thread),
            Doing::InInit => self.all_in_init(),
            Doing::InColl { comm, count } => match self.ranks[rank].op(&setup.program, thread) {
                Some(Op::CollWith(_, others)) => self.have_started(others, comm, count),
                _ => self.have_started(&setup.program.comms[comm], comm, count),
            },
            Doing::InSsend { to, seq } => !self
                .under_way(rank)
                .any(|(dest, message)| dest == to && message.seq == seq),
            Doing::InRecv { post } => self.ranks[rank].proc.has_received(post),
            Doing::Done => false,
        };
        if finished {
            self.leave(setup, rank, thread);
        }
    }

    /// The call that the thread is in returns.
    fn leave(&mut self, setup: &Setup, rank: usize, thread: usize) {
        let running = self.rank(rank);
        let op = running.op(&setup.program, thread);
        match op {
            Some(Op::Init) => running.proc.joined = true,
            Some(Op::Make(comm)) => running.proc.made[comm] = true,
            _ => {}
        }
        let at = &mut running.proc.threads[thread];
        at.doing = if op.is_some() {
            Doing::Running
        } else {
            Doing::Done
        };
        at.pc += usize::from(op.is_some());
    }

    fn begin(&mut self, setup: &Setup, rank: usize, thread: usize) {
        let host = &self.ranks[0].proc.locked;
        match self.ranks[rank].op(&setup.program, thread) {
            Some(Op::Waitall) if self.awaits_receivers(rank, thread) => return,
            Some(Op::Lock(word)) if host.contains(&word) => return,
            Some(Op::Lock(word)) => drop(self.rank(0).proc.locked.insert(word)),
            Some(Op::Unlock(word)) => drop(self.rank(0).proc.locked.remove(&word)),
            _ => {}
        }
        if let Some((to, message)) = self.rank(rank).begin(&setup.program, thread) {
            self.channels
                .entry((rank, to))
                .or_default()
                .push_back(message);
        }
    }

    /// Whether MPI can complete it.
    pub(super) fn can_complete(&self, setup: &Setup, open: &Open) -> bool {
        match open.what {
            What::Coll { comm, count, .. } => {
                self.have_started(&setup.program.comms[comm], comm, count)
            }
            What::Io => true,
        }
    }

    pub(super) fn complete(&mut self, setup: &Setup, rank: usize) {
        let open = &self.ranks[rank].proc.open;
        let done = open.iter().position(|open| self.can_complete(setup, open));
        let proc = &mut self.rank(rank).proc;
        let completed = proc.open.remove(done.expect("looked at before"));
        if let What::Coll {
            makes: Some(comm), ..
        } = completed.what
        {
            proc.made[comm] = true;
        }
    }

    fn have_started(&self, members: &[usize], comm: usize, count: u64) -> bool {
        members
            .iter()
            .all(|&member| self.ranks[member].proc.started[comm] >= count)
    }

    /// The native MPI_Init returns when all have come.
    fn all_in_init(&self) -> bool {
        let has_come =
            |proc: &super::proc::Proc| proc.joined || proc.threads[0].doing == Doing::InInit;
        self.ranks.iter().all(|rank| has_come(&rank.proc))
    }

    /// Whether the thread has sends that are complete only when they are received.
    fn awaits_receivers(&self, rank: usize, thread: usize) -> bool {
        let mut under_way = self.under_way(rank);
        under_way.any(|(_, message)| message.rendezvous && message.thread == thread)
    }

    pub(super) fn rendezvous_under_way(&self, rank: usize) -> u64 {
        self.under_way(rank)
            .filter(|(_, message)| message.rendezvous)
            .count() as u64
    }

    /// Messages of a rank that have not been received, with their destinations.
    pub(super) fn under_way(&self, rank: usize) -> impl Iterator<Item = (Lane, &Message)> {
        let own = self.channels.range((rank, 0)..(rank + 1, 0));
        own.flat_map(|(&(_, to), channel)| channel.iter().map(move |message| (to, message)))
    }

    /// Receiver, and the lane on which it sees messages that `from` sends to `to`.
    pub(super) fn receiver(from: usize, to: Lane) -> (usize, Lane) {
        (peer_of(to), on(comm_of(to), from))
    }
}
