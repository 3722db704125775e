//! `mana run`, `mana restart`, and what a program linked with the stub becomes: each hands this process over.

use crate::commands::compiler;
use crate::commands::settings;
use crate::exit::{Failure, Status};
use mana_engine::entry::{self, Start};
use mana_engine::messages::line;
use mana_native::{Environment, LauncherKind, detect_launcher};
use mana_split::hooks::{self, Given, Note};
use mana_split::loader::{Program, become_without_mana};
use object::elf::{DT_NEEDED, FileHeader64};
use object::read::elf::{Dyn, FileHeader, SectionHeader};
use object::{Endianness, ReadCache, ReadRef, StringTable};
use std::convert::Infallible;
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// `mana run PROGRAM ARGUMENTS`.
pub fn run(program: &OsStr, arguments: Vec<OsString>) -> Result<Status, Failure> {
    let path = find_program(program)?;
    let arguments = std::iter::once(program.to_owned())
        .chain(arguments)
        .collect();
    start(&path, arguments)
}

/// `mana __exec PATH ARGUMENTS`, where the arguments begin with the program's name.
pub fn exec(program: &Path, arguments: Vec<OsString>) -> Result<Status, Failure> {
    start(program, arguments)
}

/// What a program that runs under `mana` has executed; `arguments` are its own, as it gave them. Where `mana` cannot run that, it runs
/// without, as it would have.
pub fn executed(note: &Note, arguments: Vec<OsString>) -> Result<Status, Failure> {
    let program = program(&note.path, arguments);
    let failure = match start_as(&program, Some(note)) {
        Err(failure) => failure,
        Ok(status) => return Ok(status),
    };
    if note.is_child {
        tracing::info!("{failure}; it runs without mana");
    } else {
        let consequence = "it runs without mana, and there will be no more checkpoints";
        line(format_args!("mana: {failure}; {consequence}"));
    }
    Err(Failure::new(Status::Failed, become_without_mana(&program)))
}

fn start(path: &Path, arguments: Vec<OsString>) -> Result<Status, Failure> {
    start_as(&program(path, arguments), None)
}

fn start_as(program: &Program, note: Option<&Note>) -> Result<Status, Failure> {
    let settings = settings()?;
    let needed = libraries_of(&program.path);
    refuse_other_mpis(&program.path, &needed)?;
    serve_stub(&needed)?;
    mana_engine::set_settings(settings.for_engine(settings.directory()));
    let by_itself = is_by_itself(&needed);
    let start = match note {
        // One that uses MPI is a job of its own.
        Some(note) if note.is_child && !has_stub(&needed) => Start::AsMember(note),
        Some(note) => Start::Executed(note, by_itself),
        None if by_itself => Start::ByItself,
        None => Start::ForMpi,
    };
    never(entry::run(program, start).map_err(Failure::from)?)
}

fn program(path: &Path, args: Vec<OsString>) -> Program {
    Program {
        path: path.to_owned(),
        args,
        env: environment(),
    }
}

/// `mana restart CHECKPOINT`.
pub fn restart(checkpoint: Option<PathBuf>) -> Result<Status, Failure> {
    let settings = settings()?;
    let path = checkpoint.unwrap_or_else(|| settings.directory());
    // A restarted job goes on where it left off: beside the checkpoint, not in a new ./ckpts.
    let directory = match &settings.directory {
        Some(directory) => directory.clone(),
        None => directory_of(&path)?,
    };
    mana_engine::set_settings(settings.for_engine(directory));
    serve_stub(&[])?;
    never(entry::restart(&path).map_err(Failure::from)?)
}

/// The directory of checkpoints that `path` is or is in.
fn directory_of(path: &Path) -> Result<PathBuf, Failure> {
    let checkpoint = mana_image::locate(path)?;
    Ok(checkpoint
        .path()
        .parent()
        .map_or_else(|| path.to_owned(), Path::to_owned))
}

fn never(nothing: Infallible) -> Result<Status, Failure> {
    match nothing {}
}

/// This process's environment, for the program.
fn environment() -> Vec<OsString> {
    let entry = |(mut name, value): (OsString, OsString)| {
        name.push("=");
        name.push(value);
        name
    };
    let environment = Given::to_this_process().environment;
    environment.into_iter().map(entry).collect()
}

