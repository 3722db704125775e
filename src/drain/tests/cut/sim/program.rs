//! What the threads of a simulated job's ranks do, step by step.

/// One step. Ranks and communicators are numbers; communicator 0 is the world. Computing is no step: a rank may
/// take any time between two of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// Starts MPI, as the first step of the first thread. A program without it begins with MPI started.
    Init,
    /// A send that MPI buffers.
    Send(Lane),
    /// A send that blocks inside MPI until the message has been received.
    Ssend(Lane),
    Recv(Lane),
    /// From whoever sends on the communicator.
    RecvAny(usize),
    /// Receives, unless more than so many messages have come from there.
    RecvUnless(Lane, u32),
    /// A nonblocking send that is complete once the message has been received.
    Isend(Lane),
    Irecv(Lane),
    IrecvAny(usize),
    /// Cancels what the thread has posted and not received: MPI does it at some time, or a message comes first.
    Cancel,
    /// A blocking collective.
    Coll(usize),
    /// One in which this rank waits only for these others: a broadcast, or a neighbourhood's.
    CollWith(usize, &'static [usize]),
    /// A nonblocking one.
    Icoll(usize),
    /// Makes the communicator, by a collective on the world.
    Make(usize),
    /// The same, nonblocking.
    Imake(usize),
    /// Something under way that needs no other rank: access to a file, or to another's memory.
    Io,
    /// Waits for all that the thread began with an `I`.
    Waitall,
    /// Frees the communicator here; a later collective on it makes it anew, as ad-hoc groups do.
    Free(usize),
    /// Takes the lock with that number, a word in rank 0's memory; waits while another has it.
    Lock(usize),
    Unlock(usize),
    CriticalBegin,
    CriticalEnd,
}

/// Another rank on some communicator, as one number: the rank itself on the world.
pub type Lane = usize;

/// More than any job here has ranks.
const LANES: usize = 16;

/// Rank `peer` on communicator `comm`.
pub const fn on(comm: usize, peer: usize) -> Lane {
    comm * LANES + peer
}

/// The communicator of a lane.
pub fn comm_of(lane: Lane) -> usize {
    lane / LANES
}

/// The rank at its other end.
pub fn peer_of(lane: Lane) -> usize {
    lane % LANES
}

/// A program for a few ranks. The first thread of every rank waits for the others to end, and ends with a collective
/// on the world: MPI_Finalize.
#[derive(Clone, Debug)]
pub struct Program {
    pub name: &'static str,
    /// Members of each communicator.
    pub comms: Vec<Vec<usize>>,
    /// The steps of each rank's threads.
    pub ranks: Vec<Vec<Vec<Op>>>,
}

impl Program {
    /// A program on the world and the `others`, a thread per rank.
    pub fn new<const N: usize>(
        name: &'static str,
        others: &[&[usize]],
        ranks: [&[Op]; N],
    ) -> Program {
        Program::threads(name, others, ranks.map(|ops| vec![ops]))
    }

    /// One with several threads per rank.
    pub fn threads<const N: usize>(
        name: &'static str,
        others: &[&[usize]],
        ranks: [Vec<&[Op]>; N],
    ) -> Program {
        let mut comms = vec![(0..N).collect::<Vec<_>>()];
        comms.extend(others.iter().map(|members| members.to_vec()));
        let of_rank = |threads: Vec<&[Op]>| threads.into_iter().map(<[Op]>::to_vec).collect();
        Program {
            name,
            comms,
            ranks: ranks.into_iter().map(of_rank).collect(),
        }
    }

    pub fn size(&self) -> usize {
        self.ranks.len()
    }

    /// Whether any step of the program is `op`.
    pub fn has(&self, op: Op) -> bool {
        self.ranks
            .iter()
            .flatten()
            .flatten()
            .any(|&step| step == op)
    }

    /// Whether the communicator is there from the beginning.
    pub fn is_given(&self, comm: usize) -> bool {
        !self.has(Op::Make(comm)) && !self.has(Op::Imake(comm))
    }
}
