//! The root's seat at rank 0: the [`Root`], who asked for checkpoints, and the clocks on the wall.
//!
//! ```text
//!   interval, mana checkpoint, a rank ──► asked ──all ranks joined, none under way──► Root::request
//! ```
use std::time::{Duration, Instant};

use mana_drain::{Broadcast, FIRST_PATIENCE, Refused, Report, Root, Step};
use rustix::event::PollFd;

use crate::link::Link;
use crate::wire::{Ask, Tell};
use crate::{Outcome, Progress};

/// How long the ranks have to join the tree.
const JOINING_PATIENCE: Duration = Duration::from_secs(180);

/// Somebody who runs `mana checkpoint`.
#[derive(Debug)]
struct Client {
    link: Link,
    wants: Want,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Want {
    /// Has not asked yet.
    Nothing,
    /// The next attempt is his.
    Next,
    /// The attempt under way is his.
    ThisOne,
    /// Has his answer.
    Served,
}

/// Requests that the next attempt will serve.
#[derive(Debug, Default)]
struct Asked {
    anybody: bool,
    kill: bool,
    ranks: Vec<u32>,
    /// A rank asked while the attempt under way was yet to find its cut: the cut will find it having asked, so that is
    /// the checkpoint asked for. Only if that comes to nothing there is to be another.
    unless_made: bool,
}

/// What is to be done about the requests.
pub(crate) enum Due {
    Begin(Broadcast),
    Refuse { ranks: Vec<u32>, reason: String },
}

#[derive(Debug)]
pub(crate) struct Seat {
    root: Root,
    clients: Vec<Client>,
    asked: Asked,
    interval: Option<Duration>,
    next_interval: Option<Instant>,
    /// The last change of the root's picture, and when to point out to it how long ago that is.
    last_report: Instant,
    patience_ends: Option<Instant>,
    /// `None` once all ranks have joined, or too much time has passed.
    joining_ends: Option<Instant>,
    all_joined: bool,
}

impl Seat {
    pub(crate) fn new(size: u32, interval: Option<Duration>, now: Instant) -> Seat {
        Seat {
            root: Root::new(size),
            clients: Vec::new(),
            asked: Asked::default(),
            interval,
            next_interval: interval.map(|interval| now + interval),
            last_report: now,
            patience_ends: None,
            joining_ends: Some(now + JOINING_PATIENCE),
            all_joined: false,
        }
    }

    pub(crate) fn all_joined(&mut self) {
        self.all_joined = true;
        self.joining_ends = None;
    }

    /// Checkpoints by the clock are taken after each `interval` from now on.
    pub(crate) fn set_interval(&mut self, interval: Option<Duration>, now: Instant) {
        self.interval = interval;
        self.next_interval = interval.map(|interval| now + interval);
    }

    /// A rank asks. (All ranks of a program may, each when it gets there, and it is one checkpoint that they mean.)
    pub(crate) fn ask(&mut self, from: u32, kill: bool) {
        if self.root.is_converging() && !kill {
            self.asked.unless_made = true;
            return;
        }
        self.asked.anybody = true;
        self.asked.kill |= kill;
        self.asked.ranks.push(from);
    }

    /// What becomes of the requests now. Before all ranks have joined, they wait.
    pub(crate) fn due(&mut self) -> Option<Due> {
        if !self.asked.anybody {
            return None;
        }
        let refused = match self.root.refusal() {
            Some(Refused::Busy) => return None,
            None if !self.all_joined => return None,
            refused => refused,
        };
        let asked = std::mem::take(&mut self.asked);
        let begun = match refused {
            Some(refused) => Err(refused),
            None => self.root.request(asked.kill),
        };
        match begun {
            Ok(intent) => {
                self.clients_of(Want::Next)
                    .for_each(|client| client.wants = Want::ThisOne);
                self.patience_ends = None;
                Some(Due::Begin(intent))
            }
            Err(refused) => {
                let reason = refused.to_string();
                self.conclude(
                    Want::Next,
                    &Outcome::Refused {
                        reason: reason.clone(),
                    },
                );
                Some(Due::Refuse {
                    ranks: asked.ranks,
                    reason,
                })
            }
        }
    }

    pub(crate) fn on_report(&mut self, report: Report, now: Instant) -> Vec<Step> {
        self.last_report = now;
        self.patience_ends = Some(now + FIRST_PATIENCE);
        self.root.on_report(report)
    }

    pub(crate) fn on_prepared(&mut self, prepared: Result<u64, String>) -> Vec<Step> {
        self.root.on_prepared(prepared)
    }

    pub(crate) fn on_committed(&mut self, committed: Result<(), String>) -> Vec<Step> {
        self.root.on_committed(committed)
    }

    pub(crate) fn disable(&mut self, reason: &str) -> Vec<Step> {
        self.root.disable(reason)
    }

