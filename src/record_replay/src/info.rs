//! Info objects: an ordered list of (key, value) strings (MPI 4.1 chapter 10).

use std::ffi::{CStr, CString};

use serde::{Deserialize, Serialize};

use crate::abi::{MAX_INFO_KEY, MAX_INFO_VAL};
use crate::error::ObjectError;
use crate::handle::InfoHandle;

/// The predefined info object that tells how the program was started.
pub const INFO_ENV: InfoHandle = InfoHandle::predefined(0x131);

/// An info object. Keys keep the order in which they were first set, which is what `MPI_Info_get_nthkey` counts.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Info {
    pairs: Vec<(CString, CString)>,
}

impl Info {
    /// `MPI_Info_set`: adds the key or replaces its value.
    ///
    /// # Errors
    /// [`ObjectError::InfoKey`], [`ObjectError::InfoValue`] for strings that are empty or too long.
    pub fn set(&mut self, key: &CStr, value: &CStr) -> Result<(), ObjectError> {
        check_key(key)?;
        let length = value.count_bytes();
        if length >= MAX_INFO_VAL {
            return Err(ObjectError::InfoValue {
                length,
                limit: MAX_INFO_VAL - 1,
            });
        }
        match self
            .pairs
            .iter_mut()
            .find(|(existing, _)| existing.as_c_str() == key)
        {
            Some((_, old)) => *old = value.to_owned(),
            None => self.pairs.push((key.to_owned(), value.to_owned())),
        }
        Ok(())
    }

    /// The key's value, for `MPI_Info_get`, `_get_string` and `_get_valuelen`.
    ///
    /// # Errors
    /// [`ObjectError::InfoKey`] for a key that cannot be one.
    pub fn get(&self, key: &CStr) -> Result<Option<&CStr>, ObjectError> {
        check_key(key)?;
        Ok(self
            .pairs
            .iter()
            .find(|(existing, _)| existing.as_c_str() == key)
            .map(|(_, value)| value.as_c_str()))
    }

    /// `MPI_Info_delete`.
    ///
    /// # Errors
    /// [`ObjectError::InfoNoKey`] when the key is not there, [`ObjectError::InfoKey`] when it cannot be one.
    pub fn delete(&mut self, key: &CStr) -> Result<(), ObjectError> {
        check_key(key)?;
        let found = self
            .pairs
            .iter()
            .position(|(existing, _)| existing.as_c_str() == key);
        let index = found.ok_or_else(|| ObjectError::InfoNoKey {
            key: key.to_string_lossy().into_owned(),
        })?;
        self.pairs.remove(index);
        Ok(())
    }

    /// `MPI_Info_get_nkeys`.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether it has no keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// `MPI_Info_get_nthkey`.
    ///
    /// # Errors
    /// [`ObjectError::Argument`] when there is no n-th key.
    pub fn nth_key(&self, n: i32) -> Result<&CStr, ObjectError> {
        let pair = usize::try_from(n)
            .ok()
            .and_then(|index| self.pairs.get(index));
        let allowed = "0 up to the number of keys less one is allowed";
        pair.map(|(key, _)| key.as_c_str())
            .ok_or(ObjectError::Argument {
                argument: "n",
                value: n.into(),
                allowed,
            })
    }

    /// All pairs in order.
    pub fn iter(&self) -> impl Iterator<Item = (&CStr, &CStr)> {
        self.pairs
            .iter()
            .map(|(key, value)| (key.as_c_str(), value.as_c_str()))
    }
}

fn check_key(key: &CStr) -> Result<(), ObjectError> {
    let length = key.count_bytes();
    if (1..MAX_INFO_KEY).contains(&length) {
        return Ok(());
    }
    Err(ObjectError::InfoKey {
        length,
        limit: MAX_INFO_KEY - 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_class::ErrorClass;

    fn long(length: usize) -> CString {
        CString::new(vec![b'k'; length]).unwrap()
    }

    #[test]
    fn a_key_set_again_keeps_its_place() {
        let mut info = Info::default();
        info.set(c"a", c"1").unwrap();
        info.set(c"b", c"2").unwrap();
        info.set(c"a", c"3").unwrap();
        assert_eq!(
            info.iter().collect::<Vec<_>>(),
            [(c"a", c"3"), (c"b", c"2")]
        );
        assert_eq!(info.nth_key(1), Ok(c"b"));
        assert_eq!(info.nth_key(2).unwrap_err().class(), ErrorClass::ARG);
        assert_eq!(info.nth_key(-1).unwrap_err().class(), ErrorClass::ARG);
    }

    #[test]
    fn limits_are_those_of_the_standard_abi() {
        let mut info = Info::default();
        info.set(&long(255), &long(1023)).unwrap();
        assert_eq!(
            info.set(&long(256), c"").unwrap_err().class(),
            ErrorClass::INFO_KEY
        );
        assert_eq!(
            info.set(c"", c"").unwrap_err().class(),
            ErrorClass::INFO_KEY
        );
        assert_eq!(
            info.set(c"k", &long(1024)).unwrap_err().class(),
            ErrorClass::INFO_VALUE
        );
    }

    #[test]
    fn what_is_not_there_cannot_be_deleted() {
        let mut info = Info::default();
        info.set(c"a", c"").unwrap();
        info.delete(c"a").unwrap();
        assert_eq!(
            info.delete(c"a").unwrap_err().class(),
            ErrorClass::INFO_NOKEY
        );
        assert_eq!(info.get(c"a"), Ok(None));
    }
}
