//! The table of crossings as tests: a function for each, so that a failure has the pair's name.

/// One test for each program and each MPI to restart under, from each MPI named: `mod = MPI`.
#[macro_export]
macro_rules! crossings {
    ($($from:ident = $mpi:ident),+ $(,)?) => {$(
        mod $from {
            $crate::crossings!(@program $mpi ring = Ring);
            $crate::crossings!(@program $mpi ring_rust = RingRust);
            $crate::crossings!(@program $mpi heat = Heat);
        }
    )+};
    (@program $mpi:ident $name:ident = $program:ident) => {
        mod $name {
            $crate::crossings!(@to $mpi $program to_mpich_4 = MPICH_4);
            $crate::crossings!(@to $mpi $program to_mpich_5 = MPICH_5);
            $crate::crossings!(@to $mpi $program to_intel = INTEL);
            $crate::crossings!(@to $mpi $program to_openmpi_4 = OPENMPI_4);
            $crate::crossings!(@to $mpi $program to_openmpi_5 = OPENMPI_5);
        }
    };
    (@to $from:ident $program:ident $name:ident = $to:ident) => {
        #[test]
        fn $name() {
            use $crate::{Program, crossing, mpi};
            crossing::passes(crossing::cross(Program::$program, &mpi::$from, &mpi::$to));
        }
    };
}
