//! What else a run may meet: checkpoints and no kill, a checkpoint on request, threads, another fabric.

use mana_suite::Program;
use mana_suite::crossing::{Side, cross, on_request, passes, runs_on};
use mana_suite::mpi::{INTEL, MPICH_4, MPICH_5, MPICH_5_STANDARD, OPENMPI_4, OPENMPI_5};

mod runs_on_after_checkpoints {
    use super::*;

    #[test]
    fn under_mpich_4() {
        passes(runs_on(Program::Ring, &MPICH_4));
    }

    #[test]
    fn under_mpich_5() {
        passes(runs_on(Program::Heat, &MPICH_5));
    }

    #[test]
    fn under_intel() {
        passes(runs_on(Program::Ring, &INTEL));
    }
}

#[test]
fn checkpoint_on_request() {
    passes(on_request(Program::Ring, &MPICH_4, &OPENMPI_4));
}

/// A program that was built for the standard ABI without `mana`, and finds its builder's MPI.
#[test]
fn program_of_another_make_from_openmpi_5() {
    passes(cross(Program::RingForeign, &OPENMPI_5, &MPICH_4));
}

/// An MPI that has the standard ABI itself, below.
mod standard_abi {
    use super::*;

    #[test]
    fn to_mpich_abi() {
        passes(cross(Program::Ring, &MPICH_5_STANDARD, &MPICH_4));
    }

    #[test]
    fn from_openmpi_abi() {
        passes(cross(Program::Heat, &OPENMPI_4, &MPICH_5_STANDARD));
    }
}

mod thread_multiple {
    use super::*;

    #[test]
    fn from_mpich_4_to_openmpi_5() {
        passes(cross(Program::Threads, &MPICH_4, &OPENMPI_5));
    }

    #[test]
    fn from_mpich_5_to_mpich_4() {
        passes(cross(Program::Threads, &MPICH_5, &MPICH_4));
    }

    #[test]
    fn from_intel_to_openmpi_4() {
        passes(cross(Program::Threads, &INTEL, &OPENMPI_4));
    }
}

/// Saved in the middle of a parallel region.
mod openmp {
    use super::*;

    #[test]
    fn funneled_from_mpich_4_to_openmpi_5() {
        passes(cross(Program::OpenMpFunneled, &MPICH_4, &OPENMPI_5));
    }

    #[test]
    fn multiple_from_mpich_5_to_openmpi_4() {
        passes(cross(Program::OpenMpMultiple, &MPICH_5, &OPENMPI_4));
    }

    #[test]
    fn multiple_from_intel_to_mpich_4() {
        passes(cross(Program::OpenMpMultiple, &INTEL, &MPICH_4));
    }
}

/// mpi4py and NumPy.
mod python {
    use super::*;

    #[test]
    fn gradient_from_mpich_4_to_openmpi_5() {
        passes(cross(Program::Gradient, &MPICH_4, &OPENMPI_5));
    }

    #[test]
    fn gradient_from_mpich_5_to_intel() {
        passes(cross(Program::Gradient, &MPICH_5, &INTEL));
    }
}

mod fabric {
    use super::*;

    #[test]
    fn shared_memory_to_tcp() {
        passes(cross(Program::Ring, &MPICH_4, Side::tcp(&OPENMPI_4)));
    }

    #[test]
    fn tcp_to_shared_memory() {
        passes(cross(Program::Ring, Side::tcp(&MPICH_5), &MPICH_4));
    }

    #[test]
    fn tcp_to_intel_over_tcp() {
        passes(cross(Program::Heat, Side::tcp(&MPICH_5), Side::tcp(&INTEL)));
    }
}
