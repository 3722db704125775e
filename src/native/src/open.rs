//! Opening an MPI library: choose it, load it, look up all its functions, read its constants.
//!
//! ```text
//!   MANA_MPI, environment ──> detect_launcher ──> search ──> identify (ELF) ──> dlopen ──> Native
//!                                     └── a library that the launcher cannot start is refused
//! ```
//!
//! # Safety
//! Runs before `MPI_Init`, with the lower half's TLS live. Of the library only `MPI_Get_library_version` is called,
//! which MPI allows at any time (MPI 5.0, section 11.4.1).

use crate::addresses::Addresses;
use crate::choose::{Candidate, choose};
use crate::library::Library;
use crate::native::Native;
use crate::predefined::{Mpich, MpichAge, Predefined};
use crate::predefined_datatypes::DATATYPES;
use crate::{
    Choice, Environment, Error, Family, Identity, Launcher, Vendor, detect_launcher, identify,
};
use mana_table::{FUNCTIONS, FnId, fns};

/// Functions nothing can replace: without one of them the library is of no use.
const ESSENTIAL: [FnId; 22] = [
    fns::MPI_INIT_THREAD,
    fns::MPI_FINALIZE,
    fns::MPI_ABORT,
    fns::MPI_COMM_RANK,
    fns::MPI_COMM_SIZE,
    fns::MPI_COMM_GROUP,
    fns::MPI_COMM_CREATE_GROUP,
    fns::MPI_COMM_SET_ERRHANDLER,
    fns::MPI_GROUP_INCL,
    fns::MPI_ISEND,
    fns::MPI_IRECV,
    fns::MPI_IMPROBE,
    fns::MPI_MRECV,
    fns::MPI_TEST,
    fns::MPI_ALLREDUCE,
    fns::MPI_TYPE_SIZE,
    fns::MPI_TYPE_CREATE_STRUCT,
    fns::MPI_ERROR_CLASS,
    fns::MPI_ERROR_STRING,
    fns::MPI_GET_LIBRARY_VERSION,
    fns::MPI_WTIME,
    fns::MPI_WTICK,
];

impl Native {
    /// Opens the MPI that `choice` asks for and that the process's launcher can start.
    ///
    /// # Errors
    /// [`Error::NoMpi`] with the places looked in; [`Error::LauncherMismatch`] if the library asked for belongs to
    /// another MPI than the launcher; [`Error::NotAnMpi`], [`Error::Load`] or [`Error::MissingSymbols`] if the file
    /// is not what it should be.
    pub fn open(choice: &Choice, environment: &Environment) -> Result<Self, Error> {
        let launcher = detect_launcher(environment);
        let candidate = match choice {
            Choice::Auto => choose(environment, &launcher, None)?,
            Choice::Family(family) => choose(environment, &launcher, Some(*family))?,
            Choice::Path(path) => Candidate {
                path: path.clone(),
                identity: identify(path)?,
                why: "MANA_MPI".to_owned(),
            },
        };
        refuse_foreign(&candidate, &launcher)?;
        tracing::info!(path = %candidate.path.display(), why = candidate.why, "opening the MPI library");
        load(candidate, launcher)
    }

    /// To be called once, right after `MPI_Init_thread`: makes errors of the world's and the process's own
    /// communicator return instead of ending the job, and takes out of [`Native::predefined`] the datatypes that this
    /// build of the library does not support (Fortran types of an MPI built without Fortran, for instance).
    pub fn settle_after_init(&mut self) {
        let predefined = &self.predefined;
        let errors_return = predefined
            .errhandler(0x143)
            .map_or(0, |handler| handler.raw());
        for comm in [0x101, 0x102]
            .into_iter()
            .filter_map(|comm| predefined.comm(comm))
        {
            // SAFETY: MPI_Comm_set_errhandler(MPI_Comm, MPI_Errhandler) with handles of this library.
            let code =
                unsafe { self.call(fns::MPI_COMM_SET_ERRHANDLER, &[comm.raw(), errors_return]) };
            debug_assert!(code.is_success());
        }
        let unusable: Vec<u16> = DATATYPES
            .iter()
            .skip(1)
            .filter(|row| !self.is_usable(row.standard))
            .map(|row| row.standard)
            .collect();
        for standard in unusable {
            tracing::debug!(
                handle = format!("{standard:#x}"),
                "the library does not support a predefined datatype"
            );
            self.predefined.remove_datatype(standard);
        }
    }

    /// Whether the library knows the type; one that it lacks has an error or no size.
    fn is_usable(&self, standard: u16) -> bool {
        let Some(datatype) = self.predefined.datatype(u64::from(standard)) else {
            return false;
        };
        let mut size_bytes = 0_i32;
        // SAFETY: MPI_Type_size(MPI_Datatype, int *) with a predefined handle of this library.
        let code = unsafe {
            self.call(
                fns::MPI_TYPE_SIZE,
                &[datatype.raw(), (&raw mut size_bytes) as u64],
            )
        };
        code.is_success() && size_bytes > 0
    }
}

fn refuse_foreign(candidate: &Candidate, launcher: &Launcher) -> Result<(), Error> {
    let Identity { family, vendor } = candidate.identity;
    if launcher.kind.vendors().contains(&vendor) {
        return Ok(());
    }
    Err(Error::LauncherMismatch {
        launcher: launcher.kind.to_string(),
        evidence: launcher.evidence_text(),
        path: candidate.path.clone(),
        vendor,
        family,
    })
}

