//! What a part of a partitioned message begins with on the side channel.

use super::Key;

/// Words of a header.
const WORDS: usize = 6;
/// Bytes of a header.
pub const BYTES: usize = WORDS * 8;

/// The header of one part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The pair of requests; `peer` is the sender on the receiver's side and the receiver on the sender's.
    pub key: Key,
    /// Which start of the sender it belongs to.
    pub start: u64,
    /// Where it begins in the message, in bytes.
    pub offset: i64,
    /// Bytes of the whole message.
    pub whole: i64,
}

impl Header {
    /// As it travels.
    pub fn words(&self) -> [u64; WORDS] {
        [
            self.key.comm,
            u64::from(self.key.tag as u32),
            self.key.ordinal,
            self.start,
            self.offset as u64,
            self.whole as u64,
        ]
    }

    /// Reads one back that came from world rank `source`.
    pub fn read(source: u32, bytes: &[u8]) -> Option<Self> {
        let (words, _) = bytes.get(..BYTES)?.as_chunks::<8>();
        let word = |at: usize| u64::from_ne_bytes(words[at]);
        Some(Self {
            key: Key {
                comm: word(0),
                peer: source,
                tag: word(1) as i32,
                ordinal: word(2),
            },
            start: word(3),
            offset: word(4) as i64,
            whole: word(5) as i64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_back_what_it_says() {
        let header = Header {
            key: Key {
                comm: u64::MAX,
                peer: 3,
                tag: 77,
                ordinal: 2,
            },
            start: 9,
            offset: 1 << 40,
            whole: 1 << 41,
        };
        let bytes: Vec<u8> = header
            .words()
            .iter()
            .flat_map(|w| w.to_ne_bytes())
            .collect();
        assert_eq!(Header::read(3, &bytes), Some(header));
        assert_eq!(Header::read(3, &bytes[1..]), None);
    }
}
