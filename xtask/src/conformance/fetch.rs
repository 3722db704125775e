//! Getting the suites' sources, through the clients of the places they come from: apt, pip, cargo.
//!
//! A source is unpacked into a folder beside its place and renamed into it: it is there whole, or it is not there. apt is
//! given a list of sources of our own, so nothing about this machine's configuration changes.

use std::path::{Path, PathBuf};
use std::process::Command;

use mana_suite::{Result, command, places};

use super::run::{file, home};

/// Where a source goes once it is there.
fn sources(name: &str) -> PathBuf {
    home().join("src").join(name)
}

/// Makes folder `to` by `fill`, which is given an empty one beside it.
fn once(to: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    if to.exists() {
        return Ok(());
    }
    let beside = to.with_extension("partial");
    if beside.exists() {
        file("delete", &beside, std::fs::remove_dir_all(&beside))?;
    }
    file("create", &beside, std::fs::create_dir_all(&beside))?;
    fill(&beside)?;
    file("move into place", to, std::fs::rename(&beside, to))
}

/// The folder `test/mpi` of Debian's source package of MPICH.
///
/// # Errors
/// apt or tar failed.
pub(crate) fn mpich() -> Result<PathBuf> {
    let to = sources("mpich");
    once(&to, |folder| {
        eprintln!("   fetching MPICH's test programs");
        let apt = |words: &[&str]| {
            let mut apt = Command::new("apt-get");
            let state = folder.join("apt");
            apt.current_dir(folder);
            for (option, value) in [
                ("Dir::Etc::sourcelist", state.join("sources.list")),
                ("Dir::Etc::sourceparts", PathBuf::from("-")),
                ("Dir::State::lists", state.join("lists")),
                ("Dir::Cache::pkgcache", PathBuf::new()),
                ("Dir::Cache::srcpkgcache", PathBuf::new()),
                // The folder is this user's, which apt's own may not enter.
                ("APT::Sandbox::User", PathBuf::from("root")),
            ] {
                apt.args(["-o", &format!("{option}={}", value.display())]);
            }
            command::run(apt.arg("-q").args(words)).map(drop)
        };
        let lists = folder.join("apt/lists/partial");
        file("create", &lists, std::fs::create_dir_all(&lists))?;
        let list = folder.join("apt/sources.list");
        let source = "deb-src http://deb.debian.org/debian bookworm main\n";
        file("write", &list, std::fs::write(&list, source))?;
        apt(&["update"])?;
        apt(&["source", "--download-only", "mpich"])?;
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

/// Unpacks the archive that the shell pattern finds, without its outermost folder.
fn untar(folder: &Path, pattern: &str, which: &[&str]) -> Result<()> {
    let script = format!("tar xf {pattern} --strip-components=1 \"$@\"");
    let mut shell = Command::new("sh");
    shell
        .current_dir(folder)
        .args(["-c", &script, "sh"])
        .args(which);
    command::run(&mut shell).map(drop)
}

fn python(option: &str, module: &str) -> Command {
    let mut python = Command::new("python3");
    python.args([option, module]);
    python
}
