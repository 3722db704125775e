//! A directory of checkpoints: numbering, committing, pruning.
//!
//! ```text
//!   begin            ckpt-000003.partial/              mkdir: whoever makes it owns the number; locked while it is written
//!   every rank       ckpt-000003.partial/rank-….mana   written and fsynced, and its children's
//!   commit           ckpt-000003.partial/MANIFEST      written, fsynced; the directory fsynced
//!                    ckpt-000003/                      rename: from here on it exists; the parent fsynced
//!   prune            ckpt-000001.retired/              renamed first, so that nobody sees half of it; then removed
//! ```
//!
//! A crash between any two of these leaves the newest committed checkpoint as it was.
//!
//! Jobs may share a directory, one after the other or at the same time: each removes only its own ([`JobId`]).

use crate::{
    checkpoint::{Checkpoint, State},
    disk::{Disk, FaultPoint, Step, sync_directory},
    error::ImageError,
    info::Phase,
    manifest::{JobId, MANIFEST_NAME, Manifest},
    writer::Written,
};
use rustix::fs::FlockOperation;
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

const PREFIX: &str = "ckpt-";
const PARTIAL: &str = ".partial";
const RETIRED: &str = ".retired";

/// The number and state in a directory's name, if it is a checkpoint's.
pub(crate) fn parse_name(name: &str) -> Option<(u64, State)> {
    let rest = name.strip_prefix(PREFIX)?;
    let (digits, state) = match rest.strip_suffix(PARTIAL) {
        Some(digits) => (digits, State::Partial),
        None => (rest, State::Committed),
    };
    let all_digits = digits.len() >= 6 && digits.bytes().all(|byte| byte.is_ascii_digit());
    all_digits
        .then(|| digits.parse().ok())
        .flatten()
        .map(|number| (number, state))
}

/// A directory of checkpoints.
#[derive(Debug, Clone)]
pub struct Store {
    dir: PathBuf,
    disk: Disk,
    /// Whose checkpoints are made here; nobody's in particular where that is not told.
    job: Option<JobId>,
}

/// A checkpoint that is being written. Dropped before [`Store::commit`], it removes what there is of it.
#[derive(Debug)]
pub struct Pending {
    number: u64,
    path: PathBuf,
    disk: Disk,
    /// Locked, so that no job that shares the directory takes it for the remains of a dead one.
    _lock: File,
    committed: bool,
}

/// The name of the directory that checkpoint `number` is written to before it is committed.
pub fn partial_name(number: u64) -> String {
    format!("{PREFIX}{number:06}{PARTIAL}")
}

impl Pending {
    /// The checkpoint's number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The directory that every rank and child writes its file into.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn disk(&self) -> &Disk {
        &self.disk
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if self.committed {
            return;
        }
        let remove = || fs::remove_dir_all(&self.path);
        if let Err(error) = self.disk.step(Step::Discard, &self.path, remove) {
            tracing::warn!(%error, "the remains of an abandoned checkpoint stay");
        }
    }
}

impl Store {
    /// A directory that exists.
    ///
    /// # Errors
    /// [`ImageError::Io`] when `dir` cannot be listed.
    pub fn open(dir: &Path) -> Result<Self, ImageError> {
        let store = Self {
            dir: dir.to_owned(),
            disk: Disk::default(),
            job: None,
        };
        store.list()?;
        Ok(store)
    }

    /// A directory to write to; it is made, with those above it.
    ///
    /// # Errors
    /// [`ImageError::Io`].
    pub fn create(dir: &Path, faults: Option<Arc<dyn FaultPoint>>) -> Result<Self, ImageError> {
        let disk = Disk::new(faults);
        disk.step(Step::CreateStore, dir, || fs::create_dir_all(dir))?;
        Ok(Self {
            dir: dir.to_owned(),
            disk,
            job: None,
        })
    }