    /// Whatever time has come.
    pub(crate) fn on_time(&mut self, now: Instant) -> Vec<Step> {
        self.on_interval(now);
        if self.joining_ends.is_some_and(|end| end <= now) {
            self.joining_ends = None;
            let reason = format!(
                "not all ranks have joined within {} s",
                JOINING_PATIENCE.as_secs()
            );
            tracing::warn!(%reason, "no checkpoints can be made");
            return self.disable(&reason);
        }
        if !self.root.is_converging() || self.patience_ends.is_none_or(|end| end > now) {
            return Vec::new();
        }
        let silence = now - self.last_report;
        self.patience_ends = Some(now + silence);
        self.root.on_patience(silence)
    }

    /// A checkpoint by the clock is left out while another is being made.
    fn on_interval(&mut self, now: Instant) {
        let (Some(interval), Some(next)) = (self.interval, self.next_interval) else {
            return;
        };
        if next > now {
            return;
        }
        self.next_interval = Some((next + interval).max(now));
        if self.root.refusal().is_none() && self.all_joined {
            self.asked.anybody = true;
        }
    }

    /// When [`Seat::on_time`] is to be called.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let patience = self.patience_ends.filter(|_| self.root.is_converging());
        [self.next_interval, patience, self.joining_ends]
            .into_iter()
            .flatten()
            .min()
    }

    pub(crate) fn poll_fds(&self) -> impl Iterator<Item = PollFd<'_>> {
        self.clients.iter().map(|client| client.link.poll_fd())
    }

    pub(crate) fn add_client(&mut self, link: Link) {
        self.clients.push(Client {
            link,
            wants: Want::Nothing,
        });
    }

    /// Hears the clients and forgets those who are gone. One who goes does not withdraw the request.
    pub(crate) fn serve_clients(&mut self) {
        for client in &mut self.clients {
            client.link.read();
            client.link.write();
            if let (Want::Nothing, Some(Ask::Checkpoint { kill })) =
                (client.wants, client.link.next())
            {
                client.wants = Want::Next;
                self.asked.anybody = true;
                self.asked.kill |= kill;
                client.link.send(&Tell::Progress(Progress::Queued));
            }
        }
        self.clients.retain(|client| client.link.broken().is_none());
    }

    /// Lets the clients know how far it has got.
    pub(crate) fn tell_clients(&mut self, broadcast: &Broadcast) {
        if broadcast.is_final() {
            let unless_made = std::mem::take(&mut self.asked.unless_made);
            let made = matches!(broadcast, Broadcast::Committed { .. });
            self.asked.anybody |= unless_made && !made;
        }
        let progress = match broadcast {
            Broadcast::Intent { .. } => Progress::Converging,
            Broadcast::Stop { .. } => Progress::Stopping,
            Broadcast::Write { number, .. } => Progress::Writing { number: *number },
            Broadcast::Targets { .. } => return,
            Broadcast::Committed { number, .. } => {
                return self.conclude(Want::ThisOne, &Outcome::Committed { number: *number });
            }
            Broadcast::Aborted { reason, .. } => {
                return self.conclude(
                    Want::ThisOne,
                    &Outcome::Aborted {
                        reason: reason.clone(),
                    },
                );
            }
        };
        for client in self.clients_of(Want::ThisOne) {
            client.link.send(&Tell::Progress(progress.clone()));
        }
    }

    /// The agent is shut down: nobody will hear from it again.
    pub(crate) fn dismiss_clients(&mut self) {
        let outcome = Outcome::Refused {
            reason: "the program has left MPI".to_owned(),
        };
        self.conclude(Want::Next, &outcome);
    }

    /// The client closes the connection when it has its answer.
    fn conclude(&mut self, wanted: Want, outcome: &Outcome) {
        for client in self.clients_of(wanted) {
            client.wants = Want::Served;
            client.link.send(&Tell::Outcome(outcome.clone()));
            client.link.flush();
        }
    }

    fn clients_of(&mut self, wanted: Want) -> impl Iterator<Item = &mut Client> {
        self.clients
            .iter_mut()
            .filter(move |client| client.wants == wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A seat whose attempt is looking for its cut when rank 1 asks.
    fn asked_in_between() -> Seat {
        let mut seat = Seat::new(2, None, Instant::now());
        seat.all_joined();
        seat.ask(0, false);
        assert!(matches!(seat.due(), Some(Due::Begin(_))));
        seat.ask(1, false);
        assert!(seat.due().is_none());
        seat
    }

    #[test]
    fn who_asks_before_the_cut_is_served_by_it() {
        let mut seat = asked_in_between();
        seat.tell_clients(&Broadcast::Committed {
            epoch: 1,
            number: 1,
            kill: false,
        });
        assert!(!seat.asked.anybody);
    }

    #[test]
    fn who_asked_is_not_forgotten_when_it_comes_to_nothing() {
        let mut seat = asked_in_between();
        seat.tell_clients(&Broadcast::Aborted {
            epoch: 1,
            reason: "no room".to_owned(),
        });
        assert!(seat.asked.anybody);
    }
}
