//! What is right and wrong about a job. Judged by what the job itself did, never by what the machines say of it.
use super::job::Job;
use super::proc::Doing;
use super::setup::{Event, Setup};

impl Job {
    /// The program has run to its end on all ranks, each message has come in its turn, and nothing hangs.
    pub fn is_done(&self) -> bool {
        let ended = self
            .ranks
            .iter()
            .all(|rank| rank.proc.alive().next().is_none());
        ended && self.control.root.is_idle()
    }

    /// Whether anything can happen without the root's patience running out.
    pub(super) fn moves(&self, setup: &Setup) -> bool {
        self.candidates(setup)
            .into_iter()
            .any(|event| self.after(setup, event).is_some())
    }

    /// Nothing can happen any more, and the program has not ended.
    pub fn hangs(&self, setup: &Setup) -> bool {
        !self.is_done() && !self.moves(setup) && self.after(setup, Event::Patience).is_none()
    }

    /// What is wrong with the cut that the root has just declared, judged by what the job itself knows.
    pub(super) fn find_fault(&self, setup: &Setup) -> Option<&'static str> {
        let procs = || self.ranks.iter().map(|rank| &rank.proc);
        for (comm, members) in setup.program.comms.iter().enumerate() {
            let first = self.ranks[members[0]].proc.started[comm];
            if members
                .iter()
                .any(|&member| self.ranks[member].proc.started[comm] != first)
            {
                return Some("a collective was started by some members only");
            }
        }
        let threads = || procs().flat_map(|proc| proc.alive());
        if threads().any(|at| !matches!(at.doing, Doing::Running | Doing::InRecv { .. })) {
            return Some("a thread was inside a native call");
        }
        if !procs().all(|proc| proc.is_parked()) {
            return Some("a thread was running");
        }
        if procs().any(|proc| proc.critical_depth > 0) {
            return Some("a rank was inside a critical section");
        }
        if procs().any(|proc| !proc.open.is_empty()) {
            return Some(
                "a nonblocking collective, or access to a file or a window, was under way",
            );
        }
        if procs().any(|proc| proc.cancelling() > 0) {
            return Some("a receive was being cancelled");
        }
        if !self.channels.is_empty() {
            return Some("a message was under way");
        }
        None
    }
}
