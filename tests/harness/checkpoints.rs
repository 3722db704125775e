//! A directory that a job checkpoints into, seen from outside.
//!
//! ```text
//!   DIR/ckpt-000001/MANIFEST       committed: the rename that gave it this name came last
//!   DIR/ckpt-000002.partial/       being written, or abandoned
//! ```

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::{Context, Result};
use crate::job::Job;

/// A directory of checkpoints, deleted when dropped.
#[derive(Debug)]
pub struct Checkpoints {
    dir: tempfile::TempDir,
}

impl Checkpoints {
    /// A new, empty one.
    ///
    /// # Errors
    /// It cannot be created.
    pub fn new() -> Result<Self> {
        let parent = crate::places::target().join("checkpoints");
        std::fs::create_dir_all(&parent).context("create", &parent)?;
        let dir = tempfile::tempdir_in(&parent).context("create", &parent)?;
        Ok(Self { dir })
    }

    /// What `MANA_CKPT_DIR` is set to, and what `mana restart` is given.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The committed ones, oldest first, by number.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn committed(&self) -> Result<Vec<(u32, PathBuf)>> {
        let entries = std::fs::read_dir(self.path()).context("read", self.path())?;
        let number = |path: &Path| {
            path.file_name()?
                .to_str()?
                .strip_prefix("ckpt-")?
                .parse()
                .ok()
        };
        let mut found: Vec<_> = entries
            .flatten()
            .map(|entry| entry.path())
            .filter_map(|path| Some((number(&path)?, path)))
            .filter(|(_, path)| path.join("MANIFEST").exists())
            .collect();
        found.sort();
        Ok(found)
    }

    /// The number of the newest one, 0 where there is none.
    ///
    /// # Errors
    /// See [`Checkpoints::committed`].
    pub fn newest(&self) -> Result<u32> {
        Ok(self.committed()?.last().map_or(0, |(number, _)| *number))
    }

    /// Whether one is being written, or was when its job died.
    pub fn is_writing(&self) -> bool {
        let entries = std::fs::read_dir(self.path()).into_iter().flatten();
        entries
            .flatten()
            .any(|entry| entry.path().extension().is_some_and(|ext| ext == "partial"))
    }

    /// Moves the directory to `place`, where it stays; what is there goes.
    ///
    /// # Errors
    /// It cannot be moved.
    pub fn keep(self, place: &Path) -> Result<()> {
        if place.exists() {
            std::fs::remove_dir_all(place).context("delete", place)?;
        }
        if let Some(parent) = place.parent() {
            std::fs::create_dir_all(parent).context("create", parent)?;
        }
        std::fs::rename(self.path(), place).context("move into place", place)?;
        // Nothing is left for the destructor to delete.
        let _moved = self.dir.keep();
        Ok(())
    }

    /// Waits until `job` has committed one newer than number `after`; gives its number and the wait.
    ///
    /// # Errors
    /// See [`Job::wait_until`].
    pub fn wait_for_newer(&self, job: &mut Job, after: u32) -> Result<(u32, Duration)> {
        let begin = Instant::now();
        let number = job.wait_until("committed a checkpoint", |_| {
            let newest = self.newest()?;
            Ok((newest > after).then_some(newest))
        })?;
        Ok((number, begin.elapsed()))
    }
}
