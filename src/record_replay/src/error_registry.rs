//! Error classes, codes and strings that the application adds (MPI 4.1 section 9.5).
//!
//! ```text
//!   0 ..= 0x3fff            predefined classes, each also a code
//!   0x4000 ..= last_used    what the application added: a class (its own class) or a code of some class
//! ```
//!
//! Numbers only grow, so one that was removed is never another's afterwards. `last_used` is the value of the attribute
//! MPI_LASTUSEDCODE.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};

use serde::{Deserialize, Serialize};

use crate::abi::{ERR_LASTCODE, MAX_ERROR_STRING};
use crate::error::ObjectError;
use crate::error_class::ErrorClass;

/// What the application added.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ErrorRegistry {
    last_used: i32,
    codes: BTreeMap<i32, Added>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Added {
    /// The code's class; a class is its own.
    class: ErrorClass,
    text: Option<CString>,
}

impl Default for ErrorRegistry {
    fn default() -> Self {
        Self {
            last_used: ERR_LASTCODE,
            codes: BTreeMap::new(),
        }
    }
}

impl ErrorRegistry {
    /// `MPI_Add_error_class`.
    pub fn add_class(&mut self) -> ErrorClass {
        let class = ErrorClass(self.next());
        self.codes.insert(class.0, Added { class, text: None });
        class
    }

    /// `MPI_Add_error_code`: a code of a predefined or an added class.
    ///
    /// # Errors
    /// [`ObjectError::ErrorCode`] when there is no such class.
    pub fn add_code(&mut self, class: ErrorClass) -> Result<i32, ObjectError> {
        if !self.is_class(class) {
            return Err(ObjectError::ErrorCode {
                code: class.0,
                problem: "is no error class",
            });
        }
        let code = self.next();
        self.codes.insert(code, Added { class, text: None });
        Ok(code)
    }

    fn next(&mut self) -> i32 {
        self.last_used += 1;
        self.last_used
    }

    /// `MPI_Add_error_string`: sets or replaces the text of an added class or code; longer text is cut.
    ///
    /// # Errors
    /// [`ObjectError::ErrorCode`] when the number is predefined or unknown.
    pub fn add_string(&mut self, code: i32, text: &CStr) -> Result<(), ObjectError> {
        let bytes = text.to_bytes();
        let kept = bytes[..bytes.len().min(MAX_ERROR_STRING - 1)].to_vec();
        self.added(code)?.text = CString::new(kept).ok();
        Ok(())
    }

    /// `MPI_Remove_error_class` (MPI 4.1).
    ///
    /// # Errors
    /// [`ObjectError::ErrorCode`] when it is no added class, or still has codes or a string.
    pub fn remove_class(&mut self, class: ErrorClass) -> Result<(), ObjectError> {
        if self.added(class.0)?.class != class {
            return Err(ObjectError::ErrorCode {
                code: class.0,
                problem: "is a code, not a class",
            });
        }
        let has_codes = self
            .codes
            .iter()
            .any(|(code, added)| *code != class.0 && added.class == class);
        if has_codes {
            return Err(ObjectError::ErrorCode {
                code: class.0,
                problem: "still has error codes; remove them first",
            });
        }
        self.remove(class.0)
    }

    /// `MPI_Remove_error_code` (MPI 4.1).
    ///
    /// # Errors
    /// [`ObjectError::ErrorCode`] when it is no added code, or still has a string.
    pub fn remove_code(&mut self, code: i32) -> Result<(), ObjectError> {
        if self.added(code)?.class.0 == code {
            return Err(ObjectError::ErrorCode {
                code,
                problem: "is a class, not a code",
            });
        }
        self.remove(code)
    }

    fn remove(&mut self, code: i32) -> Result<(), ObjectError> {
        if self.added(code)?.text.is_some() {
            return Err(ObjectError::ErrorCode {
                code,
                problem: "still has an error string; remove it first",
            });
        }
        self.codes.remove(&code);
        Ok(())
    }

