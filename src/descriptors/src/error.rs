//! What can go wrong with a program's descriptors.

use std::io;
use std::path::PathBuf;

/// Why descriptors could not be saved or opened again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DescriptorError {
    /// The system refused something.
    #[error("descriptor {number} ({what}): {doing}")]
    Os {
        /// The program's number.
        number: i32,
        /// What it is.
        what: String,
        /// What was being done.
        doing: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// Somebody else has a lock.
    #[error(
        "descriptor {number}: the file that it is of is locked by another process now; end that one and restart again"
    )]
    Locked {
        /// The program's number.
        number: i32,
    },
    /// A socket cannot be made again.
    #[error(
        "the {what}, which the program had: {doing} failed: {source}; if its address is in use, end who uses it, if this machine \
         lacks the address, restart where it is, and try again"
    )]
    Socket {
        /// What it is, with its address.
        what: String,
        /// What was being done.
        doing: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// A file that the program had open is not there.
    #[error(
        "the file {path}, which the program had open as descriptor {number}, cannot be opened: put it back (or make the \
         file system that it was on available) and restart again"
    )]
    Missing {
        /// The file.
        path: PathBuf,
        /// The program's number.
        number: i32,
        /// The system's reason.
        source: io::Error,
    },
    /// A file is not what it was.
    #[error(
        "the file {path}, which the program has open as descriptor {number}, {how}; put the right one there, or set \
         MANA_FILES=accept to go on with it as it is"
    )]
    Changed {
        /// The file.
        path: PathBuf,
        /// The program's number.
        number: i32,
        /// In what it differs.
        how: String,
    },
    /// The image says something that does not fit together.
    #[error("the image's list of descriptors: {0}")]
    Inconsistent(String),
}

/// What a descriptor is of which no more is known.
pub(crate) const OF_THE_PROGRAM: &str = "of the program";

/// Names the descriptor of an I/O error.
pub(crate) fn os(
    number: i32,
    what: &str,
    doing: &'static str,
) -> impl FnOnce(rustix::io::Errno) -> DescriptorError + use<> {
    let what = what.to_owned();
    move |errno| DescriptorError::Os {
        number,
        what,
        doing,
        source: errno.into(),
    }
}
