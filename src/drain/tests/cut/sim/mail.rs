//! The messages of one rank: sending, posting receives, and matching what arrives.
//!
//! A message goes to the oldest posted receive that takes it, whether that names its source or not. Messages that the
//! engine has in its queue come before those that are still outside.
use super::proc::{Proc, Running};
use super::program::{Lane, comm_of};

/// A message on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Message {
    pub seq: u32,
    /// The thread that sent it.
    pub thread: usize,
    /// The sender's request is complete only when this is received.
    pub rendezvous: bool,
}

/// Whom a receive is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    Lane(Lane),
    /// Anybody on the communicator.
    Any(usize),
}

/// A receive that is not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Posted {
    pub post: u32,
    /// The thread that posted it.
    pub thread: usize,
    pub source: Source,
    /// MPI_Cancel was called: it ends one way or the other.
    pub cancelled: bool,
}

impl Source {
    fn takes(self, lane: Lane) -> bool {
        match self {
            Source::Lane(wanted) => wanted == lane,
            Source::Any(comm) => comm == comm_of(lane),
        }
    }
}

impl Proc {
    /// Whether a receive wants the next message of the lane.
    pub fn wants_message(&self, lane: Lane) -> bool {
        self.posted.iter().any(|posted| posted.source.takes(lane))
    }

    /// Whether a message of the lane can be received by the engine, into its queue: the first thread does that once it
    /// is parked, whatever the others do.
    pub fn can_queue(&self, lane: Lane) -> bool {
        self.threads[0].parked && self.made[comm_of(lane)]
    }

    /// Whether receive number `post` is complete.
    pub fn has_received(&self, post: u32) -> bool {
        self.posted.iter().all(|posted| posted.post != post)
    }

    /// Messages received, into the program's buffers or the queue.
    pub fn received(&self) -> u64 {
        let delivered: u64 = self.delivered.values().map(|&n| u64::from(n)).sum();
        delivered + self.queue.len() as u64
    }

    /// Messages that have reached the program on the lane.
    pub fn delivered_on(&self, lane: Lane) -> u32 {
        self.delivered.get(&lane).copied().unwrap_or(0)
    }

    fn deliver(&mut self, lane: Lane, seq: u32) {
        self.misordered |= seq != self.delivered_on(lane);
        *self.delivered.entry(lane).or_default() += 1;
    }

    /// MPI makes the oldest cancellation come true.
    pub fn drop_cancelled(&mut self) {
        let oldest = self.posted.iter().position(|posted| posted.cancelled);
        self.posted.remove(oldest.expect("looked at before"));
    }
}

impl Running {
    /// A message leaves.
    pub(super) fn send(&mut self, thread: usize, to: Lane, rendezvous: bool) -> (Lane, Message) {
        let sent = self.proc.sent.entry(to).or_default();
        let seq = *sent;
        *sent += 1;
        let message = Message {
            seq,
            thread,
            rendezvous,
        };
        (to, message)
    }

    /// Posts a receive, and gives its number.
    pub(super) fn post(&mut self, thread: usize, source: Source) -> u32 {
        let post = self.proc.posts;
        self.proc.posts += 1;
        let kept = |&(lane, _): &(Lane, u32)| source.takes(lane);
        if let Some(at) = self.proc.queue.iter().position(kept) {
            let (lane, seq) = self.proc.queue.remove(at).expect("found there");
            self.proc.deliver(lane, seq);
        } else {
            self.proc.posted.push(Posted {
                post,
                thread,
                source,
                cancelled: false,
            });
        }
        post
    }

    /// Takes a message that arrives: for a receive that wants it, else (the rank is parked) into the queue.
    pub fn arrive(&mut self, lane: Lane, message: Message) {
        let mut posted = self.proc.posted.iter();
        if let Some(first) = posted.position(|posted| posted.source.takes(lane)) {
            self.proc.posted.remove(first);
            self.proc.deliver(lane, message.seq);
        } else {
            assert!(
                self.proc.can_queue(lane),
                "only parked ranks receive what nobody wants"
            );
            self.proc.queue.push_back((lane, message.seq));
        }
    }
}
