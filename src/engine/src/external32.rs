//! The external32 representation (MPI-5.0 section 14.5.2): big endian, and sizes that are the same everywhere.
//!
//! ```text
//!   native (x86-64)                     external32
//!   int32  78 56 34 12                  12 34 56 78
//!   long   8 bytes                      4 bytes: the low ones, a sign is extended on the way back
//!   long double (x87, 80 bits in 16)    binary128
//!     sign 1 | exponent 15 | 1 fraction 63    sign 1 | exponent 15 | fraction 112
//! ```

use mana_record_replay::datatype::{Class, Layout, Predefined, Run, predefined};
use mana_table::constants as mpi;

/// How an element of a basic datatype is represented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// Bytes of one number in memory (a complex one is two).
    native: usize,
    /// Bytes of one number in external32.
    external: usize,
    number: Number,
}

/// What happens to a number besides turning its bytes around.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    /// Nothing, except that high bytes are dropped or filled with zeros.
    Unsigned,
    /// High bytes are dropped or filled with the sign.
    Signed,
    /// The x87's extended format becomes binary128.
    Extended,
}

/// The runs of `count` elements in type map order, each with its format. Runs of a type that is not predefined do not
/// occur.
pub fn runs(layout: &Layout, count: i64) -> impl Iterator<Item = (Run, Format)> {
    layout
        .basic_runs(count)
        .filter_map(|basic| Some((basic.run, Format::of(predefined(basic.basic)?))))
}

impl Format {
    /// The format of a basic datatype.
    pub fn of(row: &Predefined) -> Self {
        let parts = if row.class == Class::Complex { 2 } else { 1 };
        let number = match u64::from(row.handle.word()) {
            mpi::MPI_LONG_DOUBLE
            | mpi::MPI_C_LONG_DOUBLE_COMPLEX
            | mpi::MPI_CXX_LONG_DOUBLE_COMPLEX => Number::Extended,
            mpi::MPI_LONG => Number::Signed,
            _ => Number::Unsigned,
        };
        Self {
            native: usize::from(row.size_bytes) / parts,
            external: usize::from(row.external32_bytes) / parts,
            number,
        }
    }

    /// Bytes in external32 of what is `native_bytes` long in memory.
    pub fn external_bytes(&self, native_bytes: usize) -> usize {
        native_bytes / self.native * self.external
    }

    /// Bytes in memory of whole numbers that are at most `external_bytes` long in external32.
    pub fn native_bytes(&self, external_bytes: usize) -> usize {
        external_bytes / self.external * self.native
    }

    /// From memory to external32.
    pub fn encode(&self, native: &[u8]) -> Vec<u8> {
        let mut external = Vec::with_capacity(self.external_bytes(native.len()));
        for number in native.chunks_exact(self.native) {
            let value = match self.number {
                Number::Extended => binary128(little_endian(number)),
                Number::Unsigned | Number::Signed => little_endian(number),
            };
            external.extend(value.to_le_bytes()[..self.external].iter().rev());
        }
        external
    }

    /// From external32 to memory.
    pub fn decode(&self, external: &[u8]) -> Vec<u8> {
        let mut native = Vec::with_capacity(external.len() / self.external * self.native);
        for number in external.chunks_exact(self.external) {
            let value = number
                .iter()
                .fold(0, |value, byte| value << 8 | u128::from(*byte));
            let value = match self.number {
                Number::Extended => extended(value),
                Number::Signed => sign_extended(value, self.external),
                Number::Unsigned => value,
            };
            native.extend_from_slice(&value.to_le_bytes()[..self.native]);
        }
        native
    }
}

/// A little endian number of at most 16 bytes.
fn little_endian(bytes: &[u8]) -> u128 {
    bytes
        .iter()
        .rev()
        .fold(0, |value, byte| value << 8 | u128::from(*byte))
}

/// Fills the bytes above the lowest `len_bytes` with the sign.
fn sign_extended(value: u128, len_bytes: usize) -> u128 {
    let unused_bits = 128 - 8 * len_bytes as u32;
    (((value << unused_bits) as i128) >> unused_bits) as u128
}

const FRACTION_BITS: u32 = 112;
/// Fraction bits that binary128 has and the x87's format has not.
const DROPPED_BITS: u32 = FRACTION_BITS - 63;
const FRACTION_MASK: u128 = (1 << FRACTION_BITS) - 1;
const INTEGER_BIT: u128 = 1 << 63;

/// From the x87's 80 bits to binary128: same sign, same exponent, and the explicit integer bit goes.
fn binary128(x87: u128) -> u128 {
    let sign_and_exponent = (x87 >> 64) & 0xffff;
    let significand = x87 & u128::from(u64::MAX);
    // An integer bit at exponent 0 (a "pseudo-denormal") means exponent 1.
    let carry = u128::from(sign_and_exponent & 0x7fff == 0 && significand & INTEGER_BIT != 0);
    let fraction = significand & (INTEGER_BIT - 1);
    (sign_and_exponent + carry) << FRACTION_BITS | fraction << DROPPED_BITS
}

