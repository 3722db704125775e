//! One rank of a simulated job: where its threads are, what the engine keeps for it, and its machine.
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use mana_drain::{Activity, ClockId, Gid, Phase, Rank, Report};

use super::mail::Posted;
use super::program::{Lane, Op, Program};

/// What a thread is in the middle of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Doing {
    /// Between calls, or at the entry of one, or in a waiting loop that has begun nothing: a safe point.
    Running,
    /// Inside the native MPI_Init, until all are. No safe point.
    InInit,
    /// Inside a native collective, until those it waits for have started it. No safe point.
    InColl { comm: usize, count: u64 },
    /// Inside a native send, until the message is received. No safe point.
    InSsend { to: Lane, seq: u32 },
    /// In a waiting loop for the receive with that number: a safe point.
    InRecv { post: u32 },
    /// At its end; the first thread past MPI_Finalize.
    Done,
}

/// A thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Thread {
    pub pc: usize,
    pub doing: Doing,
    pub parked: bool,
}

/// Something nonblocking under way that is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Open {
    /// The thread that began it.
    pub thread: usize,
    pub what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// A collective; and the communicator that it makes.
    Coll {
        comm: usize,
        count: u64,
        makes: Option<usize>,
    },
    /// It needs no other rank.
    Io,
}

/// What an image holds: the rank without its machine, which a restart makes anew.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Proc {
    pub me: usize,
    pub threads: Vec<Thread>,
    /// Past MPI_Init: the rank's agent is there.
    pub joined: bool,
    /// Messages sent on each lane.
    pub sent: BTreeMap<Lane, u32>,
    /// Messages that reached the program on each lane: always the first so many.
    pub delivered: BTreeMap<Lane, u32>,
    /// Receives not complete, in the order in which they were posted.
    pub posted: Vec<Posted>,
    /// Receives posted so far.
    pub posts: u32,
    /// Messages received while parked that no receive wanted yet, as they came.
    pub queue: VecDeque<(Lane, u32)>,
    pub open: Vec<Open>,
    /// Collectives really started since the job began, by communicator.
    pub started: Vec<u64>,
    /// Communicators that are there.
    pub made: Vec<bool>,
    /// Rank 0: lock words that are taken.
    pub locked: BTreeSet<usize>,
    pub critical_depth: u32,
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
        let begin = Thread {
            pc: 0,
            doing: Doing::Running,
            parked: false,
        };
        let comms = program.comms.len();
        Proc {
            me,
            threads: vec![begin; program.ranks[me].len()],
            joined: !program.has(Op::Init),
            sent: BTreeMap::new(),
            delivered: BTreeMap::new(),
            posted: Vec::new(),
            posts: 0,
            queue: VecDeque::new(),
            open: Vec::new(),
            started: vec![0; comms],
            made: (0..comms).map(|comm| program.is_given(comm)).collect(),
            locked: BTreeSet::new(),
            critical_depth: 0,
            misordered: false,
            ids: vec![None; comms],
        }
    }

    /// Threads that have not ended.
    pub fn alive(&self) -> impl Iterator<Item = &Thread> {
        self.threads
            .iter()
            .filter(|thread| thread.doing != Doing::Done)
    }

    /// All threads are parked, and there are some.
    pub fn is_parked(&self) -> bool {
        self.alive().all(|thread| thread.parked) && self.alive().next().is_some()
    }

    /// Receives of which MPI has not decided yet whether they are cancelled.
    pub fn cancelling(&self) -> usize {
        self.posted.iter().filter(|posted| posted.cancelled).count()
    }

    /// All but the first thread have ended.
    pub fn is_joined_by_threads(&self) -> bool {
        let mut others = self.threads.iter().skip(1);
        others.all(|thread| thread.doing == Doing::Done)
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
        proc.unpark();
        Running { proc, machine }
    }

    /// The rank's report, with what the engine would count.
    pub fn report(&self, rendezvous_under_way: u64) -> Report {
        let proc = &self.proc;
        let activity = Activity {
            threads_parked: proc.alive().filter(|thread| thread.parked).count() as u32,
            threads_total: proc.alive().count() as u32,
            sent: proc.sent.values().map(|&n| u64::from(n)).sum(),
            received: proc.received(),
            pending: (proc.open.len() + proc.cancelling()) as u64 + rendezvous_under_way,
        };
        self.machine.report(&activity)
    }

    /// Whether the thread may park: at a safe point, outside a critical section.
    pub fn may_park(&self, thread: usize) -> bool {
        let thread = &self.proc.threads[thread];
        let safe = matches!(thread.doing, Doing::Running | Doing::InRecv { .. });
        safe && !thread.parked
            && self.proc.critical_depth == 0
            && self.machine.phase() == Phase::Stop
    }

    /// The step that the thread is at; none at its end.
    pub fn op(&self, program: &Program, thread: usize) -> Option<Op> {
        let steps = &program.ranks[self.proc.me][thread];
        steps.get(self.proc.threads[thread].pc).copied()
    }

    /// Whether an agent was woken is not part of a job's state: here it may report at any time.
    pub fn settle(&mut self) {
        self.machine.take_changed();
    }
}

impl Proc {
    /// The attempt is over: the threads go on.
    pub fn unpark(&mut self) {
        for thread in &mut self.threads {
            thread.parked = false;
        }
    }
}
