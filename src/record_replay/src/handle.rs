//! Virtual handles: what the application holds instead of the native MPI's handles.
//!
//! A handle is 31 bits, so that it fits a Fortran INTEGER and `MPI_Comm_c2f` & co. are identities, and at least 4096,
//! so that it cannot be mistaken for a predefined handle of the standard ABI:
//!
//! ```text
//!   bit  30 29        26 25        18 17                     0
//!       +--+------------+------------+------------------------+
//!       | 0|    kind    | generation |         index          |   every kind but requests
//!       +--+------------+------------+------------------------+
//!           1..=15        8 bits       18 bits: 262 144 live objects of a kind
//!
//!   bit  30 29              22 21                            0
//!       +--+------------------+-------------------------------+
//!       | 1|    generation    |            index              |   requests
//!       +--+------------------+-------------------------------+
//!            8 bits             22 bits: 4 194 304 live requests
//! ```
//!
//! *Why a handle may come back.* A two-day job starts more than 2^31 requests, so "a handle never repeats" cannot hold
//! in 31 bits. Instead a freed slot is reused first-in first-out, only while [`crate::table::QUARANTINE_SLOTS`] other
//! slots are free, and under the next generation: a value returns after at least 256 × 64 = 16 384 other objects of its
//! kind came and went. A stale handle held for less than that is detected; MPI calls using one at all erroneous.

use std::fmt;
use std::hash::Hash;
use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use crate::abi::FIRST_USER_HANDLE;
use crate::error::ObjectError;
use crate::error_class::ErrorClass;

const REQUEST_BIT: u32 = 1 << 30;
const KIND_SHIFT: u32 = 26;
const GENERATION_MASK: u32 = 0xff;

