//! Text without a library: C strings as bytes, and numbers for messages.

/// A number in decimal digits.
pub struct Decimal {
    digits: [u8; 20],
    start: usize,
}

impl Decimal {
    /// The digits of `value`.
    pub fn new(value: u64) -> Decimal {
        let mut number = Decimal {
            digits: [b'0'; 20],
            start: 20,
        };
        number.fill(value, 10);
        number
    }

    fn fill(&mut self, mut value: u64, base: u64) {
        for (index, digit) in self.digits.iter_mut().enumerate().rev() {
            let units = (value % base) as u8;
            *digit = if units < 10 {
                b'0' + units
            } else {
                b'a' + units - 10
            };
            self.start = index;
            value /= base;
            if value == 0 {
                return;
            }
        }
    }

    /// The digits.
    pub fn bytes(&self) -> &[u8] {
        self.digits.get(self.start..).unwrap_or(b"?")
    }
}

/// A number in hexadecimal digits, without a prefix.
pub struct Hexadecimal(Decimal);

impl Hexadecimal {
    /// The digits of `value`.
    pub fn new(value: u64) -> Hexadecimal {
        let mut number = Decimal {
            digits: [b'0'; 20],
            start: 20,
        };
        number.fill(value, 16);
        Hexadecimal(number)
    }

    /// The digits.
    pub fn bytes(&self) -> &[u8] {
        self.0.bytes()
    }
}

/// The number that `digits` are in hexadecimal; stops at the first byte that is no digit.
pub fn parse_hexadecimal(digits: &[u8]) -> usize {
    let mut value = 0_usize;
    for digit in digits {
        let units = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => break,
        };
        value = value.wrapping_mul(16).wrapping_add(usize::from(units));
    }
    value
}

/// Index of the first `byte` in `text`.
pub fn find(text: &[u8], byte: u8) -> Option<usize> {
    text.iter().position(|b| *b == byte)
}

/// What follows `prefix` in `text`, if it begins so.
pub fn after<'a>(text: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let same = prefix.iter().zip(text).all(|(a, b)| a == b);
    if !same {
        return None;
    }
    text.get(prefix.len()..)
}

/// The directory of a path, without the slash; empty for a file in the root directory.
pub fn directory(path: &[u8]) -> &[u8] {
    let slash = path.iter().rposition(|b| *b == b'/').unwrap_or(0);
    path.get(..slash).unwrap_or(path)
}
