//! `mana cc`, `mana c++`, `mana-mpicc`, `mana-mpicxx`: a compiler with mana's MPI added, like MPICH's `mpicc`.
//!
//! ```text
//!   installed                          from cargo's build tree
//!   PREFIX/bin/mana                    target/debug/mana
//!   PREFIX/lib/libmana_stub.so         target/debug/libmana_stub.so
//!   PREFIX/include/mpi.h               src/stub_abi/include/mpi.h
//! ```

use crate::commands::print;
use crate::exit::{Failure, Status};
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A language that is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    C,
    Cxx,
}

impl Language {
    /// The variables that name a compiler for it, and the one taken otherwise.
    fn compiler(self) -> OsString {
        let (variable, default) = match self {
            Language::C => ("MANA_CC", "cc"),
            Language::Cxx => ("MANA_CXX", "c++"),
        };
        std::env::var_os(variable)
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| default.into())
    }
}

/// The language that the command's own name asks for.
pub fn called_as(name: Option<&Path>) -> Option<Language> {
    match name?.file_name()?.to_str()? {
        "mana-mpicc" => Some(Language::C),
        "mana-mpicxx" | "mana-mpic++" => Some(Language::Cxx),
        _ => None,
    }
}

/// Where the parts of mana are that a program is compiled with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// The directory of `mpi.h` and `mana.h`.
    pub include: PathBuf,
    /// The directory of `libmana_stub.so`.
    pub library: PathBuf,
}

impl Parts {
    /// Finds them, from where this program is.
    ///
    /// # Errors
    /// The places that were looked at.
    pub fn find() -> Result<Self, Failure> {
        Self::beside(&own_directory()?)
    }

    fn beside(directory: &Path) -> Result<Self, Failure> {
        // target/debug/deps, for programs that cargo runs, and target/debug.
        let source_tree = directory
            .ancestors()
            .map(|above| above.join("src/stub_abi/include"));
        let include = first_with(
            "mpi.h",
            std::iter::once(directory.join("../include")).chain(source_tree),
        )?;
        let library = library_beside(directory)?;
        Ok(Self { include, library })
    }

    /// What is added when sources are compiled.
    fn compile_flags(&self) -> Vec<OsString> {
        vec![joined("-I", &self.include)]
    }

    /// What is added when a program is linked.
    fn link_flags(&self) -> Vec<OsString> {
        vec![
            joined("-L", &self.library),
            joined("-Wl,-rpath,", &self.library),
            "-lmana_stub".into(),
        ]
    }
}

/// The library that programs link: found without the headers, which machines that only run programs need not have.
///
/// # Errors
/// The places that were looked at.
pub fn stub() -> Result<PathBuf, Failure> {
    Ok(library_beside(&own_directory()?)?.join(STUB))
}

/// Its file's name.
const STUB: &str = "libmana_stub.so";

/// The directory of this program.
fn own_directory() -> Result<PathBuf, Failure> {
    let program = std::env::current_exe().map_err(|error| Failure::new(Status::Failed, error))?;
    let program = program.canonicalize().unwrap_or(program);
    Ok(program.parent().unwrap_or(Path::new("/")).to_owned())
}

/// The directory of the stub, from this program's.
fn library_beside(directory: &Path) -> Result<PathBuf, Failure> {
    let places = [
        directory.join("../lib"),
        directory.into(),
        directory.join(".."),
    ];
    first_with(STUB, places)
}

/// The first directory that has `file`.
fn first_with(
    file: &str,
    directories: impl IntoIterator<Item = PathBuf>,
) -> Result<PathBuf, Failure> {
    let mut tried = Vec::new();
    for directory in directories {
        if directory.join(file).is_file() {
            return Ok(directory.canonicalize().unwrap_or(directory));
        }
        tried.push(directory.display().to_string());
    }
    let error = format!("{file} is in none of {}", tried.join(", "));
    Err(Failure::new(Status::Failed, error)
        .hint("cargo build --release -p mana_stub, or install mana as a whole"))
}

fn joined(option: &str, directory: &Path) -> OsString {
    let mut joined = OsString::from(option);
    joined.push(directory);
    joined
}

/// Does the compiler get as far as linking with these arguments?
fn links(arguments: &[OsString]) -> bool {
    const STOPS: [&str; 8] = [
        "-c",
        "-S",
        "-E",
        "-M",
        "-MM",
        "-fsyntax-only",
        "--version",
        "-v",
    ];
    let stops = arguments
        .iter()
        .any(|argument| STOPS.iter().any(|stop| argument == stop));
    // `mpicc -v` alone asks for a version; with a file it links, verbosely.
    let files = arguments
        .iter()
        .any(|argument| !argument.as_encoded_bytes().starts_with(b"-"));
    !stops
        || (files
            && arguments
                .iter()
                .all(|argument| STOPS[..6].iter().all(|stop| argument != stop)))
}

