//! Subject by subject: programs that call MPI's functions and check what comes back (tests/programs/calls).

mana_suite::all_calls! { MPICH_4 }

/// What is in use at a checkpoint, and goes on over another MPI.
mod kept {
    mana_suite::all_kept! { MPICH_4 => OPENMPI_5 }
}

/// Windows whose ranks share no memory.
mod network_locks {
    mana_suite::network_locks! { MPICH_4 => OPENMPI_5 }
}

/// Ports: MPICH 4.0 over UCX has none, and MPICH 5's own header has too little room for their names.
mod ports {
    mana_suite::calls! { MPICH_5:
        port_calls 2,
    }
}