/// What a handle refers to. Implemented by the empty types in [`kind`].
pub trait Kind: Copy + Eq + Ord + Hash + fmt::Debug + 'static {
    /// The bits of the picture above that are the same in all handles of this kind.
    const BASE: u32;
    /// How many low bits are the slot's index.
    const INDEX_BITS: u32;
    /// The kind's word in messages.
    const NAME: &'static str;
    /// The predefined null handle.
    const NULL: u16;
    /// The error class of a bad handle of this kind.
    const ERROR: ErrorClass;
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $alias:ident $base:expr, $bits:expr, $name:literal, $null:expr, $error:ident;)*) => {
        /// The kinds of handles: types without values that keep `Handle<Comm>` and `Handle<Group>` apart.
        pub mod kind {
            use super::*;
            $(
                $(#[$doc])*
                #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
                pub enum $kind {}
                impl Kind for $kind {
                    const BASE: u32 = $base;
                    const INDEX_BITS: u32 = $bits;
                    const NAME: &'static str = $name;
                    const NULL: u16 = $null;
                    const ERROR: ErrorClass = ErrorClass::$error;
                }
            )*
        }
        $($(#[$doc])* pub type $alias = Handle<kind::$kind>;)*

        /// The name of the kind that a user handle's bits claim, if any.
        fn claimed_kind(word: u32) -> Option<&'static str> {
            let claimed = if word & REQUEST_BIT != 0 { REQUEST_BIT } else { word >> KIND_SHIFT << KIND_SHIFT };
            $(if claimed == $base { return Some($name); })*
            None
        }
    };
}

kinds! {
    /// Communicators.
    Comm CommHandle 1 << KIND_SHIFT, 18, "communicator", 0x100, COMM;
    /// Groups.
    Group GroupHandle 2 << KIND_SHIFT, 18, "group", 0x108, GROUP;
    /// Datatypes.
    Datatype DatatypeHandle 3 << KIND_SHIFT, 18, "datatype", 0x200, TYPE;
    /// Reduction operations.
    Op OpHandle 4 << KIND_SHIFT, 18, "reduction operation", 0x20, OP;
    /// Requests.
    Request RequestHandle REQUEST_BIT, 22, "request", 0x180, REQUEST;
    /// Matched messages (`MPI_Message`).
    Message MessageHandle 5 << KIND_SHIFT, 18, "matched message", 0x128, REQUEST;
    /// Windows.
    Win WinHandle 6 << KIND_SHIFT, 18, "window", 0x110, WIN;
    /// Files.
    File FileHandle 7 << KIND_SHIFT, 18, "file", 0x118, FILE;
    /// Sessions.
    Session SessionHandle 8 << KIND_SHIFT, 18, "session", 0x120, SESSION;
    /// Info objects.
    Info InfoHandle 9 << KIND_SHIFT, 18, "info object", 0x130, INFO;
    /// Error handlers.
    Errhandler ErrhandlerHandle 10 << KIND_SHIFT, 18, "error handler", 0x140, ERRHANDLER;
    /// Handles of the tool information interface. Its errors have codes of their own, which the caller chooses.
    Tool ToolHandle 12 << KIND_SHIFT, 18, "tool's handle", 0, ARG;
    /// Attribute keys; plain `int` in MPI's interface. The null is MPI_KEYVAL_INVALID.
    Keyval KeyvalHandle 11 << KIND_SHIFT, 18, "attribute key", 0, KEYVAL;
}

/// A virtual handle of one kind. Any 31-bit value can be one: [`crate::table::Table`] says whether it is alive.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent, bound = "")]
pub struct Handle<K> {
    word: u32,
    kind: PhantomData<K>,
}

impl<K: Kind> Handle<K> {
    /// The kind's null handle.
    pub const NULL: Self = Self::predefined(K::NULL);

    /// The predefined handle with this standard ABI value.
    ///
    /// # Panics
    /// If the value is not below 4096: for constants, checked when they are compiled.
    #[must_use]
    pub const fn predefined(value: u16) -> Self {
        assert!(
            (value as u32) < FIRST_USER_HANDLE,
            "predefined handles lie below 4096"
        );
        Self {
            word: value as u32,
            kind: PhantomData,
        }
    }

    /// Takes the value that the application passed.
    ///
    /// # Errors
    /// [`ObjectError::WrongHandle`] when the value cannot be a handle of this kind: out of the 31 bits, or tagged as
    /// another kind. Whether it is alive is the table's business.
    #[inline]
    pub fn from_word(word: u64) -> Result<Self, ObjectError> {
        match u32::try_from(word) {
            Ok(word) if word < FIRST_USER_HANDLE || Self::tagged(word) => Ok(Self {
                word,
                kind: PhantomData,
            }),
            _ => Err(Self::wrong(word)),
        }
    }

    #[cold]
    fn wrong(word: u64) -> ObjectError {
        let claimed = u32::try_from(word)
            .ok()
            .filter(|word| *word >> 31 == 0)
            .and_then(claimed_kind);
        ObjectError::WrongHandle {
            expected: K::NAME,
            word,
            claimed: claimed.unwrap_or("no handle"),
            class: K::ERROR,
        }
    }

    const fn tagged(word: u32) -> bool {
        let fixed = !((1 << (K::INDEX_BITS + GENERATION_MASK.count_ones())) - 1);
        word & fixed == K::BASE
    }

    /// The value that the application holds: below 2^31.
    #[inline]
    #[must_use]
    pub const fn word(self) -> u32 {
        self.word
    }

    /// Whether it is a predefined handle (the null handle is one), which is in no table.
    #[inline]
    #[must_use]
    pub const fn is_predefined(self) -> bool {
        self.word < FIRST_USER_HANDLE
    }

    /// Whether it is the kind's null handle.
    #[inline]
    #[must_use]
    pub const fn is_null(self) -> bool {
        self.word == K::NULL as u32
    }

    /// Puts a handle together; `index` must fit the kind's bits.
    pub(crate) const fn new(index: u32, generation: u8) -> Self {
        debug_assert!(index < 1 << K::INDEX_BITS);
        Self {
            word: K::BASE | (generation as u32) << K::INDEX_BITS | index,
            kind: PhantomData,
        }
    }

    /// Index and generation of a user handle; None for a predefined one or one of another kind.
    #[inline]
    #[must_use]
    pub const fn slot(self) -> Option<(usize, u8)> {
        if !Self::tagged(self.word) {
            return None;
        }
        let index = self.word & ((1 << K::INDEX_BITS) - 1);
        let generation = (self.word >> K::INDEX_BITS) & GENERATION_MASK;
        Some((index as usize, generation as u8))
    }
}

impl<K: Kind> fmt::Debug for Handle<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:#x}", K::NAME, self.word)
    }
}

impl<K: Kind> fmt::Display for Handle<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_handle_fits_fortran_and_is_no_predefined_one() {
        for handle in [
            CommHandle::new(0, 0).word(),
            RequestHandle::new((1 << 22) - 1, 255).word(),
        ] {
            assert!(
                (FIRST_USER_HANDLE..1 << 31).contains(&handle),
                "{handle:#x}"
            );
        }
    }

    #[test]
    fn another_kind_is_named_in_the_error() {
        let group = GroupHandle::new(7, 3);
        let error = CommHandle::from_word(u64::from(group.word())).unwrap_err();
        assert_eq!(error.class(), ErrorClass::COMM);
        assert!(error.to_string().contains("group"), "{error}");
    }

    #[test]
    fn a_pointer_is_no_handle() {
        assert!(CommHandle::from_word(0x2000_0000_1000).is_err());
        assert!(RequestHandle::from_word(1 << 31).is_err());
    }

    #[test]
    fn slot_gives_back_what_new_was_given() {
        assert_eq!(
            RequestHandle::new(4_000_000, 200).slot(),
            Some((4_000_000, 200))
        );
        assert_eq!(
            DatatypeHandle::new(262_143, 255).slot(),
            Some((262_143, 255))
        );
        assert_eq!(CommHandle::NULL.slot(), None);
    }
}
