//! Testing what is pending while a rank drains, a little in each step.
//!
//! ```text
//!   active requests, oldest first     [ 7  8  9 10 11 12 13 14 ... ]
//!   one step tests from the front      7 done: gone;  8, 9 not: to the back;  ...  until GIVES_UP_AFTER of them were not
//! ```
//!
//! A program may have 100,000 requests under way, of which a few complete between two steps; testing all of them in each
//! step makes the cut wait for seconds. Libraries complete them nearly in the order in which they were started, so a step ends
//! soon after the last of those that are complete, and what it takes does not depend on how many are not.
//!
//! Runs on the leader, all threads being parked, so no request is added. Should a thread appear nevertheless (a user operation
//! may make one), it parks too, and what is to be tested is listed again.

use std::collections::VecDeque;

use crate::engine::state;
use crate::error::MpiError;
use crate::p2p;
use crate::request::{Kind, Progress, Request, RequestId};

/// A step ends when so many requests were not complete.
const GIVES_UP_AFTER: usize = 64;

/// An active request.
#[derive(Clone, Copy)]
struct Waiting {
    id: RequestId,
    /// Whether it has to complete before the cut.
    must_complete: bool,
}

/// The requests that were not complete when they were last tested.
pub(super) struct Sweep {
    waiting: VecDeque<Waiting>,
    /// How many of them have to complete.
    unfinished: u64,
    /// The attempt in which they were listed, and how many threads were parked then.
    listed: (u64, usize),
}

impl Sweep {
    /// All that is active in attempt `epoch`, `threads` being parked.
    pub(super) fn begin(epoch: u64, threads: usize) -> Self {
        let state = state();
        let mut active: Vec<_> = state
            .requests
            .iter()
            .filter(|(_, request)| is_pending(request))
            .map(|(id, request)| (request.started, waiting(id, request)))
            .collect();
        active.sort_unstable_by_key(|(started, _)| *started);
        let waiting: VecDeque<_> = active.into_iter().map(|(_, waiting)| waiting).collect();
        let unfinished = waiting.iter().filter(|one| one.must_complete).count() as u64;
        Self {
            waiting,
            unfinished,
            listed: (epoch, threads),
        }
    }

    /// Whether it is of attempt `epoch`, and no thread has parked since.
    pub(super) fn is_for(&self, epoch: u64, threads: usize) -> bool {
        self.listed == (epoch, threads)
    }

    /// Tests on from where the last step stopped; returns how many are not complete that have to be.
    pub(super) fn step(&mut self) -> Result<u64, MpiError> {
        let mut not_complete = 0;
        for _ in 0..self.waiting.len() {
            let Some(one) = self.waiting.pop_front() else {
                break;
            };
            if is_complete(one.id)? {
                self.unfinished -= u64::from(one.must_complete);
                continue;
            }
            self.waiting.push_back(one);
            not_complete += 1;
            if not_complete == GIVES_UP_AFTER {
                break;
            }
        }
        Ok(self.unfinished)
    }
}

/// Whether the library below has something to say about it.
fn is_pending(request: &Request) -> bool {
    request.progress == Progress::Active && request.native.is_some()
}

/// A receive may stay, but not one that the application has cancelled: only this library knows what comes of that.
fn waiting(id: RequestId, request: &Request) -> Waiting {
    let may_stay = matches!(request.kind, Kind::Receive(_)) && !request.cancelling;
    Waiting {
        id,
        must_complete: !may_stay,
    }
}

/// Tests `id`, unless it has completed on another way.
fn is_complete(id: RequestId) -> Result<bool, MpiError> {
    let pending = state().requests.get(id).is_some_and(is_pending);
    Ok(!pending || p2p::poll(id)?)
}
