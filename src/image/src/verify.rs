//! Reads every byte of a file again and checks it, without keeping any of it.

use crate::{
    codec::Codec, error::ImageError, index::Chunk, layout::CHUNK_BYTES, reader::RankReader,
    writer::elapsed_ns,
};
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// What was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct VerifyReport {
    /// The rank whose file it is, or whose child's.
    pub rank: u32,
    /// The child, from 1; none for the rank itself.
    pub child: Option<u32>,
    /// The size of the file: all of it was read.
    pub file_bytes: u64,
    /// Chunks whose checksum was right and that decode to the right length.
    pub chunks: u64,
    /// How long it took.
    pub wall_ns: u64,
}

impl RankReader {
    /// Checks all memory. Header and sections were checked by [`RankReader::open`].
    ///
    /// # Errors
    /// [`ImageError::Damaged`] names offset, region and address of a damaged chunk; [`ImageError::Io`].
    pub fn verify(&self) -> Result<VerifyReport, ImageError> {
        let begin = Instant::now();
        let mut by_offset: Vec<&Chunk> = self.chunks().iter().collect();
        by_offset.sort_unstable_by_key(|chunk| chunk.file_offset);
        self.run(by_offset, |chunk, decoder, buffer| {
            let stored = self.read_stored(chunk, buffer)?;
            if chunk.codec == Codec::Raw {
                return Ok(());
            }
            let mut memory = vec![0; (chunk.memory_bytes as usize).min(CHUNK_BYTES)];
            decoder
                .decode(chunk.codec, stored, &mut memory)
                .map_err(|what| self.undecodable(chunk, what))
        })?;
        Ok(VerifyReport {
            rank: self.header().rank,
            child: self.header().child,
            file_bytes: self.header().file_bytes,
            chunks: self.chunks().len() as u64,
            wall_ns: elapsed_ns(begin),
        })
    }
}
