//! Every MPI on this machine that `mana` can use, with its version: what `mana doctor` prints.
//!
//! A library's version is asked for in a child process: several MPIs in one process would get in each other's way,
//! and one that crashes when loaded must not take `mana doctor` with it.
//!
//! # Safety
//! The child of `fork` loads a library. glibc makes its allocator and its loader usable there even if other threads
//! held their locks; nothing else of the parent is used. Call it while no other thread of the parent loads libraries.

use crate::choose::{Candidate, candidates};
use crate::library::Library;
use crate::open::version_of;
use crate::search::places;
use crate::{Environment, Error, Family, Vendor, detect_launcher};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::FromRawFd;
use std::path::{Path, PathBuf};

/// An MPI library found on this machine.
#[derive(Debug, Clone, serde::Serialize)]
pub struct FoundMpi {
    /// Its ABI.
    pub family: Family,
    /// Its maker.
    pub vendor: Vendor,
    /// Its file.
    pub path: PathBuf,
    /// The first line of its version, or why it could not be told.
    pub version: Result<String, String>,
    /// Why the directory was looked in.
    pub how: String,
}

/// A file that looks like an MPI library and is none that `mana` can use.
#[derive(Debug, Clone, serde::Serialize)]
pub struct RejectedMpi {
    /// The error's text, which names the file.
    pub reason: String,
}

/// Looks everywhere [`crate::Native::open`] would look. The first found that suits the launcher is what it would take.
#[must_use]
pub fn discover(environment: &Environment) -> (Vec<FoundMpi>, Vec<RejectedMpi>) {
    let places = places(environment, &detect_launcher(environment));
    let (found, rejected) = candidates(&places);
    let rejected = rejected
        .iter()
        .map(|error| RejectedMpi {
            reason: error.to_string(),
        })
        .collect();
    (found.into_iter().map(describe).collect(), rejected)
}

fn describe(candidate: Candidate) -> FoundMpi {
    let Candidate {
        path,
        identity,
        why,
    } = candidate;
    let version = version_in_child(&path).map_err(|error| error.to_string());
    FoundMpi {
        family: identity.family,
        vendor: identity.vendor,
        path,
        version,
        how: why,
    }
}

/// A library that has not answered after this time never will: some wait for a network at load time.
const PATIENCE_S: u32 = 20;

/// Loads the library in a child process and returns the first line of its version.
///
/// # Errors
/// [`Error::Version`] if the child cannot be made, cannot load the library, or ends without an answer.
pub fn version_in_child(path: &Path) -> Result<String, Error> {
    let failed = |reason: String| Error::Version {
        path: path.to_owned(),
        reason,
    };
    let (mut reader, writer) = pipe().map_err(|error| failed(error.to_string()))?;
    // SAFETY: the child uses only the loader and the allocator (see the module), and never returns from here.
    match unsafe { libc::fork() } {
        -1 => Err(failed(std::io::Error::last_os_error().to_string())),
        0 => answer_and_exit(path, writer),
        child => {
            drop(writer);
            let mut answer = String::new();
            let read = reader
                .read_to_string(&mut answer)
                .map_err(|error| failed(error.to_string()));
            let status = wait_for(child);
            read?;
            match answer.strip_prefix("version ") {
                Some(version) => Ok(version.to_owned()),
                None if answer.is_empty() => {
                    Err(failed(format!("the process that loaded it {status}")))
                }
                None => Err(failed(answer)),
            }
        }
    }
}

/// The child's part: load, ask, write the answer, end without running exit handlers.
fn answer_and_exit(path: &Path, mut writer: File) -> ! {
    // SAFETY: alarm ends this child should the library hang.
    unsafe { libc::alarm(PATIENCE_S) };
    let answer = match Library::open(path) {
        Ok(library) => library
            .function("MPI_Get_library_version")
            .map_or("it has no MPI_Get_library_version".to_owned(), |function| {
                format!("version {}", version_of(function))
            }),
        Err(error) => error.to_string(),
    };
    let written = writer.write_all(answer.as_bytes());
    // SAFETY: _exit has no preconditions.
    unsafe { libc::_exit(i32::from(written.is_err())) }
}

fn wait_for(child: libc::pid_t) -> String {
    let mut status = 0;
    // SAFETY: `child` is our own child, waited for once.
    if unsafe { libc::waitpid(child, &raw mut status, 0) } != child {
        return "cannot be waited for".to_owned();
    }
    if libc::WIFSIGNALED(status) {
        format!("was ended by signal {}", libc::WTERMSIG(status))
    } else {
        format!("ended with status {}", libc::WEXITSTATUS(status))
    }
}

fn pipe() -> std::io::Result<(File, File)> {
    let mut ends = [0; 2];
    // SAFETY: `ends` has room for two descriptors.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: both descriptors were just made and belong to nobody else.
    Ok(unsafe { (File::from_raw_fd(ends[0]), File::from_raw_fd(ends[1])) })
}
