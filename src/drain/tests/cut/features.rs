//! Small programs, one or more per kind of operation that MPI has and [`crate::catalogue`] lacks: threads, MPI_Init,
//! collectives that do not synchronise, communicators that are just being made, wildcards, cancelled receives,
//! epochs, files. What is not here is the same for the machines as something that is; `docs/drain-protocol.md` says why.
use crate::sim::Op::{
    Cancel, Coll, CollWith, CriticalBegin, CriticalEnd, Icoll, Imake, Init, Io, Irecv, IrecvAny,
    Isend, Lock, Make, Recv, RecvAny, RecvUnless, Send, Ssend, Unlock, Waitall,
};
use crate::sim::{Program, on};

/// Programs of which every order can be explored in seconds.
pub fn small() -> Vec<Program> {
    [
        threads(),
        beginnings(),
        collectives(),
        matching(),
        one_sided(),
    ]
    .concat()
}

/// Programs for which that takes longer.
pub fn large() -> Vec<Program> {
    vec![
        Program::new(
            "a neighbourhood's collective",
            &[],
            [
                &[CollWith(0, &[1]), Coll(0)],
                &[CollWith(0, &[0, 2]), Coll(0)],
                &[CollWith(0, &[1]), Coll(0)],
            ],
        ),
        Program::new(
            "a lock held while others are behind",
            &[&[1, 2]],
            [
                &[Lock(0), Send(1), Recv(1), Unlock(0)],
                &[Recv(0), Send(0), Lock(0), Unlock(0), Coll(1)],
                &[Coll(1)],
            ],
        ),
        Program::threads(
            "threads of one rank in two communicators of three",
            &[&[0, 1], &[0, 2]],
            [
                vec![&[Coll(1)], &[Coll(2)]],
                vec![&[Coll(1), Send(2)]],
                vec![&[Recv(1), Coll(2)]],
            ],
        ),
    ]
}

/// One thread waits for a message while the other blocks in a send: both are inside MPI.
pub fn threads_of_one_rank() -> Program {
    Program::threads(
        "two threads on one communicator",
        &[],
        [vec![&[Ssend(1)], &[Recv(1)]], vec![&[Recv(0)], &[Ssend(0)]]],
    )
}

fn threads() -> Vec<Program> {
    vec![
        threads_of_one_rank(),
        Program::threads(
            "two threads on two communicators",
            &[&[0, 1], &[0, 1]],
            [vec![&[Coll(1)], &[Coll(2)]], vec![&[Coll(2), Coll(1)]]],
        ),
        Program::threads(
            "a thread sends while the other is held",
            &[&[0, 1]],
            [
                vec![&[Coll(1), Coll(1)], &[Send(1)]],
                vec![&[Coll(1), Recv(0), Coll(1)]],
            ],
        ),
        Program::threads(
            "one thread's collective after the other's",
            &[],
            [
                vec![&[Icoll(0), Send(0), Waitall], &[Recv(0), Coll(0)]],
                vec![&[Icoll(0), Coll(0), Waitall]],
            ],
        ),
        Program::threads(
            "a critical section in one thread of two",
            &[&[0, 1]],
            [
                vec![&[CriticalBegin, Recv(1), CriticalEnd], &[Coll(1)]],
                vec![&[Coll(1), Send(0)]],
            ],
        ),
    ]
}

/// MPI_Init and what comes at once after it.
pub fn messages_after_init() -> Program {
    Program::new(
        "a message to a rank inside MPI_Init",
        &[],
        [&[Init, Send(1)], &[Init, Recv(0)]],
    )
}

fn beginnings() -> Vec<Program> {
    vec![
        messages_after_init(),
        Program::new(
            "a collective right after MPI_Init",
            &[],
            [&[Init, Coll(0)], &[Init, Coll(0)]],
        ),
        Program::new(
            "a message on a communicator not made yet",
            &[&[0, 1]],
            [
                &[Make(1), Send(on(1, 1)), Send(1)],
                &[Make(1), Recv(0), Recv(on(1, 0))],
            ],
        ),
        Program::new(
            "the same, made by a nonblocking call",
            &[&[0, 1]],
            [
                &[Imake(1), Waitall, Isend(on(1, 1)), Waitall],
                &[Imake(1), Waitall, Recv(on(1, 0))],
            ],
        ),
    ]
}

