//! What can go wrong between asking for an MPI and having one.

use crate::{Family, Vendor};
use std::path::PathBuf;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `MANA_MPI` holds something that is neither a family nor a path.
    #[error(
        "MANA_MPI={text:?} is none of: auto, standard, mpich, openmpi, or the path of a libmpi (it has to contain a '/')"
    )]
    BadChoice {
        /// What was given.
        text: String,
    },

    /// No usable MPI library.
    #[error(
        "no MPI library found for {wanted}\n  looked for: {names}\n  looked in:\n{}\n  rejected: {}\n  \
         what to do: start the program with the mpirun of the MPI it shall use, or set MANA_MPI to the path of its \
         library (libmpi_abi.so.1, libmpi.so.12, libmpich.so.12 or libmpi.so.40), or add its directory to \
         LD_LIBRARY_PATH; `mana doctor` lists what is installed",
        indented(places),
        rejected_or_none(rejected)
    )]
    NoMpi {
        /// Which MPI was wanted and why.
        wanted: String,
        /// File names looked for.
        names: String,
        /// Directories looked in, with the reason for each.
        places: Vec<String>,
        /// Files found but not usable, with the reason for each.
        rejected: Vec<String>,
    },

    /// The library cannot be started by the launcher that started this process.
    #[error(
        "the launcher and the library belong to different MPIs: {launcher} started this process ({evidence}), but {} \
         is {vendor} ({family}); every rank would be alone. Use the mpirun of {vendor}, or leave MANA_MPI at auto",
        path.display()
    )]
    LauncherMismatch {
        /// Name of the launcher.
        launcher: String,
        /// What told us.
        evidence: String,
        /// The library.
        path: PathBuf,
        /// The library's maker.
        vendor: Vendor,
        /// The library's ABI.
        family: Family,
    },

    /// The launcher started more ranks than the library knows of.
    #[error(
        "{launcher} started {launched} ranks ({evidence}), but in {} ({version}) MPI_COMM_WORLD has {size}: the \
         library does not understand this launcher. Use the mpirun that comes with the library, or name another \
         library in MANA_MPI",
        path.display()
    )]
    WorldSize {
        /// Name of the launcher.
        launcher: String,
        /// What told us.
        evidence: String,
        /// Ranks according to the launcher.
        launched: u32,
        /// Size of `MPI_COMM_WORLD`.
        size: u32,
        /// The library.
        path: PathBuf,
        /// The first line of its version.
        version: String,
    },

    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },

    /// A file is no MPI library that `mana` can use.
    #[error("{} is no MPI library that mana can use: {reason}", path.display())]
    NotAnMpi {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },

    /// The dynamic linker refuses the library.
    #[error("cannot load {}: {message}. Is a library it needs missing? `ldd` on it tells", path.display())]
    Load {
        /// The library.
        path: PathBuf,
        /// `dlerror`'s text.
        message: String,
    },

    /// The library lacks functions that nothing can replace.
    #[error("{} lacks {}: it is no complete MPI-3 library", path.display(), names.join(", "))]
    MissingSymbols {
        /// The library.
        path: PathBuf,
        /// The functions or data symbols.
        names: Vec<String>,
    },

    /// Asking a library for its version in a child process failed.
    #[error("cannot ask {} for its version: {reason}", path.display())]
    Version {
        /// The library.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

fn indented(places: &[String]) -> String {
    if places.is_empty() {
        return "    (no directory to look in)".to_owned();
    }
    places
        .iter()
        .map(|place| format!("    {place}"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn rejected_or_none(rejected: &[String]) -> String {
    if rejected.is_empty() {
        "nothing".to_owned()
    } else {
        rejected.join("; ")
    }
}
