//! Getting the suites' sources, through the clients of the places they come from: apt, pip, cargo.

use std::path::{Path, PathBuf};
use std::process::Command;

use mana_suite::{Result, command, places};

use super::run::home;
use crate::sources::{debian, once, untar};

/// Where a source goes once it is there.
fn sources(name: &str) -> PathBuf {
    home().join("src").join(name)
}

/// The folder `test/mpi` of Debian's source package of MPICH.
///
/// # Errors
/// apt or tar failed.
pub(crate) fn mpich() -> Result<PathBuf> {
    let to = sources("mpich");
    once(&to, |folder| {
        eprintln!("   fetching MPICH's test programs");
        debian(folder, "mpich")?;
        untar(
            folder,
            "mpich_*.orig.tar.*",
            &["--wildcards", "*/test/mpi/*"],
        )
    })?;
    Ok(to.join("test/mpi"))
}

/// mpi4py's source distribution.
///
/// # Errors
/// pip or tar failed.
pub(crate) fn mpi4py() -> Result<PathBuf> {
    let to = sources("mpi4py");
    once(&to, |folder| {
        eprintln!("   fetching mpi4py's sources");
        let mut pip = python("-m", "pip");
        pip.args(["download", "--no-deps", "--no-binary", "mpi4py", "-d"])
            .arg(folder)
            .arg(mana_suite::python::MPI4PY);
        command::run(&mut pip)?;
        untar(folder, "mpi4py-*.tar.gz", &[])
    })?;
    Ok(to)
}

/// rsmpi's sources, from cargo's registry, where the examples are.
///
/// # Errors
/// cargo failed, or the crate is not where it says.
pub(crate) fn rsmpi() -> Result<PathBuf> {
    let to = sources("rsmpi");
    once(&to, |folder| {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo
            .current_dir(places::workspace().join("examples/mpi_ring/rust"))
            .args(["metadata", "--format-version=1", "--locked"]);
        let metadata = command::run(&mut cargo)?;
        let manifest =
            manifest_of_rsmpi(&metadata).ok_or_else(|| mana_suite::SuiteError::File {
                action: "find crate mpi in",
                path: "examples/mpi_ring/rust".into(),
                source: std::io::ErrorKind::NotFound.into(),
            })?;
        let from = manifest.parent().unwrap_or(Path::new("/")).join(".");
        command::run(Command::new("cp").arg("-r").arg(from).arg(folder)).map(drop)
    })?;
    Ok(to)
}

/// Where the manifest of package `mpi` is, by cargo's metadata.
fn manifest_of_rsmpi(metadata: &str) -> Option<PathBuf> {
    let metadata: serde_json::Value = serde_json::from_str(metadata).ok()?;
    let packages = metadata.get("packages")?.as_array()?;
    let package = packages.iter().find(|package| package["name"] == "mpi")?;
    package["manifest_path"].as_str().map(PathBuf::from)
}

fn python(option: &str, module: &str) -> Command {
    let mut python = Command::new("python3");
    python.args([option, module]);
    python
}
