//! Copies between a buffer laid out by a datatype and packed bytes: basic elements in type map order, without gaps.
//!
//! ```text
//!   memory    ..aaaa....bb..aaaa....bb      <──origin: where the buffer's address points to
//!   packed    aaaabbaaaabb
//! ```
//!
//! Packed bytes are in this machine's representation. They are what a message is between ranks of one architecture, so a
//! message drained under one MPI can be delivered under another.

use super::layout::Layout;
use super::shape::Run;
use crate::error::ObjectError;

impl Layout {
    /// Appends `count` elements of this datatype to `packed`. The buffer's address is `origin` bytes into `memory`.
    ///
    /// # Errors
    /// [`ObjectError::OutOfBuffer`] when the datatype reaches out of `memory`; `packed` then ends anywhere.
    pub fn pack(
        &self,
        count: i64,
        memory: &[u8],
        origin: usize,
        packed: &mut Vec<u8>,
    ) -> Result<(), ObjectError> {
        for run in self.copies(count) {
            packed.extend_from_slice(&memory[place(run, origin, memory.len())?]);
        }
        Ok(())
    }

    /// Copies `packed` into `count` elements of this datatype and returns how many bytes there was room for. A message may
    /// be shorter than the buffer; one that is longer (returned < `packed.len()`) is truncated.
    ///
    /// # Errors
    /// [`ObjectError::OutOfBuffer`] when the datatype reaches out of `memory`; what lies before is written.
    pub fn unpack(
        &self,
        count: i64,
        packed: &[u8],
        memory: &mut [u8],
        origin: usize,
    ) -> Result<usize, ObjectError> {
        let mut left = packed;
        for run in self.copies(count) {
            if left.is_empty() {
                break;
            }
            let length = left.len().min(run.length as usize);
            let (now, rest) = left.split_at(length);
            let place = place(
                Run {
                    length: length as i64,
                    ..run
                },
                origin,
                memory.len(),
            )?;
            memory[place].copy_from_slice(now);
            left = rest;
        }
        Ok(packed.len() - left.len())
    }

    /// The copies to make: one where the memory is contiguous, else run by run.
    fn copies(&self, count: i64) -> impl Iterator<Item = Run> + '_ {
        let whole =
            (self.is_contiguous(count) && count > 0 && self.size_bytes() > 0).then(|| Run {
                offset: self.true_lb(),
                length: self.size_bytes() * count,
            });
        let pieces = whole.is_none().then(|| self.runs(count));
        whole.into_iter().chain(pieces.into_iter().flatten())
    }
}

fn place(run: Run, origin: usize, length: usize) -> Result<std::ops::Range<usize>, ObjectError> {
    let first = run.offset.saturating_add(origin as i64);
    let end = first.saturating_add(run.length);
    if first < 0 || end > length as i64 {
        return Err(ObjectError::OutOfBuffer { first, end, length });
    }
    Ok(first as usize..end as usize)
}
