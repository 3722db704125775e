//! A lock file: one holder at a time, among threads and among processes.
//!
//! The kernel drops the lock when its holder's file is closed, however the holder ends, so a killed test run never
//! leaves one behind.

use std::fs::File;
use std::path::Path;

use crate::error::{Context, Result};

/// Holds the lock until dropped.
#[derive(Debug)]
pub struct FileLock {
    _file: File,
}

impl FileLock {
    /// Waits for the lock at `path`, creating the file where it is missing.
    ///
    /// # Errors
    /// The file cannot be created, or its file system knows no locks.
    pub fn acquire(path: &Path) -> Result<Self> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).context("create", parent)?;
        }
        let file = File::create(path).context("create", path)?;
        file.lock().context("lock", path)?;
        Ok(Self { _file: file })
    }
}

/// One job at a time on this machine: jobs of two tests at once on a small machine would only slow each other down,
/// and benches would measure each other. Tests call this first, so they may be started by any runner with any number
/// of threads.
///
/// # Errors
/// See [`FileLock::acquire`].
pub fn one_job_at_a_time() -> Result<FileLock> {
    FileLock::acquire(&crate::places::target().join("one-job.lock"))
}
