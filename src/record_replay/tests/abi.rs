//! Every value of this crate that the standard ABI fixes, against the workspace's table of constants.

use std::collections::{BTreeMap, BTreeSet};

use mana_record_replay::abi;
use mana_record_replay::comm::{COMM_SELF, COMM_WORLD};
use mana_record_replay::datatype::{Class, Combiner, PREDEFINED, Predefined};
use mana_record_replay::errhandler::{ERRORS_ABORT, ERRORS_ARE_FATAL, ERRORS_RETURN, NOT_CHOSEN};
use mana_record_replay::error_class::CLASSES;
use mana_record_replay::group::GROUP_EMPTY;
use mana_record_replay::handle::{Handle, Kind, kind};
use mana_record_replay::info::INFO_ENV;
use mana_record_replay::op::PREDEFINED_OPS;
use mana_table::constants::CONSTANTS;

fn value(name: &str) -> i64 {
    let row = CONSTANTS.iter().find(|row| row.name == name);
    row.unwrap_or_else(|| panic!("{name} is not in the table of constants"))
        .value
}

/// Name and value of the handles of one C type, aliases and the null handle left out.
fn handles(c_type: &str) -> BTreeMap<&'static str, i64> {
    let rows = CONSTANTS
        .iter()
        .filter(|row| row.c_type == c_type && row.alias_of.is_none());
    rows.filter(|row| !row.name.ends_with("_NULL"))
        .map(|row| (row.name, row.value))
        .collect()
}

/// `MPI_Type_get_name` says one of the names that some types have two of, not always the one that the table has first.
#[test]
fn datatypes() {
    let in_the_abi = |row: &&Predefined| !is_marker(row);
    for row in PREDEFINED.iter().filter(in_the_abi) {
        assert_eq!(
            i64::from(row.handle.word()),
            value(row.name),
            "{}",
            row.name
        );
    }
    let ours: BTreeSet<_> = PREDEFINED
        .iter()
        .filter(in_the_abi)
        .map(|row| i64::from(row.handle.word()))
        .collect();
    assert_eq!(ours, handles("MPI_Datatype").into_values().collect());
}

/// MPI_LB and MPI_UB are ours: mpi.h says so beside the ABI's, and no handle of the ABI is the same.
#[test]
fn markers() {
    let header = include_str!("../../stub_abi/include/mpi.h");
    for row in PREDEFINED.iter().filter(|row| is_marker(row)) {
        let word = row.handle.word();
        let line = format!("#define {} ((MPI_Datatype){word:#x})", row.name);
        assert!(header.contains(&line), "{line}");
        let taken: Vec<_> = CONSTANTS
            .iter()
            .filter(|c| c.value == i64::from(word))
            .collect();
        assert!(
            taken.iter().all(|c| c.c_type != "MPI_Datatype"),
            "{taken:?}"
        );
    }
}

fn is_marker(row: &Predefined) -> bool {
    matches!(row.class, Class::LowerBound | Class::UpperBound)
}

#[test]
fn operations() {
    let ours: BTreeMap<_, _> = PREDEFINED_OPS
        .iter()
        .map(|row| (row.name, i64::from(row.handle.word())))
        .collect();
    assert_eq!(ours, handles("MPI_Op"));
}

#[test]
fn error_classes() {
    let is_class = |name: &str| {
        name.starts_with("MPI_ERR_") || name.starts_with("MPI_T_ERR_") || name == "MPI_SUCCESS"
    };
    let rows = CONSTANTS
        .iter()
        .filter(|row| row.c_type == "int" && is_class(row.name) && row.name != "MPI_ERR_LASTCODE");
    let theirs: BTreeMap<_, _> = rows.map(|row| (row.name, row.value)).collect();
    let ours: BTreeMap<_, _> = CLASSES
        .iter()
        .map(|row| (row.name, i64::from(row.class.0)))
        .collect();
    assert_eq!(ours, theirs);
}

#[test]
fn other_handles() {
    fn check<K: Kind>(handle: Handle<K>, name: &str) {
        assert_eq!(i64::from(handle.word()), value(name), "{name}");
    }
    check(COMM_WORLD, "MPI_COMM_WORLD");
    check(COMM_SELF, "MPI_COMM_SELF");
    check(GROUP_EMPTY, "MPI_GROUP_EMPTY");
    check(INFO_ENV, "MPI_INFO_ENV");
    check(NOT_CHOSEN, "MPI_ERRHANDLER_NULL");
    check(ERRORS_ARE_FATAL, "MPI_ERRORS_ARE_FATAL");
    check(ERRORS_ABORT, "MPI_ERRORS_ABORT");
    check(ERRORS_RETURN, "MPI_ERRORS_RETURN");
    check(Handle::<kind::Comm>::NULL, "MPI_COMM_NULL");
    check(Handle::<kind::Group>::NULL, "MPI_GROUP_NULL");
    check(Handle::<kind::Datatype>::NULL, "MPI_DATATYPE_NULL");
    check(Handle::<kind::Op>::NULL, "MPI_OP_NULL");
    check(Handle::<kind::Request>::NULL, "MPI_REQUEST_NULL");
    check(Handle::<kind::Message>::NULL, "MPI_MESSAGE_NULL");
    check(Handle::<kind::Win>::NULL, "MPI_WIN_NULL");
    check(Handle::<kind::File>::NULL, "MPI_FILE_NULL");
    check(Handle::<kind::Session>::NULL, "MPI_SESSION_NULL");
    check(Handle::<kind::Info>::NULL, "MPI_INFO_NULL");
    check(Handle::<kind::Errhandler>::NULL, "MPI_ERRHANDLER_NULL");
    check(Handle::<kind::Keyval>::NULL, "MPI_KEYVAL_INVALID");
}

