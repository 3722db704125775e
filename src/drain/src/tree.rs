//! The tree of ranks along which reports rise and broadcasts fall.
//!
//! ```text
//!   arity 2:        0
//!                 /   \
//!                1     2        parent(r) = (r - 1) / arity
//!               / \   /
//!              3   4 5
//! ```

/// The place of one rank in the tree of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tree {
    rank: u32,
    size: u32,
    arity: u32,
}

impl Tree {
    /// The place of world rank `rank` among `size`, in a tree with at most `arity` children each.
    ///
    /// # Panics
    /// If `arity` is 0 or `rank` is not below `size`.
    #[must_use]
    pub fn new(rank: u32, size: u32, arity: u32) -> Tree {
        assert!(arity > 0, "a tree needs children");
        assert!(rank < size, "rank {rank} of {size}");
        Tree { rank, size, arity }
    }

    /// The rank reports go to; the root (rank 0) has none.
    #[must_use]
    pub fn parent(&self) -> Option<u32> {
        (self.rank > 0).then(|| (self.rank - 1) / self.arity)
    }

    /// The ranks that report to this one.
    pub fn children(&self) -> impl Iterator<Item = u32> + use<> {
        let first = u64::from(self.rank) * u64::from(self.arity) + 1;
        let end = (first + u64::from(self.arity)).min(u64::from(self.size));
        (first..end).map(|child| u32::try_from(child).expect("a child is a rank"))
    }
}

#[cfg(test)]
mod tests {
    use super::Tree;

    #[test]
    fn children_and_parents_agree() {
        for (size, arity) in [(1, 8), (2, 1), (9, 8), (10, 8), (64, 3), (1000, 8)] {
            let mut reached = 1;
            for rank in 0..size {
                for child in Tree::new(rank, size, arity).children() {
                    assert_eq!(Tree::new(child, size, arity).parent(), Some(rank));
                    reached += 1;
                }
            }
            assert_eq!(reached, size, "every rank has one place");
        }
    }
}
