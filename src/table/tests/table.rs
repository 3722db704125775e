//! The table as a whole, and the mistakes its parser must catch.

use std::collections::HashSet;

use mana_table::parse::{self, Problem};
use mana_table::{
    Direction, FUNCTIONS, FnId, Kind, Length, Policy, SLOT_COUNT, TABLE_HASH, c_type, constants,
    fns, slots_hash,
};

#[test]
fn the_rows_are_what_the_texts_say() {
    let functions = parse::functions(mana_table::FUNCTIONS_TEXT).unwrap();
    assert_eq!(functions.as_slice(), FUNCTIONS);
    let rows = parse::constants(mana_table::CONSTANTS_TEXT).unwrap();
    assert_eq!(rows.as_slice(), constants::CONSTANTS);
}

#[test]
fn the_table_has_the_functions_of_the_standard_abi() {
    let standard: Vec<_> = FUNCTIONS.iter().filter(|f| f.is_standard()).collect();
    assert_eq!(standard.len(), 664);
    assert_eq!(
        standard
            .iter()
            .filter(|f| f.name.starts_with("MPI_T_"))
            .count(),
        51
    );
    assert_eq!(
        standard.iter().filter(|f| f.name.ends_with("_c")).count(),
        161
    );
    assert_eq!(
        standard
            .iter()
            .filter(|f| f.name.starts_with("MPI_Abi_"))
            .count(),
        6
    );
}

/// Images made by earlier versions jump through these slots: this list only ever grows.
#[test]
fn slots_are_frozen() {
    assert_eq!(
        slots_hash(768),
        Some(0xf675_928b_62eb_f549),
        "MPI functions as first published"
    );
    assert_eq!(fns::MANA_CHECKPOINT, FnId(768));
}

#[test]
fn the_hash_of_all_slots_is_the_tables_hash() {
    assert_eq!(slots_hash(SLOT_COUNT), Some(TABLE_HASH));
    assert_ne!(slots_hash(SLOT_COUNT - 1), Some(TABLE_HASH));
    assert_eq!(slots_hash(SLOT_COUNT + 1), None);
}

#[test]
fn functions_are_found_by_name_and_by_slot() {
    let wait = fns::MPI_WAITALL.function().unwrap();
    assert_eq!(wait.name, "MPI_Waitall");
    assert_eq!(FnId::by_name("MPI_Waitall"), Some(fns::MPI_WAITALL));
    assert_eq!(wait.params[1].kind, Kind::Request);
    assert_eq!(wait.params[1].direction, Direction::InOut);
    assert_eq!(wait.params[1].length, Length::Param(0));
    assert_eq!(FnId(700).function(), None);
    assert_eq!(FnId::by_name("MPI_Sent"), None);
}

#[test]
fn prototypes_are_c() {
    let c = |id: FnId| c_type::prototype(id.function().unwrap(), "P");
    assert_eq!(
        c(fns::MPI_ALLTOALLW_C),
        "int PMPI_Alltoallw_c(const void *sendbuf, const MPI_Count sendcounts[], \
         const MPI_Aint sdispls[], const MPI_Datatype sendtypes[], void *recvbuf, \
         const MPI_Count recvcounts[], const MPI_Aint rdispls[], const MPI_Datatype recvtypes[], \
         MPI_Comm comm)"
    );
    assert_eq!(c(fns::MPI_WTIME), "double PMPI_Wtime(void)");
    assert_eq!(c(fns::MPI_INIT), "int PMPI_Init(int *argc, char ***argv)");
    assert_eq!(c(fns::MPI_PCONTROL), "int PMPI_Pcontrol(int level, ...)");
}

#[test]
fn every_constant_length_is_a_constant() {
    let names: HashSet<&str> = constants::CONSTANTS.iter().map(|c| c.name).collect();
    for function in FUNCTIONS {
        for param in function.params {
            if let Length::Constant(name) = param.length {
                assert!(names.contains(name), "{}: {name}", function.name);
            }
        }
    }
}

/// The one-row table `== x` + `row`, and the problem its last line has.
fn problem(text: &'static str) -> Problem {
    let error = parse::functions(text).unwrap_err();
    assert_eq!(error.line, text.lines().count(), "{error}");
    error.problem
}

#[test]
fn a_row_without_a_policy_is_an_error_with_its_line() {
    let text = "== x\n1 engine MPI_A()\n# comment\n\n2 MPI_B(comm: comm)";
    assert!(matches!(problem(text), Problem::NoPolicy { .. }));
    assert!(
        parse::functions(text)
            .unwrap_err()
            .to_string()
            .starts_with("line 5: row has no policy")
    );
}

#[test]
fn mistakes_in_rows_are_errors() {
    let taken = "== x\n1 engine MPI_A()\n1 engine MPI_B()";
    assert!(matches!(problem(taken), Problem::SlotTaken { slot: 1, .. }));
    let twice = "== x\n1 engine MPI_A()\n2 engine MPI_A()";
    assert!(matches!(problem(twice), Problem::NameTaken { .. }));
    assert!(matches!(
        problem("== x\n1 engine MPI_A(a: whatever)"),
        Problem::UnknownKind { .. }
    ));
    assert!(matches!(
        problem("== x\n1 engine MPI_A(a: int[n])"),
        Problem::UnknownLength { .. }
    ));
    assert!(matches!(
        problem("== x\n1 unsupported MPI_A()"),
        Problem::Syntax { .. }
    ));
    assert!(matches!(
        problem("== x\n1 unsupported \"\" MPI_A()"),
        Problem::Syntax { .. }
    ));
    assert!(matches!(
        problem("== x\n1 engine MPI_A(a int)"),
        Problem::Syntax { .. }
    ));
    assert!(matches!(
        problem("== x\n1 engine MPI_A(a: int"),
        Problem::Syntax { .. }
    ));
    assert!(matches!(problem("1 engine MPI_A()"), Problem::NoHeading));
}

#[test]
fn a_policy_carries_its_reason() {
    let rows =
        parse::functions("== x\n1 unsupported \"no (such) thing\" MPI_A() -> double").unwrap();
    assert_eq!(rows[0].policy, Policy::Unsupported("no (such) thing"));
    assert_eq!(rows[0].returns, Kind::Double);
}

#[test]
fn mistakes_in_constants_are_errors() {
    let line = |text| parse::constants(text).unwrap_err().line;
    assert_eq!(line("== x\nA: int = 1\nA: int = 2"), 3);
    assert_eq!(line("== x\nA: int = B"), 2);
    assert_eq!(line("== x\nA int = 1"), 2);
    let alias = parse::constants("== x\nA: int = 0x10\nB: int = A").unwrap();
    assert_eq!((alias[1].value, alias[1].alias_of), (16, Some("A")));
}

#[test]
fn a_persistent_collective_is_started_by_the_nonblocking_one_of_its_parameters() {
    let persistent = FUNCTIONS.iter().filter(|f| f.policy == Policy::Pcollective);
    for function in persistent {
        let started = function.started_by().and_then(FnId::function);
        let started = started.unwrap_or_else(|| panic!("{} is started by nothing", function.name));
        assert_eq!(started.policy, Policy::Icollective, "{}", function.name);
        let without_info = function.params.iter().filter(|p| p.kind != Kind::Info);
        assert!(without_info.eq(started.params.iter()), "{}", function.name);
    }
    assert_eq!(
        FnId::by_name("MPI_Reduce_scatter_block_init_c")
            .and_then(FnId::function)
            .and_then(|f| f.started_by()),
        FnId::by_name("MPI_Ireduce_scatter_block_c")
    );
}
