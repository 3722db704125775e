//! Groups against plain lists of world ranks, and the laws of MPI 4.1 section 7.3.2.

use mana_record_replay::abi::{PROC_NULL, UNDEFINED};
use mana_record_replay::error_class::ErrorClass;
use mana_record_replay::group::{Group, GroupComparison, GroupRank, WorldRank};
use proptest::prelude::*;

/// Members in any order: some lists strided, most not.
fn members() -> impl Strategy<Value = Vec<u32>> {
    let listed = prop::collection::vec(0_u32..24, 0..12).prop_map(|mut list| {
        let mut seen = Vec::new();
        list.retain(|rank| {
            !seen.contains(rank) && {
                seen.push(*rank);
                true
            }
        });
        list
    });
    let strided = (0_u32..10, 1_u32..4, 0_u32..10, any::<bool>()).prop_map(
        |(first, stride, length, backwards)| {
            let mut list: Vec<_> = (0..length).map(|index| first + stride * index).collect();
            if backwards {
                list.reverse();
            }
            list
        },
    );
    prop_oneof![listed, strided]
}

fn group(list: &[u32]) -> Group {
    Group::from_world_ranks(list.to_vec()).unwrap()
}

fn list(group: &Group) -> Vec<u32> {
    group.iter().map(|process| process.0).collect()
}

proptest! {
    #[test]
    fn lookups_agree_with_the_list(members in members()) {
        let group = group(&members);
        prop_assert_eq!(group.size() as usize, members.len());
        for rank in 0..30 {
            let expected = members.get(rank as usize).copied().map(WorldRank);
            prop_assert_eq!(group.world_rank(GroupRank(rank)), expected);
            let position = members.iter().position(|member| *member == rank).map(|place| GroupRank(place as u32));
            prop_assert_eq!(group.rank_of(WorldRank(rank)), position);
        }
        let read: Group = rmp_serde::from_slice(&rmp_serde::to_vec(&group).unwrap()).unwrap();
        prop_assert_eq!(read, group);
    }

    #[test]
    fn set_operations_keep_the_standards_order(a in members(), b in members()) {
        let (ga, gb) = (group(&a), group(&b));
        let only = |from: &[u32], keep: &dyn Fn(&u32) -> bool| from.iter().copied().filter(|x| keep(x)).collect::<Vec<_>>();
        let union = [a.clone(), only(&b, &|x| !a.contains(x))].concat();
        prop_assert_eq!(list(&ga.union(&gb)), union);
        prop_assert_eq!(list(&ga.intersection(&gb)), only(&a, &|x| b.contains(x)));
        prop_assert_eq!(list(&ga.difference(&gb)), only(&a, &|x| !b.contains(x)));
    }

    #[test]
    fn laws_of_sets(a in members(), b in members(), c in members()) {
        let (a, b, c) = (group(&a), group(&b), group(&c));
        prop_assert_eq!(a.union(&b).union(&c), a.union(&b.union(&c)));
        prop_assert_eq!(a.intersection(&b).intersection(&c), a.intersection(&b.intersection(&c)));
        prop_assert_ne!(a.union(&b).compare(&b.union(&a)), GroupComparison::Unequal);
        prop_assert_eq!(a.difference(&b).union(&a.intersection(&b)).compare(&a) == GroupComparison::Unequal, false);
        prop_assert_eq!(a.difference(&b).intersection(&b), Group::empty());
    }

    #[test]
    fn comparison_and_equality(a in members(), b in members()) {
        let (mut sorted_a, mut sorted_b) = (a.clone(), b.clone());
        sorted_a.sort_unstable();
        sorted_b.sort_unstable();
        let expected = if a == b { GroupComparison::Identical }
            else if sorted_a == sorted_b { GroupComparison::Similar }
            else { GroupComparison::Unequal };
        prop_assert_eq!(group(&a).compare(&group(&b)), expected);
        prop_assert_eq!(group(&a) == group(&b), a == b);
    }

    #[test]
    fn inclusion_and_exclusion(members in members(), ranks in prop::collection::vec(-1_i32..14, 0..8)) {
        let group = group(&members);
        let valid = ranks.iter().all(|rank| (0..members.len() as i32).contains(rank));
        let mut sorted = ranks.clone();
        sorted.sort_unstable();
        let distinct = sorted.windows(2).all(|pair| pair[0] != pair[1]);
        match (group.incl(&ranks), group.excl(&ranks)) {
            (Ok(incl), Ok(excl)) => {
                prop_assert!(valid && distinct);
                prop_assert_eq!(list(&incl), ranks.iter().map(|rank| members[*rank as usize]).collect::<Vec<_>>());
                let kept = (0..members.len()).filter(|rank| !ranks.contains(&(*rank as i32)));
                prop_assert_eq!(list(&excl), kept.map(|rank| members[rank]).collect::<Vec<_>>());
            }
            (Err(incl), Err(excl)) => {
                prop_assert!(!valid || !distinct);
                prop_assert_eq!((incl.class(), excl.class()), (ErrorClass::RANK, ErrorClass::RANK));
            }
            other => prop_assert!(false, "incl and excl disagree: {:?}", other),
        }
    }

    #[test]
    fn ranges_are_the_ranks_they_stand_for(members in members(), first in 0_i32..12, last in 0_i32..12, stride in -4_i32..5) {
        let group = group(&members);
        let mut ranks = Vec::new();
        let mut rank = first;
        while stride != 0 && (if stride > 0 { rank <= last } else { rank >= last }) {
            ranks.push(rank);
            rank += stride;
        }
        let range = group.range_incl(&[[first, last, stride]]);
        if ranks.is_empty() {
            prop_assert_eq!(range.unwrap_err().class(), ErrorClass::ARG);
        } else {
            prop_assert_eq!(range, group.incl(&ranks));
            prop_assert_eq!(group.range_excl(&[[first, last, stride]]), group.excl(&ranks));
        }
    }

    #[test]
    fn translation(a in members(), b in members()) {
        let ranks: Vec<i32> = (0..a.len() as i32).chain([PROC_NULL]).collect();
        let place = |member: &u32| b.iter().position(|other| other == member).map_or(UNDEFINED, |place| place as i32);
        let expected: Vec<_> = a.iter().map(place).chain([PROC_NULL]).collect();
        prop_assert_eq!(group(&a).translate_ranks(&ranks, &group(&b)), Ok(expected));
        prop_assert!(group(&a).translate_ranks(&[a.len() as i32], &group(&b)).is_err());
    }
}

