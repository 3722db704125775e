//! What a rank of a simulated job does, step by step.

/// One step. Ranks and communicators are numbers; communicator 0 is the world. Computing is no step: a rank may
/// take any time between two of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// A send that MPI buffers.
    Send(usize),
    /// A send that blocks inside MPI until the message has been received.
    Ssend(usize),
    Recv(usize),
    /// A nonblocking send that is complete once the message has been received.
    Isend(usize),
    Irecv(usize),
    /// A blocking collective.
    Coll(usize),
    /// A nonblocking one.
    Icoll(usize),
    /// Waits for all that was begun with an `I`.
    Waitall,
    /// Frees the communicator here; a later collective on it makes it anew, as ad-hoc groups do.
    Free(usize),
    CriticalBegin,
    CriticalEnd,
}

/// A program for a few ranks. Every rank ends with a collective on the world: MPI_Finalize.
#[derive(Clone, Debug)]
pub struct Program {
    pub name: &'static str,
    /// Members of each communicator.
    pub comms: Vec<Vec<usize>>,
    /// Each rank's steps.
    pub ranks: Vec<Vec<Op>>,
}

impl Program {
    /// A program on the world and the `others`.
    pub fn new<const N: usize>(
        name: &'static str,
        others: &[&[usize]],
        ranks: [&[Op]; N],
    ) -> Program {
        let mut comms = vec![(0..N).collect::<Vec<_>>()];
        comms.extend(others.iter().map(|members| members.to_vec()));
        Program {
            name,
            comms,
            ranks: ranks.iter().map(|ops| ops.to_vec()).collect(),
        }
    }

    pub fn size(&self) -> usize {
        self.ranks.len()
    }
}
