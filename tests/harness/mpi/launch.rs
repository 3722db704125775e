//! How to start N ranks under each MPI on one machine, and how to make them talk over TCP instead of shared memory.
//!
//! Tests run more ranks than there are cores, as root where the machine is a container: Open MPI must be told that both are
//! meant, and Intel MPI that a waiting rank gives up its core (`I_MPI_THREAD_YIELD=3`).

use std::process::Command;

use super::{Flavour, MPICH_4, Mpi, OPENMPI_4};

/// What carries the messages between ranks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fabric {
    /// What the MPI chooses on one machine: shared memory.
    SharedMemory,
    /// TCP over the loopback device.
    Tcp,
}

impl Mpi {
    /// Whether a job of four ranks can run over TCP: MPICH 4.0.2's UCX hangs in `MPI_Finalize` then, natively too.
    pub fn has_tcp(&self) -> bool {
        self.name != MPICH_4.name
    }

    /// Whether windows can be made over TCP with `MPI_THREAD_MULTIPLE`: Open MPI 4.1 has no component for that
    /// (osc/pt2pt knows no threads, osc/rdma does not know TCP), and says that the window is invalid.
    pub fn has_threaded_windows_over_tcp(&self) -> bool {
        self.name != OPENMPI_4.name
    }

    /// The launcher up to where the program's name follows, for `ranks` ranks.
    ///
    /// The environment is the caller's without what would change the job: `MANA_*`, and the `LD_LIBRARY_PATH` that cargo
    /// sets for tests, where another build's stub may lie.
    pub fn launcher(&self, ranks: u32, fabric: Fabric) -> Command {
        let mut command = Command::new(self.mpiexec());
        command.env_remove("LD_LIBRARY_PATH");
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("MANA_") {
                command.env_remove(name);
            }
        }
        match self.flavour {
            Flavour::Mpich => mpich(&mut command, fabric),
            Flavour::Intel => self.intel(&mut command, fabric),
            Flavour::OpenMpi => openmpi(&mut command, fabric),
        }
        command.args(["-n", &ranks.to_string()]);
        command
    }

    fn intel(&self, command: &mut Command, fabric: Fabric) {
        command
            .env("I_MPI_ROOT", self.prefix())
            .env("LD_LIBRARY_PATH", self.prefix().join("lib"))
            .env("I_MPI_THREAD_YIELD", "3");
        if fabric == Fabric::Tcp {
            command
                .env("I_MPI_FABRICS", "ofi")
                .env("FI_PROVIDER", "tcp");
        }
    }
}

fn mpich(command: &mut Command, fabric: Fabric) {
    if fabric == Fabric::Tcp {
        command
            .env("MPIR_CVAR_NOLOCAL", "1")
            .env("MPIR_CVAR_CH4_NETMOD", "ofi")
            .env("FI_PROVIDER", "tcp");
    }
}

fn openmpi(command: &mut Command, fabric: Fabric) {
    command.args(["--allow-run-as-root", "--oversubscribe"]);
    if fabric == Fabric::Tcp {
        command.args(["--mca", "pml", "ob1", "--mca", "btl", "tcp,self"]);
    }
}
