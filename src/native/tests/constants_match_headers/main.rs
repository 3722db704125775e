//! Every constant, handle and layout of this crate's tables against the headers of the MPIs they are for.
//!
//! ```text
//!   tables ──> C program, one printf a name ──> that MPI's mpicc ──> run ──> compared with the tables
//! ```
//!
//! A name that a header lacks must stand in that MPI's list below: nothing is skipped in silence.

mod probe;

use mana_native::{Family, MpichAge};
use mana_suite::mpi::{self, Mpi};
use probe::{Fact, Header, differences};

/// Compares the tables with what `mpi`'s compiler makes of them.
fn check(mpi: &Mpi, family: Family, age: MpichAge, lacking: &[&str]) {
    mpi.provision().expect("the MPI can be installed");
    let header = Header::of(mpi, family);
    let (facts, unknown): (Vec<Fact>, Vec<Fact>) = probe::facts(family, age)
        .into_iter()
        .partition(|fact| header.knows(fact));
    let unknown: Vec<_> = unknown.iter().map(|fact| fact.name.as_str()).collect();
    assert_eq!(
        unknown, lacking,
        "names that the header of {} lacks",
        mpi.name
    );
    let printed = header.evaluate(&facts);
    assert_eq!(
        differences(&facts, &printed),
        Vec::<String>::new(),
        "in {}",
        mpi.name
    );
    a_wrong_entry_is_noticed(&facts, &printed);
}

/// The comparison itself must not be able to pass by accident: each value in turn is falsified.
fn a_wrong_entry_is_noticed(facts: &[Fact], printed: &str) {
    for index in 0..facts.len() {
        let mut falsified = facts.to_vec();
        falsified[index].value ^= 4;
        assert_eq!(
            differences(&falsified, printed).len(),
            1,
            "{}",
            facts[index].name
        );
    }
}

const RECENT: MpichAge = MpichAge {
    recent: true,
    version_5: true,
};

#[test]
fn standard_abi() {
    check(&mpi::MPICH_5, Family::StandardAbi, RECENT, &[]);
}

#[test]
fn mpich_5() {
    check(&mpi::MPICH_5, Family::Mpich, RECENT, &[]);
}

#[test]
fn mpich_4() {
    let lacking = [
        "MPI_COMM_TYPE_RESOURCE_GUIDED",
        "MPI_COMBINER_VALUE_INDEX",
        "MPI_ERR_ERRHANDLER",
        "MPI_ERR_ABI",
        "MPI_T_ERR_NOT_ACCESSIBLE",
        "MPI_BUFFER_AUTOMATIC",
    ];
    check(
        &mpi::MPICH_4,
        Family::Mpich,
        MpichAge {
            recent: false,
            version_5: false,
        },
        &lacking,
    );
}

#[test]
fn intel() {
    check(
        &mpi::INTEL,
        Family::Mpich,
        MpichAge {
            recent: true,
            version_5: false,
        },
        &[],
    );
}

#[test]
fn open_mpi_5() {
    check(
        &mpi::OPENMPI_5,
        Family::OpenMpi,
        RECENT,
        &["MPI_REAL2", "MPI_COMPLEX4", "MPI_INTEGER16"],
    );
}

#[test]
fn open_mpi_4() {
    let lacking = [
        "MPI_COMM_TYPE_HW_UNGUIDED",
        "MPI_COMM_TYPE_HW_GUIDED",
        "MPI_MAX_STRINGTAG_LEN",
        "MPI_MAX_PSET_NAME_LEN",
        "MPI_ERR_PROC_ABORTED",
        "MPI_ERR_VALUE_TOO_LARGE",
        "MPI_ERR_SESSION",
        "MPI_SESSION_NULL",
        "MPI_ERRORS_ABORT",
        "MPI_REAL2",
        "MPI_COMPLEX4",
        "MPI_INTEGER16",
    ];
    check(&mpi::OPENMPI_4, Family::OpenMpi, RECENT, &lacking);
}
