//! A place in the tree: its own rank's latest report and each child's become one report to the parent.
//!
//! A newer report of a child replaces its older one, so nothing is counted twice and the parent needs only
//! the latest. Reports that add nothing new are not sent.
use std::collections::{BTreeMap, BTreeSet};

use crate::{Broadcast, Gid, Report};

/// Merges reports at one rank of the tree. Rank 0's node feeds the [`crate::Root`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Node {
    /// The attempt under way, if any.
    epoch: Option<u64>,
    own: Report,
    children: BTreeMap<u32, Report>,
    /// Communicators that ranks below a child have reported in this attempt.
    below: BTreeMap<u32, BTreeSet<Gid>>,
    sent: Option<Report>,
}

impl Node {
    /// A node that has heard of no attempt.
    #[must_use]
    pub fn new() -> Node {
        Node::default()
    }

    /// Takes note of a broadcast that passes through to the children: attempts begin and end with them.
    pub fn on_broadcast(&mut self, broadcast: &Broadcast) {
        match broadcast {
            Broadcast::Intent { epoch } => {
                *self = Node {
                    epoch: Some(*epoch),
                    ..Node::default()
                };
            }
            Broadcast::Committed { .. } | Broadcast::Aborted { .. } => *self = Node::default(),
            Broadcast::Targets { .. } | Broadcast::Stop { .. } | Broadcast::Write { .. } => {}
        }
    }

    /// Takes the latest report of the rank at this node.
    pub fn on_own(&mut self, report: Report) {
        if self.epoch == Some(report.epoch) {
            self.own = report;
        }
    }

    /// Takes the latest report of a child's subtree.
    pub fn on_child(&mut self, child: u32, report: Report) {
        if self.epoch == Some(report.epoch) {
            let below = self.below.entry(child).or_default();
            below.extend(report.clocks.keys());
            self.children.insert(child, report);
        }
    }

    /// What of a broadcast concerns the ranks below `child`, if anything.
    ///
    /// Whoever has reported a communicator did it by way of this node; so a target for one that all members have reported
    /// is for those children only from below which a report of it has come.
    #[must_use]
    pub fn narrow(&self, child: u32, broadcast: &Broadcast) -> Option<Broadcast> {
        let Broadcast::Targets {
            epoch,
            targets,
            to_all,
        } = broadcast
        else {
            return Some(broadcast.clone());
        };
        let concerns = |gid| {
            self.below
                .get(&child)
                .is_some_and(|gids| gids.contains(gid))
        };
        let targets: Vec<_> = targets
            .iter()
            .filter(|(gid, _)| concerns(gid))
            .copied()
            .collect();
        let is_empty = targets.is_empty() && to_all.is_empty();
        (!is_empty).then(|| Broadcast::Targets {
            epoch: *epoch,
            targets,
            to_all: to_all.clone(),
        })
    }

    /// The report to send to the parent (or to give to the root), if it says anything new.
    ///
    /// The node regards it as sent. Several changes may become one report: callers may wait with asking.
    pub fn take_report(&mut self) -> Option<Report> {
        let epoch = self.epoch?;
        let mut merged = Report {
            epoch,
            ..Report::default()
        };
        for part in std::iter::once(&self.own)
            .filter(|own| own.epoch == epoch)
            .chain(self.children.values())
        {
            merged.merge(part);
        }
        merged.drop_settled();
        if merged.ranks == 0 || self.sent.as_ref() == Some(&merged) {
            return None;
        }
        self.sent = Some(merged.clone());
        Some(merged)
    }
}
