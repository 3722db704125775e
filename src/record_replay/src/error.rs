//! What can go wrong with an MPI object, each with the MPI error class that the application is given.

use crate::error_class::ErrorClass;
use crate::handle::{Handle, Kind};

/// Why an operation on an object failed. [`ObjectError::class`] is what the MPI function returns.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// The value is no handle of the expected kind.
    #[error(
        "{word:#x} is no {expected} (its bits say: {claimed}); was the handle initialised, and is it of the right type?"
    )]
    WrongHandle {
        /// The kind that the function takes.
        expected: &'static str,
        /// What it was given.
        word: u64,
        /// What the value's bits claim to be.
        claimed: &'static str,
        /// The kind's error class.
        class: ErrorClass,
    },
    /// The handle is of the right kind, but nothing alive.
    #[error(
        "{kind} {word:#x} does not exist: it is null, was freed already, or this function does not take this predefined handle"
    )]
    DeadHandle {
        /// The kind that the function takes.
        kind: &'static str,
        /// The handle.
        word: u32,
        /// The kind's error class.
        class: ErrorClass,
    },
    /// A predefined object, where only the application's own are allowed.
    #[error("{kind} {word:#x} is predefined and cannot be {action}")]
    Predefined {
        /// The kind.
        kind: &'static str,
        /// The handle.
        word: u32,
        /// What was tried.
        action: &'static str,
        /// The kind's error class.
        class: ErrorClass,
    },
    /// Every handle of the kind is in use.
    #[error(
        "{limit} objects of the kind \"{kind}\" are alive: no handle is left; are they ever freed?"
    )]
    TableFull {
        /// The kind.
        kind: &'static str,
        /// How many can be alive at once.
        limit: usize,
    },
    /// A rank out of range.
    #[error("rank {rank} is not in 0..{size}")]
    Rank {
        /// The rank given.
        rank: i64,
        /// The size of the group or communicator.
        size: u32,
    },
    /// A rank given twice where ranks must differ.
    #[error("rank {rank} is given more than once")]
    DuplicateRank {
        /// The rank.
        rank: u32,
    },
    /// A range of ranks that goes nowhere.
    #[error("the range ({first}, {last}, {stride}) never gets from its first to its last rank")]
    Range {
        /// First rank.
        first: i32,
        /// Last rank.
        last: i32,
        /// Step.
        stride: i32,
    },
    /// Dimensions that do not fit.
    #[error("dimension {dimension} is {value}: {problem}")]
    Dimension {
        /// Which one, from 0.
        dimension: usize,
        /// What was given.
        value: i64,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The processes of a grid or graph do not fit the communicator.
    #[error("a topology of {wanted} processes does not fit a communicator of {available}")]
    TopologySize {
        /// Processes in the topology.
        wanted: u64,
        /// Processes there are.
        available: u64,
    },
    /// The communicator has another topology, or none.
    #[error("the communicator has no {wanted} topology")]
    NoTopology {
        /// What the function needs.
        wanted: &'static str,
    },
    /// A negative count.
    #[error("{what} is {value}, but must not be negative")]
    NegativeCount {
        /// The argument.
        what: &'static str,
        /// Its value.
        value: i64,
    },
    /// Any other argument that is not allowed.
    #[error("{argument} is {value}: {allowed}")]
    Argument {
        /// Its name.
        argument: &'static str,
        /// Its value.
        value: i64,
        /// What would be allowed.
        allowed: &'static str,
    },
    /// Arguments of a datatype that must have the same length have not.
    #[error("{what}: {got} values where {wanted} are needed")]
    Length {
        /// The argument.
        what: &'static str,
        /// Its length.
        got: usize,
        /// What the other arguments say.
        wanted: usize,
    },
    /// A datatype whose size or bounds exceed 63 bits.
    #[error("the datatype's size or bounds exceed 2^63 bytes")]
    TypeTooLarge,
    /// Bytes outside the buffer they belong to.
    #[error("bytes {first}..{end} lie outside the buffer of {length} bytes")]
    OutOfBuffer {
        /// First byte.
        first: i64,
        /// One past the last byte.
        end: i64,
        /// Bytes there are.
        length: usize,
    },
    /// An info key that is empty or too long.
    #[error("an info key of {length} bytes: 1 to {limit} are allowed")]
    InfoKey {
        /// Its length.
        length: usize,
        /// The longest allowed.
        limit: usize,
    },
    /// An info value that is too long.
    #[error("an info value of {length} bytes: at most {limit} are allowed")]
    InfoValue {
        /// Its length.
        length: usize,
        /// The longest allowed.
        limit: usize,
    },
    /// A key that the info object does not have.
    #[error("the info object has no key \"{key}\"")]
    InfoNoKey {
        /// The key.
        key: String,
    },
    /// An attribute key for objects of another kind.
    #[error("attribute key {word:#x} is one for {actual}, not for {wanted}")]
    KeyvalKind {
        /// The key.
        word: u32,
        /// What the function works on.
        wanted: &'static str,
        /// What the key was made for.
        actual: &'static str,
    },
    /// An error class or code that cannot be used this way.
    #[error("error class or code {code}: {problem}")]
    ErrorCode {
        /// The number.
        code: i32,
        /// What is wrong.
        problem: &'static str,
    },
}

impl ObjectError {
    /// The error of a handle that is not alive.
    #[cold]
    #[must_use]
    pub fn dead<K: Kind>(handle: Handle<K>) -> Self {
        Self::DeadHandle {
            kind: K::NAME,
            word: handle.word(),
            class: K::ERROR,
        }
    }

    /// The error of a predefined handle where it is not allowed, for example "freed".
    #[cold]
    #[must_use]
    pub fn predefined<K: Kind>(handle: Handle<K>, action: &'static str) -> Self {
        Self::Predefined {
            kind: K::NAME,
            word: handle.word(),
            action,
            class: K::ERROR,
        }
    }

    /// The MPI error class.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::WrongHandle { class, .. }
            | Self::DeadHandle { class, .. }
            | Self::Predefined { class, .. } => *class,
            Self::TableFull { .. } => ErrorClass::NO_MEM,
            Self::Rank { .. } | Self::DuplicateRank { .. } => ErrorClass::RANK,
            Self::Dimension { .. } | Self::TopologySize { .. } => ErrorClass::DIMS,
            Self::NoTopology { .. } => ErrorClass::TOPOLOGY,
            Self::NegativeCount { .. } => ErrorClass::COUNT,
            Self::Range { .. }
            | Self::Argument { .. }
            | Self::Length { .. }
            | Self::ErrorCode { .. } => ErrorClass::ARG,
            Self::TypeTooLarge => ErrorClass::VALUE_TOO_LARGE,
            Self::OutOfBuffer { .. } => ErrorClass::BUFFER,
            Self::InfoKey { .. } => ErrorClass::INFO_KEY,
            Self::InfoValue { .. } => ErrorClass::INFO_VALUE,
            Self::InfoNoKey { .. } => ErrorClass::INFO_NOKEY,
            Self::KeyvalKind { .. } => ErrorClass::KEYVAL,
        }
    }
}
