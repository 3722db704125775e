//! The agent's thread: waits for an event, looks at everything, moves what is to be moved, waits again.
//!
//! There are at most about a dozen sockets, so after each event all of them are looked at: no table of who
//! is ready that could be wrong.
use std::sync::Arc;
use std::time::{Duration, Instant};

use mana_drain::{Broadcast, Node, Step, Tree};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::agent::{AgentConfig, Command, Shared};
use crate::neighbours::Neighbours;
use crate::seat::{Due, Seat};
use crate::wire::{Down, Up};
use crate::{Contact, Listener, RankPort};

/// When a rank's threads are signalled again if they have not parked: first and longest pause.
const FIRST_RESTOP: Duration = Duration::from_millis(1);
const LAST_RESTOP: Duration = Duration::from_millis(100);

/// The rank's threads have been told to park and have not all done so.
struct Stopping {
    next: Instant,
    pause: Duration,
}

pub(crate) struct Service {
    pub(crate) me: u32,
    parent: Option<(u32, Contact)>,
    pub(crate) port: Arc<dyn RankPort>,
    shared: Arc<Shared>,
    pub(crate) neighbours: Neighbours,
    /// At rank 0.
    pub(crate) seat: Option<Seat>,
    pub(crate) node: Node,
    /// The attempt under way.
    pub(crate) epoch: Option<u64>,
    stopping: Option<Stopping>,
    said_ready: bool,
    pub(crate) said_gone: bool,
    /// The job ends: connections break, and that is no news.
    pub(crate) ending: bool,
    leaving: bool,
}

impl Service {
    pub(crate) fn new(
        listener: Listener,
        config: AgentConfig,
        port: Arc<dyn RankPort>,
        shared: Arc<Shared>,
    ) -> Service {
        let tree = Tree::new(config.rank, config.size, config.arity);
        let seat =
            (config.rank == 0).then(|| Seat::new(config.size, config.interval, Instant::now()));
        if let Err(error) = listener.socket.set_nonblocking(true) {
            tracing::error!(%error, "the agent's socket stays blocking");
        }
        Service {
            me: config.rank,
            parent: tree
                .parent()
                .map(|parent| (parent, config.contacts[parent as usize].clone())),
            port,
            shared,
            neighbours: Neighbours::new(config.rank, &tree, config.cookie, listener),
            seat,
            node: Node::new(),
            epoch: None,
            stopping: None,
            said_ready: false,
            said_gone: false,
            ending: false,
            leaving: false,
        }
    }

    pub(crate) fn run(mut self) {
        self.join_the_tree();
        while !self.leaving {
            self.advance();
            if !self.leaving {
                self.wait();
                self.hear();
            }
        }
        self.say_goodbye();
    }

    fn join_the_tree(&mut self) {
        let Some((parent, contact)) = self.parent.take() else {
            return;
        };
        if let Err(reason) = self.neighbours.connect(parent, &contact) {
            self.lose_parent(&reason, false);
        }
    }

    /// Sleeps until something happens or is due.
    fn wait(&self) {
        let wake = PollFd::new(self.shared.wake_fd(), PollFlags::IN);
        let clients = self.seat.iter().flat_map(Seat::poll_fds);
        let mut sources: Vec<PollFd<'_>> = std::iter::once(wake)
            .chain(self.neighbours.poll_fds())
            .chain(clients)
            .collect();
        let timeout = self.deadline().map(|deadline| {
            Timespec::try_from(deadline.saturating_duration_since(Instant::now()))
                .unwrap_or_default()
        });
        // An error is an interruption or a want of memory: looking at everything too early does no harm.
        let _ = poll(&mut sources, timeout.as_ref());
    }

    fn deadline(&self) -> Option<Instant> {
        let seat = self.seat.as_ref().and_then(Seat::deadline);
        let restop = self.stopping.as_ref().map(|stopping| stopping.next);
        seat.into_iter().chain(restop).min()
    }

    /// Takes in everything that has come.
    fn hear(&mut self) {
        self.shared.settle_wakings();
        let clients = self.neighbours.welcome();
        self.neighbours.close_listener_if_complete();
        if let Some(seat) = &mut self.seat {
            clients
                .into_iter()
                .for_each(|client| seat.add_client(client));
            seat.serve_clients();
        }
        self.neighbours.write();
        self.hear_parent();
        let children: Vec<u32> = self.neighbours.children.keys().copied().collect();
        for child in children {
            self.hear_child(child);
        }
    }

