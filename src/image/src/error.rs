//! Everything that can go wrong with an image. A message says what failed, where, why, and what to try.

use crate::disk::Step;
use std::{fmt, io, path::PathBuf};

/// What kind of bytes were found damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// The page at the beginning of a rank's or child's file.
    Header,
    /// The engine's state.
    Metadata,
    /// Who wrote the file.
    WriterInfo,
    /// The list of memory regions.
    RegionTable,
    /// The list of chunks.
    ChunkIndex,
    /// Memory: the chunk that holds `address`, of the region called `region`.
    Chunk {
        /// The region's name.
        region: String,
        /// The address of the chunk's first byte in the program.
        address: u64,
    },
    /// The `MANIFEST` of a checkpoint.
    Manifest,
    /// A rank's word of what it has written.
    Note,
}

impl fmt::Display for Part {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Header => out.write_str("the header"),
            Part::Metadata => out.write_str("the metadata section"),
            Part::WriterInfo => out.write_str("the writer section"),
            Part::RegionTable => out.write_str("the region table"),
            Part::ChunkIndex => out.write_str("the chunk index"),
            Part::Chunk { region, address } => {
                write!(out, "memory at {address:#x} of region {region:?}")
            }
            Part::Manifest => out.write_str("the manifest"),
            Part::Note => out.write_str("a rank's note"),
        }
    }
}

fn list(paths: &[PathBuf]) -> String {
    let all: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    all.join(", ")
}

const OLDER: &str = "take an older checkpoint (`mana ls` lists them) or another copy of this one";

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The operating system refused something.
    #[error("could not {step} {}: {source}{}", path.display(), hint(source))]
    Io {
        /// What was being done.
        step: Step,
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The file is something else.
    #[error("{} is not a mana image: it begins with {found:02x?}, not with \"MANA-IMG\"", path.display())]
    NotAnImage {
        /// The file.
        path: PathBuf,
        /// Its first bytes.
        found: Vec<u8>,
    },
    /// A newer `mana` wrote the file.
    #[error(
        "{} has format version {found}, and this mana reads versions up to {supported}: use the mana that wrote it, or a newer one",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version that this crate reads.
        supported: u32,
    },
    /// The file's size is not what was written.
    #[error("{} is {} bytes long, and {expected_bytes} bytes were written: it is {}; {OLDER}",
        path.display(), found_bytes, if found_bytes < expected_bytes { "truncated" } else { "too long" })]
    Length {
        /// The file.
        path: PathBuf,
        /// The size it should have.
        expected_bytes: u64,
        /// The size it has.
        found_bytes: u64,
    },
    /// A checksum does not match.
    #[error("{} is damaged: {part}, {len_bytes} bytes at offset {offset}, should have checksum {expected:016x} and has {found:016x}; {OLDER}",
        path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What lies there.
        part: Part,
        /// Where the damaged extent begins in the file.
        offset: u64,
        /// How long it is, padding included.
        len_bytes: u64,
        /// The checksum that was stored.
        expected: u64,
        /// The checksum of what is there now.
        found: u64,
    },
    /// Checksums are right, and yet the content cannot be: a bug of the writer, or a forged file.
    #[error("{} makes no sense at offset {offset}, in {part}: {what}; please report this", path.display())]
    Nonsense {
        /// The file.
        path: PathBuf,
        /// What lies there.
        part: Part,
        /// Where.
        offset: u64,
        /// What contradicts what.
        what: String,
    },
    /// A value cannot be written as msgpack.
    #[error("could not encode {part} of {}: {source}", path.display())]
    Encode {
        /// The file.
        path: PathBuf,
        /// What was being encoded.
        part: Part,
        /// Why.
        source: rmp_serde::encode::Error,
    },
    /// The metadata is not of the type that the reader asked for.
    #[error("{} was written by another mana: this one cannot read {part}: {source}", path.display())]
    Decode {
        /// The file.
        path: PathBuf,
        /// What was being decoded.
        part: Part,
        /// Why.
        source: rmp_serde::decode::Error,
    },
    /// The caller asked for something impossible.
    #[error("region {region:?} cannot be written or read: {why}")]
    BadRegion {
        /// The region's name.
        region: String,
        /// Why.
        why: String,
    },
    /// There is no checkpoint in the directory.
    #[error("no checkpoint in {}: it holds no ckpt-NNNNNN directory; checkpoints are written to MANA_CKPT_DIR (default ./ckpts)",
        dir.display())]
    NoCheckpoint {
        /// The directory.
        dir: PathBuf,
    },
    /// There are only checkpoints that were not finished.
    #[error("no checkpoint in {} was ever committed: {} was being written when the job ended, and cannot be used",
        dir.display(), partials.join(", "))]
    OnlyPartial {
        /// The directory.
        dir: PathBuf,
        /// The names of the unfinished checkpoints.
        partials: Vec<String>,
    },
    /// Checkpoints of several jobs, made by turns.
    #[error("{} has checkpoints of several jobs that have shared it; name the one to go on with: {}",
        dir.display(), list(newest))]
    SeveralJobs {
        /// The directory.
        dir: PathBuf,
        /// The newest checkpoint of each.
        newest: Vec<PathBuf>,
    },
    /// The named checkpoint was not finished.
    #[error("{} was never committed: some ranks' files are missing or incomplete, so it cannot be used; try the directory above it, which may hold an older one",
        path.display())]
    Partial {
        /// The checkpoint.
        path: PathBuf,
    },
    /// A rank's file is not there, or that of a child.
    #[error("{} is missing: the checkpoint has {ranks} ranks and needs one file for each, and for each child saved with them; {OLDER}",
        path.display())]
    MissingRank {
        /// The file.
        path: PathBuf,
        /// The number of ranks of the checkpoint.
        ranks: u32,
    },
    /// The job has another size than the checkpoint.
    #[error("{} was made by {checkpoint} ranks and this job has {asked}: restart it with `-n {checkpoint}`", path.display())]
    RankCount {
        /// The checkpoint.
        path: PathBuf,
        /// The number of ranks that wrote it.
        checkpoint: u32,
        /// The number of ranks that want to read it.
        asked: u32,
    },
    /// A file belongs to another checkpoint, or to another rank or child.
    #[error("{} does not belong to this checkpoint: {what}; {OLDER}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What differs.
        what: String,
    },
    /// The manifest cannot be understood.
    #[error("{} is damaged: {why}; {OLDER}", path.display())]
    BadManifest {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The checkpoint cannot be committed because a rank did not report.
    #[error("checkpoint {number} cannot be committed: {why}")]
    NotComplete {
        /// The checkpoint's number.
        number: u64,
        /// What is missing.
        why: String,
    },
}

/// What to try, for the errors that users meet.
fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            " (free some space, lower MANA_CKPT_KEEP, or set MANA_CKPT_DIR to a larger file system)"
        }
        io::ErrorKind::FileTooLarge => " (raise the limit on file sizes: ulimit -f)",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            " (set MANA_CKPT_DIR to a directory that this user may write)"
        }
        _ => "",
    }
}
