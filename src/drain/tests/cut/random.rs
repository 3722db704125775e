//! Random programs on random communicators, run in a random order, with checkpoints at random moments.
//!
//! A program is made from one sequence of happenings, of which each rank does its part in that order: so it is
//! correct MPI, however the library synchronises.
use proptest::prelude::*;

use crate::sim::{Event, Job, Op, Program, Reports, Setup, on};

/// Something that one or several ranks take part in. Numbers are taken modulo what there is.
#[derive(Clone, Debug)]
enum Happening {
    Message {
        from: usize,
        to: usize,
        send: u8,
        receive: bool,
        /// On the communicator on which all receives are from anybody.
        anybody: bool,
    },
    Collective {
        comm: usize,
        how: Collective,
    },
    Waitall {
        rank: usize,
    },
    /// The part in the next happening of the thread that takes this one is a critical section.
    Critical {
        rank: usize,
    },
    /// A file, or another's memory.
    Io {
        rank: usize,
    },
    Locked {
        rank: usize,
    },
}

#[derive(Clone, Copy, Debug)]
enum Collective {
    Blocking,
    Nonblocking,
    /// All but the communicator's first member wait for that one only, and it for nobody.
    Broadcast,
}

/// What happens, and the thread that takes part where any may: two may not be in collectives of one communicator at
/// once, and what they receive from one rank must not depend on which is first.
type Step = (Happening, usize);

fn happening() -> impl Strategy<Value = Step> {
    let n = 0..12_usize;
    let how = prop_oneof![
        Just(Collective::Blocking),
        Just(Collective::Nonblocking),
        Just(Collective::Broadcast)
    ];
    let what = prop_oneof![
        4 => (n.clone(), n.clone(), 0..3_u8, any::<bool>(), prop::bool::weighted(0.3))
            .prop_map(|(from, to, send, receive, anybody)| Happening::Message { from, to, send, receive, anybody }),
        4 => (n.clone(), how).prop_map(|(comm, how)| Happening::Collective { comm, how }),
        1 => n.clone().prop_map(|rank| Happening::Waitall { rank }),
        1 => n.clone().prop_map(|rank| Happening::Critical { rank }),
        1 => n.clone().prop_map(|rank| Happening::Io { rank }),
        1 => n.prop_map(|rank| Happening::Locked { rank }),
    ];
    (what, 0..2_usize)
}

fn program() -> impl Strategy<Value = Program> {
    let comms = prop::collection::vec(prop::collection::btree_set(0..5_usize, 1..=4), 0..4);
    (
        2..=5_usize,
        comms,
        1..=2_usize,
        prop::collection::vec(happening(), 0..25),
    )
        .prop_map(|(size, others, threads, steps)| {
            let world = || (0..size).collect::<Vec<_>>();
            let mut comms = vec![world()];
            for members in others {
                let members: Vec<usize> = members
                    .into_iter()
                    .filter(|&member| member < size)
                    .collect();
                comms.extend((!members.is_empty()).then_some(members));
            }
            let parts = Parts::of(size, threads, &comms, &steps);
            comms.push(world());
            Program {
                name: "random",
                comms,
                ranks: parts.ranks,
            }
        })
}

/// What each rank's threads do.
struct Parts {
    ranks: Vec<Vec<Vec<Op>>>,
    /// The thread's next part is a critical section.
    critical: Vec<Vec<bool>>,
}

impl Parts {
    fn of(size: usize, threads: usize, comms: &[Vec<usize>], steps: &[Step]) -> Parts {
        let mut parts = Parts {
            ranks: vec![vec![Vec::new(); threads]; size],
            critical: vec![vec![false; threads]; size],
        };
        for (happening, thread) in steps {
            parts.add(comms, happening, thread % threads);
        }
        for ops in parts.ranks.iter_mut().flatten() {
            ops.push(Op::Waitall);
        }
        parts
    }

    fn add(&mut self, comms: &[Vec<usize>], happening: &Happening, thread: usize) {
        let (size, threads) = (self.ranks.len(), self.ranks[0].len());
        match *happening {
            Happening::Message {
                from,
                to,
                send,
                receive,
                anybody,
            } => {
                let (from, to) = (from % size, to % size);
                let anybody = anybody.then_some(comms.len());
                // Messages that compete for receives are sent and received in one order.
                let of_pair = (from + to) % threads;
                let (sender, receiver) = match anybody {
                    None => (of_pair, of_pair),
                    Some(_) => (thread, 0),
                };
                self.push(from, sender, &[sending(from, to, send, anybody)]);
                self.push(to, receiver, &[receiving(from, receive, anybody)]);
            }
            Happening::Collective { comm, how } => {
                let comm = comm % comms.len();
                for &member in &comms[comm] {
                    let op = collective(comm, comms[comm][0], member, how);
                    self.push(member, comm % threads, &[op]);
                }
            }
            Happening::Waitall { rank } => self.push(rank % size, thread, &[Op::Waitall]),
            Happening::Critical { rank } => self.critical[rank % size][thread] = true,
            Happening::Io { rank } => self.push(rank % size, thread, &[Op::Io]),
            Happening::Locked { rank } => {
                let ops = [Op::Lock(0), Op::Io, Op::Unlock(0)];
                self.push(rank % size, thread, &ops);
            }
        }
    }

