//! What a cut costs on paper: messages, bytes and rounds for any number of ranks.
//!
//! The real machines, a tree of nodes, and a network in which every message takes one round. On each communicator one
//! member is behind by one collective.
use mana_drain::{
    Activity, Broadcast, Gid, Node, Phase, Rank, Report, Root, Start, Step, Tree, Verdict,
};

/// Which communicators a job uses.
#[derive(Clone, Copy, Debug)]
pub enum Pattern {
    /// Only the world.
    World,
    /// Ranks in a square, one communicator per row and per column.
    Grid,
    /// So many communicators of 64 consecutive ranks each, spread evenly.
    Overlapping(u32),
}

/// What the member that is behind has done on its communicator since the last cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// A collective, as all others.
    HasBegun,
    /// Nothing, and it is not at the gate either.
    HasNot,
}

/// What it came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Times that messages were sent and waited for, from the request to the last rank's word of the commit.
    pub rounds: u32,
    pub messages: u64,
    /// With the four bytes of length before each message.
    pub bytes: u64,
    pub largest_message_bytes: u64,
    /// How often messages speak of a communicator.
    pub mentions: u64,
}

impl Pattern {
    /// The communicators of a job: their members.
    pub fn communicators(self, size: u32) -> Vec<Vec<u32>> {
        match self {
            Pattern::World => vec![(0..size).collect()],
            Pattern::Grid => {
                let side = size.isqrt();
                let rows =
                    (0..side).map(|row| (0..side).map(|column| row * side + column).collect());
                let columns =
                    (0..side).map(|column| (0..side).map(|row| row * side + column).collect());
                rows.chain(columns).collect()
            }
            Pattern::Overlapping(count) => {
                let first = |n: u32| u64::from(n) * u64::from(size) / u64::from(count);
                let member = |n: u32, i: u32| ((first(n) + u64::from(i)) % u64::from(size)) as u32;
                (0..count)
                    .map(|n| (0..size.min(64)).map(|i| member(n, i)).collect())
                    .collect()
            }
        }
    }
}

/// The job in the simulator: everything by rank.
struct Network {
    ranks: Vec<Rank>,
    /// Communicators on which the rank is behind.
    behind: Vec<Vec<mana_drain::ClockId>>,
    how: Behind,
    nodes: Vec<Node>,
    trees: Vec<Tree>,
    root: Root,
    up: Vec<(u32, Report)>,
    down: Vec<(u32, Broadcast)>,
    cost: Cost,
}

/// What one checkpoint of a job costs.
pub fn cost(size: u32, arity: u32, pattern: Pattern, behind: Behind) -> Cost {
    let mut network = Network::new(size, arity, pattern, behind);
    let intent = network.root.request(false).expect("nothing is under way");
    network.pass_down(0, &intent);
    network.run_rank(0);
    while !(network.up.is_empty() && network.down.is_empty()) {
        network.round();
    }
    assert!(
        network
            .ranks
            .iter()
            .all(|rank| rank.phase() == Phase::Idle && rank.epoch() == 1),
        "it has ended"
    );
    network.cost
}

impl Network {
    fn new(size: u32, arity: u32, pattern: Pattern, how: Behind) -> Network {
        let mut ranks: Vec<Rank> = (0..size).map(Rank::new).collect();
        let mut behind = vec![Vec::new(); size as usize];
        for (n, members) in pattern.communicators(size).into_iter().enumerate() {
            let gid = Gid::WORLD.child(n as u64, 0);
            let last = members.len() - 1;
            for (i, member) in members.iter().map(|&member| member as usize).enumerate() {
                let id = ranks[member]
                    .register(gid, members.len() as u32)
                    .expect("ids differ");
                let begun = match (i == last, how) {
                    (false, _) => 2,
                    (true, Behind::HasBegun) => 1,
                    (true, Behind::HasNot) => 0,
                };
                for _ in 0..begun {
                    assert_eq!(ranks[member].may_start(id, Start::Blocking), Verdict::Enter);
                }
                // As often as it takes to have done what the others have.
                behind[member].extend(std::iter::repeat_n(id, 2 - begun));
            }
        }
        Network {
            behind,
            how,
            ranks,
            nodes: vec![Node::new(); size as usize],
            trees: (0..size).map(|rank| Tree::new(rank, size, arity)).collect(),
            root: Root::new(size),
            up: Vec::new(),
            down: Vec::new(),
            cost: Cost::default(),
        }
    }

    /// Everything that was sent arrives; whoever heard something acts, and sends once.
    fn round(&mut self) {
        self.cost.rounds += 1;
        let mut active = Vec::new();
        for (child, report) in std::mem::take(&mut self.up) {
            let parent = self.trees[child as usize]
                .parent()
                .expect("the root sends nothing up");
            self.nodes[parent as usize].on_child(child, report);
            active.push(parent);
        }
        for (rank, broadcast) in std::mem::take(&mut self.down) {
            self.pass_down(rank, &broadcast);
            active.push(rank);
        }
        active.sort_unstable();
        active.dedup();
        active.into_iter().for_each(|rank| self.run_rank(rank));
    }

    fn pass_down(&mut self, rank: u32, broadcast: &Broadcast) {
        let children: Vec<u32> = self.trees[rank as usize].children().collect();
        for child in children {
            if let Some(part) = self.nodes[rank as usize].narrow(child, broadcast) {
                if let Broadcast::Targets {
                    targets, to_all, ..
                } = &part
                {
                    self.cost.mentions += (targets.len() + to_all.len()) as u64;
                }
                self.count(&part);
                self.down.push((child, part));
            }
        }
        self.nodes[rank as usize].on_broadcast(broadcast);
        self.ranks[rank as usize].on_broadcast(broadcast);
        if let Broadcast::Write { .. } = broadcast {
            self.ranks[rank as usize].wrote();
        }
    }

    /// The program catches up where it may; then the rank reports.
    fn run_rank(&mut self, rank: u32) {
        let machine = &mut self.ranks[rank as usize];
        let at_the_gate = self.how == Behind::HasBegun || machine.is_behind();
        if machine.phase() == Phase::Converge && at_the_gate {
            self.behind[rank as usize]
                .retain(|&id| machine.may_start(id, Start::Blocking) == Verdict::Hold);
        }
        let activity = Activity {
            threads_parked: 1,
            threads_total: 1,
            ..Activity::default()
        };
        self.nodes[rank as usize].on_own(machine.report(&activity));
        let Some(report) = self.nodes[rank as usize].take_report() else {
            return;
        };
        if rank > 0 {
            self.cost.mentions += report.clocks.len() as u64;
            self.count(&report);
            self.up.push((rank, report));
            return;
        }
        let steps = self.root.on_report(report);
        self.perform(steps);
    }

    fn perform(&mut self, steps: Vec<Step>) {
        for step in steps {
            let next = match step {
                Step::Broadcast(broadcast) => {
                    self.pass_down(0, &broadcast);
                    self.run_rank(0);
                    Vec::new()
                }
                Step::Prepare => self.root.on_prepared(Ok(1)),
                Step::Commit { .. } => self.root.on_committed(Ok(())),
            };
            self.perform(next);
        }
    }

    fn count(&mut self, message: &impl serde::Serialize) {
        let bytes = rmp_serde::to_vec(message)
            .expect("messages can be encoded")
            .len() as u64
            + 4;
        self.cost.messages += 1;
        self.cost.bytes += bytes;
        self.cost.largest_message_bytes = self.cost.largest_message_bytes.max(bytes);
    }
}
