//! Subject by subject: programs that call MPI's functions and check what comes back (tests/programs/calls).

mana_suite::all_calls! { MPICH_4 }

/// What is in use at a checkpoint, and goes on over another MPI.
mod kept {
    mana_suite::all_kept! { MPICH_4 => OPENMPI_5 }
}
