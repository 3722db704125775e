//! How the rank that commits learns what the others have written.
//!
//! ```text
//!   every rank   RankWriter::finish ─► Written ─► ckpt-000003.partial/rank-00002.written, its children's in it
//!   rank 0       all of these ─► MANIFEST, and they are gone
//! ```
//!
//! A note need not be durable: a checkpoint that was interrupted before its commit is thrown away with all that is in it.

use crate::{
    disk::{Disk, FaultPoint, Step},
    error::{ImageError, Part},
    store::Pending,
    writer::Written,
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

fn note_path(directory: &Path, rank: u32) -> PathBuf {
    directory.join(format!("rank-{rank:05}.written"))
}

impl Written {
    /// Leaves word of it in the partial checkpoint `directory`, for [`Pending::take_notes`]. That is a rank's to do: a
    /// child's report belongs into that of its rank before.
    ///
    /// # Errors
    /// [`ImageError::Io`], [`ImageError::Encode`].
    pub fn leave_note(
        &self,
        directory: &Path,
        faults: Option<Arc<dyn FaultPoint>>,
    ) -> Result<(), ImageError> {
        let path = note_path(directory, self.rank);
        let bytes = rmp_serde::to_vec_named(self).map_err(|source| ImageError::Encode {
            path: path.clone(),
            part: Part::Note,
            source,
        })?;
        Disk::new(faults)
            .write_new(Step::WriteNote, &path, &bytes)
            .map(drop)
    }
}

impl Pending {
    /// What all `ranks` ranks have left word of; the notes are removed.
    ///
    /// # Errors
    /// [`ImageError::Io`], also where a note is missing; [`ImageError::Decode`].
    pub fn take_notes(&self, ranks: u32) -> Result<Vec<Written>, ImageError> {
        (0..ranks).map(|rank| self.take_note(rank)).collect()
    }

    fn take_note(&self, rank: u32) -> Result<Written, ImageError> {
        let (path, disk) = (note_path(self.path(), rank), self.disk());
        let bytes = disk.step(Step::ReadNote, &path, || fs::read(&path))?;
        disk.step(Step::RemoveNote, &path, || fs::remove_file(&path))?;
        rmp_serde::from_slice(&bytes).map_err(|source| ImageError::Decode {
            path,
            part: Part::Note,
            source,
        })
    }
}
