//! One checkpoint: a directory with a file per rank and child, and a MANIFEST that vouches for them.

use crate::{
    direct::read_prefix,
    disk::{Disk, Step},
    error::ImageError,
    header::Header,
    layout::HEADER_BYTES,
    manifest::{MANIFEST_NAME, Manifest, file_name},
    reader::RankReader,
    store::Store,
    verify::VerifyReport,
    writer::Written,
};
use serde::{Deserialize, Serialize};
use std::{
    io,
    path::{Path, PathBuf},
};

/// How far a checkpoint came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Every rank succeeded, and the directory has its final name.
    Committed,
    /// It is being written, or the job ended while it was.
    Partial,
}

/// A directory that is a checkpoint by its name. What is in it is looked at when asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    path: PathBuf,
    number: u64,
    state: State,
}

impl Checkpoint {
    pub(crate) fn new(path: PathBuf, number: u64, state: State) -> Self {
        Self {
            path,
            number,
            state,
        }
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its number; 0 for a directory that was renamed.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// How far it came, by its name.
    pub fn state(&self) -> State {
        self.state
    }

    /// Where a rank's file is.
    pub fn rank_file(&self, rank: u32) -> PathBuf {
        self.path.join(file_name(rank, None))
    }

    /// Where the file of a rank's child is. A rank's children are counted from 1.
    pub fn child_file(&self, rank: u32, child: u32) -> PathBuf {
        self.path.join(file_name(rank, Some(child)))
    }

    /// Reads its manifest.
    ///
    /// # Errors
    /// [`ImageError::Partial`], [`ImageError::BadManifest`], [`ImageError::Newer`], [`ImageError::Io`].
    pub fn manifest(&self) -> Result<Manifest, ImageError> {
        if self.state == State::Partial {
            return Err(ImageError::Partial {
                path: self.path.clone(),
            });
        }
        let path = self.path.join(MANIFEST_NAME);
        let text = Disk::default().step(Step::Open, &path, || std::fs::read(&path))?;
        Manifest::decode(&path, &text)
    }

    /// Checks what can be checked without reading memory: the manifest, the number of ranks if `ranks` is given, and
    /// that each file, of a rank or of a child, is there, has its size, and begins with the header that the manifest knows.
    ///
    /// # Errors
    /// Those of [`Checkpoint::manifest`]; [`ImageError::RankCount`], [`ImageError::MissingRank`], [`ImageError::Length`],
    /// [`ImageError::Damaged`], [`ImageError::Foreign`].
    pub fn check_files(&self, ranks: Option<u32>) -> Result<Manifest, ImageError> {
        let manifest = self.manifest()?;
        if let Some(asked) = ranks.filter(|&asked| asked != manifest.ranks) {
            return Err(ImageError::RankCount {
                path: self.path.clone(),
                checkpoint: manifest.ranks,
                asked,
            });
        }
        for written in manifest.written() {
            self.check_file(written, manifest.ranks)?;
        }
        Ok(manifest)
    }

    fn check_file(&self, written: &Written, ranks: u32) -> Result<(), ImageError> {
        let path = self.path.join(written.file_name());
        let found_bytes = match std::fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ImageError::MissingRank { path, ranks });
            }
            Err(source) => {
                return Err(ImageError::Io {
                    step: Step::Open,
                    path,
                    source,
                });
            }
        };
        let expected_bytes = written.file_bytes;
        if found_bytes != expected_bytes {
            return Err(ImageError::Length {
                path,
                expected_bytes,
                found_bytes,
            });
        }
        let mut page = [0; HEADER_BYTES];
        Disk::default().step(Step::Open, &path, || read_prefix(&path, &mut page))?;
        Header::decode(&path, &page)?;
        check_fingerprint(&path, written, Header::fingerprint(&page))
    }

    /// Opens a rank's file and checks that it is the one that was committed.
    ///
    /// # Errors
    /// Those of [`Checkpoint::manifest`] and [`RankReader::open`]; [`ImageError::MissingRank`], [`ImageError::Foreign`].
    pub fn open_rank(&self, rank: u32) -> Result<RankReader, ImageError> {
        self.open_file(rank, None)
    }

    /// Opens the file of a rank's child and checks that it is the one that was committed.
    ///
    /// # Errors
    /// As [`Checkpoint::open_rank`].
    pub fn open_child(&self, rank: u32, child: u32) -> Result<RankReader, ImageError> {
        self.open_file(rank, Some(child))
    }

    fn open_file(&self, rank: u32, child: Option<u32>) -> Result<RankReader, ImageError> {
        let manifest = self.manifest()?;
        let path = self.path.join(file_name(rank, child));
        let written = manifest.find(rank, child).filter(|_| path.exists());
        let written = written.ok_or_else(|| ImageError::MissingRank {
            path: path.clone(),
            ranks: manifest.ranks,
        })?;
        let reader = RankReader::open(&path)?;
        check_fingerprint(&path, written, reader.fingerprint())?;
        Ok(reader)
    }

    /// Reads everything again. One report per file: rank by rank, each followed by its children.
    ///
    /// # Errors
    /// Those of [`Checkpoint::check_files`] and [`RankReader::verify`].
    pub fn verify(&self) -> Result<Vec<VerifyReport>, ImageError> {
        let manifest = self.check_files(None)?;
        manifest
            .written()
            .map(|file| self.open_file(file.rank, file.child)?.verify())
            .collect()
    }
}

fn check_fingerprint(path: &Path, written: &Written, found: u64) -> Result<(), ImageError> {
    let expected = written.header_xxh3;
    if found == expected {
        return Ok(());
    }
    let what = format!("its header's checksum is {found:016x}, and MANIFEST says {expected:016x}");
    Err(ImageError::Foreign {
        path: path.to_owned(),
        what,
    })
}

/// The checkpoint that `path` means: `path` itself, or the newest committed one in it.
///
/// # Errors
/// [`ImageError::Partial`], [`ImageError::NoCheckpoint`], [`ImageError::OnlyPartial`], [`ImageError::Io`].
pub fn locate(path: &Path) -> Result<Checkpoint, ImageError> {
    find(path, Store::latest)
}

/// The same, to go on with: where the directory is shared, it must be clear which job is meant.
///
/// # Errors
/// As for [`locate`], and [`ImageError::SeveralJobs`].
pub fn locate_to_restart(path: &Path) -> Result<Checkpoint, ImageError> {
    find(path, Store::latest_of_one_job)
}

fn find(
    path: &Path,
    newest: impl FnOnce(&Store) -> Result<Checkpoint, ImageError>,
) -> Result<Checkpoint, ImageError> {
    // `.` and a link have their name only when resolved.
    let path = Disk::default().step(Step::Open, path, || path.canonicalize())?;
    let by_name = path
        .file_name()
        .and_then(|name| crate::store::parse_name(name.to_str()?));
    match by_name {
        Some((_, State::Partial)) => Err(ImageError::Partial { path }),
        Some((number, State::Committed)) => Ok(Checkpoint::new(path, number, State::Committed)),
        None if path.join(MANIFEST_NAME).exists() => Ok(Checkpoint::new(path, 0, State::Committed)),
        None => newest(&Store::open(&path)?),
    }
}