/// From binary128 to the x87's 80 bits, rounded to nearest, ties to even.
fn extended(binary128: u128) -> u128 {
    let is_nan = binary128 & (0x7fff << FRACTION_BITS) == 0x7fff << FRACTION_BITS
        && binary128 & FRACTION_MASK != 0;
    // Rounding may carry into the exponent, which is right: 1.11… becomes 10.0, and the largest number infinity.
    let rounded = if is_nan {
        binary128 >> DROPPED_BITS | 1 << 62
    } else {
        round_to_even(binary128)
    };
    let sign_and_exponent = rounded >> 63;
    let integer_bit = if sign_and_exponent & 0x7fff == 0 {
        0
    } else {
        INTEGER_BIT
    };
    sign_and_exponent << 64 | integer_bit | rounded & (INTEGER_BIT - 1)
}

/// Drops the lowest [`DROPPED_BITS`].
fn round_to_even(value: u128) -> u128 {
    let (kept, dropped, half) = (
        value >> DROPPED_BITS,
        value & ((1 << DROPPED_BITS) - 1),
        1 << (DROPPED_BITS - 1),
    );
    kept + u128::from(dropped > half || dropped == half && kept & 1 == 1)
}

#[cfg(test)]
mod tests {
    use mana_record_replay::datatype::PREDEFINED;
    use mana_record_replay::handle::DatatypeHandle;

    use super::*;

    fn format(handle: u64) -> Format {
        Format::of(predefined(DatatypeHandle::from_word(handle).unwrap()).unwrap())
    }

    #[test]
    fn a_long_keeps_its_sign_in_four_bytes() {
        let long = format(mpi::MPI_LONG);
        let external = long.encode(&(-2_i64).to_le_bytes());
        assert_eq!(external, [0xff, 0xff, 0xff, 0xfe]);
        assert_eq!(long.decode(&external), (-2_i64).to_le_bytes());
        assert_eq!(
            format(mpi::MPI_UNSIGNED_LONG).decode(&external),
            0xffff_fffe_u64.to_le_bytes()
        );
    }

    #[test]
    fn a_complex_is_turned_around_half_by_half() {
        let native: Vec<u8> = [1.5_f32, -2.25]
            .iter()
            .flat_map(|half| half.to_le_bytes())
            .collect();
        let external: Vec<u8> = [1.5_f32, -2.25]
            .iter()
            .flat_map(|half| half.to_be_bytes())
            .collect();
        assert_eq!(format(mpi::MPI_C_FLOAT_COMPLEX).encode(&native), external);
    }

    #[test]
    fn a_long_double_becomes_binary128_and_comes_back() {
        let x87 =
            |sign_and_exponent: u128, significand: u128| sign_and_exponent << 64 | significand;
        // 1.5, -1, 0, -0, infinity, the smallest denormal, pi.
        let one_and_a_half = x87(0x3fff, 0xc000 << 48);
        assert_eq!(binary128(one_and_a_half), 0x3fff_8000 << 96);
        let others = [
            (0xbfff, 1 << 63),
            (0, 0),
            (0x8000, 0),
            (0x7fff, 1 << 63),
            (0, 1),
            (0x4000, 0xc90f_daa2_2168_c235),
        ];
        for (sign_and_exponent, significand) in others {
            let value = x87(sign_and_exponent, significand);
            assert_eq!(extended(binary128(value)), value, "{value:#x}");
        }
    }

    #[test]
    fn rounding_carries_into_the_exponent() {
        let almost_two = 0x3fff << FRACTION_BITS | FRACTION_MASK;
        assert_eq!(extended(almost_two), 0x4000 << 64 | INTEGER_BIT);
    }

    #[test]
    fn a_nan_stays_one() {
        let nan = 0x7fff << FRACTION_BITS | 1;
        assert_eq!(extended(nan) >> 62, 0x7fff << 2 | 3);
    }

    #[test]
    fn zero_is_zero_in_every_type() {
        let one_value = |row: &&Predefined| row.parts.is_none() && row.size_bytes > 0;
        for row in PREDEFINED.iter().filter(one_value) {
            let format = Format::of(row);
            let external = format.encode(&vec![0; usize::from(row.size_bytes)]);
            assert_eq!(
                external,
                vec![0; usize::from(row.external32_bytes)],
                "{}",
                row.name
            );
            assert_eq!(
                format.decode(&external),
                vec![0; usize::from(row.size_bytes)],
                "{}",
                row.name
            );
        }
    }
}
