//! Small programs that are hard to cut. Each is correct MPI, also where collectives synchronise.
use crate::features;
use crate::sim::Op::{
    Coll, CriticalBegin, CriticalEnd, Free, Icoll, Irecv, Isend, Recv, Send, Ssend, Waitall,
};
use crate::sim::Program;

/// Programs of which every order can be explored in seconds.
pub fn small() -> Vec<Program> {
    let mut all = point_to_point();
    all.extend(collectives());
    all.extend(nonblocking());
    all.extend(communicators());
    all.push(needs_message_from_rank_at_maximum());
    all.extend(features::small());
    all
}

/// Programs for which that takes longer.
pub fn large() -> Vec<Program> {
    let mut all = vec![
        needs_all_to_go_on(),
        chain_of_go(),
        nonblocking_must_not_wait(),
        rows_and_columns(),
    ];
    all.extend(features::large());
    all
}

/// Rank 1 is behind on {1, 2} and waits for a message of rank 0, which is behind nowhere.
pub fn needs_message_from_rank_at_maximum() -> Program {
    Program::new(
        "message from a rank at the maximum",
        &[&[1, 2]],
        [&[Send(1)], &[Recv(0), Coll(1)], &[Coll(1)]],
    )
}

/// Rank 1 is behind on {1, 2} and first has to pass a collective on {0, 1} that nobody has started.
pub fn needs_all_to_go_on() -> Program {
    Program::new(
        "all members go on together",
        &[&[0, 1], &[1, 2]],
        [&[Coll(1)], &[Coll(1), Coll(2)], &[Coll(2)]],
    )
}

/// The same twice over: the second collective cannot be passed before the first.
fn chain_of_go() -> Program {
    Program::new(
        "a chain of three communicators",
        &[&[0, 1], &[1, 2], &[2, 3]],
        [
            &[Coll(1)],
            &[Coll(1), Coll(2)],
            &[Coll(2), Coll(3)],
            &[Coll(3)],
        ],
    )
}

/// Rank 0 initiates a collective that rank 1 comes to only after a message that rank 0 sends behind it, while
/// rank 1 is behind elsewhere: initiation may not wait for rank 1.
pub fn nonblocking_must_not_wait() -> Program {
    Program::new(
        "initiation must not wait",
        &[&[0, 1], &[1, 2]],
        [
            &[Icoll(1), Send(1), Waitall],
            &[Recv(0), Icoll(1), Coll(2), Waitall],
            &[Coll(2)],
        ],
    )
}

/// A grid: each rank is on one communicator with its row and on one with its column.
fn rows_and_columns() -> Program {
    Program::new(
        "rows and columns",
        &[&[0, 1], &[2, 3], &[0, 2], &[1, 3]],
        [
            &[Coll(1), Coll(3)],
            &[Coll(1), Coll(4)],
            &[Coll(2), Coll(3)],
            &[Coll(2), Coll(4)],
        ],
    )
}

/// The smallest program with something to lose.
pub fn eager_message() -> Program {
    Program::new("eager message", &[], [&[Send(1)], &[Recv(0)]])
}

/// The sender is inside MPI until the receiver, parked or not, takes the message.
pub fn blocked_in_a_rendezvous() -> Program {
    Program::new("blocked in a rendezvous", &[], [&[Ssend(1)], &[Recv(0)]])
}

/// Nothing but collectives: one is always under way.
pub fn dense_collectives() -> Program {
    Program::new(
        "dense collectives",
        &[],
        [&[Coll(0), Coll(0)], &[Coll(0), Coll(0)]],
    )
}

/// Rank 0 is two collectives ahead before rank 1 can start the first.
pub fn two_ahead() -> Program {
    Program::new(
        "two nonblocking collectives ahead",
        &[],
        [
            &[Icoll(0), Icoll(0), Send(1), Waitall],
            &[Recv(0), Icoll(0), Icoll(0), Waitall],
        ],
    )
}

fn point_to_point() -> Vec<Program> {
    vec![
        eager_message(),
        blocked_in_a_rendezvous(),
        Program::new(
            "both kinds in one channel",
            &[],
            [
                &[Send(1), Ssend(1), Send(1)],
                &[Recv(0), Irecv(0), Recv(0), Waitall],
            ],
        ),
        Program::new(
            "a message to oneself",
            &[],
            [&[Isend(0), Recv(0), Waitall, Send(1)], &[Recv(0)]],
        ),
        Program::new(
            "a ring of three",
            &[],
            [
                &[Send(1), Recv(2)],
                &[Recv(0), Send(2)],
                &[Recv(1), Send(0)],
            ],
        ),
        Program::new(
            "a nonblocking exchange",
            &[],
            [
                &[Irecv(1), Isend(1), Waitall, Send(1)],
                &[Irecv(0), Isend(0), Waitall, Recv(0)],
            ],
        ),
    ]
}

fn collectives() -> Vec<Program> {
    vec![
        dense_collectives(),
        Program::new(
            "dense collectives of three",
            &[],
            [&[Coll(0)], &[Coll(0)], &[Coll(0)]],
        ),
        Program::new(
            "messages overtaken by a collective",
            &[],
            [&[Send(1), Coll(0), Send(1)], &[Coll(0), Recv(0), Recv(0)]],
        ),
        Program::new("one ends early", &[], [&[], &[Send(2)], &[Recv(1)]]),
    ]
}

fn nonblocking() -> Vec<Program> {
    vec![
        Program::new(
            "a nonblocking collective over work",
            &[],
            [&[Icoll(0), Waitall], &[Icoll(0), Waitall]],
        ),
        two_ahead(),
        Program::new(
            "nonblocking and blocking mixed",
            &[&[0, 1]],
            [&[Icoll(1), Coll(0), Waitall], &[Icoll(1), Coll(0), Waitall]],
        ),
    ]
}

fn communicators() -> Vec<Program> {
    vec![
        Program::new(
            "freed while another is behind",
            &[&[0, 1]],
            [&[Coll(1), Free(1)], &[Coll(1), Free(1)]],
        ),
        Program::new(
            "an ad-hoc group comes back",
            &[&[0, 1]],
            [
                &[Coll(1), Free(1), Coll(1), Free(1)],
                &[Coll(1), Free(1), Coll(1), Free(1)],
            ],
        ),
        Program::new(
            "a critical section waits for another rank",
            &[],
            [
                &[CriticalBegin, Recv(1), CriticalEnd],
                &[CriticalBegin, Send(0), CriticalEnd],
            ],
        ),
        Program::new(
            "a collective inside critical sections",
            &[],
            [
                &[CriticalBegin, Coll(0), CriticalEnd],
                &[CriticalBegin, Coll(0), CriticalEnd],
            ],
        ),
        Program::new(
            "alone on a communicator",
            &[&[0]],
            [&[Coll(1), Coll(0), Coll(1)], &[Coll(0)]],
        ),
    ]
}
