//! Fortran's types by precision and range (MPI 4.1 section 19.1.9), resolved as gfortran's `selected_real_kind` and
//! `selected_int_kind` do on x86-64.

use crate::abi::{TYPECLASS_COMPLEX, TYPECLASS_INTEGER, TYPECLASS_REAL, UNDEFINED};
use crate::error::ObjectError;
use crate::handle::DatatypeHandle;

/// (decimal digits, decimal exponent range, real type, complex type) of gfortran's real kinds 4, 8, 10 and 16. Kind 10 is
/// the 80-bit format in 16 bytes, C's `long double`.
const REALS: [(i32, i32, u16, u16); 4] = [
    (6, 37, 0x2d2, 0x2db),
    (15, 307, 0x2da, 0x2e3),
    (18, 4931, 0x220, 0x224),
    (33, 4931, 0x2e2, 0x2eb),
];

/// (decimal range, type) of the integer kinds 1, 2, 4, 8 and 16.
const INTEGERS: [(i32, u16); 5] = [(2, 0x2c1), (4, 0x2c9), (9, 0x2d1), (18, 0x2d9), (38, 0x2e1)];

/// The real type with at least this precision and range, either of which may be MPI_UNDEFINED.
pub(super) fn real(precision: i32, range: i32) -> Result<DatatypeHandle, ObjectError> {
    find_real(precision, range).map(|(_, _, real, _)| DatatypeHandle::predefined(real))
}

/// The complex type of such reals.
pub(super) fn complex(precision: i32, range: i32) -> Result<DatatypeHandle, ObjectError> {
    find_real(precision, range).map(|(_, _, _, complex)| DatatypeHandle::predefined(complex))
}

fn find_real(precision: i32, range: i32) -> Result<(i32, i32, u16, u16), ObjectError> {
    let wanted = |value: i32| if value == UNDEFINED { 0 } else { value };
    if precision == UNDEFINED && range == UNDEFINED {
        let allowed = "the precision or the range must be given";
        return Err(ObjectError::Argument {
            argument: "precision",
            value: i64::from(precision),
            allowed,
        });
    }
    let fits = |row: &&(i32, i32, u16, u16)| row.0 >= wanted(precision) && row.1 >= wanted(range);
    let allowed = "no real has this precision (at most 33 digits) and range (at most 4931)";
    let found = REALS.iter().find(fits).copied();
    found.ok_or(ObjectError::Argument {
        argument: "precision or range",
        value: i64::from(precision),
        allowed,
    })
}

/// The integer type that holds all numbers of `range` decimal digits.
pub(super) fn integer(range: i32) -> Result<DatatypeHandle, ObjectError> {
    let found = INTEGERS
        .iter()
        .find(|(digits, _)| *digits >= range)
        .map(|(_, value)| *value);
    let allowed = "no integer has more than 38 digits";
    let found = found.ok_or(ObjectError::Argument {
        argument: "range",
        value: i64::from(range),
        allowed,
    });
    found.map(DatatypeHandle::predefined)
}

/// `MPI_Type_match_size`: the Fortran type of a class (MPI_TYPECLASS_*) and size in bytes.
///
/// # Errors
/// [`ObjectError::Argument`] when there is none.
pub fn match_size(typeclass: i32, size_bytes: i32) -> Result<DatatypeHandle, ObjectError> {
    let value = match (typeclass, size_bytes) {
        (TYPECLASS_INTEGER, 1) => 0x2c1,
        (TYPECLASS_INTEGER, 2) => 0x2c9,
        (TYPECLASS_INTEGER, 4) => 0x2d1,
        (TYPECLASS_INTEGER, 8) => 0x2d9,
        (TYPECLASS_INTEGER, 16) => 0x2e1,
        (TYPECLASS_REAL, 2) => 0x2ca,
        (TYPECLASS_REAL, 4) => 0x2d2,
        (TYPECLASS_REAL, 8) => 0x2da,
        (TYPECLASS_REAL, 16) => 0x2e2,
        (TYPECLASS_COMPLEX, 4) => 0x2d3,
        (TYPECLASS_COMPLEX, 8) => 0x2db,
        (TYPECLASS_COMPLEX, 16) => 0x2e3,
        (TYPECLASS_COMPLEX, 32) => 0x2eb,
        _ => {
            let allowed = "MPI has no such type of this size";
            return Err(ObjectError::Argument {
                argument: "typeclass or size",
                value: i64::from(size_bytes),
                allowed,
            });
        }
    };
    Ok(DatatypeHandle::predefined(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datatype::predefined;

    #[test]
    fn kinds_are_those_of_gfortran() {
        let size = |handle: DatatypeHandle| predefined(handle).unwrap().size_bytes;
        assert_eq!(
            [6, 7, 15].map(|digits| size(real(digits, UNDEFINED).unwrap())),
            [4, 8, 8]
        );
        assert_eq!(
            predefined(real(16, UNDEFINED).unwrap()).unwrap().name,
            "MPI_LONG_DOUBLE"
        );
        assert_eq!(
            predefined(real(UNDEFINED, 4000).unwrap()).unwrap().name,
            "MPI_LONG_DOUBLE"
        );
        assert_eq!(
            predefined(complex(19, UNDEFINED).unwrap()).unwrap().name,
            "MPI_COMPLEX32"
        );
        assert_eq!(
            [0, 2, 3, 9, 18, 38].map(|digits| size(integer(digits).unwrap())),
            [1, 1, 2, 4, 8, 16]
        );
        assert!(
            real(34, UNDEFINED).is_err()
                && real(UNDEFINED, UNDEFINED).is_err()
                && integer(39).is_err()
        );
    }

    #[test]
    fn sizes_match() {
        for typeclass in [TYPECLASS_INTEGER, TYPECLASS_REAL, TYPECLASS_COMPLEX] {
            for size in 0..40 {
                if let Ok(handle) = match_size(typeclass, size) {
                    assert_eq!(i32::from(predefined(handle).unwrap().size_bytes), size);
                }
            }
        }
    }
}
