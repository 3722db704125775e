//! How the cost of a cut grows: rounds with the depth of the tree, messages with the number of ranks.
use crate::cost::{Behind, Pattern, cost};

const ARITY: u32 = 8;

/// Intent, targets, stop and write go down and come back up, the outcome goes down.
const WAVES: u32 = 9;

fn depth(size: u32) -> u32 {
    std::iter::successors(Some(size - 1), |&rank| {
        (rank > 0).then(|| (rank - 1) / ARITY)
    })
    .count() as u32
        - 1
}

#[test]
fn rounds_grow_with_the_depth_of_the_tree() {
    for pattern in [Pattern::World, Pattern::Grid, Pattern::Overlapping(100)] {
        for size in [4, 16, 64, 256, 1024] {
            for behind in [Behind::HasBegun, Behind::HasNot] {
                let cost = cost(size, ARITY, pattern, behind);
                assert!(
                    cost.rounds <= WAVES * depth(size),
                    "{pattern:?} on {size} ranks: {cost:?}"
                );
            }
        }
    }
}

#[test]
fn messages_grow_with_the_number_of_ranks() {
    for pattern in [Pattern::World, Pattern::Grid, Pattern::Overlapping(100)] {
        for size in [4, 16, 64, 256, 1024] {
            let cost = cost(size, ARITY, pattern, Behind::HasBegun);
            // Inner nodes may report again when a child's report comes in: with arity 8, fewer than once more
            // per wave on average.
            assert!(
                cost.messages < 2 * u64::from(WAVES * size),
                "{pattern:?} on {size} ranks: {cost:?}"
            );
        }
    }
}

/// A communicator that all ranks share costs each message the same, however many ranks there are.
#[test]
fn reports_on_the_world_do_not_grow() {
    let small = cost(16, ARITY, Pattern::World, Behind::HasBegun);
    let large = cost(1024, ARITY, Pattern::World, Behind::HasBegun);
    // The counts in it take up to three bytes each instead of one.
    assert!(
        large.largest_message_bytes <= small.largest_message_bytes + 16,
        "{small:?} {large:?}"
    );
}

/// A communicator costs its members and the ranks above them, not all ranks: targets for it go where reports of it came from.
#[test]
fn communicators_cost_their_members() {
    for pattern in [Pattern::World, Pattern::Grid, Pattern::Overlapping(100)] {
        for size in [4, 16, 64, 256, 1024] {
            for behind in [Behind::HasBegun, Behind::HasNot] {
                let cost = cost(size, ARITY, pattern, behind);
                let members: usize = pattern.communicators(size).iter().map(Vec::len).sum();
                let mentions_most = 2 * u64::from(depth(size) + 1) * members as u64;
                assert!(
                    cost.mentions <= mentions_most,
                    "{pattern:?} on {size} ranks with {members} members, the last {behind:?}: {cost:?}"
                );
            }
        }
    }
}
