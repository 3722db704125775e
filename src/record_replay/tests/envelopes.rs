//! What `MPI_Type_get_envelope` and `_get_contents` report, constructor by constructor (MPI 4.1 section 5.1.13), and the
//! arguments that are refused.

use mana_record_replay::abi::{DISTRIBUTE_DFLT_DARG, ORDER_C, ORDER_FORTRAN, UNDEFINED};
use mana_record_replay::datatype::{
    Block, Combiner, Constructor, Contents, DarrayDim, Datatypes, Distribution, Member, Order,
    SubarrayDim, external32_size,
};
use mana_record_replay::error_class::ErrorClass;
use mana_record_replay::handle::DatatypeHandle;

const MPI_INT: DatatypeHandle = DatatypeHandle::predefined(0x209);
const MPI_LONG: DatatypeHandle = DatatypeHandle::predefined(0x20a);
const MPI_DOUBLE: DatatypeHandle = DatatypeHandle::predefined(0x214);

fn contents(
    integers: &[i32],
    addresses: &[i64],
    large_counts: &[i64],
    datatypes: &[DatatypeHandle],
) -> Contents {
    Contents {
        integers: integers.to_vec(),
        addresses: addresses.to_vec(),
        large_counts: large_counts.to_vec(),
        datatypes: datatypes.to_vec(),
    }
}

/// Each constructor with its combiner and its contents when made by the plain and by the large-count function.
fn cases() -> Vec<(Constructor, Combiner, Contents, Contents)> {
    let (old, one) = (MPI_INT, &[MPI_INT][..]);
    let blocks = vec![
        Block {
            length: 1,
            displacement: 5,
        },
        Block {
            length: 2,
            displacement: -7,
        },
    ];
    let dims = vec![
        SubarrayDim {
            size: 4,
            subsize: 2,
            start: 1,
        },
        SubarrayDim {
            size: 6,
            subsize: 3,
            start: 2,
        },
    ];
    let darray = vec![
        DarrayDim {
            global_size: 7,
            distribution: Distribution::Cyclic,
            argument: 2,
            processes: 3,
        },
        DarrayDim {
            global_size: 5,
            distribution: Distribution::Block,
            argument: DISTRIBUTE_DFLT_DARG,
            processes: 2,
        },
    ];
    let members = vec![
        Member {
            length: 1,
            displacement: 0,
            datatype: MPI_INT,
        },
        Member {
            length: 2,
            displacement: 8,
            datatype: MPI_DOUBLE,
        },
    ];
    vec![
        (
            Constructor::Dup { old },
            Combiner::Dup,
            contents(&[], &[], &[], one),
            contents(&[], &[], &[], one),
        ),
        (
            Constructor::Contiguous { count: 3, old },
            Combiner::Contiguous,
            contents(&[3], &[], &[], one),
            contents(&[], &[], &[3], one),
        ),
        (
            Constructor::Vector {
                count: 3,
                block_length: 2,
                stride: -4,
                old,
            },
            Combiner::Vector,
            contents(&[3, 2, -4], &[], &[], one),
            contents(&[], &[], &[3, 2, -4], one),
        ),
        (
            Constructor::Hvector {
                count: 3,
                block_length: 2,
                stride_bytes: 40,
                old,
            },
            Combiner::Hvector,
            contents(&[3, 2], &[40], &[], one),
            contents(&[], &[], &[3, 2, 40], one),
        ),
        (
            Constructor::Indexed {
                blocks: blocks.clone(),
                old,
            },
            Combiner::Indexed,
            contents(&[2, 1, 2, 5, -7], &[], &[], one),
            contents(&[], &[], &[2, 1, 2, 5, -7], one),
        ),
        (
            Constructor::Hindexed { blocks, old },
            Combiner::Hindexed,
            contents(&[2, 1, 2], &[5, -7], &[], one),
            contents(&[], &[], &[2, 1, 2, 5, -7], one),
        ),
        (
            Constructor::IndexedBlock {
                block_length: 4,
                displacements: vec![9, 8],
                old,
            },
            Combiner::IndexedBlock,
            contents(&[2, 4, 9, 8], &[], &[], one),
            contents(&[], &[], &[2, 4, 9, 8], one),
        ),
        (
            Constructor::HindexedBlock {
                block_length: 4,
                displacements_bytes: vec![9, 8],
                old,
            },
            Combiner::HindexedBlock,
            contents(&[2, 4], &[9, 8], &[], one),
            contents(&[], &[], &[2, 4, 9, 8], one),
        ),
        (
            Constructor::Struct { members },
            Combiner::Struct,
            contents(&[2, 1, 2], &[0, 8], &[], &[MPI_INT, MPI_DOUBLE]),
            contents(&[], &[], &[2, 1, 2, 0, 8], &[MPI_INT, MPI_DOUBLE]),
        ),
        (
            Constructor::Subarray {
                dims,
                order: Order::Fortran,
                old,
            },
            Combiner::Subarray,
            contents(&[2, 4, 6, 2, 3, 1, 2, ORDER_FORTRAN], &[], &[], one),
            contents(&[2, ORDER_FORTRAN], &[], &[4, 6, 2, 3, 1, 2], one),
        ),
        (
            Constructor::Darray {
                size: 6,
                rank: 4,
                dims: darray,
                order: Order::C,
                old,
            },
            Combiner::Darray,
            contents(
                &[6, 4, 2, 7, 5, 18, 17, 2, 19, 3, 2, ORDER_C],
                &[],
                &[],
                one,
            ),
            contents(&[6, 4, 2, 18, 17, 2, 19, 3, 2, ORDER_C], &[], &[7, 5], one),
        ),
        (
            Constructor::Resized {
                lb: -4,
                extent: 16,
                old,
            },
            Combiner::Resized,
            contents(&[], &[-4, 16], &[], one),
            contents(&[], &[], &[-4, 16], one),
        ),
        (
            Constructor::F90Real {
                precision: 15,
                range: UNDEFINED,
            },
            Combiner::F90Real,
            contents(&[15, UNDEFINED], &[], &[], &[]),
            contents(&[15, UNDEFINED], &[], &[], &[]),
        ),
        (
            Constructor::F90Complex {
                precision: 6,
                range: 30,
            },
            Combiner::F90Complex,
            contents(&[6, 30], &[], &[], &[]),
            contents(&[6, 30], &[], &[], &[]),
        ),
        (
            Constructor::F90Integer { range: 9 },
            Combiner::F90Integer,
            contents(&[9], &[], &[], &[]),
            contents(&[9], &[], &[], &[]),
        ),
    ]
}