#[test]
fn a_group_of_a_big_world_is_a_few_bytes() {
    let world = Group::world(65_536);
    let half = world.range_incl(&[[1, 65_535, 2]]).unwrap();
    assert_eq!(half.rank_of(WorldRank(65_535)), Some(GroupRank(32_767)));
    for group in [world, half] {
        assert!(rmp_serde::to_vec(&group).unwrap().len() < 40);
    }
}

#[test]
fn an_endless_range_costs_no_more_than_the_group() {
    let error = Group::world(4).range_incl(&[[0, i32::MAX, 1]]).unwrap_err();
    assert_eq!(error.class(), ErrorClass::RANK);
}

#[test]
fn a_damaged_record_is_refused() {
    use std::collections::BTreeMap;
    let read = |variant: &str, numbers: [i32; 3]| {
        let record = rmp_serde::to_vec(&BTreeMap::from([(variant, numbers)])).unwrap();
        rmp_serde::from_slice::<Group>(&record)
    };
    assert_eq!(list(&read("Listed", [3, 1, 4]).unwrap()), [3, 1, 4]);
    assert!(read("Listed", [3, 1, 3]).is_err());
    // First, stride, length.
    assert_eq!(list(&read("Strided", [5, -2, 3]).unwrap()), [5, 3, 1]);
    assert!(read("Strided", [5, 0, 2]).is_err());
    assert!(read("Strided", [1, -1, 3]).is_err());
}
