//! How a chunk is stored, and which way is worth it.
//!
//! Floating-point noise does not compress: zstd would cost time and gain nothing. A probe on a sample finds that out
//! for a twentieth of the price. Arrays of doubles often compress once bytes of equal weight lie together ([`crate::shuffle`]).

use crate::shuffle::{ELEMENT_BYTES, shuffle, unshuffle};
use serde::{Deserialize, Serialize};
use std::{fmt, io, str::FromStr};
use zstd::bulk::{Compressor, Decompressor};

/// How the bytes of a chunk are stored. The numbers are part of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Codec {
    /// As they are in memory.
    Raw,
    /// One zstd frame.
    Zstd,
    /// One zstd frame of the byte-shuffled chunk.
    ShuffledZstd,
}

impl Codec {
    /// Every codec.
    pub const ALL: [Codec; 3] = [Codec::Raw, Codec::Zstd, Codec::ShuffledZstd];

    /// The number that stands for it in a chunk record.
    pub(crate) fn number(self) -> u8 {
        match self {
            Codec::Raw => 0,
            Codec::Zstd => 1,
            Codec::ShuffledZstd => 2,
        }
    }

    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.number() == number)
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Codec::Raw => "raw",
            Codec::Zstd => "zstd",
            Codec::ShuffledZstd => "shuffled-zstd",
        })
    }
}

/// What the user asked for (`MANA_COMPRESS`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// Compress the chunks that a probe finds worth it.
    #[default]
    Auto,
    /// Never compress: the fastest on a fast disk.
    Raw,
    /// Compress whatever becomes smaller at all: the fewest bytes.
    Zstd,
}

impl Compression {
    /// Every value, in the order in which help texts list them.
    pub const ALL: [Compression; 3] = [Compression::Auto, Compression::Raw, Compression::Zstd];

    /// The word for it in `MANA_COMPRESS`.
    pub fn as_str(self) -> &'static str {
        match self {
            Compression::Auto => "auto",
            Compression::Raw => "raw",
            Compression::Zstd => "zstd",
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl FromStr for Compression {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|value| value.as_str() == word)
            .ok_or_else(|| format!("{word:?} is none of auto, raw, zstd"))
    }
}

/// zstd's level for what is stored.
const LEVEL: i32 = 1;
/// zstd's level for the probe: its fastest useful one.
const PROBE_LEVEL: i32 = -5;
/// The probe looks at this many bytes, in three places.
const SAMPLE_BYTES: usize = 16 << 10;
/// `auto` compresses a chunk whose sample shrinks to this fraction or less: doubles with noise in every bit shrink to 0.8
/// (their exponents), which a fast disk writes raw in a third of the time.
const WORTH_IT: f64 = 0.75;
/// A sample that shrinks this far without shuffling is not tried again with it.
const PLAINLY_COMPRESSIBLE: f64 = 0.35;

/// Compresses chunks; one per worker, because its buffers are reused.
pub(crate) struct Encoder {
    compression: Compression,
    full: Compressor<'static>,
    probe: Compressor<'static>,
    sample: Vec<u8>,
    shuffled: Vec<u8>,
    scratch: Vec<u8>,
}

impl Encoder {
    /// # Errors
    /// zstd's, when it cannot allocate a context.
    pub(crate) fn new(compression: Compression) -> io::Result<Self> {
        Ok(Self {
            compression,
            full: Compressor::new(LEVEL)?,
            probe: Compressor::new(PROBE_LEVEL)?,
            sample: Vec::new(),
            shuffled: Vec::new(),
            scratch: vec![0; zstd::zstd_safe::compress_bound(4 * SAMPLE_BYTES)],
        })
    }

    /// Compresses `memory` into `out` if that is wanted and fits; returns how, and how long it became. `None` means:
    /// store it raw. The caller makes `out` shorter than `memory`, so that compression always saves space.
    pub(crate) fn encode(&mut self, memory: &[u8], out: &mut [u8]) -> Option<(Codec, usize)> {
        let codec = match self.compression {
            Compression::Raw => return None,
            _ if out.is_empty() => return None,
            Compression::Auto => self.choose(memory, WORTH_IT)?,
            Compression::Zstd => self.choose(memory, f64::INFINITY)?,
        };
        let input = if codec == Codec::ShuffledZstd {
            self.shuffled.resize(memory.len(), 0);
            shuffle(memory, &mut self.shuffled);
            &self.shuffled
        } else {
            memory
        };
        // The only error possible is that `out` is too short, and that means: not worth it.
        self.full
            .compress_to_buffer(input, out)
            .ok()
            .map(|len| (codec, len))
    }

