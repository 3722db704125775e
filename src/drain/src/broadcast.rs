//! What the root tells all ranks, in the order in which it tells them.
use serde::{Deserialize, Serialize};

use crate::Gid;

/// A message from the root to every rank. Each link of the tree delivers them in order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Broadcast {
    /// A checkpoint begins: collectives are held at their gates from now on.
    Intent {
        /// Number of this attempt, rising by one from 1.
        epoch: u64,
    },
    /// A rank may start collectives on each of these communicators up to this count. Adds to what earlier
    /// ones allowed.
    Targets {
        /// The attempt.
        epoch: u64,
        /// Communicator and the count that may be reached; only what changed. These communicators all their members
        /// have reported, so the way to them is known ([`crate::Node::narrow`]).
        targets: Vec<(Gid, u64)>,
        /// The same where some member has reported nothing: it may be anywhere, so this goes everywhere.
        to_all: Vec<(Gid, u64)>,
    },
    /// All clocks agree: every thread parks at its next safe point, and parked ranks receive what arrives.
    Stop {
        /// The attempt.
        epoch: u64,
    },
    /// The cut: every rank is parked and nothing is in flight. Each writes its image.
    Write {
        /// The attempt.
        epoch: u64,
        /// Number of the checkpoint's directory, chosen by rank 0.
        number: u64,
    },
    /// The checkpoint is there, whole. All run on, or end.
    Committed {
        /// The attempt.
        epoch: u64,
        /// Number of the checkpoint's directory.
        number: u64,
        /// The job was asked to end once it was saved.
        kill: bool,
    },
    /// There will be no checkpoint this time; all run on.
    Aborted {
        /// The attempt.
        epoch: u64,
        /// What went wrong, where; for people.
        reason: String,
    },
}

impl Broadcast {
    /// The attempt this message belongs to.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        match *self {
            Broadcast::Intent { epoch }
            | Broadcast::Targets { epoch, .. }
            | Broadcast::Stop { epoch }
            | Broadcast::Write { epoch, .. }
            | Broadcast::Committed { epoch, .. }
            | Broadcast::Aborted { epoch, .. } => epoch,
        }
    }

    /// Whether this message ends its attempt.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            Broadcast::Committed { .. } | Broadcast::Aborted { .. }
        )
    }
}
