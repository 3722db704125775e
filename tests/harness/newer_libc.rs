//! A glibc that is newer than this machine's, for programs that are to run with it: Debian 13's, 2.41.

use std::path::PathBuf;
use std::process::Command;

use crate::apt::Apt;
use crate::command::run;
use crate::error::{Context, Result};
use crate::lock::FileLock;
use crate::places;

/// The dynamic loader, beside the library.
pub const LOADER: &str = "ld-linux-x86-64.so.2";

/// The folder of the library, which is fetched if it is not there.
///
/// # Errors
/// apt or dpkg failed.
pub fn provision() -> Result<PathBuf> {
    let folder = places::target().join("glibc-2.41");
    let lib = folder.join("usr/lib/x86_64-linux-gnu");
    let _lock = FileLock::acquire(&places::target().join("glibc.lock"))?;
    if folder.exists() {
        return Ok(lib);
    }
    let partial = folder.with_extension("partial");
    if partial.exists() {
        std::fs::remove_dir_all(&partial).context("delete", &partial)?;
    }
    std::fs::create_dir_all(&partial).context("create", &partial)?;
    let apt = Apt::with(&partial, "deb http://deb.debian.org/debian trixie main")?;
    apt.run(&["download", "libc6"])?;
    let unpack = "dpkg -x libc6_*.deb . && rm -r apt libc6_*.deb";
    run(Command::new("sh")
        .current_dir(&partial)
        .args(["-c", unpack]))?;
    std::fs::rename(&partial, &folder).context("move into place", &folder)?;
    Ok(lib)
}
