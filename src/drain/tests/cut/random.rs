//! Random programs on random communicators, run in a random order, with checkpoints at random moments.
//!
//! A program is made from one sequence of happenings, of which each rank does its part in that order: so it is
//! correct MPI, however the library synchronises.
use proptest::prelude::*;

use crate::sim::{Event, Job, Op, Program, Reports, Setup};

/// Something that one or several ranks take part in.
#[derive(Clone, Debug)]
enum Happening {
    Message {
        from: usize,
        to: usize,
        send: u8,
        receive: bool,
    },
    Collective {
        comm: usize,
        nonblocking: bool,
    },
    Waitall {
        rank: usize,
    },
    /// The rank's part in the next happening is a critical section.
    Critical {
        rank: usize,
    },
}

/// Numbers are taken modulo what there is.
fn happening() -> impl Strategy<Value = Happening> {
    let n = 0..12_usize;
    prop_oneof![
        4 => (n.clone(), n.clone(), 0..3_u8, any::<bool>())
            .prop_map(|(from, to, send, receive)| Happening::Message { from, to, send, receive }),
        4 => (n.clone(), any::<bool>()).prop_map(|(comm, nonblocking)| Happening::Collective { comm, nonblocking }),
        1 => n.clone().prop_map(|rank| Happening::Waitall { rank }),
        1 => n.prop_map(|rank| Happening::Critical { rank }),
    ]
}

fn program() -> impl Strategy<Value = Program> {
    let comms = prop::collection::vec(prop::collection::btree_set(0..5_usize, 1..=4), 0..4);
    (
        2..=5_usize,
        comms,
        prop::collection::vec(happening(), 0..25),
    )
        .prop_map(|(size, others, happenings)| {
            let mut comms = vec![(0..size).collect::<Vec<_>>()];
            for members in others {
                let members: Vec<usize> = members
                    .into_iter()
                    .filter(|&member| member < size)
                    .collect();
                comms.extend((!members.is_empty()).then_some(members));
            }
            let ranks = parts(size, &comms, &happenings);
            Program {
                name: "random",
                comms,
                ranks,
            }
        })
}

/// Each rank's part.
fn parts(size: usize, comms: &[Vec<usize>], happenings: &[Happening]) -> Vec<Vec<Op>> {
    let mut ranks = vec![Vec::new(); size];
    let mut critical = vec![false; size];
    for happening in happenings {
        let steps = match *happening {
            Happening::Message {
                from,
                to,
                send,
                receive,
            } => message(from % size, to % size, send, receive),
            Happening::Collective { comm, nonblocking } => {
                let comm = comm % comms.len();
                let op = if nonblocking {
                    Op::Icoll(comm)
                } else {
                    Op::Coll(comm)
                };
                comms[comm].iter().map(|&member| (member, op)).collect()
            }
            Happening::Waitall { rank } => vec![(rank % size, Op::Waitall)],
            Happening::Critical { rank } => {
                critical[rank % size] = true;
                Vec::new()
            }
        };
        for (rank, op) in steps {
            let section = std::mem::take(&mut critical[rank]);
            ranks[rank].extend(section.then_some(Op::CriticalBegin));
            ranks[rank].push(op);
            ranks[rank].extend(section.then_some(Op::CriticalEnd));
        }
    }
    ranks.iter_mut().for_each(|ops| ops.push(Op::Waitall));
    ranks
}

fn message(from: usize, to: usize, send: u8, receive: bool) -> Vec<(usize, Op)> {
    // A rank that sends to itself must not block.
    let sending = match send {
        0 => Op::Send(to),
        1 if from != to => Op::Ssend(to),
        _ => Op::Isend(to),
    };
    let receiving = if receive {
        Op::Recv(from)
    } else {
        Op::Irecv(from)
    };
    vec![(from, sending), (to, receiving)]
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
            Event::Run(rank) | Event::Park(rank) => (0, rank),
            Event::Arrive(from, to) => (1 + from, to),
            Event::Complete(rank) => (20, rank),
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
