//! One rank of a simulated job: where it is in its program, what the engine keeps for it, and its machine.
use std::collections::VecDeque;

use mana_drain::{Activity, ClockId, Gid, Phase, Rank, Report, Start, Verdict};

use super::program::{Op, Program};

/// What a rank is in the middle of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Doing {
    /// Between calls or at the entry of one: a safe point.
    Running,
    /// Inside a native collective, until all members have started it. No safe point.
    InColl { comm: usize, count: u64 },
    /// Inside a native send, until the message is received. No safe point.
    InSsend { to: usize, seq: u32 },
    /// In a waiting loop for the n-th message from there: a safe point.
    InRecv { from: usize, nth: u32 },
    /// Past MPI_Finalize.
    Done,
}

/// A nonblocking collective under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Icoll {
    pub comm: usize,
    pub count: u64,
}

/// A message on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Message {
    pub seq: u32,
    /// The sender's request is complete only when this is received.
    pub rendezvous: bool,
}

/// What an image holds: the rank without its machine, which a restart makes anew.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Proc {
    pub me: usize,
    pub pc: usize,
    pub doing: Doing,
    /// Messages sent to each rank, and posted receives from each.
    pub sent: Vec<u32>,
    pub posted: Vec<u32>,
    /// Messages that reached the program from each rank: always the first so many.
    pub delivered: Vec<u32>,
    /// Messages received while parked that no receive wanted yet.
    pub queue: Vec<VecDeque<u32>>,
    pub icolls: Vec<Icoll>,
    /// Collectives really started since the job began, by communicator.
    pub started: Vec<u64>,
    pub critical_depth: u32,
    pub parked: bool,
    /// A message reached the program out of turn.
    pub misordered: bool,
    /// Clocks of the communicators this rank has used and not freed.
    pub ids: Vec<Option<ClockId>>,
}

/// A rank that runs: its state and its machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Running {
    pub proc: Proc,
    pub machine: Rank,
}

pub fn gid(comm: usize) -> Gid {
    if comm == 0 {
        Gid::WORLD
    } else {
        Gid(100 + comm as u64)
    }
}

impl Proc {
    fn new(me: usize, program: &Program) -> Proc {
        let size = program.size();
        Proc {
            me,
            pc: 0,
            doing: Doing::Running,
            sent: vec![0; size],
            posted: vec![0; size],
            delivered: vec![0; size],
            queue: vec![VecDeque::new(); size],
            icolls: Vec::new(),
            started: vec![0; program.comms.len()],
            critical_depth: 0,
            parked: false,
            misordered: false,
            ids: vec![None; program.comms.len()],
        }
    }

    fn deliver(&mut self, from: usize, seq: u32) {
        self.misordered |= seq != self.delivered[from];
        self.delivered[from] += 1;
    }

    /// A receive wants the next message from there.
    pub fn wants_message(&self, from: usize) -> bool {
        self.posted[from] > self.delivered[from]
    }

    /// Messages received, into the program's buffers or the queue.
    fn received(&self) -> u64 {
        let queued: usize = self.queue.iter().map(VecDeque::len).sum();
        self.delivered.iter().map(|&n| u64::from(n)).sum::<u64>() + queued as u64
    }
}

impl Running {
    pub fn new(me: usize, program: &Program) -> Running {
        Running {
            proc: Proc::new(me, program),
            machine: Rank::new(me as u32),
        }
    }

    /// The rank as a restart brings it back: the image, and a new machine that knows the same communicators.
    pub fn restart(mut proc: Proc, program: &Program) -> Running {
        let mut machine = Rank::new(proc.me as u32);
        for (comm, id) in proc
            .ids
            .iter_mut()
            .enumerate()
            .filter(|(_, id)| id.is_some())
        {
            *id = Some(
                machine
                    .register(gid(comm), program.comms[comm].len() as u32)
                    .unwrap(),
            );
        }
        proc.parked = false;
        Running { proc, machine }
    }

    /// The rank's report, with what the engine would count.
    pub fn report(&self, rendezvous_under_way: u64) -> Report {
        let proc = &self.proc;
        let activity = Activity {
            threads_parked: u32::from(proc.parked),
            threads_total: 1,
            sent: proc.sent.iter().map(|&n| u64::from(n)).sum(),
            received: proc.received(),
            pending: proc.icolls.len() as u64 + rendezvous_under_way,
        };
        self.machine.report(&activity)
    }

