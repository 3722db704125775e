//! The steps that touch the disk, each with a name and a place where a test can make it fail.
//!
//! Whatever this crate does to a file system goes through [`Disk::step`], so the list [`Step::ALL`] *is* the list of
//! ways in which a checkpoint can fail, and a test walks along it.

use crate::error::ImageError;
use std::{fmt, io, path::Path, sync::Arc};

macro_rules! steps {
    ($($(#[$doc:meta])* $name:ident => $text:literal,)*) => {
        /// Something done to the file system.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Step { $($(#[$doc])* $name,)* }

        impl Step {
            /// Every step there is.
            pub const ALL: &[Step] = &[$(Step::$name),*];
        }

        impl fmt::Display for Step {
            /// The step as the words between "could not" and a path.
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(match self { $(Step::$name => $text),* })
            }
        }
    };
}

steps! {
    /// Make the store's own directory.
    CreateStore => "create the checkpoint directory",
    /// Make `ckpt-NNNNNN.partial`.
    CreatePartial => "create",
    /// Make a rank's file.
    CreateFile => "create",
    /// Reserve blocks for a rank's file.
    Preallocate => "reserve space for",
    /// Write memory.
    WriteData => "write memory to",
    /// Write the sections after the memory.
    WriteTail => "write the sections of",
    /// Write the header, the last thing written.
    WriteHeader => "write the header of",
    /// Cut the file to its final size.
    SetLength => "set the length of",
    /// Make a rank's file durable.
    SyncFile => "flush (fsync)",
    /// Write `MANIFEST`.
    WriteManifest => "write",
    /// Make `MANIFEST` durable.
    SyncManifest => "flush (fsync)",
    /// Make the names in the partial checkpoint durable.
    SyncPartial => "flush (fsync) the directory",
    /// Give the checkpoint its final name: the moment at which it exists.
    Commit => "commit (rename)",
    /// Make the final name durable.
    SyncStore => "flush (fsync) the directory",
    /// Rename an old checkpoint so that nobody takes it for a whole one while it disappears.
    Retire => "rename, in order to remove,",
    /// Remove a directory.
    Remove => "remove",
    /// Open a file to read it.
    Open => "open",
    /// Read.
    Read => "read",
    /// List a directory.
    List => "list the directory",
}

/// Decides, before each step, whether it may happen. For tests: a real run has none.
pub trait FaultPoint: Send + Sync + fmt::Debug {
    /// Called before `step` is done to `path`; an error is reported as if the system had returned it.
    ///
    /// # Errors
    /// Whatever the step is to fail with.
    fn before(&self, step: Step, path: &Path) -> io::Result<()>;
}

/// Does steps, or lets the fault point fail them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk {
    faults: Option<Arc<dyn FaultPoint>>,
}

impl Disk {
    /// A disk whose steps `faults` may fail.
    pub(crate) fn new(faults: Option<Arc<dyn FaultPoint>>) -> Self {
        Self { faults }
    }

    /// Does `action`, which is `step` on `path`.
    pub(crate) fn step<T>(
        &self,
        step: Step,
        path: &Path,
        action: impl FnOnce() -> io::Result<T>,
    ) -> Result<T, ImageError> {
        let allowed = self
            .faults
            .as_ref()
            .map_or(Ok(()), |faults| faults.before(step, path));
        allowed
            .and_then(|()| action())
            .map_err(|source| ImageError::Io {
                step,
                path: path.to_owned(),
                source,
            })
    }
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    std::fs::File::open(path)?.sync_all()
}
