//! Memory that the program shares (MAP_SHARED, shmat): what it is of, and how it becomes shared again.
//!
//! ```text
//!   mapped at the cut                          after the restart
//!   a file with a name, writable               mapped again; the image's bytes are written to it: they are memory
//!   a file with a name, for reading only       mapped again if it is the same; else a private copy, and a warning
//!   memfd, removed file, /dev/shm/name,        made again with the image's bytes; all its mappings and descriptors
//!     MAP_ANONYMOUS                              lead to one file
//!   System V segment                           found or made again, with the image's bytes
//!   a device                                   lost: named at the checkpoint
//! ```
//!
//! All memory is put in place as private memory first; so the bytes are at hand when a file is to be filled. Ranks that
//! share a file or a segment with a name write the same bytes, since all have stopped before any saves. What has no name
//! is made by the root of a program and sent to its other processes, segments by their ids; for any others it is a copy afterwards: a
//! checkpoint says so. (Shared windows: `shared_memory`.)

use std::ops::Range;
use std::path::PathBuf;

use mana_descriptors::FileId;
use mana_split::sysv::Segment;
use serde::{Deserialize, Serialize};

mod describe;
mod others;
mod restore;

pub use describe::{Shared, describe};
pub use restore::{Made, SegmentIds, make, restore};

/// One shared mapping.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SharedMapping {
    /// Its first address.
    pub start: u64,
    /// Its length, whole pages.
    pub len_bytes: u64,
    /// `PROT_` bits of mmap(2).
    pub prot: i32,
    /// Where it begins in what is mapped, in bytes.
    pub offset_bytes: u64,
    /// What is mapped.
    pub of: Mapped,
    /// Whether the image has its bytes; otherwise it has those of another mapping that it lies within.
    pub has_bytes: bool,
}

/// What is mapped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Mapped {
    /// A file with a name.
    File {
        /// The name.
        path: PathBuf,
        /// Its length at the checkpoint, in bytes.
        length_bytes: u64,
    },
    /// A file that is made again.
    Stored(FileId),
    /// A System V segment.
    Segment(Segment),
}

impl SharedMapping {
    fn is_writable(&self) -> bool {
        self.prot & libc::PROT_WRITE != 0
    }

    /// Where it lies in what is mapped.
    fn range_in_file(&self) -> Range<u64> {
        self.offset_bytes..self.offset_bytes + self.len_bytes
    }
}
