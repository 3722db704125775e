//! apt with a list of sources of our own, so that nothing about this machine's configuration changes.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::run;
use crate::error::{Context, Result};

/// apt with its state in a folder.
#[derive(Debug)]
pub struct Apt<'a> {
    folder: &'a Path,
}

impl<'a> Apt<'a> {
    /// Fetches the lists of `source`, a line of sources.list(5).
    ///
    /// # Errors
    /// A file cannot be written, or apt failed.
    pub fn with(folder: &'a Path, source: &str) -> Result<Self> {
        let lists = folder.join("apt/lists/partial");
        std::fs::create_dir_all(&lists).context("create", &lists)?;
        let list = folder.join("apt/sources.list");
        std::fs::write(&list, format!("{source}\n")).context("write", &list)?;
        let apt = Self { folder };
        apt.run(&["update"])?;
        Ok(apt)
    }

    /// `apt-get WORDS`, which puts files into the folder.
    ///
    /// # Errors
    /// apt failed.
    pub fn run(&self, words: &[&str]) -> Result<()> {
        let mut apt = Command::new("apt-get");
        let state = self.folder.join("apt");
        apt.current_dir(self.folder);
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
        run(apt.arg("-q").args(words)).map(drop)
    }
}
