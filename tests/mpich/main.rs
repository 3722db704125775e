//! Jobs that begin under an MPI with MPICH's ABI: MPICH 4, MPICH 5, Intel MPI.
//!
//! ```text
//!   crossings    3 programs x (3 MPIs here -> all 5)      killed with -9, restarted, same digest
//!   calls        functions chapter by chapter, by programs that check themselves
//!   chains       one run through five MPIs
//!   otherwise    no kill, on request, threads, another fabric
//!   refusals     what must end in a clear error
//!   disk_faults  a step of a checkpoint fails, or a rank dies there
//!   waiting      a request reaches ranks that compute, sleep, or wait in a call; agents sleep meanwhile
//! ```
//!
//! `tests/openmpi` has the other half of the pairs.

mod calls;
mod chains;
mod disk_faults;
mod otherwise;
mod refusals;
mod waiting;

mana_suite::crossings! {
    from_mpich_4 = MPICH_4,
    from_mpich_5 = MPICH_5,
    from_intel = INTEL,
}
