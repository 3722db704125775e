//! A job without MPI: every rank is a thread that sends round a ring and meets the others at a barrier, with the
//! cut's machine in between and an agent beside it.
//!
//! ```text
//!   loop: send to the right ─► gate, barrier ("native collective") ─► receive from the left
//!            safe point            no safe point inside                 safe point while waiting
//! ```
//! Images are what a rank knows at the cut. Rank 0's commit looks at all of them: that is the test.
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, Weak};
use std::time::Duration;

use mana_agent::{Agent, AgentConfig, Contact, Cookie, Listener, RankPort};
use mana_drain::{Activity, Broadcast, ClockId, Gid, Phase, Rank, Report, Start, Verdict};

/// What a rank knows at the cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Image {
    barriers: u64,
    sent: u64,
    received: u64,
    inside_barrier: bool,
}

/// What the ranks share: the "network", the barrier and the "file system".
#[derive(Default)]
struct World {
    inboxes: Vec<Mutex<VecDeque<u64>>>,
    /// How many ranks have come to the barriers so far, all counted together.
    arrivals: Mutex<u64>,
    arrived: Condvar,
    images: Mutex<BTreeMap<u32, Image>>,
    /// After this many rounds the ranks end; rank 0 sets it.
    end: AtomicU64,
    committed: AtomicU64,
    /// Commits that are to fail from now on.
    disk_is_full: AtomicU64,
    last_abort: Mutex<Option<String>>,
    refusals: Mutex<Vec<String>>,
    /// Ranks that were told to end the job.
    killed: AtomicU64,
}

struct State {
    machine: Rank,
    parked: bool,
    barriers: u64,
    sent: u64,
    received: u64,
    inside_barrier: bool,
    /// Messages taken while parked.
    queue: VecDeque<u64>,
    written: bool,
}

/// A rank, as its program thread and its agent see it.
struct FakeRank {
    me: u32,
    size: u32,
    world: Arc<World>,
    state: Mutex<State>,
    changed: Condvar,
    agent: OnceLock<Weak<Agent>>,
}

impl FakeRank {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn wake(&self) {
        if let Some(agent) = self.agent.get().and_then(Weak::upgrade) {
            agent.wake();
        }
    }

    /// Parks while all are to stop; drains, and writes the image at the cut.
    fn safe_point(&self) {
        let mut state = self.state();
        while state.machine.phase() >= Phase::Stop {
            state.parked = true;
            while let Some(message) = self.world.inboxes[self.me as usize]
                .lock()
                .unwrap()
                .pop_front()
            {
                state.queue.push_back(message);
                state.received += 1;
            }
            if state.machine.phase() == Phase::Write && !std::mem::replace(&mut state.written, true)
            {
                let State {
                    barriers,
                    sent,
                    received,
                    inside_barrier,
                    ..
                } = *state;
                let image = Image {
                    barriers,
                    sent,
                    received,
                    inside_barrier,
                };
                self.world.images.lock().unwrap().insert(self.me, image);
                state.machine.wrote();
            }
            self.wake();
            // Messages may come without a word to this rank: looked at again after a moment.
            state = self
                .changed
                .wait_timeout(state, Duration::from_millis(1))
                .unwrap()
                .0;
        }
        state.parked = false;
    }

    fn send(&self, message: u64) {
        let right = (self.me + 1) % self.size;
        self.state().sent += 1;
        self.world.inboxes[right as usize]
            .lock()
            .unwrap()
            .push_back(message);
    }

    fn receive(&self) -> u64 {
        loop {
            self.safe_point();
            let mut state = self.state();
            if let Some(message) = state.queue.pop_front() {
                return message;
            }
            if let Some(message) = self.world.inboxes[self.me as usize]
                .lock()
                .unwrap()
                .pop_front()
            {
                state.received += 1;
                return message;
            }
            drop(state);
            std::thread::yield_now();
        }
    }

    fn barrier(&self, world: ClockId) {
        loop {
            self.safe_point();
            let mut state = self.state();
            let entered = state.machine.may_start(world, Start::Blocking) == Verdict::Enter;
            state.inside_barrier = entered;
            state.barriers += u64::from(entered);
            let changed = state.machine.take_changed();
            drop(state);
            if changed {
                self.wake();
            }
            if entered {
                break;
            }
            std::thread::yield_now();
        }
        let mut arrivals = self.world.arrivals.lock().unwrap();
        *arrivals += 1;
        self.world.arrived.notify_all();
        let round = self.state().barriers;
        while *arrivals < round * u64::from(self.size) {
            arrivals = self.world.arrived.wait(arrivals).unwrap();
        }
        drop(arrivals);
        self.state().inside_barrier = false;
    }

    /// The program.
    fn run(&self) {
        let world = self
            .state()
            .machine
            .register(Gid::WORLD, self.size)
            .unwrap();
        for round in 0.. {
            self.send(round);
            self.barrier(world);
            assert_eq!(self.receive(), round, "messages come in order");
            if round >= self.world.end.load(Ordering::SeqCst) {
                return;
            }
        }
    }
}

impl RankPort for FakeRank {
    fn on_broadcast(&self, broadcast: &Broadcast) {
        let mut state = self.state();
        state.machine.on_broadcast(broadcast);
        match broadcast {
            Broadcast::Intent { .. } => state.written = false,
            Broadcast::Aborted { reason, .. } => {
                *self.world.last_abort.lock().unwrap() = Some(reason.clone())
            }
            Broadcast::Committed { kill: true, .. } => {
                self.world.killed.fetch_add(1, Ordering::SeqCst);
            }
            _ => {}
        }
        self.changed.notify_all();
    }