#[test]
fn contents_are_the_arguments() {
    for (constructor, combiner, plain, large) in cases() {
        for (is_large, expected) in [(false, plain), (true, large)] {
            let mut store = Datatypes::new();
            let handle = store.create(constructor.clone(), is_large).unwrap();
            let envelope = store.envelope(handle).unwrap();
            assert_eq!(envelope.combiner, combiner);
            let lengths = (
                envelope.integers,
                envelope.addresses,
                envelope.large_counts,
                envelope.datatypes,
            );
            let contents = store.contents(handle).unwrap();
            let (integers, addresses) = (contents.integers.len(), contents.addresses.len());
            assert_eq!(
                lengths,
                (
                    integers,
                    addresses,
                    contents.large_counts.len(),
                    contents.datatypes.len()
                )
            );
            assert_eq!(contents, expected, "{combiner:?}, large count: {is_large}");
        }
    }
}

#[test]
fn predefined_types_are_named_and_have_no_contents() {
    let mut store = Datatypes::new();
    assert_eq!(store.envelope(MPI_INT).unwrap().combiner.to_abi(), 101);
    assert_eq!(
        store.contents(MPI_INT).unwrap_err().class(),
        ErrorClass::TYPE
    );
    assert!(store.envelope(DatatypeHandle::NULL).is_err());
}

#[test]
fn a_derived_type_among_the_contents_is_the_applications_to_free() {
    let mut store = Datatypes::new();
    let inner = store
        .create(
            Constructor::Contiguous {
                count: 2,
                old: MPI_INT,
            },
            false,
        )
        .unwrap();
    let outer = store
        .create(Constructor::Dup { old: inner }, false)
        .unwrap();
    store.free(inner).unwrap();
    assert!(store.layout(inner).is_err());
    assert_eq!(store.contents(outer).unwrap().datatypes, [inner]);
    assert_eq!(store.layout(inner).unwrap().size_bytes(), 8);
    store.free(inner).unwrap();
    assert!(store.layout(inner).is_err());
    assert_eq!(store.free(outer).unwrap().len(), 2);
}

#[test]
fn a_copy_is_committed_when_its_original_is() {
    let mut store = Datatypes::new();
    let old = store
        .create(
            Constructor::Contiguous {
                count: 2,
                old: MPI_INT,
            },
            false,
        )
        .unwrap();
    let before = store.create(Constructor::Dup { old }, false).unwrap();
    store.commit(old).unwrap();
    let after = store.create(Constructor::Dup { old }, false).unwrap();
    let predefined = store
        .create(Constructor::Dup { old: MPI_INT }, false)
        .unwrap();
    assert_eq!(
        [before, after, predefined].map(|handle| store.is_committed(handle)),
        [Ok(false), Ok(true), Ok(true)]
    );
}