    /// `MPI_Remove_error_string` (MPI 4.1).
    ///
    /// # Errors
    /// [`ObjectError::ErrorCode`] when the number was not added or has no string.
    pub fn remove_string(&mut self, code: i32) -> Result<(), ObjectError> {
        let text = self.added(code)?.text.take();
        text.map(drop).ok_or(ObjectError::ErrorCode {
            code,
            problem: "has no error string",
        })
    }

    fn added(&mut self, code: i32) -> Result<&mut Added, ObjectError> {
        let problem = if (0..=ERR_LASTCODE).contains(&code) {
            "is predefined"
        } else {
            "was not added"
        };
        self.codes
            .get_mut(&code)
            .ok_or(ObjectError::ErrorCode { code, problem })
    }

    /// `MPI_Error_class`.
    ///
    /// # Errors
    /// [`ObjectError::ErrorCode`] for a number that is no code.
    pub fn class_of(&self, code: i32) -> Result<ErrorClass, ObjectError> {
        if ErrorClass(code).predefined().is_some() {
            return Ok(ErrorClass(code));
        }
        let added = self.codes.get(&code);
        added
            .map(|added| added.class)
            .ok_or(ObjectError::ErrorCode {
                code,
                problem: "is no error code",
            })
    }

    /// `MPI_Error_string`: an added number without a string has the empty one (MPI 4.1 section 9.5).
    ///
    /// # Errors
    /// [`ObjectError::ErrorCode`] for a number that is no code.
    pub fn string_of(&self, code: i32) -> Result<CString, ObjectError> {
        if let Some(row) = ErrorClass(code).predefined() {
            let text = format!("{}: {}", row.name, row.text);
            return Ok(CString::new(text).unwrap_or_default());
        }
        let added = self.codes.get(&code).ok_or(ObjectError::ErrorCode {
            code,
            problem: "is no error code",
        })?;
        Ok(added.text.clone().unwrap_or_default())
    }

    /// The value of the attribute MPI_LASTUSEDCODE.
    #[must_use]
    pub fn last_used_code(&self) -> i32 {
        self.last_used
    }

    fn is_class(&self, class: ErrorClass) -> bool {
        class.predefined().is_some()
            || self
                .codes
                .get(&class.0)
                .is_some_and(|added| added.class == class)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn added_numbers_lie_above_the_predefined_and_have_their_class() {
        let mut registry = ErrorRegistry::default();
        let class = registry.add_class();
        let code = registry.add_code(class).unwrap();
        let of_predefined = registry.add_code(ErrorClass::TRUNCATE).unwrap();
        assert!(class.0 > ERR_LASTCODE);
        assert_eq!(registry.class_of(code), Ok(class));
        assert_eq!(registry.class_of(of_predefined), Ok(ErrorClass::TRUNCATE));
        assert_eq!(registry.last_used_code(), of_predefined);
        assert!(registry.add_code(ErrorClass(code)).is_err());
    }

    #[test]
    fn strings_are_empty_until_set_and_cut_when_long() {
        let mut registry = ErrorRegistry::default();
        let code = registry.add_code(ErrorClass::OTHER).unwrap();
        assert_eq!(registry.string_of(code).unwrap().to_bytes(), b"");
        registry
            .add_string(code, &CString::new(vec![b'x'; 2000]).unwrap())
            .unwrap();
        assert_eq!(
            registry.string_of(code).unwrap().to_bytes().len(),
            MAX_ERROR_STRING - 1
        );
        assert!(registry.add_string(ErrorClass::RANK.0, c"no").is_err());
        assert!(
            registry
                .string_of(ErrorClass::RANK.0)
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with("MPI_ERR_RANK")
        );
    }

    #[test]
    fn a_class_is_removed_after_its_codes_and_strings() {
        let mut registry = ErrorRegistry::default();
        let class = registry.add_class();
        let code = registry.add_code(class).unwrap();
        registry.add_string(code, c"text").unwrap();
        assert!(registry.remove_class(class).is_err());
        assert!(registry.remove_code(code).is_err());
        registry.remove_string(code).unwrap();
        assert!(registry.remove_string(code).is_err());
        assert!(registry.remove_code(class.0).is_err());
        registry.remove_code(code).unwrap();
        registry.remove_class(class).unwrap();
        assert!(registry.class_of(class.0).is_err());
        assert!(registry.add_class() > class);
    }
}
