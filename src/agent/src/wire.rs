//! What goes over the sockets: a greeting that proves membership of the job, then framed messages.
//!
//! ```text
//!   greeting (32 bytes, both ways)    magic 8 │ cookie 16 │ version 4 │ who 4 (world rank, or 2^32-1: control)
//!   message                           length 4 │ msgpack of `Up`, `Down`, `Ask` or `Tell`
//! ```
//! All numbers little endian. Who has not sent the right greeting is heard no further.
use std::io::Read as _;

use mana_drain::{Broadcast, Report};
use serde::{Deserialize, Serialize};

use crate::{Outcome, Progress};

/// Bytes of a greeting.
pub(crate) const GREETING_BYTES: usize = 32;

/// The longest message accepted. A report with a million unsettled communicators is half of it.
pub(crate) const LONGEST_MESSAGE_BYTES: usize = 64 << 20;

const MAGIC: [u8; 8] = *b"MANAagnt";
const VERSION: u32 = 1;
const CONTROL: u32 = u32::MAX;

/// The job's secret: who knows it belongs to the job or may read its control file.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct Cookie(pub [u8; 16]);

impl Cookie {
    /// A new one, from the kernel's random numbers (random(4)).
    ///
    /// # Errors
    /// If the kernel's device cannot be read.
    pub fn random() -> std::io::Result<Cookie> {
        let mut bytes = [0; 16];
        std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        Ok(Cookie(bytes))
    }

    /// Compares in a time that does not tell how much of a guess is right.
    fn matches(&self, guess: &[u8]) -> bool {
        let difference = self
            .0
            .iter()
            .zip(guess)
            .fold(0, |sum, (ours, theirs)| sum | (ours ^ theirs));
        guess.len() == self.0.len() && std::hint::black_box(difference) == 0
    }
}

/// Never shows the secret: logs are read by others.
impl std::fmt::Debug for Cookie {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cookie(..)")
    }
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Rank(u32),
    Control,
}

/// Why a greeting was not accepted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadGreeting {
    #[error("not a greeting of a mana agent")]
    Magic,
    #[error("another job's cookie")]
    Cookie,
    #[error("protocol version {0} where {VERSION} is expected")]
    Version(u32),
}

pub(crate) fn greeting(cookie: &Cookie, who: Who) -> [u8; GREETING_BYTES] {
    let who = match who {
        Who::Rank(rank) => rank,
        Who::Control => CONTROL,
    };
    let mut bytes = [0; GREETING_BYTES];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..24].copy_from_slice(&cookie.0);
    bytes[24..28].copy_from_slice(&VERSION.to_le_bytes());
    bytes[28..].copy_from_slice(&who.to_le_bytes());
    bytes
}

pub(crate) fn read_greeting(
    cookie: &Cookie,
    bytes: &[u8; GREETING_BYTES],
) -> Result<Who, BadGreeting> {
    let word =
        |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    if bytes[..8] != MAGIC {
        return Err(BadGreeting::Magic);
    }
    if !cookie.matches(&bytes[8..24]) {
        return Err(BadGreeting::Cookie);
    }
    if word(24) != VERSION {
        return Err(BadGreeting::Version(word(24)));
    }
    Ok(if word(28) == CONTROL {
        Who::Control
    } else {
        Who::Rank(word(28))
    })
}

/// From a child to its parent.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Up {
    /// All ranks of this subtree are connected.
    Ready,
    /// The subtree's merged report.
    Report(Report),
    /// A rank asks for a checkpoint.
    Request { from: u32, kill: bool },
    /// A rank of this subtree is gone; `why` names it. It said so (`quietly`), or its connection broke.
    Gone { why: String, quietly: bool },
    /// This rank is about to go, in order.
    Bye,
}

/// From a parent to its children.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Down {
    /// From the root, to all.
    Broadcast(Broadcast),
    /// The request of rank `to` will not be tried.
    Refused { to: u32, reason: String },
    /// This rank is about to go, in order.
    Bye,
}

/// From `mana checkpoint` to rank 0.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Ask {
    Checkpoint { kill: bool },
}

/// From rank 0 to `mana checkpoint`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Tell {
    Progress(Progress),
    Outcome(Outcome),
}

/// A message with its length before it.
pub(crate) fn frame<T: Serialize>(message: &T) -> Vec<u8> {
    let body = rmp_serde::to_vec(message).expect("messages have no part that cannot be encoded");
    let length = u32::try_from(body.len()).expect("a message is far shorter than 4 GiB");
    let mut framed = length.to_le_bytes().to_vec();
    framed.extend(body);
    framed
}

/// Takes the first whole message out of what has been received; `None` if there is none yet.
pub(crate) fn unframe<T: for<'de> Deserialize<'de>>(
    received: &mut Vec<u8>,
) -> Result<Option<T>, String> {
    let Some((length, rest)) = received.split_first_chunk() else {
        return Ok(None);
    };
    let length = u32::from_le_bytes(*length) as usize;
    if length > LONGEST_MESSAGE_BYTES {
        return Err(format!(
            "a message of {length} bytes is longer than any of ours"
        ));
    }
    let Some(body) = rest.get(..length) else {
        return Ok(None);
    };
    let message =
        rmp_serde::from_slice(body).map_err(|error| format!("an unreadable message: {error}"))?;
    received.drain(..4 + length);
    Ok(Some(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_needs_the_cookie() {
        let cookie = Cookie([7; 16]);
        let bytes = greeting(&cookie, Who::Rank(12));
        assert_eq!(read_greeting(&cookie, &bytes), Ok(Who::Rank(12)));
        assert_eq!(
            read_greeting(&cookie, &greeting(&cookie, Who::Control)),
            Ok(Who::Control)
        );
        for at in 8..24 {
            let mut wrong = bytes;
            wrong[at] ^= 0x80;
            assert_eq!(read_greeting(&cookie, &wrong), Err(BadGreeting::Cookie));
        }
        assert_eq!(
            read_greeting(&cookie, &[0; GREETING_BYTES]),
            Err(BadGreeting::Magic)
        );
        let mut newer = bytes;
        newer[24] = 2;
        assert_eq!(read_greeting(&cookie, &newer), Err(BadGreeting::Version(2)));
    }

    #[test]
    fn messages_may_come_in_pieces() {
        let sent = frame(&Up::Request {
            from: 3,
            kill: true,
        });
        let mut received = Vec::new();
        for &byte in &sent[..sent.len() - 1] {
            received.push(byte);
            assert!(unframe::<Up>(&mut received).unwrap().is_none());
        }
        received.push(sent[sent.len() - 1]);
        received.extend(frame(&Up::Bye));
        assert!(matches!(
            unframe(&mut received),
            Ok(Some(Up::Request {
                from: 3,
                kill: true
            }))
        ));
        assert!(matches!(unframe(&mut received), Ok(Some(Up::Bye))));
        assert!(received.is_empty());
    }

    #[test]
    fn absurd_lengths_are_refused() {
        let mut received = u32::MAX.to_le_bytes().to_vec();
        assert!(unframe::<Up>(&mut received).is_err());
    }
}
