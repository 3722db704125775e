//! Dims_create against all factorisations, grids against arithmetic on coordinates.

use mana_record_replay::abi::PROC_NULL;
use mana_record_replay::topology::{Cart, Topology, dims_create};
use proptest::prelude::*;

/// All non-increasing factorisations of `nodes` into `count` factors, by trying everything.
fn factorisations(nodes: i32, count: usize, largest: i32) -> Vec<Vec<i32>> {
    if count == 0 {
        return if nodes == 1 { vec![vec![]] } else { vec![] };
    }
    (1..=largest.min(nodes))
        .filter(|factor| nodes % factor == 0)
        .flat_map(|factor| {
            factorisations(nodes / factor, count - 1, factor)
                .into_iter()
                .map(move |rest| [vec![factor], rest].concat())
        })
        .collect()
}

fn most_balanced(nodes: i32, count: usize) -> Vec<i32> {
    let spread = |dims: &Vec<i32>| {
        let from_the_smallest: Vec<_> = dims.iter().rev().map(|extent| -extent).collect();
        (dims[0] - dims[dims.len() - 1], from_the_smallest)
    };
    factorisations(nodes, count, nodes)
        .into_iter()
        .min_by_key(spread)
        .unwrap()
}

#[test]
fn dims_create_finds_the_most_balanced_grid() {
    for nodes in 1..=600 {
        for count in 1..=5 {
            let mut dims = vec![0; count];
            dims_create(nodes, &mut dims).unwrap();
            assert_eq!(
                dims,
                most_balanced(nodes, count),
                "{nodes} nodes in {count} dimensions"
            );
        }
    }
}

proptest! {
    #[test]
    fn given_extents_stay_and_the_others_are_balanced(nodes in 1_i32..2000, mut dims in prop::collection::vec(0_i32..5, 1..6)) {
        let given = dims.clone();
        let product: i32 = given.iter().filter(|extent| **extent > 0).product();
        let free = given.iter().filter(|extent| **extent == 0).count();
        let possible = nodes % product == 0 && (free > 0 || product == nodes);
        prop_assert_eq!(dims_create(nodes, &mut dims).is_ok(), possible);
        if possible {
            let (chosen, kept): (Vec<_>, Vec<_>) = given.iter().zip(&dims).partition(|(given, _)| **given == 0);
            prop_assert!(kept.iter().all(|(given, extent)| given == extent));
            let chosen: Vec<_> = chosen.into_iter().map(|(_, extent)| *extent).collect();
            if free > 0 { prop_assert_eq!(chosen, most_balanced(nodes / product, free)); }
        } else {
            prop_assert_eq!(dims, given);
        }
    }

    #[test]
    fn ranks_and_coordinates_are_inverse(dims in prop::collection::vec(1_i32..5, 0..5), periodic in any::<u8>(), turns in -3_i32..4) {
        let periods: Vec<_> = (0..dims.len()).map(|index| periodic >> index & 1 == 1).collect();
        let cart = Cart::new(dims.clone(), periods.clone(), 5000).unwrap();
        for rank in 0..cart.size() {
            let coords = cart.coords(rank).unwrap();
            prop_assert_eq!(cart.rank(&coords), Ok(rank));
            let turned: Vec<_> = (0..dims.len()).map(|index| coords[index] + if periods[index] { turns * dims[index] } else { 0 }).collect();
            prop_assert_eq!(cart.rank(&turned), Ok(rank));
        }
    }

    #[test]
    fn a_shift_moves_one_coordinate(dims in prop::collection::vec(1_i32..5, 1..4), periodic in any::<u8>(), displacement in -7_i32..8) {
        let periods: Vec<_> = (0..dims.len()).map(|index| periodic >> index & 1 == 1).collect();
        let cart = Cart::new(dims.clone(), periods.clone(), 5000).unwrap();
        for rank in 0..cart.size() {
            for (dimension, extent) in dims.iter().enumerate() {
                let moved = |by: i32| {
                    let mut coords = cart.coords(rank).unwrap();
                    coords[dimension] += by;
                    let inside = periods[dimension] || (0..*extent).contains(&coords[dimension]);
                    if inside { cart.rank(&coords).unwrap() } else { PROC_NULL }
                };
                let expected = (moved(-displacement), moved(displacement));
                prop_assert_eq!(cart.shift(rank, dimension as i32, displacement), Ok(expected));
            }
        }
    }

    #[test]
    fn parts_of_a_grid_are_grids(dims in prop::collection::vec(1_i32..4, 0..5), kept in any::<u8>()) {
        let remain: Vec<_> = (0..dims.len()).map(|index| kept >> index & 1 == 1).collect();
        let cart = Cart::new(dims.clone(), vec![false; dims.len()], 5000).unwrap();
        let mut seen = std::collections::HashSet::new();
        for rank in 0..cart.size() {
            let sub = cart.sub(rank, &remain).unwrap();
            let coords = cart.coords(rank).unwrap();
            let inner: Vec<_> = coords.iter().zip(&remain).filter(|(_, remain)| **remain).map(|(c, _)| *c).collect();
            prop_assert_eq!(sub.cart.coords(sub.rank), Ok(inner));
            prop_assert!(seen.insert((sub.colour, sub.rank)), "two ranks in one place");
            prop_assert!(sub.colour * sub.cart.size() < cart.size());
        }
    }

    #[test]
    fn neighbourhoods_are_symmetric(dims in prop::collection::vec(1_i32..4, 1..4), periodic in any::<u8>()) {
        let periods: Vec<_> = (0..dims.len()).map(|index| periodic >> index & 1 == 1).collect();
        let cart = Cart::new(dims, periods, 5000).unwrap();
        let topology = Topology::Cart(cart.clone());
        for rank in 0..cart.size() {
            let (sources, destinations) = topology.neighbours(rank).unwrap();
            prop_assert_eq!(&sources, &destinations);
            for (place, neighbour) in destinations.iter().enumerate().filter(|(_, neighbour)| **neighbour != PROC_NULL) {
                // What goes in the + direction of a dimension comes from the other's - side.
                prop_assert_eq!(topology.neighbours(*neighbour).unwrap().0[place ^ 1], rank);
            }
        }
    }
}
