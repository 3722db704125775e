//! A call of a datatype constructor below, in its plain or its large-count form.
//!
//! ```text
//!   Recipe { plain, large, arguments } --all counts fit int?--> plain(int …, MPI_Aint …)
//!                                      --else---------------->  large(MPI_Count …, MPI_Count …)
//! ```

use mana_native::Native;
use mana_table::FnId;
use mana_table::constants as mpi;

use crate::error::MpiError;
use crate::native_call;

/// An argument of a constructor.
pub enum Argument {
    /// `int` in both forms.
    Int(i32),
    /// An array of `int` in both forms.
    Ints(Vec<i32>),
    /// `int`, in the large form `MPI_Count`.
    Count(i64),
    /// An array of those.
    Counts(Vec<i64>),
    /// `MPI_Aint`, in the large form `MPI_Count`: 64 bits in both.
    Address(i64),
    /// An array of those.
    Addresses(Vec<i64>),
    /// A native datatype.
    Type(u64),
    /// An array of native datatypes, as the library's ABI lays it out.
    Types(Vec<u64>),
}

/// A constructor below: its plain and its large form, and their arguments.
pub struct Recipe {
    /// The function whose counts are `int`s.
    pub plain: FnId,
    /// The `_c` function.
    pub large: FnId,
    /// The arguments before the new type.
    pub arguments: Vec<Argument>,
}

impl Recipe {
    /// Whether all counts fit an `int`.
    fn fits_int(&self) -> bool {
        self.arguments.iter().all(Argument::fits_int)
    }

    /// Whether the library has a form of the function that can take the arguments.
    pub fn is_callable(&self, native: &Native) -> bool {
        self.fits_int() || native.has(self.large)
    }

    /// Calls the plain form if all counts fit it, else the large one; returns the new type.
    pub fn call(&self, native: &Native) -> Result<u64, MpiError> {
        let large = !self.fits_int();
        let function = if large { self.large } else { self.plain };
        if !self.is_callable(native) {
            return Err(MpiError::new(
                mpi::MPI_ERR_COUNT,
                format!(
                    "a count does not fit an int, and the MPI library below has no {}",
                    function.name()
                ),
            ));
        }
        let mut made = 0_u64;
        let arrays: Vec<Vec<u64>> = self
            .arguments
            .iter()
            .map(|argument| argument.array(large))
            .collect();
        let mut words: Vec<u64> = self
            .arguments
            .iter()
            .zip(&arrays)
            .map(|(argument, array)| argument.word(array))
            .collect();
        words.push(native_call::out(&mut made));
        native_call::call(native, function, &words)?;
        Ok(made)
    }
}

impl Argument {
    /// Whether the plain form of the function can take it.
    fn fits_int(&self) -> bool {
        let fits = |value: &i64| i32::try_from(*value).is_ok();
        match self {
            Self::Count(value) => fits(value),
            Self::Counts(values) => values.iter().all(fits),
            _ => true,
        }
    }

    /// The elements of an array argument as the function reads them; empty for a scalar.
    fn array(&self, large: bool) -> Vec<u64> {
        match self {
            Self::Ints(values) => narrow(values.iter().copied()),
            Self::Counts(values) if !large => narrow(values.iter().map(|value| *value as i32)),
            Self::Counts(values) | Self::Addresses(values) => {
                values.iter().map(|value| *value as u64).collect()
            }
            Self::Types(handles) => handles.clone(),
            Self::Int(_) | Self::Count(_) | Self::Address(_) | Self::Type(_) => Vec::new(),
        }
    }

    /// The argument word; `array` is where the elements lie.
    fn word(&self, array: &[u64]) -> u64 {
        match self {
            Self::Int(value) => mana_native::int(*value),
            Self::Count(value) | Self::Address(value) => *value as u64,
            Self::Type(handle) => *handle,
            Self::Ints(_) | Self::Counts(_) | Self::Addresses(_) | Self::Types(_) => {
                array.as_ptr() as u64
            }
        }
    }
}

/// An array of `int`, two in a word.
fn narrow(values: impl Iterator<Item = i32>) -> Vec<u64> {
    let halves: Vec<u64> = values.map(|value| u64::from(value as u32)).collect();
    halves
        .chunks(2)
        .map(|pair| pair[0] | pair.get(1).map_or(0, |second| second << 32))
        .collect()
}
