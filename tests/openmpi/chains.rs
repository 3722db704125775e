//! One run that is killed and restarted five times, each time under another MPI than the one before.

use mana_suite::Program;
use mana_suite::crossing::{chain, passes};
use mana_suite::mpi::{INTEL, MPICH_4, MPICH_5, OPENMPI_4, OPENMPI_5};

#[test]
fn rust_ring_through_five_mpis() {
    passes(chain(
        Program::RingRust,
        &OPENMPI_5,
        &[&INTEL, &OPENMPI_4, &MPICH_4, &OPENMPI_5, &MPICH_5],
    ));
}
