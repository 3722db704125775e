//! A job as a whole, and everything that can happen to it next.
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use mana_drain::{Broadcast, Phase, Step};

use super::control::Control;
use super::mail::Message;
use super::proc::{Doing, Proc, Running};
use super::program::Lane;
use super::setup::{Event, Reports, Setup, Variant};

/// Messages from one rank to another, the oldest first.
type Channel = VecDeque<Message>;

/// The state of a job. Its parts are shared between states that differ elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Job {
    pub ranks: Vec<Arc<Running>>,
    /// Messages under way, by source and lane to the destination; no empty channels.
    pub channels: BTreeMap<(usize, Lane), Channel>,
    pub control: Control,
    pub requests_left: u32,
    pub may_fail: bool,
    pub images: Vec<Option<Arc<Proc>>>,
    pub committed: u32,
    pub aborted: u32,
    pub last_abort: Option<String>,
    /// What was wrong with a cut.
    pub bad_cut: Option<&'static str>,
    /// What each rank has been allowed; only the broken variants look at it.
    pub(super) allowed: Vec<Vec<u64>>,
}

impl Job {
    pub fn new(setup: &Setup) -> Job {
        let size = setup.program.size();
        Job {
            ranks: (0..size)
                .map(|me| Arc::new(Running::new(me, &setup.program)))
                .collect(),
            channels: BTreeMap::new(),
            control: Control::new(size),
            requests_left: setup.requests,
            may_fail: setup.may_fail,
            images: vec![None; size],
            committed: 0,
            aborted: 0,
            last_abort: None,
            bad_cut: None,
            allowed: vec![vec![0; setup.program.comms.len()]; size],
        }
    }

    /// Everything that may happen next. Some of it may turn out to change nothing.
    pub fn candidates(&self, setup: &Setup) -> Vec<Event> {
        let mut events = Vec::new();
        for rank in 0..self.ranks.len() {
            for thread in 0..self.ranks[rank].proc.threads.len() {
                events.extend([Event::Run(rank, thread), Event::Park(rank, thread)]);
            }
            events.extend([
                Event::Complete(rank),
                Event::Cancelled(rank),
                Event::Report(rank),
                Event::Rise(rank),
                Event::Fall(rank),
                Event::Write(rank),
                Event::Fail(rank),
            ]);
        }
        events.extend(
            self.channels
                .keys()
                .map(|&(from, to)| Event::Arrive(from, to)),
        );
        events.push(Event::Request);
        events.retain(|&event| self.can_happen(setup, event));
        // Writing an image changes nothing for anybody else, so one order of the ranks stands for all.
        let writes = |event: &&Event| matches!(event, Event::Write(_) | Event::Fail(_));
        let writer = events.iter().find(writes).copied();
        if let Some(Event::Write(rank)) = writer {
            events.retain(|&event| event == Event::Write(rank) || event == Event::Fail(rank));
        }
        events
    }

    /// The state after an event, if it can happen and changes anything.
    pub fn after(&self, setup: &Setup, event: Event) -> Option<Job> {
        if !self.can_happen(setup, event) {
            return None;
        }
        let mut job = self.clone();
        job.happen(setup, event);
        let possible =
            job != *self && (event != Event::Patience || setup.impatient || !self.moves(setup));
        possible.then_some(job)
    }

    /// A cheap first look.
    fn can_happen(&self, setup: &Setup, event: Event) -> bool {
        match event {
            Event::Run(rank, thread) => {
                let at = &self.ranks[rank].proc.threads[thread];
                at.doing != Doing::Done && !at.parked && !self.stands_still(setup, rank)
            }
            Event::Park(rank, thread) => self.ranks[rank].may_park(thread),
            Event::Arrive(from, to) => {
                let (to, lane) = Job::receiver(from, to);
                let receiver = &self.ranks[to].proc;
                receiver.wants_message(lane)
                    || (receiver.can_queue(lane) && setup.variant != Variant::NoDraining)
            }
            Event::Complete(rank) => {
                let open = &self.ranks[rank].proc.open;
                open.iter().any(|open| self.can_complete(setup, open))
            }
            Event::Cancelled(rank) => {
                let posted = &self.ranks[rank].proc.posted;
                posted.iter().any(|posted| posted.cancelled)
            }
            Event::Report(rank) => self.control.up[rank].is_none(),
            Event::Rise(rank) => self.control.up[rank].is_some(),
            Event::Fall(rank) => !self.control.down[rank].is_empty(),
            // The root's seat keeps a request until all have joined.
            Event::Request => {
                let all_joined = self.ranks.iter().all(|rank| rank.proc.joined);
                self.requests_left > 0
                    && self.control.root.is_idle()
                    && (all_joined || setup.variant == Variant::HasteAtInit)
            }
            Event::Patience => {
                self.control.root.is_converging() && setup.variant != Variant::Endless
            }
            Event::Write(rank) => {
                self.ranks[rank].machine.phase() == Phase::Write && self.images[rank].is_none()
            }
            Event::Fail(rank) => self.may_fail && self.can_happen(setup, Event::Write(rank)),
        }
    }