    fn report(&self) -> Report {
        let state = self.state();
        let activity = Activity {
            threads_parked: u32::from(state.parked),
            threads_total: 1,
            sent: state.sent,
            received: state.received,
            pending: 0,
        };
        state.machine.report(&activity)
    }

    fn stop_threads(&self) -> bool {
        self.state().parked
    }

    fn prepare(&self) -> Result<u64, String> {
        self.world.images.lock().unwrap().clear();
        Ok(self.world.committed.load(Ordering::SeqCst) + 1)
    }

    fn commit(&self, number: u64) -> Result<(), String> {
        let images = self.world.images.lock().unwrap();
        assert_eq!(images.len(), self.size as usize, "every rank has written");
        let sum = |field: fn(&Image) -> u64| images.values().map(field).sum::<u64>();
        assert_eq!(
            sum(|image| image.sent),
            sum(|image| image.received),
            "no message is under way"
        );
        let first = images[&0].barriers;
        assert!(
            images
                .values()
                .all(|image| image.barriers == first && !image.inside_barrier),
            "{images:?}"
        );
        if self.world.disk_is_full.load(Ordering::SeqCst) > 0 {
            return Err("no space left on device".to_owned());
        }
        assert_eq!(
            self.world.committed.fetch_add(1, Ordering::SeqCst) + 1,
            number
        );
        Ok(())
    }

    fn refused(&self, reason: &str) {
        self.world.refusals.lock().unwrap().push(reason.to_owned());
    }
}

/// A job whose ranks run.
pub struct Job {
    world: Arc<World>,
    pub agents: Vec<Arc<Agent>>,
    pub contacts: Vec<Contact>,
    programs: Vec<std::thread::JoinHandle<()>>,
}

/// What a job is started with.
pub struct Options {
    pub size: u32,
    pub arity: u32,
    pub interval: Option<Duration>,
    pub control_file: Option<PathBuf>,
}

impl Job {
    pub fn start(options: &Options) -> Job {
        let world = Arc::new(World {
            inboxes: (0..options.size).map(|_| Mutex::default()).collect(),
            end: AtomicU64::new(u64::MAX),
            ..World::default()
        });
        let cookie = Cookie::random().unwrap();
        let (listeners, contacts): (Vec<_>, Vec<_>) =
            (0..options.size).map(|_| Listener::bind().unwrap()).unzip();
        let mut job = Job {
            world,
            agents: Vec::new(),
            contacts,
            programs: Vec::new(),
        };
        for (me, listener) in (0..options.size).zip(listeners) {
            job.start_rank(options, me, listener, cookie);
        }
        job
    }

    fn start_rank(&mut self, options: &Options, me: u32, listener: Listener, cookie: Cookie) {
        let state = State {
            machine: Rank::new(me),
            parked: false,
            barriers: 0,
            sent: 0,
            received: 0,
            inside_barrier: false,
            queue: VecDeque::new(),
            written: false,
        };
        let rank = Arc::new(FakeRank {
            me,
            size: options.size,
            world: Arc::clone(&self.world),
            state: Mutex::new(state),
            changed: Condvar::new(),
            agent: OnceLock::new(),
        });
        let config = AgentConfig {
            rank: me,
            size: options.size,
            arity: options.arity,
            contacts: self.contacts.clone(),
            cookie,
            interval: options.interval,
            control_file: options.control_file.clone(),
            job: "a job".into(),
        };
        let port: Arc<dyn RankPort> = Arc::<FakeRank>::clone(&rank);
        let agent = Arc::new(Agent::start(listener, config, port).unwrap());
        rank.agent.set(Arc::downgrade(&agent)).unwrap();
        self.agents.push(agent);
        self.programs.push(std::thread::spawn(move || rank.run()));
    }

    pub fn committed(&self) -> u64 {
        self.world.committed.load(Ordering::SeqCst)
    }

    pub fn wait_for_commits(&self, count: u64) {
        while self.committed() < count {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Ranks that were told to end the job.
    pub fn killed(&self) -> u64 {
        self.world.killed.load(Ordering::SeqCst)
    }

    pub fn fill_disk(&self) {
        self.world.disk_is_full.store(1, Ordering::SeqCst);
    }

    pub fn last_abort(&self) -> Option<String> {
        self.world.last_abort.lock().unwrap().clone()
    }

    pub fn refusals(&self) -> Vec<String> {
        self.world.refusals.lock().unwrap().clone()
    }

    /// Lets the program end and waits for that; the agents live on.
    pub fn end_program(&mut self) {
        {
            // Held until the end is set: nobody goes on from a barrier meanwhile.
            let arrivals = self.world.arrivals.lock().unwrap();
            let furthest = *arrivals / self.world.inboxes.len() as u64;
            // No rank is two rounds ahead of the last complete one.
            self.world.end.store(furthest + 3, Ordering::SeqCst);
        }
        for program in self.programs.drain(..) {
            program.join().unwrap();
        }
    }

    /// Ends the program and shuts the agents down in some order.
    pub fn end(mut self) {
        self.end_program();
        for agent in self.agents.drain(..) {
            Arc::into_inner(agent)
                .expect("the ranks have ended")
                .shutdown();
        }
    }
}
