//! The handle table against a plain map from handles to objects.

use std::collections::HashMap;

use mana_record_replay::handle::{Handle, kind};
use mana_record_replay::table::{QUARANTINE_SLOTS, Table};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Insert(u32),
    /// Of the n-th handle ever handed out.
    Remove(usize),
    Change(usize, u32),
    SaveAndLoad,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => any::<u32>().prop_map(Step::Insert),
        4 => any::<usize>().prop_map(Step::Remove),
        2 => (any::<usize>(), any::<u32>()).prop_map(|(which, value)| Step::Change(which, value)),
        1 => Just(Step::SaveAndLoad),
    ]
}

type Comms = Table<kind::Comm, u32>;

proptest! {
    #[test]
    fn a_table_is_a_map_whose_keys_do_not_come_back(steps in prop::collection::vec(step(), 1..400)) {
        let mut table = Comms::new();
        let mut model: HashMap<Handle<kind::Comm>, u32> = HashMap::new();
        let mut order = Vec::new();
        for step in steps {
            let known = |which: usize| (!order.is_empty()).then(|| order[which % order.len()]);
            match step {
                Step::Insert(value) => {
                    let handle = table.insert(value).unwrap();
                    prop_assert!(!order.contains(&handle), "{:?} came back", handle);
                    model.insert(handle, value);
                    order.push(handle);
                }
                Step::Remove(which) => if let Some(handle) = known(which) {
                    prop_assert_eq!(table.remove(handle), model.remove(&handle));
                },
                Step::Change(which, value) => if let Some(handle) = known(which) {
                    prop_assert_eq!(table.get_mut(handle).is_some(), model.contains_key(&handle));
                    if let (Some(object), Some(expected)) = (table.get_mut(handle), model.get_mut(&handle)) {
                        *object = value;
                        *expected = value;
                    }
                },
                Step::SaveAndLoad => {
                    table = rmp_serde::from_slice(&rmp_serde::to_vec(&table).unwrap()).unwrap();
                }
            }
        }
        for handle in &order {
            prop_assert_eq!(table.get(*handle), model.get(handle));
        }
        let alive: Vec<_> = order.iter().filter(|handle| model.contains_key(handle)).copied().collect();
        let by_birth: Vec<_> = table.by_birth().into_iter().map(|(handle, _)| handle).collect();
        prop_assert_eq!(by_birth, alive);
        prop_assert_eq!(table.len(), model.len());
        prop_assert_eq!(table.iter().count(), model.len());
    }
}

#[test]
fn a_handle_comes_back_after_its_generations_only() {
    let mut table = Table::<kind::Request, ()>::new();
    let first = table.insert(()).unwrap();
    table.remove(first);
    let others = (1..).find(|_| {
        let handle = table.insert(()).unwrap();
        table.remove(handle);
        handle == first
    });
    assert_eq!(others, Some(256 * QUARANTINE_SLOTS));
}

#[test]
fn a_full_table_says_so_and_recovers() {
    let mut table = Table::<kind::Win, ()>::new();
    let handles: Vec<_> = (0..1 << 18).map(|_| table.insert(()).unwrap()).collect();
    assert!(table.insert(()).unwrap_err().to_string().contains("window"));
    table.remove(handles[5]);
    let again = table.insert(()).unwrap();
    assert_ne!(again, handles[5]);
    assert_eq!(table.get(handles[5]), None);
    assert!(table.insert(()).is_err());
}
