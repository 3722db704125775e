//! The agents of a simulated job: a tree of nodes and links that delay messages but keep their order.
use std::collections::VecDeque;
use std::sync::Arc;

use mana_drain::{Broadcast, Node, Report, Root, Step, Tree};

/// The control side of a job.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Control {
    pub root: Arc<Root>,
    pub nodes: Vec<Arc<Node>>,
    /// A report under way to the parent. Later ones wait and become one.
    pub up: Vec<Option<Arc<Report>>>,
    /// Broadcasts under way from the parent.
    pub down: Vec<VecDeque<Broadcast>>,
}

impl Control {
    pub fn new(size: usize) -> Control {
        Control {
            root: Arc::new(Root::new(size as u32)),
            nodes: (0..size).map(|_| Arc::new(Node::new())).collect(),
            up: vec![None; size],
            down: vec![VecDeque::new(); size],
        }
    }

    fn tree(&self, rank: usize, arity: u32) -> Tree {
        Tree::new(rank as u32, self.nodes.len() as u32, arity)
    }

    fn node(&mut self, rank: usize) -> &mut Node {
        Arc::make_mut(&mut self.nodes[rank])
    }

    /// The root, to be changed.
    pub fn root(&mut self) -> &mut Root {
        Arc::make_mut(&mut self.root)
    }

    /// A report under way, if there is one, reaches the parent.
    pub fn rise(&mut self, rank: usize, arity: u32) {
        if let (Some(report), Some(parent)) =
            (self.up[rank].take(), self.tree(rank, arity).parent())
        {
            self.node(parent as usize)
                .on_child(rank as u32, Report::clone(&report));
        }
    }

    /// A broadcast passes through a node on its way to the rank there and to those of the node's children that it concerns.
    pub fn pass_down(&mut self, rank: usize, arity: u32, broadcast: &Broadcast) {
        for child in self.tree(rank, arity).children() {
            self.down[child as usize].extend(self.nodes[rank].narrow(child, broadcast));
        }
        self.node(rank).on_broadcast(broadcast);
    }

    /// The node takes its rank's report; what it has to say goes up or to the root. False if that is nothing.
    pub fn pass_up(&mut self, rank: usize, own: Report, steps: &mut Vec<Step>) -> bool {
        self.node(rank).on_own(own);
        let Some(merged) = self.node(rank).take_report() else {
            return false;
        };
        if rank == 0 {
            steps.extend(self.root().on_report(merged));
        } else {
            self.up[rank] = Some(Arc::new(merged));
        }
        true
    }
}
