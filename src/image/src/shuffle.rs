//! Byte shuffling: arrays of doubles compress better once bytes of equal weight lie together.
//!
//! ```text
//!   memory     s0 e0 a0 … z0 | s1 e1 a1 … z1 | …      8-byte elements
//!   shuffled   s0 s1 s2 … | e0 e1 e2 … | … z0 z1 z2   8 planes, the first ones nearly constant
//! ```

/// Bytes of one element of a shuffled chunk. Eight suits doubles, and floats as pairs.
pub(crate) const ELEMENT_BYTES: usize = 8;

/// Puts byte `k` of every element into plane `k`. Both slices have the same length, a multiple of 64.
pub(crate) fn shuffle(memory: &[u8], planes: &mut [u8]) {
    let plane_bytes = memory.len() / ELEMENT_BYTES;
    for (group, elements) in memory.as_chunks::<64>().0.iter().enumerate() {
        let block = transpose(load(elements));
        for (plane, word) in block.iter().enumerate() {
            let at = plane * plane_bytes + group * 8;
            planes[at..at + 8].copy_from_slice(&word.to_le_bytes());
        }
    }
}

/// The inverse of [`shuffle`].
pub(crate) fn unshuffle(planes: &[u8], memory: &mut [u8]) {
    let plane_bytes = memory.len() / ELEMENT_BYTES;
    for (group, elements) in memory.as_chunks_mut::<64>().0.iter_mut().enumerate() {
        let mut block = [0; 64];
        for (plane, word) in block.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            let at = plane * plane_bytes + group * 8;
            word.copy_from_slice(&planes[at..at + 8]);
        }
        for (word, out) in transpose(load(&block))
            .iter()
            .zip(elements.as_chunks_mut::<8>().0)
        {
            *out = word.to_le_bytes();
        }
    }
}

fn load(bytes: &[u8; 64]) -> [u64; 8] {
    let mut words = [0; 8];
    for (word, raw) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*raw);
    }
    words
}

/// Transposes an 8 × 8 matrix of bytes, held as a word per row, by swapping blocks of 4, 2 and 1 (Hacker's Delight 7-3).
/// It is its own inverse.
fn transpose(mut rows: [u64; 8]) -> [u64; 8] {
    for (distance, mask) in [
        (4, 0x0000_0000_ffff_ffff_u64),
        (2, 0x0000_ffff_0000_ffff),
        (1, 0x00ff_00ff_00ff_00ff),
    ] {
        for row in 0..8 {
            if row & distance == 0 {
                let shift = distance * 8;
                let swap = ((rows[row] >> shift) ^ rows[row + distance]) & mask;
                rows[row] ^= swap << shift;
                rows[row + distance] ^= swap;
            }
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shuffling_puts_equal_weights_together() {
        let memory: Vec<u8> = (0..128).map(|n| (n % 8) as u8).collect();
        let mut planes = vec![0; 128];
        shuffle(&memory, &mut planes);
        let expected: Vec<u8> = (0..128).map(|n| (n / 16) as u8).collect();
        assert_eq!(planes, expected);
        let mut back = vec![0; 128];
        unshuffle(&planes, &mut back);
        assert_eq!(back, memory);
    }
}