    /// Whether the thread may park: at a safe point, outside a critical section.
    pub fn may_park(&self) -> bool {
        let safe = matches!(self.proc.doing, Doing::Running | Doing::InRecv { .. });
        safe && !self.proc.parked
            && self.proc.critical_depth == 0
            && self.machine.phase() == Phase::Stop
    }

    pub fn op(&self, program: &Program) -> Option<Op> {
        program.ranks[self.proc.me].get(self.proc.pc).copied()
    }

    /// Asks the machine to let a collective start, and counts it.
    fn start(&mut self, program: &Program, comm: usize, start: Start) -> bool {
        let size = program.comms[comm].len() as u32;
        let id = match self.proc.ids[comm] {
            Some(id) => id,
            None => self.machine.register(gid(comm), size).unwrap(),
        };
        self.proc.ids[comm] = Some(id);
        let entered = self.machine.may_start(id, start) == Verdict::Enter;
        self.proc.started[comm] += u64::from(entered);
        entered
    }

    /// Begins the program's next step, if it can be begun. Sends go to the outbox.
    pub fn begin(&mut self, program: &Program, outbox: &mut Vec<(usize, Message)>) {
        self.step(program, outbox);
        self.settle();
    }

    fn step(&mut self, program: &Program, outbox: &mut Vec<(usize, Message)>) {
        let Some(op) = self.op(program) else {
            if self.start(program, 0, Start::Blocking) {
                self.machine.finish();
                self.proc.doing = Doing::InColl {
                    comm: 0,
                    count: self.proc.started[0],
                };
            }
            return;
        };
        match op {
            Op::Send(to) => {
                self.send(to, false, outbox);
                self.proc.pc += 1;
            }
            Op::Ssend(to) => {
                self.proc.doing = Doing::InSsend {
                    to,
                    seq: self.proc.sent[to],
                };
                self.send(to, true, outbox);
            }
            Op::Isend(to) => {
                self.send(to, true, outbox);
                self.proc.pc += 1;
            }
            Op::Recv(from) => {
                self.proc.doing = Doing::InRecv {
                    from,
                    nth: self.proc.posted[from],
                };
                self.post(from);
            }
            Op::Irecv(from) => {
                self.post(from);
                self.proc.pc += 1;
            }
            Op::Coll(comm) => {
                if self.start(program, comm, Start::Blocking) {
                    self.proc.doing = Doing::InColl {
                        comm,
                        count: self.proc.started[comm],
                    };
                }
            }
            Op::Icoll(comm) => {
                if self.start(program, comm, Start::Nonblocking) {
                    self.proc.icolls.push(Icoll {
                        comm,
                        count: self.proc.started[comm],
                    });
                    self.proc.pc += 1;
                }
            }
            Op::Waitall => {
                // The rendezvous sends are looked at by the job, which has the channels.
                let proc = &self.proc;
                let received = (0..proc.posted.len()).all(|from| !proc.wants_message(from));
                if received && proc.icolls.is_empty() {
                    self.proc.pc += 1;
                }
            }
            Op::Free(comm) => {
                let id = self.proc.ids[comm].take().expect("freed after use");
                self.machine.retire(id);
                self.proc.pc += 1;
            }
            Op::CriticalBegin => {
                if self.machine.critical_begin() == Verdict::Enter {
                    self.proc.critical_depth += 1;
                    self.proc.pc += 1;
                }
            }
            Op::CriticalEnd => {
                self.machine.critical_end();
                self.proc.critical_depth -= 1;
                self.proc.pc += 1;
            }
        }
    }

    fn send(&mut self, to: usize, rendezvous: bool, outbox: &mut Vec<(usize, Message)>) {
        outbox.push((
            to,
            Message {
                seq: self.proc.sent[to],
                rendezvous,
            },
        ));
        self.proc.sent[to] += 1;
    }

    /// Posts a receive. Messages the engine holds in its queue come before those that are still outside.
    fn post(&mut self, from: usize) {
        self.proc.posted[from] += 1;
        if let Some(seq) = self.proc.queue[from].pop_front() {
            self.proc.deliver(from, seq);
        }
    }

    /// Takes a message that arrives: for a receive that wants it, else (the rank is parked) into the queue.
    pub fn arrive(&mut self, from: usize, message: Message) {
        if self.proc.wants_message(from) {
            self.proc.deliver(from, message.seq);
        } else {
            assert!(
                self.proc.parked,
                "only parked ranks receive what nobody wants"
            );
            self.proc.queue[from].push_back(message.seq);
        }
    }

    /// Whether an agent was woken is not part of a job's state: here it may report at any time.
    pub fn settle(&mut self) {
        self.machine.take_changed();
    }
}