/// The whole command, as a list of words.
fn command_line(language: Language, parts: &Parts, arguments: &[OsString]) -> Vec<OsString> {
    let mut words = vec![language.compiler()];
    words.extend(parts.compile_flags());
    words.extend(arguments.iter().cloned());
    if links(arguments) {
        words.extend(parts.link_flags());
    }
    words
}

/// Runs the compiler, or answers what it would be run with: `-show` (everything), `-compile-info` and `-link-info` as
/// MPICH's, `-showme`, `-showme:compile` and `-showme:link` as Open MPI's wrappers.
pub fn compile(language: Language, arguments: &[OsString]) -> Result<Status, Failure> {
    let parts = Parts::find()?;
    let is = |names: &'static [&str]| {
        move |argument: &OsString| names.iter().any(|name| argument == name)
    };
    let rest = |names: &'static [&str]| -> Vec<OsString> {
        arguments
            .iter()
            .filter(|argument| !is(names)(argument))
            .cloned()
            .collect()
    };
    let asked = |names: &'static [&str]| arguments.iter().any(is(names));
    const SHOW: &[&str] = &["-show", "--show", "-showme", "--showme"];
    const SHOW_COMPILE: &[&str] = &["-compile-info", "-compile_info"];
    const SHOW_LINK: &[&str] = &["-link-info", "-link_info"];
    const FLAGS_COMPILE: &[&str] = &["-showme:compile", "--showme:compile"];
    const FLAGS_LINK: &[&str] = &["-showme:link", "--showme:link"];
    let answer = if asked(SHOW) {
        command_line(language, &parts, &rest(SHOW))
    } else if asked(SHOW_COMPILE) {
        let own = vec![language.compiler(), "-c".into()];
        own.into_iter()
            .chain(parts.compile_flags())
            .chain(rest(SHOW_COMPILE))
            .collect()
    } else if asked(SHOW_LINK) {
        let own = vec![language.compiler()];
        own.into_iter()
            .chain(rest(SHOW_LINK))
            .chain(parts.link_flags())
            .collect()
    } else if asked(FLAGS_COMPILE) {
        parts.compile_flags()
    } else if asked(FLAGS_LINK) {
        parts.link_flags()
    } else {
        return become_compiler(&command_line(language, &parts, arguments));
    };
    let words: Vec<_> = answer.iter().map(|word| quoted(word)).collect();
    print(&(words.join(" ") + "\n"))?;
    Ok(Status::Done)
}

/// The compiler takes this process's place, so its status is the command's.
fn become_compiler(words: &[OsString]) -> Result<Status, Failure> {
    // $MANA_CC may have options: "ccache gcc".
    let mut names = words[0]
        .to_str()
        .into_iter()
        .flat_map(str::split_whitespace)
        .map(OsStr::new);
    let compiler = names.next().unwrap_or(&words[0]);
    let error = Command::new(compiler).args(names).args(&words[1..]).exec();
    let error = format!(
        "could not run the compiler {}: {error}",
        compiler.to_string_lossy()
    );
    Err(Failure::new(Status::Failed, error).hint("install one, or name it in MANA_CC or MANA_CXX"))
}

/// A word as a shell takes it.
fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./=,+:@%".contains(&byte);
    // A compiler with options is several words on purpose.
    if word.bytes().all(|byte| plain(byte) || byte == b' ')
        && !word.is_empty()
        && !word.starts_with('-')
    {
        return word.into_owned();
    }
    if word.bytes().all(plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_chooses_the_language() {
        let of = |name: &str| called_as(Some(Path::new(name)));
        assert_eq!(of("/usr/bin/mana-mpicc"), Some(Language::C));
        assert_eq!(of("mana-mpicxx"), Some(Language::Cxx));
        assert_eq!(of("/usr/bin/mana"), None);
    }

    #[test]
    fn linking_is_left_out_where_the_compiler_does_not() {
        let links = |line: &str| {
            links(
                &line
                    .split_whitespace()
                    .map(OsString::from)
                    .collect::<Vec<_>>(),
            )
        };
        assert!(links("a.c -o a") && links("a.o b.o -v") && links("-O2 a.c"));
        assert!(
            !links("-c a.c")
                && !links("-E a.c -o b")
                && !links("-v")
                && !links("--version")
                && !links("-c -v a.c")
        );
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quoted(OsStr::new("-I/opt/x")), "-I/opt/x");
        assert_eq!(quoted(OsStr::new("-I/my dir")), "'-I/my dir'");
        assert_eq!(quoted(OsStr::new("-DX='a'")), r"'-DX='\''a'\'''");
    }
}