    fn happen(&mut self, setup: &Setup, event: Event) {
        let mut steps = Vec::new();
        match event {
            Event::Run(rank, thread) => self.run(setup, rank, thread),
            Event::Park(rank, thread) => self.rank(rank).proc.threads[thread].parked = true,
            Event::Arrive(from, to) => {
                let channel = self
                    .channels
                    .get_mut(&(from, to))
                    .expect("only channels with messages are kept");
                let message = channel.pop_front().expect("they are not empty");
                self.channels.retain(|_, channel| !channel.is_empty());
                let (to, lane) = Job::receiver(from, to);
                self.rank(to).arrive(lane, message);
            }
            Event::Complete(rank) => self.complete(setup, rank),
            Event::Cancelled(rank) => self.rank(rank).proc.drop_cancelled(),
            Event::Report(rank) => {
                self.report(setup, rank, &mut steps);
            }
            Event::Rise(rank) => self.control.rise(rank, setup.arity),
            Event::Fall(rank) => {
                let broadcast = self.control.down[rank]
                    .pop_front()
                    .expect("looked at before");
                self.hear(setup, rank, &broadcast);
            }
            Event::Request => {
                self.requests_left -= 1;
                let intent = self
                    .control
                    .root()
                    .request(setup.restart)
                    .expect("the root is idle");
                steps.push(Step::Broadcast(intent));
            }
            Event::Patience => steps.extend(self.control.root().on_patience(Duration::MAX)),
            Event::Write(rank) => {
                self.images[rank] = Some(Arc::new(self.ranks[rank].proc.clone()));
                self.rank(rank).machine.wrote();
            }
            Event::Fail(rank) => {
                self.may_fail = false;
                self.images[rank] = Some(Arc::new(self.ranks[rank].proc.clone()));
                self.rank(rank)
                    .machine
                    .fail("no space left on device".to_owned());
            }
        }
        self.perform(setup, steps);
        if setup.reports == Reports::Immediate {
            self.report_all(setup);
        }
    }

    /// The rank's agent reports; false if that is no news.
    fn report(&mut self, setup: &Setup, rank: usize, steps: &mut Vec<Step>) -> bool {
        let mut own = self.ranks[rank].report(self.rendezvous_under_way(rank));
        match setup.variant {
            Variant::IgnoreClocks => own.clocks.clear(),
            Variant::IgnoreCounters => (own.sent, own.received, own.pending) = (0, 0, 0),
            Variant::OneThreadParks => own.parked = self.parked_by_any(rank),
            _ => {}
        }
        let news = self.control.pass_up(rank, own, steps);
        if setup.reports != Reports::Delayed {
            self.control.rise(rank, setup.arity);
        }
        news
    }

    /// Reports, from the leaves to the root, until there is no news.
    fn report_all(&mut self, setup: &Setup) {
        let mut news = true;
        while std::mem::take(&mut news) {
            let mut steps = Vec::new();
            for rank in (0..self.ranks.len()).rev() {
                news |= self.report(setup, rank, &mut steps);
            }
            self.perform(setup, steps);
        }
    }

    /// The rank, to be changed.
    pub(super) fn rank(&mut self, rank: usize) -> &mut Running {
        Arc::make_mut(&mut self.ranks[rank])
    }

    /// What the root wants done. Directories are made and renamed at once.
    fn perform(&mut self, setup: &Setup, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Broadcast(broadcast) => self.announce(setup, broadcast),
                Step::Prepare => {
                    let steps = self.control.root().on_prepared(Ok(1));
                    self.perform(setup, steps);
                }
                Step::Commit { .. } => {
                    let steps = self.control.root().on_committed(Ok(()));
                    self.perform(setup, steps);
                }
            }
        }
    }

    fn announce(&mut self, setup: &Setup, mut broadcast: Broadcast) {
        if setup.variant == Variant::NeverGo {
            self.withhold_go(setup, &mut broadcast);
        }
        if setup.variant == Variant::TrustReports {
            Job::trust_reports(&mut broadcast);
        }
        match &broadcast {
            Broadcast::Write { .. } => {
                self.bad_cut = self.bad_cut.or(self.find_fault(setup));
                self.images.fill(None);
            }
            Broadcast::Committed { kill, .. } => {
                self.committed += 1;
                if *kill {
                    return self.restart(setup);
                }
            }
            Broadcast::Aborted { reason, .. } => {
                self.aborted += 1;
                self.last_abort = Some(reason.clone());
            }
            Broadcast::Intent { .. } | Broadcast::Targets { .. } | Broadcast::Stop { .. } => {}
        }
        self.hear(setup, 0, &broadcast);
    }

    /// The job is gone; what the images hold begins anew, with new machines everywhere.
    fn restart(&mut self, setup: &Setup) {
        let size = self.ranks.len();
        self.control = Control::new(size);
        self.channels.clear();
        self.allowed = vec![vec![0; setup.program.comms.len()]; size];
        for rank in 0..size {
            let image = self.images[rank]
                .take()
                .expect("committed only when all have written");
            self.ranks[rank] = Arc::new(Running::restart(Proc::clone(&image), &setup.program));
        }
    }

    /// A broadcast reaches a rank and goes on to its children.
    fn hear(&mut self, setup: &Setup, rank: usize, broadcast: &Broadcast) {
        // Before MPI_Init nobody is there who could hear it.
        if !self.ranks[rank].proc.joined {
            return;
        }
        self.control.pass_down(rank, setup.arity, broadcast);
        self.note_allowed(setup, rank, broadcast);
        let running = self.rank(rank);
        running.machine.on_broadcast(broadcast);
        running.settle();
        if broadcast.is_final() {
            running.proc.unpark();
            self.allowed[rank].fill(0);
        }
    }
}