#[test]
fn fortran_types_are_one_object_and_stay() {
    let mut store = Datatypes::new();
    let real = Constructor::F90Real {
        precision: 6,
        range: 37,
    };
    let first = store.create(real.clone(), false).unwrap();
    assert_eq!(store.create(real, false), Ok(first));
    assert!(store.is_committed(first).unwrap());
    assert_eq!(store.free(first).unwrap_err().class(), ErrorClass::TYPE);
    assert_ne!(
        store.create(
            Constructor::F90Real {
                precision: 6,
                range: UNDEFINED
            },
            false
        ),
        Ok(first)
    );
}

#[test]
fn names() {
    let mut store = Datatypes::new();
    let derived = store
        .create(
            Constructor::Contiguous {
                count: 2,
                old: MPI_INT,
            },
            false,
        )
        .unwrap();
    assert_eq!(store.name(MPI_INT).unwrap().as_c_str(), c"MPI_INT");
    assert_eq!(store.name(derived).unwrap().as_c_str(), c"");
    for handle in [MPI_INT, derived] {
        store.set_name(handle, c"mine").unwrap();
        assert_eq!(store.name(handle).unwrap().as_c_str(), c"mine");
    }
    // The null handle has a name too (MPI-5.0 section 7.8), which cannot be changed.
    let null = store.name(DatatypeHandle::NULL).unwrap();
    assert_eq!(null.as_c_str(), c"MPI_DATATYPE_NULL");
    assert!(store.set_name(DatatypeHandle::NULL, c"mine").is_err());
}

#[test]
fn bad_arguments_have_their_class() {
    let old = MPI_INT;
    let subarray = |size, subsize, start| Constructor::Subarray {
        dims: vec![SubarrayDim {
            size,
            subsize,
            start,
        }],
        order: Order::C,
        old,
    };
    let darray = |size, rank, distribution, argument, processes| {
        let dims = vec![DarrayDim {
            global_size: 7,
            distribution,
            argument,
            processes,
        }];
        Constructor::Darray {
            size,
            rank,
            dims,
            order: Order::C,
            old,
        }
    };
    let bad = [
        (
            Constructor::Contiguous { count: -1, old },
            ErrorClass::COUNT,
        ),
        (
            Constructor::Vector {
                count: 1,
                block_length: -1,
                stride: 0,
                old,
            },
            ErrorClass::COUNT,
        ),
        (
            Constructor::Hindexed {
                blocks: vec![Block {
                    length: -1,
                    displacement: 0,
                }],
                old,
            },
            ErrorClass::COUNT,
        ),
        (
            Constructor::Dup {
                old: DatatypeHandle::NULL,
            },
            ErrorClass::TYPE,
        ),
        (
            Constructor::Subarray {
                dims: vec![],
                order: Order::C,
                old,
            },
            ErrorClass::ARG,
        ),
        (subarray(0, 1, 0), ErrorClass::DIMS),
        (subarray(4, 5, 0), ErrorClass::DIMS),
        (subarray(4, 2, 3), ErrorClass::DIMS),
        (subarray(4, 2, -1), ErrorClass::DIMS),
        (
            darray(2, 2, Distribution::Block, DISTRIBUTE_DFLT_DARG, 2),
            ErrorClass::RANK,
        ),
        (
            darray(3, 0, Distribution::Block, DISTRIBUTE_DFLT_DARG, 2),
            ErrorClass::ARG,
        ),
        (darray(2, 0, Distribution::Block, 3, 2), ErrorClass::DIMS),
        (darray(2, 0, Distribution::Cyclic, 0, 2), ErrorClass::DIMS),
        (
            darray(2, 0, Distribution::None, DISTRIBUTE_DFLT_DARG, 2),
            ErrorClass::DIMS,
        ),
        (Constructor::F90Integer { range: 100 }, ErrorClass::ARG),
    ];
    for (constructor, class) in bad {
        let mut store = Datatypes::new();
        let error = store.create(constructor.clone(), false).unwrap_err();
        assert_eq!(error.class(), class, "{constructor:?}: {error}");
        assert!(store.is_empty());
    }
}

#[test]
fn external32_has_sizes_of_its_own() {
    let mut store = Datatypes::new();
    let members = vec![
        Member {
            length: 2,
            displacement: 0,
            datatype: MPI_LONG,
        },
        Member {
            length: 1,
            displacement: 16,
            datatype: MPI_DOUBLE,
        },
    ];
    let handle = store
        .create(Constructor::Struct { members }, false)
        .unwrap();
    let layout = store.layout(handle).unwrap();
    assert_eq!(
        (layout.size_bytes(), external32_size(layout, 3)),
        (24, Some(48))
    );
}
