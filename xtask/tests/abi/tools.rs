//! Compilers, the stub, and the foreign MPI.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use mana_suite::{mpi, places};

/// Our headers.
pub fn include() -> PathBuf {
    places::workspace().join("src/stub_abi/include")
}

/// The text of one of our headers.
pub fn our_header(name: &str) -> String {
    read(&include().join(name))
}

/// Prefix of the foreign MPI: `MANA_TEST_MPICH_PREFIX`, or the harness's own, got if it is not there.
pub fn foreign_prefix() -> PathBuf {
    static PREFIX: OnceLock<PathBuf> = OnceLock::new();
    let prefix = PREFIX.get_or_init(|| match std::env::var_os("MANA_TEST_MPICH_PREFIX") {
        Some(prefix) => prefix.into(),
        None => {
            mpi::MPICH_5.provision().unwrap();
            mpi::MPICH_5.prefix()
        }
    });
    prefix.clone()
}

/// libmana_stub.so, built now.
pub fn stub() -> &'static Path {
    static STUB: OnceLock<PathBuf> = OnceLock::new();
    STUB.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let arguments = ["build", "--quiet", "--package", "mana_stub"];
        succeed(
            Command::new(cargo)
                .current_dir(places::workspace())
                .args(arguments),
        );
        places::target().join("debug/libmana_stub.so")
    })
}

/// How a compiler is asked for one of the languages our headers are for.
pub const LANGUAGES: [&[&str]; 3] = [
    &["cc", "-std=c99"],
    &["cc", "-std=c11"],
    &["c++", "-x", "c++", "-std=c++17"],
];

/// The compiler for `language` with every warning an error, on `source`.
pub fn compile(language: &[&str], source: &Path, object: &Path) -> Output {
    let warnings = ["-Wall", "-Wextra", "-pedantic", "-Werror"];
    let mut compiler = Command::new(language[0]);
    compiler
        .args(&language[1..])
        .args(warnings)
        .arg("-c")
        .arg(source)
        .arg("-o")
        .arg(object);
    run(compiler.arg("-I").arg(include()))
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Output {
    command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// Runs a command that must succeed; gives its stdout.
pub fn succeed(command: &mut Command) -> String {
    let output = run(command);
    assert!(output.status.success(), "{command:?}: {}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// What a command wrote to stderr.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The text of a file.
pub fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Writes a file of the test's.
pub fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// The words of a text that are C identifiers.
pub fn identifiers(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
}

/// The text without C comments.
pub fn without_comments(text: &str) -> String {
    let mut parts = text.split("/*");
    let mut code = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        code.push_str(part.split_once("*/").map_or("", |(_, code)| code));
    }
    code
}