    /// Does what can be done with what is known.
    fn advance(&mut self) {
        for command in self.shared.take_commands() {
            match command {
                Command::Request { kill } => self.request(self.me, kill),
                Command::Interval(interval) => {
                    if let Some(seat) = &mut self.seat {
                        seat.set_interval(interval, Instant::now());
                    }
                }
                Command::Shutdown => self.leaving = true,
            }
        }
        self.tell_ready();
        let now = Instant::now();
        if let Some(seat) = &mut self.seat {
            let steps = seat.on_time(now);
            self.perform(steps);
        }
        self.serve_requests();
        self.exchange_reports();
        // Again: a request that came during an attempt is due when the reports have ended that.
        self.serve_requests();
        self.stop_threads(now);
    }

    fn tell_ready(&mut self) {
        if self.said_ready || !self.neighbours.all_ready() {
            return;
        }
        self.said_ready = true;
        match &mut self.seat {
            Some(seat) => seat.all_joined(),
            None => self.neighbours.send_up(&Up::Ready),
        }
    }

    fn serve_requests(&mut self) {
        while let Some(due) = self.seat.as_mut().and_then(Seat::due) {
            match due {
                Due::Begin(intent) => self.broadcast(&intent),
                Due::Refuse { ranks, reason } => {
                    for rank in ranks {
                        self.refuse(rank, &reason);
                    }
                }
            }
            self.exchange_reports();
        }
    }

    /// Sends this subtree's report up if it says anything new; at the root, does what follows from it, which
    /// may change the own rank's report again.
    pub(crate) fn exchange_reports(&mut self) {
        while self.epoch.is_some() {
            let own = self.port.report();
            if own.parked > 0 {
                self.stopping = None;
            }
            self.node.on_own(own);
            let Some(report) = self.node.take_report() else {
                return;
            };
            match &mut self.seat {
                Some(seat) => {
                    let steps = seat.on_report(report, Instant::now());
                    self.perform(steps);
                }
                None => self.neighbours.send_up(&Up::Report(report)),
            }
        }
    }

    pub(crate) fn perform(&mut self, mut steps: Vec<Step>) {
        while !steps.is_empty() {
            let mut next = Vec::new();
            for step in steps {
                match step {
                    Step::Broadcast(broadcast) => self.broadcast(&broadcast),
                    Step::Prepare => {
                        let prepared = self.port.prepare();
                        next.extend(
                            self.seat
                                .as_mut()
                                .map(|seat| seat.on_prepared(prepared))
                                .unwrap_or_default(),
                        );
                    }
                    Step::Commit { number } => {
                        let committed = self.port.commit(number);
                        next.extend(
                            self.seat
                                .as_mut()
                                .map(|seat| seat.on_committed(committed))
                                .unwrap_or_default(),
                        );
                    }
                }
            }
            steps = next;
        }
    }

    /// Passes the root's word on, then obeys it: the own rank may end with it.
    pub(crate) fn broadcast(&mut self, broadcast: &Broadcast) {
        tracing::debug!(rank = self.me, ?broadcast, "heard");
        self.epoch = (!broadcast.is_final()).then(|| broadcast.epoch());
        self.stopping = None;
        if let Some(seat) = &mut self.seat {
            seat.tell_clients(broadcast);
        }
        self.pass_down(broadcast);
        match broadcast {
            Broadcast::Committed { kill: true, .. } => {
                self.ending = true;
                self.neighbours.flush();
            }
            Broadcast::Stop { .. } => {
                self.stopping = Some(Stopping {
                    next: Instant::now(),
                    pause: FIRST_RESTOP,
                });
            }
            _ => {}
        }
        self.node.on_broadcast(broadcast);
        self.port.on_broadcast(broadcast);
    }

    /// Sends the root's word on; what concerns some ranks only, to the children above them.
    fn pass_down(&mut self, broadcast: &Broadcast) {
        if !matches!(broadcast, Broadcast::Targets { .. }) {
            let message = Down::Broadcast(broadcast.clone());
            return self.neighbours.send_down(&message);
        }
        let node = &self.node;
        for (child, link) in self.neighbours.links_down() {
            if let Some(part) = node.narrow(child, broadcast) {
                link.send(&Down::Broadcast(part));
            }
        }
    }

    fn stop_threads(&mut self, now: Instant) {
        let Some(stopping) = &mut self.stopping else {
            return;
        };
        if stopping.next <= now {
            stopping.next = now + stopping.pause;
            stopping.pause = LAST_RESTOP.min(stopping.pause * 2);
            let all_stopped = self.port.stop_threads();
            tracing::trace!(rank = self.me, all_stopped, "signalled the rank's threads");
        }
    }

    fn say_goodbye(mut self) {
        if let Some(seat) = &mut self.seat {
            let steps = seat.disable("the program has left MPI");
            self.perform(steps);
        }
        if let Some(seat) = &mut self.seat {
            seat.dismiss_clients();
        }
        self.neighbours.send_up(&Up::Bye);
        self.neighbours.send_down(&Down::Bye);
        self.neighbours.flush();
    }
}
