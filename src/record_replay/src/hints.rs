//! Hints of communicators and windows: which are known, and what holds where none was given (MPI-5.0 sections 7.4.4 and
//! 12.2.1).
//!
//! ```text
//!   given by the application --take_over--> kept with the object: known keys with values that mean something
//!   kept                     --in_use-----> what MPI_Comm_get_info and MPI_Win_get_info tell: defaults, then what is kept
//! ```
//!
//! A hint that is not known is ignored, and so it is not among those that the standard wants told as being in use.

use std::ffi::CStr;

use crate::error::ObjectError;
use crate::info::Info;

/// What a hint's value may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Values {
    /// `true` or `false`.
    Boolean,
    /// One of these.
    OneOf(&'static [&'static CStr]),
    /// Any text.
    Any,
}

/// A hint: its key, its default if it has one, and its values.
type Hint = (&'static CStr, Option<&'static CStr>, Values);

/// The hints of a kind of object.
#[derive(Clone, Copy, Debug)]
pub struct Hints(&'static [Hint]);

const FALSE: Option<&CStr> = Some(c"false");

/// Those of communicators.
pub const COMM: Hints = Hints(&[
    (c"mpi_assert_no_any_tag", FALSE, Values::Boolean),
    (c"mpi_assert_no_any_source", FALSE, Values::Boolean),
    (c"mpi_assert_exact_length", FALSE, Values::Boolean),
    (c"mpi_assert_allow_overtaking", FALSE, Values::Boolean),
    (
        c"mpi_assert_strict_persistent_collective_ordering",
        FALSE,
        Values::Boolean,
    ),
    (c"mpi_assert_memory_alloc_kinds", None, Values::Any),
]);

/// Those of windows.
pub const WIN: Hints = Hints(&[
    (c"no_locks", FALSE, Values::Boolean),
    (
        c"accumulate_ordering",
        Some(c"rar,raw,war,waw"),
        Values::Any,
    ),
    (
        c"accumulate_ops",
        Some(c"same_op_no_op"),
        Values::OneOf(&[c"same_op", c"same_op_no_op"]),
    ),
    (c"mpi_accumulate_granularity", Some(c"0"), Values::Any),
    (c"same_size", FALSE, Values::Boolean),
    (c"same_disp_unit", FALSE, Values::Boolean),
    (c"alloc_shared_noncontig", FALSE, Values::Boolean),
    (c"mpi_assert_memory_alloc_kinds", None, Values::Any),
]);

impl Hints {
    /// Puts those of `given` that are known into `kept`.
    ///
    /// # Errors
    /// None that can happen: what is in an info object fits into another one.
    pub fn take_over(&self, kept: &mut Info, given: &Info) -> Result<(), ObjectError> {
        for (key, value) in given.iter() {
            let known = self.0.iter().find(|(known, ..)| *known == key);
            if known.is_some_and(|(.., values)| values.have(value)) {
                kept.set(key, value)?;
            }
        }
        Ok(())
    }

    /// All that hold for an object with the hints `kept`.
    ///
    /// # Errors
    /// None that can happen: keys and values here are short.
    pub fn in_use(&self, kept: &Info) -> Result<Info, ObjectError> {
        let mut all = Info::default();
        for (key, default, _) in self.0 {
            if let Some(value) = default {
                all.set(key, value)?;
            }
        }
        for (key, value) in kept.iter() {
            all.set(key, value)?;
        }
        Ok(all)
    }
}

impl Values {
    fn have(self, value: &CStr) -> bool {
        match self {
            Self::Boolean => value == c"true" || value == c"false",
            Self::OneOf(values) => values.contains(&value),
            Self::Any => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_hints_and_values_without_meaning_are_ignored() {
        let mut given = Info::default();
        given.set(c"no_locks", c"true").unwrap();
        given.set(c"colour", c"red").unwrap();
        given.set(c"same_size", c"perhaps").unwrap();
        given.set(c"accumulate_ops", c"same_op").unwrap();
        let mut kept = Info::default();
        WIN.take_over(&mut kept, &given).unwrap();
        let pairs: Vec<_> = kept.iter().collect();
        assert_eq!(
            pairs,
            [(c"no_locks", c"true"), (c"accumulate_ops", c"same_op")]
        );
    }

    #[test]
    fn what_nobody_gave_has_its_default() {
        let mut kept = Info::default();
        kept.set(c"no_locks", c"true").unwrap();
        let used = WIN.in_use(&kept).unwrap();
        assert_eq!(used.get(c"no_locks"), Ok(Some(c"true")));
        assert_eq!(
            used.get(c"accumulate_ordering"),
            Ok(Some(c"rar,raw,war,waw"))
        );
        assert_eq!(used.get(c"mpi_assert_memory_alloc_kinds"), Ok(None));
        let used = COMM.in_use(&Info::default()).unwrap();
        assert_eq!(used.get(c"mpi_assert_no_any_tag"), Ok(Some(c"false")));
    }
}