/// The file that a shell would run.
fn find_program(program: &OsStr) -> Result<PathBuf, Failure> {
    if program.as_bytes().contains(&b'/') {
        return Ok(program.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_program = |file: &PathBuf| {
        rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok() && file.is_file()
    };
    std::env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(is_program)
        .ok_or_else(|| {
            let error = format!("{} is in no directory of PATH", program.to_string_lossy());
            Failure::new(Status::Failed, error)
                .hint(format!("./{}, if it is here", program.to_string_lossy()))
        })
}

/// The libraries that a program asks for; none for what is no ELF file (a script) or cannot be read, which is the loader's to
/// judge.
fn libraries_of(path: &Path) -> Vec<String> {
    let file = std::fs::File::open(path).ok();
    file.and_then(|file| needed_libraries(&ReadCache::new(file)))
        .unwrap_or_default()
}

/// The names of the stub.
const STUBS: &[&str] = &["libmana_stub.so", "libmpi_abi.so"];

/// Whether nothing says that this process is to use MPI: no launcher, no stub.
fn is_by_itself(needed: &[String]) -> bool {
    !has_stub(needed) && detect_launcher(&Environment::current()).kind == LauncherKind::None
}

fn has_stub(needed: &[String]) -> bool {
    needed.iter().any(|name| is_stub(name))
}

fn is_stub(name: &str) -> bool {
    STUBS.iter().any(|stub| name.starts_with(stub))
}

/// Has the program find the stub where it looks for the standard ABI's library: with another MPI's it would run without
/// `mana`'s knowledge.
fn serve_stub(needed: &[String]) -> Result<(), Failure> {
    let stub = match compiler::stub() {
        Ok(stub) => stub,
        Err(missing) if needed.iter().any(|name| name.starts_with("libmpi_abi.so")) => {
            return Err(missing);
        }
        Err(_) => return Ok(()),
    };
    if let Ok(stub) = CString::new(stub.into_os_string().into_vec()) {
        hooks::set_stub(stub);
    }
    Ok(())
}

/// A program that brings an MPI of its own into the upper half cannot be checkpointed.
fn refuse_other_mpis(path: &Path, needed: &[String]) -> Result<(), Failure> {
    let is_other = |name: &&String| {
        !is_stub(name) && hooks::OTHER_MPIS.iter().any(|mpi| name.starts_with(mpi))
    };
    let other = needed.iter().find(is_other);
    let Some(library) = other else { return Ok(()) };
    let error = format!(
        "{} is linked to an MPI library of its own ({library}), which cannot be exchanged below it",
        path.display()
    );
    Err(Failure::new(Status::Failed, error)
        .hint("build it again with mana-mpicc or mana-mpicxx (or link -lmana_stub)"))
}

/// The libraries that an ELF file asks for (DT_NEEDED); `None` for what is no 64-bit ELF file with a dynamic section.
fn needed_libraries<'data>(file: impl ReadRef<'data>) -> Option<Vec<String>> {
    let header = FileHeader64::<Endianness>::parse(file).ok()?;
    let endian = header.endian().ok()?;
    let sections = header.sections(endian, file).ok()?;
    let (entries, link) = sections.dynamic(endian, file).ok()??;
    let strings = sections.section(link).ok()?;
    let (offset, size) = strings.file_range(endian)?;
    let strings = StringTable::new(file, offset, offset.checked_add(size)?);
    let needed = entries
        .iter()
        .filter(|entry| entry.tag32(endian) == Some(DT_NEEDED));
    let name = |at: u64| {
        strings
            .get(u32::try_from(at).ok()?)
            .ok()
            .map(|name| String::from_utf8_lossy(name).into_owned())
    };
    Some(
        needed
            .filter_map(|entry| name(entry.d_val(endian)))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program_needs_libc_and_no_mpi() {
        let path = std::env::current_exe().unwrap();
        let needed =
            needed_libraries(&ReadCache::new(std::fs::File::open(&path).unwrap())).unwrap();
        assert!(
            needed.iter().any(|name| name.starts_with("libc.so")),
            "{needed:?}"
        );
        assert!(refuse_other_mpis(&path, &needed).is_ok());
        assert!(refuse_other_mpis(&path, &["libmpi.so.12".to_owned()]).is_err());
        assert!(!is_by_itself(&["libmana_stub.so".to_owned()]));
        assert_eq!(needed_libraries(&b"#!/bin/sh\n"[..]), None);
    }

    #[test]
    fn programs_are_found_in_the_path() {
        assert!(find_program(OsStr::new("sh")).unwrap().ends_with("sh"));
        assert_eq!(find_program(OsStr::new("./sh")).unwrap(), Path::new("./sh"));
        assert!(find_program(OsStr::new("no-such-program-here")).is_err());
    }
}