fn collectives() -> Vec<Program> {
    vec![
        Program::new(
            "a broadcast whose root does not wait",
            &[],
            [
                &[CollWith(0, &[]), CollWith(0, &[]), Send(1)],
                &[CollWith(0, &[0]), CollWith(0, &[0]), Recv(0)],
            ],
        ),
        // The second rank of the root's group passes MPI_PROC_NULL, and waits for nobody.
        Program::new(
            "a broadcast in an intercommunicator",
            &[&[0, 1, 2]],
            [
                &[CollWith(1, &[])],
                &[CollWith(1, &[]), Send(2)],
                &[CollWith(1, &[0]), Recv(1)],
            ],
        ),
        Program::new(
            "a persistent collective started again",
            &[&[0, 1]],
            [
                &[Icoll(1), Waitall, Icoll(1), Send(1), Waitall],
                &[Icoll(1), Waitall, Recv(0), Icoll(1), Waitall],
            ],
        ),
    ]
}

fn matching() -> Vec<Program> {
    vec![
        Program::new(
            "receives from anybody",
            &[],
            [&[Send(2)], &[Send(2)], &[RecvAny(0), RecvAny(0)]],
        ),
        Program::new(
            "one from anybody before one from there",
            &[],
            [
                &[Send(1), Ssend(1), Send(1)],
                &[IrecvAny(0), Irecv(0), Recv(0), Waitall],
            ],
        ),
        Program::new(
            "one from anybody, posted beside one to oneself",
            &[],
            [&[Send(1)], &[IrecvAny(0), Isend(1), RecvAny(0), Waitall]],
        ),
        cancelled(),
        Program::new(
            "a receive from anybody is cancelled",
            &[],
            [
                &[Send(1), Isend(1), Waitall],
                &[IrecvAny(0), Cancel, Waitall, RecvUnless(0, 0), Recv(0)],
            ],
        ),
        Program::new(
            "partitions beside messages",
            &[&[0, 1]],
            [
                &[Isend(on(1, 1)), Send(1), Isend(on(1, 1)), Waitall],
                &[Irecv(on(1, 0)), Irecv(on(1, 0)), Recv(0), Waitall],
            ],
        ),
    ]
}

/// The message goes to the receive or, if that was cancelled before it came, to the next one.
pub fn cancelled() -> Program {
    Program::new(
        "a receive is cancelled",
        &[],
        [
            &[Send(1), Send(1)],
            &[Irecv(0), Cancel, Waitall, RecvUnless(0, 0), Recv(0)],
        ],
    )
}

fn one_sided() -> Vec<Program> {
    vec![
        Program::new(
            "access to memory between fences",
            &[],
            [
                &[Coll(0), Io, Waitall, Coll(0)],
                &[Coll(0), Io, Waitall, Coll(0)],
            ],
        ),
        Program::new(
            "post, start, complete, wait",
            &[],
            [&[Recv(1), Io, Waitall, Send(1)], &[Send(0), Recv(0)]],
        ),
        Program::new(
            "a lock that both want",
            &[],
            [
                &[Lock(0), Io, Waitall, Unlock(0)],
                &[Lock(0), Io, Waitall, Unlock(0)],
            ],
        ),
        Program::new(
            "a lock held over a message and a collective",
            &[],
            [
                &[Lock(0), Send(1), Recv(1), Unlock(0), Coll(0)],
                &[Recv(0), Send(0), Lock(0), Unlock(0), Coll(0)],
            ],
        ),
        Program::new(
            "files under way over a collective",
            &[],
            [&[Io, Io, Coll(0), Waitall], &[Io, Coll(0), Waitall]],
        ),
    ]
}
