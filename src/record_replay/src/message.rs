//! Messages that a checkpoint drained out of the network before any receive wanted them.
//!
//! ```text
//!   arrival order      0: (comm A, from 1, tag 5)   1: (A, from 2, tag 5)   2: (A, from 1, tag 5)   3: (B, ...)
//!
//!   index per communicator and pattern        (1, 5): 0 2      (2, 5): 1      (1, any): 0 2     (any, 5): 0 1 2
//!                                             (any, any): 0 1 2
//! ```
//!
//! Receives and probes look here first, in order of arrival, so matching stays in order between any two ranks (MPI 4.1
//! section 3.5). Each message is indexed under the four patterns that can match it; a taken message is dropped from the
//! other three lists when it comes to their front, so a match costs amortised O(1) with or without wildcards.

use std::collections::{BTreeMap, HashMap, VecDeque};

use mana_drain::Gid;
use serde::{Deserialize, Serialize};

use crate::abi::{ANY_SOURCE, ANY_TAG};

/// A message taken from the network, not yet received by the application.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DrainedMessage {
    /// The communicator it was sent on.
    pub comm: Gid,
    /// The sender's rank in that communicator (its remote group, for an intercommunicator).
    pub source: i32,
    /// Its tag.
    pub tag: i32,
    /// Its bytes in type map order ([`crate::datatype`] packs and unpacks).
    #[serde(with = "serde_bytes")]
    pub bytes: Vec<u8>,
}

/// What a receive or probe asks for; wildcards are MPI_ANY_SOURCE and MPI_ANY_TAG.
type Pattern = (i32, i32);

/// Drained messages in order of arrival.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Vec<DrainedMessage>", into = "Vec<DrainedMessage>")]
pub struct UnexpectedQueue {
    next_serial: u64,
    messages: BTreeMap<u64, DrainedMessage>,
    by_comm: HashMap<Gid, Index>,
}

#[derive(Clone, Debug, Default)]
struct Index {
    messages: usize,
    by_pattern: HashMap<Pattern, VecDeque<u64>>,
}

impl UnexpectedQueue {
    /// Appends a message that arrived after all that are here.
    pub fn push(&mut self, message: DrainedMessage) {
        let serial = self.next_serial;
        self.next_serial += 1;
        let index = self.by_comm.entry(message.comm).or_default();
        index.messages += 1;
        for pattern in patterns(&message) {
            index
                .by_pattern
                .entry(pattern)
                .or_default()
                .push_back(serial);
        }
        self.messages.insert(serial, message);
    }

    /// The first message that a probe with these arguments sees.
    pub fn peek_match(&mut self, comm: Gid, source: i32, tag: i32) -> Option<&DrainedMessage> {
        let serial = self.find(comm, (source, tag))?;
        self.messages.get(&serial)
    }

    /// Takes the first message that a receive with these arguments matches.
    pub fn take_match(&mut self, comm: Gid, source: i32, tag: i32) -> Option<DrainedMessage> {
        let serial = self.find(comm, (source, tag))?;
        let message = self.messages.remove(&serial)?;
        if let Some(index) = self.by_comm.get_mut(&comm) {
            index.messages -= 1;
            if index.messages == 0 {
                self.by_comm.remove(&comm);
            }
        }
        Some(message)
    }

    fn find(&mut self, comm: Gid, pattern: Pattern) -> Option<u64> {
        if self.messages.is_empty() {
            return None;
        }
        let serials = self.by_comm.get_mut(&comm)?.by_pattern.get_mut(&pattern)?;
        while serials
            .front()
            .is_some_and(|serial| !self.messages.contains_key(serial))
        {
            serials.pop_front();
        }
        serials.front().copied()
    }

    /// Number of messages.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether there is none: the common case, to be tested before anything else.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// The messages in order of arrival.
    pub fn iter(&self) -> impl Iterator<Item = &DrainedMessage> {
        self.messages.values()
    }

    /// Bytes of all messages.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.iter().map(|message| message.bytes.len() as u64).sum()
    }
}

fn patterns(message: &DrainedMessage) -> [Pattern; 4] {
    let (source, tag) = (message.source, message.tag);
    [
        (source, tag),
        (source, ANY_TAG),
        (ANY_SOURCE, tag),
        (ANY_SOURCE, ANY_TAG),
    ]
}

impl From<Vec<DrainedMessage>> for UnexpectedQueue {
    fn from(messages: Vec<DrainedMessage>) -> Self {
        let mut queue = Self::default();
        messages.into_iter().for_each(|message| queue.push(message));
        queue
    }
}

impl From<UnexpectedQueue> for Vec<DrainedMessage> {
    fn from(queue: UnexpectedQueue) -> Self {
        queue.messages.into_values().collect()
    }
}