    fn push(&mut self, rank: usize, thread: usize, steps: &[Op]) {
        let section = std::mem::take(&mut self.critical[rank][thread]);
        let ops = &mut self.ranks[rank][thread];
        ops.extend(section.then_some(Op::CriticalBegin));
        ops.extend(steps);
        ops.extend(section.then_some(Op::CriticalEnd));
    }
}

fn sending(from: usize, to: usize, send: u8, anybody: Option<usize>) -> Op {
    // A later message may come before this one at its receive, and this one at one that is not posted yet: so a
    // program may not wait until a message to anybody's receive is taken.
    if let Some(comm) = anybody {
        return Op::Send(on(comm, to));
    }
    match send {
        0 => Op::Send(to),
        // A rank that sends to itself must not block.
        1 if from != to => Op::Ssend(to),
        _ => Op::Isend(to),
    }
}

fn receiving(from: usize, blocking: bool, anybody: Option<usize>) -> Op {
    match (anybody, blocking) {
        (None, true) => Op::Recv(from),
        (None, false) => Op::Irecv(from),
        (Some(comm), true) => Op::RecvAny(comm),
        (Some(comm), false) => Op::IrecvAny(comm),
    }
}

/// The part of `member` in a collective whose first member is `root`.
fn collective(comm: usize, root: usize, member: usize, how: Collective) -> Op {
    const ALONE: [&[usize]; 5] = [&[0], &[1], &[2], &[3], &[4]];
    match how {
        Collective::Blocking => Op::Coll(comm),
        Collective::Nonblocking => Op::Icoll(comm),
        Collective::Broadcast if member == root => Op::CollWith(comm, &[]),
        Collective::Broadcast => Op::CollWith(comm, ALONE[root]),
    }
}

/// Chooses what happens next. Each kind of event on each rank gets a speed of its own, so that some runs have a
/// rank that is always late, or an agent.
struct Scheduler {
    state: u64,
}

impl Scheduler {
    fn number(&mut self) -> u64 {
        // xorshift64*: enough for choosing.
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    fn speed(seed: u64, event: Event) -> u64 {
        let (kind, rank) = match event {
            Event::Run(rank, thread) | Event::Park(rank, thread) => (26 + thread, rank),
            Event::Arrive(from, to) => (1 + from, to),
            Event::Complete(rank) | Event::Cancelled(rank) => (20, rank),
            Event::Report(rank) | Event::Rise(rank) => (21, rank),
            Event::Fall(rank) => (22, rank),
            Event::Request => (23, 0),
            Event::Patience => (24, 0),
            Event::Write(rank) | Event::Fail(rank) => (25, rank),
        };
        let mixed = (seed ^ (kind * 16 + rank) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 60;
        [1, 3, 10, 40][mixed as usize % 4]
    }

    fn choose(&mut self, seed: u64, events: &[Event]) -> usize {
        let total: u64 = events
            .iter()
            .map(|&event| Scheduler::speed(seed, event))
            .sum();
        let mut at = self.number() % total;
        for (index, &event) in events.iter().enumerate() {
            let speed = Scheduler::speed(seed, event);
            if at < speed {
                return index;
            }
            at -= speed;
        }
        unreachable!("the speeds add up to more than any number below their sum")
    }
}

/// Runs a job to its end.
fn run(setup: &Setup, seed: u64) -> Result<Job, TestCaseError> {
    let mut job = Job::new(setup);
    let mut scheduler = Scheduler { state: seed | 1 };
    loop {
        let mut events = job.candidates(setup);
        let mut next = None;
        while next.is_none() && !events.is_empty() {
            let event = events.swap_remove(scheduler.choose(seed, &events));
            next = job.after(setup, event);
        }
        let Some(next) = next.or_else(|| job.after(setup, Event::Patience)) else {
            break;
        };
        job = next;
        prop_assert_eq!(job.bad_cut, None);
        prop_assert!(
            job.ranks.iter().all(|rank| !rank.proc.misordered),
            "messages out of order"
        );
    }
    Ok(job)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_programs_end_whatever_the_order(
        program in program(),
        requests in 0..4_u32,
        restart: bool,
        may_fail: bool,
        arity in 1..4_u32,
        delayed: bool,
        seed: u64,
    ) {
        let reports = if delayed { Reports::Delayed } else { Reports::Sampled };
        let setup = Setup { requests, restart, may_fail, arity, reports, ..Setup::new(program) };
        let job = run(&setup, seed)?;
        prop_assert!(job.is_done(), "hangs: {:#?}", job);
        prop_assert_eq!(job.committed + job.aborted, requests);
        if let Some(reason) = &job.last_abort {
            prop_assert!(reason.contains("MPI_Finalize") || reason.contains("no space left"), "{}", reason);
        }
    }
}
