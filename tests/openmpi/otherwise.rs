//! What else a run may meet: checkpoints and no kill, a checkpoint on request, threads, another fabric.

use mana_suite::Program;
use mana_suite::crossing::{Side, cross, on_request, passes, runs_on};
use mana_suite::mpi::{MPICH_4, MPICH_5, OPENMPI_4, OPENMPI_5};

mod runs_on_after_checkpoints {
    use super::*;

    #[test]
    fn under_openmpi_4() {
        passes(runs_on(Program::Ring, &OPENMPI_4));
    }

    #[test]
    fn under_openmpi_5() {
        passes(runs_on(Program::Heat, &OPENMPI_5));
    }
}

#[test]
fn checkpoint_on_request() {
    passes(on_request(Program::Heat, &OPENMPI_4, &MPICH_4));
}

mod thread_multiple {
    use super::*;

    #[test]
    fn from_openmpi_4_to_mpich_5() {
        passes(cross(Program::Threads, &OPENMPI_4, &MPICH_5));
    }

    #[test]
    fn from_openmpi_5_to_openmpi_4() {
        passes(cross(Program::Threads, &OPENMPI_5, &OPENMPI_4));
    }
}

/// Saved in the middle of a parallel region.
mod openmp {
    use super::*;

    #[test]
    fn funneled_from_openmpi_5_to_mpich_4() {
        passes(cross(Program::OpenMpFunneled, &OPENMPI_5, &MPICH_4));
    }

    #[test]
    fn multiple_from_openmpi_4_to_mpich_5() {
        passes(cross(Program::OpenMpMultiple, &OPENMPI_4, &MPICH_5));
    }
}

#[test]
fn python_gradient_to_mpich_4() {
    passes(cross(Program::Gradient, &OPENMPI_5, &MPICH_4));
}

mod fabric {
    use super::*;

    #[test]
    fn shared_memory_to_tcp() {
        passes(cross(Program::Ring, &OPENMPI_4, Side::tcp(&MPICH_5)));
    }

    #[test]
    fn tcp_to_shared_memory() {
        passes(cross(Program::Ring, Side::tcp(&OPENMPI_5), &MPICH_4));
    }
}