    /// The same, for the checkpoints of a job: they say so, and [`Store::prune`] removes no others.
    #[must_use]
    pub fn of_job(self, job: JobId) -> Self {
        Self {
            job: Some(job),
            ..self
        }
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// All checkpoints, committed or not, by number.
    ///
    /// # Errors
    /// [`ImageError::Io`].
    pub fn list(&self) -> Result<Vec<Checkpoint>, ImageError> {
        let mut found: Vec<_> = self
            .names()?
            .iter()
            .filter_map(|name| {
                let (number, state) = parse_name(name)?;
                Some(Checkpoint::new(self.dir.join(name), number, state))
            })
            .collect();
        found.sort_by_key(Checkpoint::number);
        Ok(found)
    }

    /// The newest committed checkpoint.
    ///
    /// # Errors
    /// [`ImageError::NoCheckpoint`], [`ImageError::OnlyPartial`], [`ImageError::Io`].
    pub fn latest(&self) -> Result<Checkpoint, ImageError> {
        let (committed, partial): (Vec<_>, Vec<_>) = self
            .list()?
            .into_iter()
            .partition(|checkpoint| checkpoint.state() == State::Committed);
        let name = |checkpoint: &Checkpoint| {
            checkpoint
                .path()
                .file_name()
                .map(|name| name.to_string_lossy().into())
        };
        committed
            .into_iter()
            .next_back()
            .ok_or_else(|| match partial.is_empty() {
                true => ImageError::NoCheckpoint {
                    dir: self.dir.clone(),
                },
                false => ImageError::OnlyPartial {
                    dir: self.dir.clone(),
                    partials: partial.iter().filter_map(name).collect(),
                },
            })
    }

    /// The newest committed checkpoint, to go on with: where several jobs have made checkpoints here at the same time, somebody has to
    /// say which is meant.
    ///
    /// # Errors
    /// As for [`Store::latest`], and [`ImageError::SeveralJobs`].
    pub fn latest_of_one_job(&self) -> Result<Checkpoint, ImageError> {
        let newest = self.latest()?;
        let committed = self.list()?.into_iter();
        let committed = committed.filter(|checkpoint| checkpoint.state() == State::Committed);
        let of_jobs: Vec<(Checkpoint, JobId)> = committed
            .filter_map(|checkpoint| {
                let job = checkpoint.manifest().ok()?.job?;
                Some((checkpoint, job))
            })
            .collect();
        let Some((_, job)) = of_jobs.iter().find(|(checkpoint, _)| *checkpoint == newest) else {
            return Ok(newest);
        };
        // Of jobs that have ended before this one began all checkpoints are older.
        let others = of_jobs
            .iter()
            .skip_while(|(_, of)| of != job)
            .filter(|(_, of)| of != job);
        let newest_of_others: BTreeMap<&str, &Checkpoint> = others
            .map(|(checkpoint, of)| (of.0.as_str(), checkpoint))
            .collect();
        if newest_of_others.is_empty() {
            return Ok(newest);
        }
        let all = newest_of_others.into_values().chain([&newest]);
        Err(ImageError::SeveralJobs {
            dir: self.dir.clone(),
            newest: all.map(|one| one.path().to_owned()).collect(),
        })
    }

    /// Begins a checkpoint: takes the next number and makes its directory. Rank 0 does, before any rank writes.
    ///
    /// # Errors
    /// [`ImageError::Io`].
    pub fn begin(&self) -> Result<Pending, ImageError> {
        let mut number = self.list()?.last().map_or(1, |newest| newest.number() + 1);
        loop {
            let path = self.dir.join(partial_name(number));
            let made =
                self.disk
                    .step(Step::CreatePartial, &path, || match fs::create_dir(&path) {
                        // Another job took the number since the directory was listed.
                        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
                        Err(error) => Err(error),
                        Ok(()) => {
                            let lock = File::open(&path)?;
                            // Where directories cannot be locked, nobody can find out that they are not (see `prune`).
                            let _ =
                                rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive);
                            Ok(Some(lock))
                        }
                    })?;
            match made {
                Some(lock) => {
                    return Ok(Pending {
                        number,
                        path,
                        disk: self.disk.clone(),
                        _lock: lock,
                        committed: false,
                    });
                }
                None => number += 1,
            }
        }
    }

    /// Commits: all `ranks` ranks have succeeded, and `written` is what they reported, each with its children's reports in
    /// its own. `phases_before` is what came before the writing. After an error the checkpoint is gone, and older ones are
    /// as they were.
    ///
    /// # Errors
    /// [`ImageError::NotComplete`], [`ImageError::Io`].
    pub fn commit(
        &self,
        mut pending: Pending,
        ranks: u32,
        epoch: u64,
        phases_before: Vec<Phase>,
        written: Vec<Written>,
    ) -> Result<Checkpoint, ImageError> {
        let number = pending.number;
        let partial = pending.path.clone();
        check_complete(number, ranks, &partial, &written)?;
        let manifest = Manifest::new(number, epoch, self.job.clone(), phases_before, written);
        self.write_manifest(&partial.join(MANIFEST_NAME), &manifest)?;
        self.disk
            .step(Step::SyncPartial, &partial, || sync_directory(&partial))?;
        let path = self.dir.join(format!("{PREFIX}{number:06}"));
        self.disk
            .step(Step::Commit, &partial, || fs::rename(&partial, &path))?;
        if let Err(error) = self
            .disk
            .step(Step::SyncStore, &self.dir, || sync_directory(&self.dir))
        {
            // The name may not survive a crash, so this checkpoint must not be relied on: back to a partial one, which
            // disappears with `pending`. If even that fails, a whole checkpoint stays, and that harms nobody.
            let revoked = self
                .disk
                .step(Step::Revoke, &path, || fs::rename(&path, &partial));
            pending.committed = revoked.is_err();
            return Err(error);
        }
        pending.committed = true;
        Ok(Checkpoint::new(path, number, State::Committed))
    }

    fn write_manifest(&self, path: &Path, manifest: &Manifest) -> Result<(), ImageError> {
        let text = manifest.encode().map_err(|error| ImageError::Io {
            step: Step::WriteManifest,
            path: path.to_owned(),
            source: io::Error::other(error),
        })?;
        let file = self
            .disk
            .write_new(Step::WriteManifest, path, text.as_bytes())?;
        self.disk.step(Step::SyncManifest, path, || file.sync_all())
    }

