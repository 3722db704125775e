//! The steps that touch the disk, each with a name and a place where a test can make it fail.
//!
//! Whatever this crate does to a file system goes through [`Disk::step`], so the list [`Step::ALL`] *is* the list of
//! ways in which a checkpoint can fail, and a test walks along it.

use crate::error::ImageError;
use std::{
    fmt,
    io::{self, Write},
    path::Path,
    sync::Arc,
};

macro_rules! steps {
    ($($(#[$doc:meta])* $name:ident => $text:literal,)*) => {
        /// Something done to the file system.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Step { $($(#[$doc])* $name,)* }

        impl Step {
            /// Every step there is.
            pub const ALL: &[Step] = &[$(Step::$name),*];

            /// Its name here.
            pub fn name(self) -> &'static str {
                match self { $(Step::$name => stringify!($name)),* }
            }
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
    /// Leave word of what a rank has written, for the one that commits.
    WriteNote => "write",
    /// Read that.
    ReadNote => "read",
    /// Remove it.
    RemoveNote => "remove",
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
    /// Take the final name away again, when it could not be made durable.
    Revoke => "rename back",
    /// Remove what was written of a checkpoint, or a rank's file, that has failed.
    Discard => "remove the remains of",
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

/// Decides, around each step, whether it may happen. For tests: a real run has none.
pub trait FaultPoint: Send + Sync + fmt::Debug {
    /// Called before `step` is done to `path`; an error is reported as if the system had returned it.
    ///
    /// # Errors
    /// Whatever the step is to fail with.
    fn before(&self, step: Step, path: &Path) -> io::Result<()>;

    /// Called before each system call that writes for `step`: how many bytes that one may take at most.
    ///
    /// # Errors
    /// Whatever the call is to fail with; what was written before it stays written.
    fn write_limit(&self, step: Step, path: &Path) -> io::Result<usize> {
        let _ = (step, path);
        Ok(usize::MAX)
    }

    /// Called after `step` was done to `path`; an error is reported in spite of that, as a network's file system may.
    ///
    /// # Errors
    /// Whatever the step is to fail with.
    fn after(&self, step: Step, path: &Path) -> io::Result<()> {
        let _ = (step, path);
        Ok(())
    }
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
        self.watched(step, path, action)
            .map_err(|source| ImageError::Io {
                step,
                path: path.to_owned(),
                source,
            })
    }

    fn watched<T>(
        &self,
        step: Step,
        path: &Path,
        action: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let Some(faults) = &self.faults else {
            return action();
        };
        faults.before(step, path)?;
        let done = action()?;
        faults.after(step, path).map(|()| done)
    }

    /// How many bytes the next system call that writes for `step` may take.
    pub(crate) fn write_limit(&self, step: Step, path: &Path) -> io::Result<usize> {
        self.faults
            .as_ref()
            .map_or(Ok(usize::MAX), |faults| faults.write_limit(step, path))
    }

    /// Makes a new file of `bytes`, which is `step`.
    pub(crate) fn write_new(
        &self,
        step: Step,
        path: &Path,
        bytes: &[u8],
    ) -> Result<std::fs::File, ImageError> {
        self.step(step, path, || {
            let mut file = std::fs::File::create_new(path)?;
            let mut rest = bytes;
            while !rest.is_empty() {
                let (now, later) = rest.split_at(self.write_limit(step, path)?.min(rest.len()));
                file.write_all(now)?;
                rest = later;
            }
            Ok(file)
        })
    }
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    std::fs::File::open(path)?.sync_all()
}