fn load(candidate: Candidate, launcher: Launcher) -> Result<Native, Error> {
    let Candidate { path, identity, .. } = candidate;
    let library = Library::open(&path)?;
    let functions = functions_of(&library);
    let missing: Vec<String> = ESSENTIAL
        .iter()
        .filter(|function| functions[usize::from(function.0)] == 0)
        .map(|function| function.name().to_owned())
        .collect();
    if !missing.is_empty() {
        return Err(Error::MissingSymbols {
            path,
            names: missing,
        });
    }
    let addresses =
        addresses_of(&library, identity.family).ok_or_else(|| Error::MissingSymbols {
            path: path.clone(),
            names: vec!["MPI_UNWEIGHTED".to_owned(), "MPI_WEIGHTS_EMPTY".to_owned()],
        })?;
    let version = version_of(functions[usize::from(fns::MPI_GET_LIBRARY_VERSION.0)]);
    let predefined = predefined_of(&library, identity, &version);
    Ok(Native {
        path,
        identity,
        version,
        functions,
        addresses,
        predefined,
        launcher,
        crashes_in_own_swap: false,
    })
}

/// The addresses of all functions of the table, by slot.
fn functions_of(library: &Library) -> Box<[u64]> {
    let slots = FUNCTIONS
        .iter()
        .map(|function| usize::from(function.id.0) + 1)
        .max()
        .unwrap_or(0);
    let mut addresses = vec![0; slots].into_boxed_slice();
    for function in FUNCTIONS.iter().filter(|function| function.is_mpi()) {
        addresses[usize::from(function.id.0)] = library.function(function.name).unwrap_or(0);
    }
    addresses
}

/// The special addresses of the library. `None` if it lacks the variables that the MPICH ABI has.
fn addresses_of(library: &Library, family: Family) -> Option<Addresses> {
    let variables = match family {
        Family::Mpich => [
            variable(library, "MPI_UNWEIGHTED")?,
            variable(library, "MPI_WEIGHTS_EMPTY")?,
        ],
        Family::StandardAbi | Family::OpenMpi => [0; 2],
    };
    Some(Addresses::of(family, variables))
}

/// The value of a pointer variable of the library.
fn variable(library: &Library, name: &str) -> Option<u64> {
    let address = library.address(name)?;
    // SAFETY: mpi.h declares both variables as `int * const`, and the library stays loaded.
    Some(unsafe { (address as *const u64).read() })
}

/// The library's version text, first line. `function` is its `MPI_Get_library_version`.
pub(crate) fn version_of(function: u64) -> String {
    // The longest MPI_MAX_LIBRARY_VERSION_STRING of the three ABIs, and room for a library that forgets the zero.
    let mut text = vec![0_u8; 8192 + 1];
    let mut length = 0_i32;
    // SAFETY: MPI_Get_library_version(char *, int *), allowed before MPI_Init; the buffer is long enough for all.
    unsafe {
        crate::shape::call(
            function,
            &[text.as_mut_ptr() as u64, (&raw mut length) as u64],
        )
    };
    let text =
        String::from_utf8_lossy(&text[..usize::try_from(length).unwrap_or(0).min(text.len())])
            .into_owned();
    tidy_version(&text)
}

/// MPICH pads its first line with tabs and spaces; Open MPI adds its build host after commas.
fn tidy_version(text: &str) -> String {
    let line = text
        .trim_end_matches('\0')
        .lines()
        .next()
        .unwrap_or_default();
    let line = line.split(", package").next().unwrap_or_default();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn predefined_of(library: &Library, identity: Identity, version: &str) -> Predefined {
    let age = MpichAge {
        recent: library.address("MPI_Abi_get_version").is_some(),
        version_5: identity.vendor == Vendor::Mpich
            && major_version(version).is_some_and(|major| major >= 5),
    };
    Predefined::build(|standard, mpich: Mpich, open_mpi| match identity.family {
        Family::StandardAbi => Some(u64::from(standard)),
        Family::Mpich => mpich.handle(age),
        Family::OpenMpi => library.address(open_mpi),
    })
}

/// The number after "MPICH Version:".
fn major_version(version: &str) -> Option<u32> {
    let number = version.strip_prefix("MPICH Version:")?.trim();
    number.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_lines_are_tidied() {
        assert_eq!(
            tidy_version("MPICH Version:      \t5.0.2\nMPICH Release date: x"),
            "MPICH Version: 5.0.2"
        );
        assert_eq!(
            tidy_version("Open MPI v5.0.11, package: Open MPI root@host, ident: 5"),
            "Open MPI v5.0.11"
        );
        assert_eq!(major_version("MPICH Version: 5.0.2"), Some(5));
        assert_eq!(
            major_version("Intel(R) MPI Library 2021.18 for Linux* OS"),
            None
        );
    }

    #[test]
    fn a_library_of_another_mpi_than_the_launcher_is_refused_with_both_names() {
        let environment = Environment::new(
            [("OMPI_COMM_WORLD_SIZE", "4"), ("OMPI_COMM_WORLD_RANK", "0")],
            [],
        );
        let candidate = Candidate {
            path: "/opt/mpich/lib/libmpi.so.12".into(),
            identity: Identity {
                family: Family::Mpich,
                vendor: Vendor::Mpich,
            },
            why: String::new(),
        };
        let message = refuse_foreign(&candidate, &detect_launcher(&environment))
            .unwrap_err()
            .to_string();
        for part in [
            "Open MPI's mpirun",
            "OMPI_COMM_WORLD_SIZE=4",
            "/opt/mpich/lib/libmpi.so.12",
            "MPICH ABI",
        ] {
            assert!(message.contains(part), "{part} in {message}");
        }
    }
}
