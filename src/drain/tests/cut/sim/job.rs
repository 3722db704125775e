//! A job as a whole, and everything that can happen to it next.
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use mana_drain::{Broadcast, Phase, Step};

use super::control::Control;
use super::proc::{Doing, Icoll, Message, Proc, Running, gid};
use super::program::{Op, Program};

/// Whether the machines are used as they are, or a mistake is made on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Variant {
    #[default]
    Right,
    /// Ranks that are not behind stand still from the intent on.
    StopDeadAtMaximum,
    /// Ranks held at a gate are only let through if another has passed it.
    NeverGo,
    /// The root never loses patience.
    Endless,
    /// The root does not hear of the clocks.
    IgnoreClocks,
    /// Parked ranks do not receive.
    NoDraining,
    /// The root does not hear of messages and requests under way.
    IgnoreCounters,
}

/// How late the root's picture of the ranks may be. Broadcasts may always be late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reports {
    /// Made at any time, and to the parent at any time after that.
    Delayed,
    /// Made at any time, and with the parent at that moment.
    Sampled,
    /// Made whenever something changes.
    Immediate,
}

impl Reports {
    /// As late as can be explored for so many ranks.
    fn of(size: usize) -> Reports {
        match size {
            0..=2 => Reports::Delayed,
            3 => Reports::Sampled,
            _ => Reports::Immediate,
        }
    }
}

/// What is to be tried on a job.
#[derive(Clone, Debug)]
pub struct Setup {
    pub program: Program,
    /// Checkpoints asked for.
    pub requests: u32,
    /// Whether each ends the job, which is then restarted from the images.
    pub restart: bool,
    /// Whether any one rank's image may fail to be written.
    pub may_fail: bool,
    /// Children per node of the tree of agents.
    pub arity: u32,
    pub reports: Reports,
    /// Whether the root's patience may run out at any moment, or only when nothing else can happen.
    pub impatient: bool,
    pub variant: Variant,
}

impl Setup {
    pub fn new(program: Program) -> Setup {
        let size = program.size();
        Setup {
            program,
            requests: 1,
            restart: false,
            may_fail: false,
            arity: 2,
            reports: Reports::of(size),
            impatient: false,
            variant: Variant::Right,
        }
    }
}

/// Something that can happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// The rank goes on with its program, or tries to.
    Run(usize),
    /// The rank's thread parks.
    Park(usize),
    /// The oldest message from the first to the second rank arrives.
    Arrive(usize, usize),
    /// MPI completes the rank's oldest nonblocking collective.
    Complete(usize),
    /// The rank's agent reports.
    Report(usize),
    /// The rank's report reaches its parent.
    Rise(usize),
    /// The oldest broadcast reaches the rank.
    Fall(usize),
    /// Somebody asks for a checkpoint.
    Request,
    /// Nothing has moved for long enough.
    Patience,
    /// The rank writes its image.
    Write(usize),
    /// The rank cannot write its image.
    Fail(usize),
}

/// Messages from one rank to another, the oldest first.
type Channel = VecDeque<Message>;

/// The state of a job. Its parts are shared between states that differ elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Job {
    pub ranks: Vec<Arc<Running>>,
    /// Messages under way, by source and destination; no empty channels.
    pub channels: BTreeMap<(usize, usize), Channel>,
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
    allowed: Vec<Vec<u64>>,
}