    /// The better codec by the sample, if it shrinks it to `worth_it` or less.
    fn choose(&mut self, memory: &[u8], worth_it: f64) -> Option<Codec> {
        self.sample.clear();
        if memory.len() <= 4 * SAMPLE_BYTES {
            self.sample.extend_from_slice(memory);
        } else {
            let middle = (memory.len() / 2 - SAMPLE_BYTES / 2).next_multiple_of(ELEMENT_BYTES);
            for at in [0, middle, memory.len() - SAMPLE_BYTES] {
                self.sample
                    .extend_from_slice(&memory[at..at + SAMPLE_BYTES]);
            }
        }
        let length = self.sample.len() as f64;
        let plain = self
            .probe
            .compress_to_buffer(&self.sample, &mut self.scratch[..])
            .ok()? as f64
            / length;
        if plain <= PLAINLY_COMPRESSIBLE {
            return Some(Codec::Zstd);
        }
        self.shuffled.resize(self.sample.len(), 0);
        shuffle(&self.sample, &mut self.shuffled);
        let shuffled = self
            .probe
            .compress_to_buffer(&self.shuffled, &mut self.scratch[..])
            .ok()? as f64
            / length;
        match plain.min(shuffled) {
            best if best > worth_it => None,
            _ if shuffled < plain => Some(Codec::ShuffledZstd),
            _ => Some(Codec::Zstd),
        }
    }
}

/// Decompresses chunks; one per worker.
pub(crate) struct Decoder {
    zstd: Decompressor<'static>,
    shuffled: Vec<u8>,
}

impl Decoder {
    /// # Errors
    /// zstd's, when it cannot allocate a context.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            zstd: Decompressor::new()?,
            shuffled: Vec::new(),
        })
    }

    /// Fills `memory` from `stored`.
    ///
    /// # Errors
    /// `stored` is no zstd frame, or one of another length than `memory`.
    pub(crate) fn decode(
        &mut self,
        codec: Codec,
        stored: &[u8],
        memory: &mut [u8],
    ) -> Result<(), String> {
        let len = match codec {
            Codec::Raw => {
                if stored.len() == memory.len() {
                    memory.copy_from_slice(stored);
                }
                stored.len()
            }
            Codec::Zstd => self
                .zstd
                .decompress_to_buffer(stored, memory)
                .map_err(|error| error.to_string())?,
            Codec::ShuffledZstd => {
                self.shuffled.resize(memory.len(), 0);
                let len = self
                    .zstd
                    .decompress_to_buffer(stored, &mut self.shuffled[..])
                    .map_err(|error| error.to_string())?;
                unshuffle(&self.shuffled, memory);
                len
            }
        };
        if len == memory.len() {
            Ok(())
        } else {
            Err(format!("{len} bytes came out of it, not {}", memory.len()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_codecs_stand_for_each_other() {
        for codec in Codec::ALL {
            assert_eq!(Codec::from_number(codec.number()), Some(codec));
        }
        assert_eq!(Codec::from_number(3), None);
    }

    #[test]
    fn a_probe_tells_noise_from_text_and_from_doubles() {
        let mut state = 1_u64;
        let mut random = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        // Noise in every bit; a smooth field with noise in the low bits of its mantissa; text.
        let noise: Vec<u8> = (0..1 << 17).map(|_| (random() * 256.0) as u8).collect();
        let field: Vec<u8> = (0..1 << 14)
            .flat_map(|n| (300.0 + f64::from(n) * 1e-4 + random() * 1e-6).to_le_bytes())
            .collect();
        let text =
            b"the quick brown fox jumps over the lazy dog, ".repeat(3000)[..1 << 17].to_vec();
        let mut encoder = Encoder::new(Compression::Auto).unwrap();
        assert_eq!(encoder.choose(&noise, WORTH_IT), None);
        assert_eq!(encoder.choose(&field, WORTH_IT), Some(Codec::ShuffledZstd));
        assert_eq!(encoder.choose(&text, WORTH_IT), Some(Codec::Zstd));
    }
}
