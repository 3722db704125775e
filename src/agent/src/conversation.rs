//! What an agent does about what its neighbours say, and about their silence.
//!
//! A neighbour that ends its connection without a `Bye` is dead. Below: the root hears of it and abandons what is
//! under way. Above: this agent does so itself, for its own subtree.
use mana_drain::Broadcast;

use crate::neighbours::Neighbour;
use crate::service::Service;
use crate::wire::{Down, Up};

impl Service {
    pub(crate) fn hear_parent(&mut self) {
        let Some(link) = self.neighbours.parent.as_mut().and_then(Neighbour::link) else {
            return;
        };
        link.read();
        let mut heard = Vec::new();
        while let Some(message) = link.next() {
            heard.push(message);
        }
        let broken = link.broken().map(ToOwned::to_owned);
        for message in heard {
            match message {
                Down::Broadcast(broadcast) => self.broadcast(&broadcast),
                Down::Refused { to, reason } => self.refuse(to, &reason),
                Down::Bye => self.lose_parent("the rank above this one has left MPI", true),
            }
            self.exchange_reports();
        }
        if let Some(error) = broken {
            self.lose_parent(
                &format!(
                    "the connection of rank {} to the rank above it broke: {error}",
                    self.me
                ),
                false,
            );
        }
    }

    pub(crate) fn hear_child(&mut self, child: u32) {
        let Some(place) = self.neighbours.children.get_mut(&child) else {
            return;
        };
        let Some(link) = place.neighbour.link() else {
            return;
        };
        link.read();
        let mut heard = Vec::new();
        while let Some(message) = link.next() {
            heard.push(message);
        }
        let broken = link.broken().map(ToOwned::to_owned);
        for message in heard {
            self.obey_child(child, message);
        }
        if let Some(error) = broken {
            self.lose_child(child, format!("rank {child} is gone ({error})"), false);
        }
    }

    fn obey_child(&mut self, child: u32, message: Up) {
        match message {
            Up::Ready => {
                if let Some(child) = self.neighbours.children.get_mut(&child) {
                    child.ready = true;
                }
            }
            Up::Report(report) => self.node.on_child(child, report),
            Up::Request { from, kill } => self.request(from, kill),
            Up::Gone { why, quietly } => self.report_gone(why, quietly),
            Up::Bye => self.lose_child(child, format!("rank {child} has left MPI"), true),
        }
    }

    /// A rank asks for a checkpoint: the root decides.
    pub(crate) fn request(&mut self, from: u32, kill: bool) {
        match (&mut self.seat, &self.neighbours.parent) {
            (Some(seat), _) => seat.ask(from, kill),
            (None, Some(Neighbour::Gone)) => self.refuse(from, "this rank is cut off from rank 0"),
            (None, _) => self.neighbours.send_up(&Up::Request { from, kill }),
        }
    }

    pub(crate) fn refuse(&mut self, rank: u32, reason: &str) {
        if rank == self.me {
            self.port.refused(reason);
        } else {
            self.neighbours.send_down(&Down::Refused {
                to: rank,
                reason: reason.to_owned(),
            });
        }
    }

    fn lose_child(&mut self, child: u32, why: String, quietly: bool) {
        if let Some(place) = self.neighbours.children.get_mut(&child)
            && !matches!(place.neighbour, Neighbour::Gone)
        {
            place.neighbour = Neighbour::Gone;
            self.report_gone(why, quietly);
        }
    }

    /// No image of the job can be whole any more: the root is told, and says so once.
    fn report_gone(&mut self, why: String, quietly: bool) {
        let quietly = quietly || self.ending;
        match &mut self.seat {
            Some(seat) => {
                let steps = seat.disable(&why);
                if !quietly && !std::mem::replace(&mut self.said_gone, true) {
                    tracing::warn!(
                        "{why}; the other ranks run on, but no more checkpoints can be made"
                    );
                }
                self.perform(steps);
            }
            None => self.neighbours.send_up(&Up::Gone { why, quietly }),
        }
    }

    /// Cut off from the root: whatever is under way here ends, or the ranks of this subtree would be held for
    /// ever.
    pub(crate) fn lose_parent(&mut self, why: &str, quietly: bool) {
        if matches!(self.neighbours.parent, Some(Neighbour::Gone)) {
            return;
        }
        self.neighbours.parent = Some(Neighbour::Gone);
        if !quietly && !self.ending && !std::mem::replace(&mut self.said_gone, true) {
            tracing::warn!(
                "{why}; this rank and those below it run on, but no more checkpoints can be made"
            );
        }
        if let Some(epoch) = self.epoch {
            self.broadcast(&Broadcast::Aborted {
                epoch,
                reason: why.to_owned(),
            });
        }
    }
}