#[test]
fn numbers() {
    for (ours, name) in [
        (abi::ANY_SOURCE, "MPI_ANY_SOURCE"),
        (abi::ANY_TAG, "MPI_ANY_TAG"),
        (abi::PROC_NULL, "MPI_PROC_NULL"),
        (abi::ROOT, "MPI_ROOT"),
        (abi::UNDEFINED, "MPI_UNDEFINED"),
        (abi::IDENT, "MPI_IDENT"),
        (abi::CONGRUENT, "MPI_CONGRUENT"),
        (abi::SIMILAR, "MPI_SIMILAR"),
        (abi::UNEQUAL, "MPI_UNEQUAL"),
        (abi::CART, "MPI_CART"),
        (abi::GRAPH, "MPI_GRAPH"),
        (abi::DIST_GRAPH, "MPI_DIST_GRAPH"),
        (abi::ORDER_C, "MPI_ORDER_C"),
        (abi::ORDER_FORTRAN, "MPI_ORDER_FORTRAN"),
        (abi::DISTRIBUTE_NONE, "MPI_DISTRIBUTE_NONE"),
        (abi::DISTRIBUTE_BLOCK, "MPI_DISTRIBUTE_BLOCK"),
        (abi::DISTRIBUTE_CYCLIC, "MPI_DISTRIBUTE_CYCLIC"),
        (abi::DISTRIBUTE_DFLT_DARG, "MPI_DISTRIBUTE_DFLT_DARG"),
        (abi::TYPECLASS_INTEGER, "MPI_TYPECLASS_INTEGER"),
        (abi::TYPECLASS_REAL, "MPI_TYPECLASS_REAL"),
        (abi::TYPECLASS_COMPLEX, "MPI_TYPECLASS_COMPLEX"),
        (abi::ERR_LASTCODE, "MPI_ERR_LASTCODE"),
        (abi::MAX_INFO_KEY as i32, "MPI_MAX_INFO_KEY"),
        (abi::MAX_INFO_VAL as i32, "MPI_MAX_INFO_VAL"),
        (abi::MAX_OBJECT_NAME as i32, "MPI_MAX_OBJECT_NAME"),
        (abi::MAX_ERROR_STRING as i32, "MPI_MAX_ERROR_STRING"),
        (Combiner::Named.to_abi(), "MPI_COMBINER_NAMED"),
        (Combiner::Dup.to_abi(), "MPI_COMBINER_DUP"),
        (Combiner::Contiguous.to_abi(), "MPI_COMBINER_CONTIGUOUS"),
        (Combiner::Vector.to_abi(), "MPI_COMBINER_VECTOR"),
        (Combiner::Hvector.to_abi(), "MPI_COMBINER_HVECTOR"),
        (Combiner::Indexed.to_abi(), "MPI_COMBINER_INDEXED"),
        (Combiner::Hindexed.to_abi(), "MPI_COMBINER_HINDEXED"),
        (
            Combiner::IndexedBlock.to_abi(),
            "MPI_COMBINER_INDEXED_BLOCK",
        ),
        (
            Combiner::HindexedBlock.to_abi(),
            "MPI_COMBINER_HINDEXED_BLOCK",
        ),
        (Combiner::Struct.to_abi(), "MPI_COMBINER_STRUCT"),
        (Combiner::Subarray.to_abi(), "MPI_COMBINER_SUBARRAY"),
        (Combiner::Darray.to_abi(), "MPI_COMBINER_DARRAY"),
        (Combiner::F90Real.to_abi(), "MPI_COMBINER_F90_REAL"),
        (Combiner::F90Complex.to_abi(), "MPI_COMBINER_F90_COMPLEX"),
        (Combiner::F90Integer.to_abi(), "MPI_COMBINER_F90_INTEGER"),
        (Combiner::Resized.to_abi(), "MPI_COMBINER_RESIZED"),
    ] {
        assert_eq!(i64::from(ours), value(name), "{name}");
    }
}
