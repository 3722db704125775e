//! Getting sources that others wrote, whole or not at all.
//!
//! A source is unpacked into a folder beside its place and renamed into it: it is there whole, or it is not there. apt is
//! given a list of sources of our own, so nothing about this machine's configuration changes.

use std::path::{Path, PathBuf};
use std::process::Command;

use mana_suite::{Result, SuiteError, command};

/// An I/O result as one of the harness.
pub(crate) fn file<T>(action: &'static str, path: &Path, done: std::io::Result<T>) -> Result<T> {
    done.map_err(|source| SuiteError::File {
        action,
        path: path.to_owned(),
        source,
    })
}

/// Makes folder `to` by `fill`, which is given an empty one beside it.
pub(crate) fn once(to: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
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

/// Puts the archive of Debian's source package into `folder`, as its authors released it.
///
/// # Errors
/// apt failed.
pub(crate) fn debian(folder: &Path, package: &str) -> Result<()> {
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
    apt(&["source", "--download-only", "--tar-only", package]).map(drop)
}

/// Unpacks the archive that the shell pattern finds, without its outermost folder.
pub(crate) fn untar(folder: &Path, pattern: &str, which: &[&str]) -> Result<()> {
    let script = format!("tar xf {pattern} --strip-components=1 \"$@\"");
    let mut shell = Command::new("sh");
    shell
        .current_dir(folder)
        .args(["-c", &script, "sh"])
        .args(which);
    command::run(&mut shell).map(drop)
}
