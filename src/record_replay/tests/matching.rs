//! The unexpected queue against a plain list searched from the front.

use mana_drain::Gid;
use mana_record_replay::abi::{ANY_SOURCE, ANY_TAG};
use mana_record_replay::message::{DrainedMessage, UnexpectedQueue};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Arrive(u64, i32, i32),
    Take(u64, i32, i32),
    Peek(u64, i32, i32),
    SaveAndLoad,
}

fn step() -> impl Strategy<Value = Step> {
    let source = prop_oneof![Just(ANY_SOURCE), 0..3_i32];
    let tag = prop_oneof![Just(ANY_TAG), 0..3_i32];
    prop_oneof![
        8 => (1..3_u64, 0..3_i32, 0..3_i32).prop_map(|(comm, source, tag)| Step::Arrive(comm, source, tag)),
        6 => (1..3_u64, source.clone(), tag.clone()).prop_map(|(comm, source, tag)| Step::Take(comm, source, tag)),
        3 => (1..3_u64, source, tag).prop_map(|(comm, source, tag)| Step::Peek(comm, source, tag)),
        1 => Just(Step::SaveAndLoad),
    ]
}

fn matches(message: &DrainedMessage, comm: u64, source: i32, tag: i32) -> bool {
    message.comm == Gid(comm)
        && (source == ANY_SOURCE || source == message.source)
        && (tag == ANY_TAG || tag == message.tag)
}

proptest! {
    #[test]
    fn matching_is_in_order_of_arrival(steps in prop::collection::vec(step(), 0..200)) {
        let mut queue = UnexpectedQueue::default();
        let mut model: Vec<DrainedMessage> = Vec::new();
        for (serial, step) in steps.into_iter().enumerate() {
            match step {
                Step::Arrive(comm, source, tag) => {
                    let message = DrainedMessage { comm: Gid(comm), source, tag, bytes: serial.to_le_bytes().to_vec() };
                    queue.push(message.clone());
                    model.push(message);
                }
                Step::Take(comm, source, tag) => {
                    let place = model.iter().position(|message| matches(message, comm, source, tag));
                    let expected = place.map(|place| model.remove(place));
                    prop_assert_eq!(queue.take_match(Gid(comm), source, tag), expected);
                }
                Step::Peek(comm, source, tag) => {
                    let expected = model.iter().find(|message| matches(message, comm, source, tag));
                    prop_assert_eq!(queue.peek_match(Gid(comm), source, tag), expected);
                }
                Step::SaveAndLoad => {
                    queue = rmp_serde::from_slice(&rmp_serde::to_vec(&queue).unwrap()).unwrap();
                }
            }
            prop_assert!(queue.iter().eq(model.iter()));
            prop_assert_eq!(queue.bytes(), 8 * model.len() as u64);
        }
    }
}

#[test]
fn the_bytes_of_a_message_are_stored_as_bytes() {
    let message = DrainedMessage {
        comm: Gid::WORLD,
        source: 0,
        tag: 0,
        bytes: vec![0xff; 100_000],
    };
    let mut queue = UnexpectedQueue::default();
    queue.push(message);
    assert!(rmp_serde::to_vec(&queue).unwrap().len() < 100_100);
}
