//! Getting sources that others wrote, whole or not at all.
//!
//! A source is unpacked into a folder beside its place and renamed into it: it is there whole, or it is not there.

use std::path::Path;
use std::process::Command;

use mana_suite::apt::Apt;
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
    let apt = Apt::with(folder, "deb-src http://deb.debian.org/debian bookworm main")?;
    apt.run(&["source", "--download-only", "--tar-only", package])
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