impl Job {
    pub fn new(setup: &Setup) -> Job {
        let size = setup.program.size();
        Job {
            ranks: (0..size).map(|me| Arc::new(Running::new(me, &setup.program))).collect(),
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

    /// The program has run to its end on all ranks, each message has come in its turn, and nothing hangs.
    pub fn is_done(&self) -> bool {
        self.ranks.iter().all(|rank| rank.proc.doing == Doing::Done) && self.control.root.is_idle()
    }

    /// Everything that may happen next. Some of it may turn out to change nothing.
    pub fn candidates(&self, setup: &Setup) -> Vec<Event> {
        let mut events = Vec::new();
        for rank in 0..self.ranks.len() {
            events.extend([
                Event::Run(rank),
                Event::Park(rank),
                Event::Complete(rank),
                Event::Report(rank),
                Event::Rise(rank),
                Event::Fall(rank),
                Event::Write(rank),
                Event::Fail(rank),
            ]);
        }
        events.extend(self.channels.keys().map(|&(from, to)| Event::Arrive(from, to)));
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

    /// Whether anything can happen without the root's patience running out.
    fn moves(&self, setup: &Setup) -> bool {
        self.candidates(setup).into_iter().any(|event| self.after(setup, event).is_some())
    }

    /// Nothing can happen any more, and the program has not ended.
    pub fn hangs(&self, setup: &Setup) -> bool {
        !self.is_done() && !self.moves(setup) && self.after(setup, Event::Patience).is_none()
    }

    /// The state after an event, if it can happen and changes anything.
    pub fn after(&self, setup: &Setup, event: Event) -> Option<Job> {
        if !self.can_happen(setup, event) {
            return None;
        }
        let mut job = self.clone();
        job.happen(setup, event);
        let possible = job != *self && (event != Event::Patience || setup.impatient || !self.moves(setup));
        possible.then_some(job)
    }

    /// A cheap first look.
    fn can_happen(&self, setup: &Setup, event: Event) -> bool {
        match event {
            Event::Run(rank) => {
                let running = &self.ranks[rank];
                running.proc.doing != Doing::Done && !running.proc.parked && !self.stands_still(setup, rank)
            }
            Event::Park(rank) => self.ranks[rank].may_park(),
            Event::Arrive(from, to) => {
                self.ranks[to].proc.wants_message(from)
                    || (self.ranks[to].proc.parked && setup.variant != Variant::NoDraining)
            }
            Event::Complete(rank) => self.ranks[rank].proc.icolls.iter().any(|icoll| self.all_started(setup, *icoll)),
            Event::Report(rank) => self.control.up[rank].is_none(),
            Event::Rise(rank) => self.control.up[rank].is_some(),
            Event::Fall(rank) => !self.control.down[rank].is_empty(),
            Event::Request => self.requests_left > 0 && self.control.root.is_idle(),
            Event::Patience => self.control.root.is_converging() && setup.variant != Variant::Endless,
            Event::Write(rank) => self.ranks[rank].machine.phase() == Phase::Write && self.images[rank].is_none(),
            Event::Fail(rank) => self.may_fail && self.can_happen(setup, Event::Write(rank)),
        }
    }

    fn happen(&mut self, setup: &Setup, event: Event) {
        let mut steps = Vec::new();
        match event {
            Event::Run(rank) => self.run(setup, rank),
            Event::Park(rank) => self.rank(rank).proc.parked = true,
            Event::Arrive(from, to) => {
                let channel = self.channels.get_mut(&(from, to)).expect("only channels with messages are kept");
                let message = channel.pop_front().expect("they are not empty");
                self.channels.retain(|_, channel| !channel.is_empty());
                self.rank(to).arrive(from, message);
            }
            Event::Complete(rank) => self.complete(setup, rank),
            Event::Report(rank) => {
                self.report(setup, rank, &mut steps);
            }
            Event::Rise(rank) => self.control.rise(rank, setup.arity),
            Event::Fall(rank) => {
                let broadcast = self.control.down[rank].pop_front().expect("looked at before");
                self.hear(setup, rank, &broadcast);
            }
            Event::Request => {
                self.requests_left -= 1;
                let intent = self.control.root().request(setup.restart).expect("the root is idle");
                steps.push(Step::Broadcast(intent));
            }
            Event::Patience => steps.extend(self.control.root().on_patience()),
            Event::Write(rank) => {
                self.images[rank] = Some(Arc::new(self.ranks[rank].proc.clone()));
                self.rank(rank).machine.wrote();
            }
            Event::Fail(rank) => {
                self.may_fail = false;
                self.images[rank] = Some(Arc::new(self.ranks[rank].proc.clone()));
                self.rank(rank).machine.fail("no space left on device".to_owned());
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
    fn rank(&mut self, rank: usize) -> &mut Running {
        Arc::make_mut(&mut self.ranks[rank])
    }

    /// What the root wants done. Directories are made and renamed at once.
    fn perform(&mut self, setup: &Setup, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Broadcast(broadcast) => self.from_root(setup, broadcast),
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

    fn from_root(&mut self, setup: &Setup, mut broadcast: Broadcast) {
        if setup.variant == Variant::NeverGo {
            self.withhold_go(setup, &mut broadcast);
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
            let image = self.images[rank].take().expect("committed only when all have written");
            self.ranks[rank] = Arc::new(Running::restart(Proc::clone(&image), &setup.program));
        }
    }

    /// A broadcast reaches a rank and goes on to its children.
    fn hear(&mut self, setup: &Setup, rank: usize, broadcast: &Broadcast) {
        self.control.pass_down(rank, setup.arity, broadcast);
        if let (Broadcast::Targets { targets, .. }, Variant::StopDeadAtMaximum) = (broadcast, setup.variant) {
            for (comm, allowed) in self.allowed[rank].iter_mut().enumerate() {
                let target = targets.iter().find(|(of, _)| *of == gid(comm)).map_or(0, |&(_, target)| target);
                *allowed = target.max(*allowed);
            }
        }
        let running = self.rank(rank);
        running.machine.on_broadcast(broadcast);
        running.settle();
        if broadcast.is_final() {
            running.proc.parked = false;
            self.allowed[rank].fill(0);
        }
    }

    fn run(&mut self, setup: &Setup, rank: usize) {
        let finished = match self.ranks[rank].proc.doing {
            Doing::Running => return self.begin(setup, rank),
            Doing::InColl { comm, count } => self.all_started(setup, Icoll { comm, count }),
            Doing::InSsend { to, seq } => !self.under_way(rank).any(|(dest, message)| dest == to && message.seq == seq),
            Doing::InRecv { from, nth } => self.ranks[rank].proc.delivered[from] > nth,
            Doing::Done => false,
        };
        if finished {
            let running = self.rank(rank);
            let in_program = running.op(&setup.program).is_some();
            running.proc.doing = if in_program { Doing::Running } else { Doing::Done };
            running.proc.pc += usize::from(in_program);
        }
    }

    fn begin(&mut self, setup: &Setup, rank: usize) {
        if self.ranks[rank].op(&setup.program) == Some(Op::Waitall) && self.rendezvous_under_way(rank) > 0 {
            return;
        }
        let mut outbox = Vec::new();
        self.rank(rank).begin(&setup.program, &mut outbox);
        for (to, message) in outbox {
            self.channels.entry((rank, to)).or_default().push_back(message);
        }
    }

    fn complete(&mut self, setup: &Setup, rank: usize) {
        let icolls = &self.ranks[rank].proc.icolls;
        let done = icolls.iter().position(|icoll| self.all_started(setup, *icoll));
        self.rank(rank).proc.icolls.remove(done.expect("looked at before"));
    }

    fn all_started(&self, setup: &Setup, icoll: Icoll) -> bool {
        let members = &setup.program.comms[icoll.comm];
        members.iter().all(|&member| self.ranks[member].proc.started[icoll.comm] >= icoll.count)
    }

    fn rendezvous_under_way(&self, rank: usize) -> u64 {
        self.under_way(rank).filter(|(_, message)| message.rendezvous).count() as u64
    }

    /// Messages of a rank that have not been received, with their destinations.
    fn under_way(&self, rank: usize) -> impl Iterator<Item = (usize, &Message)> {
        let own = self.channels.range((rank, 0)..(rank + 1, 0));
        own.flat_map(|(&(_, to), channel)| channel.iter().map(move |message| (to, message)))
    }

    /// What is wrong with the cut that the root has just declared, judged by what the job itself knows.
    fn find_fault(&self, setup: &Setup) -> Option<&'static str> {
        let procs = || self.ranks.iter().map(|rank| &rank.proc);
        for (comm, members) in setup.program.comms.iter().enumerate() {
            let first = self.ranks[members[0]].proc.started[comm];
            if members.iter().any(|&member| self.ranks[member].proc.started[comm] != first) {
                return Some("a collective was started by some members only");
            }
        }
        if procs().any(|proc| !matches!(proc.doing, Doing::Running | Doing::InRecv { .. })) {
            return Some("a rank was inside a native call");
        }
        if procs().any(|proc| !proc.parked) {
            return Some("a rank was running");
        }
        if procs().any(|proc| proc.critical_depth > 0) {
            return Some("a rank was inside a critical section");
        }
        if procs().any(|proc| !proc.icolls.is_empty()) {
            return Some("a nonblocking collective was under way");
        }
        if !self.channels.is_empty() {
            return Some("a message was under way");
        }
        None
    }

    /// Variant: the rank has been told to go no further than it is.
    fn stands_still(&self, setup: &Setup, rank: usize) -> bool {
        let running = &self.ranks[rank];
        if setup.variant != Variant::StopDeadAtMaximum || running.machine.phase() != Phase::Converge {
            return false;
        }
        let behind = |(comm, &target): (usize, &u64)| {
            setup.program.comms[comm].contains(&rank) && running.proc.started[comm] < target
        };
        let inside = !matches!(running.proc.doing, Doing::Running);
        !inside && !self.allowed[rank].iter().enumerate().any(behind)
    }

    /// Variant: nobody is told to start what nobody has started.
    fn withhold_go(&self, setup: &Setup, broadcast: &mut Broadcast) {
        let Broadcast::Targets { targets, .. } = broadcast else { return };
        let most = |comm: usize| self.ranks.iter().map(|rank| rank.proc.started[comm]).max().unwrap_or(0);
        targets.retain(|&(of, target)| {
            (0..setup.program.comms.len()).any(|comm| gid(comm) == of && most(comm) >= target)
        });
    }
}
