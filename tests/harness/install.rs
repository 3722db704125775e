//! The installed tree, as a user would have it, from cargo's artifacts.
//!
//! ```text
//!   bin/mana            bin/mana-mpicc, mana-mpicxx -> mana
//!   lib/libmana_stub.so lib/libmpi_abi.so, .so.0, .so.1 -> libmana_stub.so
//!   include/mpi.h       include/mana.h
//! ```

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::command::run;
use crate::error::{Context, Result};
use crate::lock::FileLock;
use crate::places;

/// An installed tree.
#[derive(Clone, Debug)]
pub struct Install {
    root: PathBuf,
}

impl Install {
    /// The command.
    pub fn mana(&self) -> PathBuf {
        self.root.join("bin/mana")
    }

    /// The C compiler wrapper.
    pub fn mpicc(&self) -> PathBuf {
        self.root.join("bin/mana-mpicc")
    }

    /// Where the stub is.
    pub fn lib(&self) -> PathBuf {
        self.root.join("lib")
    }

    /// Where the headers are.
    pub fn include(&self) -> PathBuf {
        self.root.join("include")
    }
}

/// A variable that names a tree installed already, for tests of that one as it is.
const INSTALLED: &str = "SUITE_INSTALLED";

/// Builds `mana` and the stub in release mode and puts the tests' own tree together, once per process.
///
/// # Errors
/// The build failed, or a file could not be put in its place.
pub fn install() -> Result<Install> {
    static DONE: OnceLock<Install> = OnceLock::new();
    if let Some(done) = DONE.get() {
        return Ok(done.clone());
    }
    if let Some(given) = std::env::var_os(INSTALLED) {
        return Ok(DONE.get_or_init(|| Install { root: given.into() }).clone());
    }
    let root = places::install_root();
    let _lock = FileLock::acquire(&places::target().join("mana-root.lock"))?;
    let install = install_into(&root)?;
    Ok(DONE.get_or_init(|| install).clone())
}

/// Builds `mana` and the stub in release mode and installs them below `root`.
///
/// # Errors
/// The build failed, or a file could not be put in its place.
pub fn install_into(root: &Path) -> Result<Install> {
    build()?;
    put_together(root)?;
    Ok(Install {
        root: root.to_owned(),
    })
}

fn build() -> Result<()> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(places::workspace()).args([
        "build",
        "--quiet",
        "--release",
        "-p",
        "mana_cli",
        "-p",
        "mana_stub",
    ]);
    run(&mut cargo).map(drop)
}

fn put_together(root: &Path) -> Result<()> {
    for folder in ["bin", "lib", "include"] {
        let path = root.join(folder);
        std::fs::create_dir_all(&path).context("create", &path)?;
    }
    let release = places::target().join("release");
    let headers = places::workspace().join("src/stub_abi/include");
    place(&release.join("mana"), &root.join("bin/mana"))?;
    place(
        &release.join("libmana_stub.so"),
        &root.join("lib/libmana_stub.so"),
    )?;
    place(&headers.join("mpi.h"), &root.join("include/mpi.h"))?;
    place(&headers.join("mana.h"), &root.join("include/mana.h"))?;
    for wrapper in ["mana-mpicc", "mana-mpicxx"] {
        link("mana", &root.join("bin").join(wrapper))?;
    }
    for name in ["libmpi_abi.so", "libmpi_abi.so.0", "libmpi_abi.so.1"] {
        link("libmana_stub.so", &root.join("lib").join(name))?;
    }
    Ok(())
}

/// Copies a file into place in one step, if it changed: a running job keeps the file it has open.
fn place(from: &Path, to: &Path) -> Result<()> {
    let new = std::fs::read(from).context("read", from)?;
    if std::fs::read(to).is_ok_and(|old| old == new) {
        return Ok(());
    }
    let beside = to.with_extension("new");
    std::fs::copy(from, &beside).context("copy", from)?;
    std::fs::rename(&beside, to).context("move into place", to)
}

fn link(target: &str, at: &Path) -> Result<()> {
    if std::fs::read_link(at).is_ok_and(|old| old == Path::new(target)) {
        return Ok(());
    }
    if at.symlink_metadata().is_ok() {
        std::fs::remove_file(at).context("delete", at)?;
    }
    symlink(target, at).context("create", at)
}
