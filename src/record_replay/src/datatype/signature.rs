//! Type signatures: the sequence of basic types of a datatype, whatever its layout (MPI 4.1 section 5.1).
//!
//! A send matches a receive when the signature sent is a prefix of the one received. Signatures can be longer than memory,
//! so they are kept as their length and a polynomial hash over the sequence, which concatenates and repeats in O(1) and
//! O(log n):
//!
//! ```text
//!   hash(a b c) = a·P² + b·P + c   (mod 2^61 − 1)        hash(x y) = hash(x)·P^len(y) + hash(y)
//! ```

use serde::{Deserialize, Serialize};

use crate::handle::DatatypeHandle;

/// A type signature. Equal ones are equal; unequal ones are taken for equal with a chance of length / 2^61.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Signature {
    /// Number of basic elements.
    elements: i64,
    hash: u64,
    /// P to the power of `elements`.
    power: u64,
}

const MODULUS: u64 = (1 << 61) - 1;
/// P: any number of the field without structure will do.
const BASE: u64 = 0x0b5a_d4ec_eda1_ce2a;

impl Signature {
    /// Of no element.
    pub const EMPTY: Self = Self {
        elements: 0,
        hash: 0,
        power: 1,
    };

    /// Of one element of a basic type.
    pub(super) fn of_basic(basic: DatatypeHandle) -> Self {
        Self {
            elements: 1,
            hash: u64::from(basic.word()),
            power: BASE,
        }
    }

    /// Number of basic elements.
    #[must_use]
    pub const fn elements(self) -> i64 {
        self.elements
    }

    /// This signature, then another.
    #[must_use]
    pub fn then(self, next: Self) -> Self {
        Self {
            elements: self.elements.saturating_add(next.elements),
            hash: (times(self.hash, next.power) + next.hash) % MODULUS,
            power: times(self.power, next.power),
        }
    }

    /// This signature `count` times.
    #[must_use]
    pub fn repeated(self, count: i64) -> Self {
        let (mut left, mut doubled, mut result) = (count, self, Self::EMPTY);
        while left > 0 {
            if left & 1 == 1 {
                result = result.then(doubled);
            }
            doubled = doubled.then(doubled);
            left >>= 1;
        }
        result
    }
}

fn times(a: u64, b: u64) -> u64 {
    (u128::from(a) * u128::from(b) % u128::from(MODULUS)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(value: u16) -> Signature {
        Signature::of_basic(DatatypeHandle::predefined(value))
    }

    #[test]
    fn grouping_does_not_matter_but_order_does() {
        let (a, b, c) = (basic(0x209), basic(0x214), basic(0x247));
        assert_eq!(a.then(b).then(c), a.then(b.then(c)));
        assert_ne!(a.then(b), b.then(a));
        assert_ne!(a, a.then(a));
    }

    #[test]
    fn repetition_is_concatenation() {
        let pair = basic(0x209).then(basic(0x214));
        let mut by_hand = Signature::EMPTY;
        for count in 0..70 {
            assert_eq!(pair.repeated(count), by_hand);
            by_hand = by_hand.then(pair);
        }
    }
}
