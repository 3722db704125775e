//! Datatypes against type maps written out element by element.

mod common;

use common::{Naive, size_of, tree};
use mana_record_replay::datatype::{Constructor, Datatypes, Layout, Run};
use mana_record_replay::error_class::ErrorClass;
use mana_record_replay::handle::DatatypeHandle;
use proptest::prelude::*;

const MPI_INT: DatatypeHandle = DatatypeHandle::predefined(0x209);
const MPI_DOUBLE: DatatypeHandle = DatatypeHandle::predefined(0x214);

/// The runs of a type map: neighbours joined.
fn joined(naive: &Naive) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (basic, offset) in &naive.entries {
        let length = size_of(*basic);
        match runs.last_mut() {
            Some(last) if last.offset + last.length == *offset => last.length += length,
            _ => runs.push(Run {
                offset: *offset,
                length,
            }),
        }
    }
    runs
}

/// Memory that holds `count` of a type, different bytes all over, and where the buffer's address points to in it.
fn memory(layout: &Layout, count: i64) -> (Vec<u8>, usize) {
    let (first, end) = layout.span(count).unwrap();
    let (before, after) = ((-first).max(0) as usize, end.max(0) as usize);
    (
        (0..before + after)
            .map(|index| (index * 7 + index / 251) as u8)
            .collect(),
        before,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn figures_are_those_of_the_type_map(tree in tree()) {
        let mut store = Datatypes::new();
        let handle = tree.build(&mut store);
        let (layout, naive) = (store.layout(handle).unwrap(), tree.expand());
        prop_assert_eq!(layout.size_bytes(), naive.size());
        prop_assert_eq!((layout.lb(), layout.ub()), (naive.lb(), naive.ub()));
        prop_assert_eq!((layout.true_lb(), layout.true_ub()), (naive.true_lb(), naive.true_ub()));
        prop_assert_eq!(layout.elements(), naive.entries.len() as i64);
    }

    #[test]
    fn runs_are_the_type_map_with_neighbours_joined(tree in tree(), count in 0_i64..4) {
        let mut store = Datatypes::new();
        let handle = tree.build(&mut store);
        let (layout, naive) = (store.layout(handle).unwrap(), tree.expand().repeated(count));
        let runs: Vec<_> = layout.runs(count).collect();
        prop_assert_eq!(&runs, &joined(&naive));
        prop_assert_eq!(layout.is_contiguous(count), runs.len() <= 1);
        let span = if naive.entries.is_empty() { (0, 0) } else { (naive.true_lb(), naive.true_ub()) };
        prop_assert_eq!(layout.span(count), Ok(span));
    }

    #[test]
    fn packing_takes_the_elements_in_order(tree in tree(), count in 0_i64..4) {
        let mut store = Datatypes::new();
        let handle = tree.build(&mut store);
        let layout = store.layout(handle).unwrap();
        let (memory, origin) = memory(layout, count);
        let mut packed = Vec::new();
        layout.pack(count, &memory, origin, &mut packed).unwrap();
        let mut expected = Vec::new();
        for (basic, offset) in tree.expand().repeated(count).entries {
            let at = (origin as i64 + offset) as usize;
            expected.extend_from_slice(&memory[at..at + size_of(basic) as usize]);
        }
        prop_assert_eq!(packed, expected);
    }

    #[test]
    fn unpacking_writes_what_packing_read_and_nothing_else(tree in tree(), count in 0_i64..4, cut in 0.0..1.0) {
        let mut store = Datatypes::new();
        let handle = tree.build(&mut store);
        let layout = store.layout(handle).unwrap();
        let (before, origin) = memory(layout, count);
        let room = (layout.size_bytes() * count) as usize;
        let packed: Vec<u8> = (0..(room as f64 * cut) as usize).map(|index| (index * 3 + 1) as u8).collect();
        let mut after = before.clone();
        prop_assert_eq!(layout.unpack(count, &packed, &mut after, origin), Ok(packed.len()));
        let mut expected = before;
        let mut left = packed.iter();
        'message: for (basic, offset) in tree.expand().repeated(count).entries {
            for byte in 0..size_of(basic) {
                let Some(value) = left.next() else { break 'message };
                expected[(origin as i64 + offset + byte) as usize] = *value;
            }
        }
        prop_assert_eq!(after, expected);
    }

    #[test]
    fn bytes_are_counted_in_elements_and_back(tree in tree(), bytes in 0_u64..5000) {
        let mut store = Datatypes::new();
        let handle = tree.build(&mut store);
        let (layout, naive) = (store.layout(handle).unwrap(), tree.expand());
        let size = naive.size() as u64;
        if size == 0 {
            prop_assert_eq!(layout.elements_in(bytes), (bytes == 0).then_some(0));
            return Ok(());
        }
        let bytes = bytes % (3 * size);
        let mut left = bytes;
        let mut elements = 0;
        for (basic, _) in naive.entries.iter().cycle().take_while(|(basic, _)| {
            let fits = left >= size_of(*basic) as u64;
            if fits { left -= size_of(*basic) as u64; }
            fits
        }) {
            let _ = basic;
            elements += 1;
        }
        prop_assert_eq!(layout.elements_in(bytes), (left == 0).then_some(elements));
        prop_assert_eq!(layout.count_in(bytes), bytes.is_multiple_of(size).then_some((bytes / size) as i64));
        if left == 0 { prop_assert_eq!(layout.bytes_of_elements(elements), Some(bytes)); }
    }

    #[test]
    fn equal_signatures_are_equal_sequences(a in tree(), b in tree()) {
        let mut store = Datatypes::new();
        let (built_a, built_b) = (a.build(&mut store), b.build(&mut store));
        let sequence = |naive: Naive| naive.entries.into_iter().map(|(basic, _)| basic).collect::<Vec<_>>();
        let same = sequence(a.expand()) == sequence(b.expand());
        let signature = |handle| store.layout(handle).unwrap().signature();
        prop_assert_eq!(signature(built_a) == signature(built_b), same);
        let twice = store.layout(built_a).unwrap().signature().repeated(2);
        prop_assert_eq!(twice.elements(), 2 * a.expand().entries.len() as i64);
    }

    #[test]
    fn types_freed_in_any_order_all_go(trees in prop::collection::vec(tree(), 1..4)) {
        let mut store = Datatypes::new();
        let handles: Vec<_> = trees.iter().map(|tree| tree.build(&mut store)).filter(|it| !it.is_predefined()).collect();
        let alive = store.len();
        let released: usize = handles.iter().map(|handle| store.free(*handle).unwrap().len()).sum();
        prop_assert_eq!(released, alive);
        prop_assert!(store.is_empty());
    }
}

#[test]
fn types_of_astronomic_length_are_cheap() {
    let mut store = Datatypes::new();
    let row = store
        .create(
            Constructor::Vector {
                count: 1 << 20,
                block_length: 1,
                stride: 3,
                old: MPI_INT,
            },
            true,
        )
        .unwrap();
    let plane = store
        .create(
            Constructor::Hvector {
                count: 1 << 20,
                block_length: 1,
                stride_bytes: 1 << 30,
                old: row,
            },
            true,
        )
        .unwrap();
    let layout = store.layout(plane).unwrap();
    assert_eq!(layout.elements(), 1 << 40);
    assert_eq!(
        layout
            .runs(1)
            .take(3)
            .map(|run| run.offset)
            .collect::<Vec<_>>(),
        [0, 12, 24]
    );
    assert_eq!(layout.elements_in((1 << 40) + 8), Some((1 << 38) + 2));
}

/// Elements at a stride that is no multiple of their alignment: each ends with its padding, the last one too, as libraries
/// that look at extents (mpi4py's conversion to NumPy types) count on.
#[test]
fn what_is_made_of_padded_types_holds_them_whole() {
    let mut store = Datatypes::new();
    let mut strided = |count, block_length, stride_bytes, old| {
        let made = Constructor::Hvector {
            count,
            block_length,
            stride_bytes,
            old,
        };
        store.create(made, true).unwrap()
    };
    let inner = strided(3, 4, 49, MPI_DOUBLE);
    let outer = strided(2, 3, 4 * 136 + 1, inner);
    let bounds = |handle| {
        let layout = store.layout(handle).unwrap();
        (layout.extent(), layout.true_extent())
    };
    assert_eq!(bounds(inner), (136, 130));
    assert_eq!(bounds(outer), (960, 545 + 2 * 136 + 130));
}

#[test]
fn types_beyond_63_bits_are_refused() {
    let mut store = Datatypes::new();
    let half = store
        .create(
            Constructor::Contiguous {
                count: 1 << 59,
                old: MPI_DOUBLE,
            },
            true,
        )
        .unwrap();
    let whole = store.create(
        Constructor::Contiguous {
            count: 4,
            old: half,
        },
        true,
    );
    assert_eq!(whole.unwrap_err().class(), ErrorClass::VALUE_TOO_LARGE);
    let far = Constructor::Hvector {
        count: 3,
        block_length: 1,
        stride_bytes: i64::MAX / 2,
        old: MPI_INT,
    };
    assert!(store.create(far, true).is_err());
    let resized = store.create(
        Constructor::Resized {
            lb: i64::MAX - 1,
            extent: 5,
            old: MPI_INT,
        },
        true,
    );
    assert!(resized.is_err());
    assert_eq!(store.len(), 1);
}

#[test]
fn what_reaches_out_of_the_buffer_is_an_error() {
    let mut store = Datatypes::new();
    let gaps = store
        .create(
            Constructor::Vector {
                count: 2,
                block_length: 1,
                stride: -1,
                old: MPI_INT,
            },
            false,
        )
        .unwrap();
    let layout = store.layout(gaps).unwrap();
    let error = layout.pack(1, &[0; 8], 0, &mut Vec::new()).unwrap_err();
    assert_eq!(error.class(), ErrorClass::BUFFER);
    assert!(layout.unpack(1, &[1; 8], &mut [0; 8], 3).is_err());
    assert_eq!(layout.unpack(1, &[1; 8], &mut [0; 8], 4), Ok(8));
    // A longer message is cut: the caller sees that not all of it had room.
    assert_eq!(layout.unpack(1, &[1; 9], &mut [0; 8], 4), Ok(8));
}
