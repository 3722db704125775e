//! One run that is killed and restarted five times, each time under another MPI than the one before.

use mana_suite::crossing::{chain, passes};
use mana_suite::mpi::{INTEL, MPICH_4, MPICH_5, OPENMPI_4, OPENMPI_5};
use mana_suite::{Mpi, Program};

/// Back and forth between the families, every MPI once.
static FIVE: [&Mpi; 5] = [&OPENMPI_4, &MPICH_5, &OPENMPI_5, &INTEL, &MPICH_4];

#[test]
fn ring_through_five_mpis() {
    passes(chain(Program::Ring, &MPICH_4, &FIVE));
}

#[test]
fn heat_through_five_mpis() {
    passes(chain(Program::Heat, &MPICH_4, &FIVE));
}