    /// Removes old checkpoints so that the newest `keep` *good* ones stay (at least one does), and the remains of
    /// checkpoints that were never committed. A checkpoint is good when [`Checkpoint::check_files`] says so: a damaged
    /// one never displaces an intact one. Those of other jobs stay, and are not counted. Returns what was removed.
    ///
    /// # Errors
    /// [`ImageError::Io`]; what was not removed is tried again next time.
    pub fn prune(&self, keep: usize) -> Result<Vec<PathBuf>, ImageError> {
        let mut removed = Vec::new();
        let mut good = 0;
        for checkpoint in self.list()?.into_iter().rev() {
            match checkpoint.state() {
                State::Committed if self.is_others(&checkpoint) => {}
                State::Committed if good < keep.max(1) => {
                    good += usize::from(checkpoint.check_files(None).is_ok())
                }
                State::Committed => removed.push(self.retire(checkpoint.path())?),
                // Only below a committed one: the one that is being written now has the highest number.
                State::Partial if good > 0 && is_unlocked(checkpoint.path()) => {
                    removed.push(self.retire(checkpoint.path())?);
                }
                State::Partial => {}
            }
        }
        for name in self.names()?.iter().filter(|name| is_retired(name)) {
            let path = self.dir.join(name);
            self.disk
                .step(Step::Remove, &path, || fs::remove_dir_all(&path))?;
        }
        Ok(removed)
    }

    /// Whether a committed checkpoint is none of this store's job.
    fn is_others(&self, checkpoint: &Checkpoint) -> bool {
        let is_of = |job| {
            checkpoint
                .manifest()
                .is_ok_and(|it| it.job.as_ref() == Some(job))
        };
        self.job.as_ref().is_some_and(|job| !is_of(job))
    }

    /// Renames a directory so that it is no checkpoint any more. Returns the name that it had.
    fn retire(&self, path: &Path) -> Result<PathBuf, ImageError> {
        let mut retired = path.as_os_str().to_owned();
        retired.push(RETIRED);
        self.disk
            .step(Step::Retire, path, || fs::rename(path, &retired))?;
        Ok(path.to_owned())
    }

    fn names(&self) -> Result<Vec<String>, ImageError> {
        self.disk.step(Step::List, &self.dir, || {
            let names =
                fs::read_dir(&self.dir)?.map(|entry| Ok(entry?.file_name().into_string().ok()));
            names.filter_map(Result::transpose).collect()
        })
    }
}

fn is_retired(name: &str) -> bool {
    name.strip_suffix(RETIRED)
        .is_some_and(|before| parse_name(before).is_some())
}

/// Is nobody writing to this partial checkpoint? Where directories cannot be locked the answer is no: it stays.
fn is_unlocked(path: &Path) -> bool {
    File::open(path)
        .is_ok_and(|dir| rustix::fs::flock(&dir, FlockOperation::NonBlockingLockExclusive).is_ok())
}

/// Every rank has reported, with its children, and this process sees every file as large as it was reported.
fn check_complete(
    number: u64,
    ranks: u32,
    partial: &Path,
    written: &[Written],
) -> Result<(), ImageError> {
    let incomplete = |why: String| ImageError::NotComplete { number, why };
    for rank in 0..ranks {
        let mut reports = written.iter().filter(|report| report.rank == rank);
        let report = match (reports.next(), reports.next()) {
            (Some(report), None) => report,
            (None, _) => return Err(incomplete(format!("rank {rank} has not reported"))),
            (Some(_), Some(_)) => {
                return Err(incomplete(format!("rank {rank} has reported twice")));
            }
        };
        report.check_children().map_err(incomplete)?;
        for file in report.family() {
            check_size(partial, file).map_err(incomplete)?;
        }
    }
    if written.len() > ranks as usize {
        return Err(incomplete(format!(
            "{} ranks have reported, of {ranks}",
            written.len()
        )));
    }
    Ok(())
}

/// This process sees a file as large as it was reported.
fn check_size(partial: &Path, report: &Written) -> Result<(), String> {
    let path = partial.join(report.file_name());
    let found = fs::metadata(&path).map(|metadata| metadata.len());
    if found.as_ref().ok() == Some(&report.file_bytes) {
        return Ok(());
    }
    let found = found.map_or_else(|error| error.to_string(), |bytes| format!("{bytes} bytes"));
    Err(format!(
        "{report} wrote {} bytes, and here {} has {found}: MANA_CKPT_DIR must be on a file system that all nodes share",
        report.file_bytes,
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(parse_name("ckpt-000003"), Some((3, State::Committed)));
        assert_eq!(
            parse_name("ckpt-1000000.partial"),
            Some((1_000_000, State::Partial))
        );
        for other in [
            "ckpt-3",
            "ckpt-000003.retired",
            "ckpt-00000x",
            "ckpt-",
            "rank-00000.mana",
            "ckpt-+00003",
        ] {
            assert_eq!(parse_name(other), None, "{other}");
        }
        assert!(is_retired("ckpt-000003.partial.retired") && is_retired("ckpt-000003.retired"));
        assert!(!is_retired("notes.retired"));
    }
}
