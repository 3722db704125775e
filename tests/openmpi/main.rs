//! Jobs that begin under Open MPI, 4 and 5. `tests/mpich` has the other half of the pairs, and the refusals.
//!
//! ```text
//!   crossings    3 programs x (2 MPIs here -> all 5)      killed with -9, restarted, same digest
//!   calls        functions chapter by chapter, by programs that check themselves
//!   chains       one run through five MPIs
//!   otherwise    no kill, on request, threads, another fabric
//!   waiting      a request reaches ranks that compute, sleep, or wait in a call; agents sleep meanwhile
//! ```

mod calls;
mod chains;
mod otherwise;
mod waiting;

mana_suite::crossings! {
    from_openmpi_4 = OPENMPI_4,
    from_openmpi_5 = OPENMPI_5,
}
