//! One checkpoint: a directory with a file per rank and a MANIFEST that vouches for them.

use crate::{
    direct::read_prefix,
    disk::{Disk, Step},
    error::ImageError,
    header::Header,
    layout::HEADER_BYTES,
    manifest::{MANIFEST_NAME, Manifest, RankEntry, rank_file_name},
    reader::RankReader,
    store::Store,
    verify::VerifyReport,
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
        self.path.join(rank_file_name(rank))
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
    /// that each file is there, has its size, and begins with the header that the manifest knows.
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
        for entry in &manifest.files {
            self.check_file(entry, manifest.ranks)?;
        }
        Ok(manifest)
    }

    fn check_file(&self, entry: &RankEntry, ranks: u32) -> Result<(), ImageError> {
        let path = self.path.join(&entry.file);
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
        let expected_bytes = entry.written.file_bytes;
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
        check_fingerprint(&path, entry, Header::fingerprint(&page))
    }

    /// Opens a rank's file and checks that it is the one that was committed.
    ///
    /// # Errors
    /// Those of [`Checkpoint::manifest`] and [`RankReader::open`]; [`ImageError::MissingRank`], [`ImageError::Foreign`].
    pub fn open_rank(&self, rank: u32) -> Result<RankReader, ImageError> {
        let manifest = self.manifest()?;
        let path = self.rank_file(rank);
        let entry = manifest.files.get(rank as usize).filter(|_| path.exists());
        let entry = entry.ok_or_else(|| ImageError::MissingRank {
            path: path.clone(),
            ranks: manifest.ranks,
        })?;
        let reader = RankReader::open(&path)?;
        check_fingerprint(&path, entry, reader.fingerprint())?;
        Ok(reader)
    }

    /// Reads everything again. One report per rank.
    ///
    /// # Errors
    /// Those of [`Checkpoint::check_files`] and [`RankReader::verify`].
    pub fn verify(&self) -> Result<Vec<VerifyReport>, ImageError> {
        let manifest = self.check_files(None)?;
        (0..manifest.ranks)
            .map(|rank| self.open_rank(rank)?.verify())
            .collect()
    }
}

fn check_fingerprint(path: &Path, entry: &RankEntry, found: u64) -> Result<(), ImageError> {
    let expected = entry.written.header_xxh3;
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
    // `.` and a link have their name only when resolved.
    let path = Disk::default().step(Step::Open, path, || path.canonicalize())?;
    let by_name = path
        .file_name()
        .and_then(|name| crate::store::parse_name(name.to_str()?));
    match by_name {
        Some((_, State::Partial)) => Err(ImageError::Partial { path }),
        Some((number, State::Committed)) => Ok(Checkpoint::new(path, number, State::Committed)),
        None if path.join(MANIFEST_NAME).exists() => Ok(Checkpoint::new(path, 0, State::Committed)),
        None => Store::open(&path)?.latest(),
    }
}
