//! Subject by subject: programs that call MPI's functions and check what comes back (tests/programs/calls).

mana_suite::all_calls! { OPENMPI_4 }

/// What is in use at a checkpoint, and goes on over another MPI.
mod kept {
    mana_suite::all_kept! { OPENMPI_4 => MPICH_5 }
}

/// Processes that come and go: of the libraries tested, only Open MPI's does all of it on one machine.
mod dynamic {
    mana_suite::kept! { OPENMPI_4 => MPICH_5:
        spawn_calls 2,
    }
}

/// Windows whose ranks share no memory.
mod network_locks {
    mana_suite::network_locks! { OPENMPI_4 => MPICH_5 }
}

/// Ports within a job.
mod ports {
    mana_suite::calls! { OPENMPI_5:
        port_calls 2,
    }
}
