//! How a datatype was made (MPI-5.0 section 5.1.13).
//!
//! ```text
//!                     counts reported by                     arrays filled by
//!   plain    integers, addresses, types            the same three
//!   large    integers, addresses, large counts, types        (the `_c` functions, which take every type)
//! ```

use mana_record_replay::datatype::Envelope;
use mana_table::constants as mpi;

use crate::args::Args;
use crate::calls::type_arg;
use crate::engine::state;
use crate::error::{Call, MpiError};

/// Whether the call is one of a `_c` function.
fn is_large(a: &Args<'_>) -> bool {
    a.row().name.ends_with("_c")
}

/// The envelope of the datatype in argument 0; the plain functions cannot tell about a type with large counts.
fn envelope(a: &Args<'_>) -> Result<Envelope, MpiError> {
    let envelope = state().objects.datatypes.envelope(type_arg(a, 0)?)?;
    if envelope.large_counts > 0 && !is_large(a) {
        return Err(MpiError::new(
            mpi::MPI_ERR_TYPE,
            format!(
                "a large-count function made the datatype: ask {}_c",
                a.row().name
            ),
        ));
    }
    Ok(envelope)
}

/// The lengths of the arrays, in the order of the parameters.
fn lengths(a: &Args<'_>, envelope: &Envelope) -> Vec<usize> {
    if is_large(a) {
        vec![
            envelope.integers,
            envelope.addresses,
            envelope.large_counts,
            envelope.datatypes,
        ]
    } else {
        vec![envelope.integers, envelope.addresses, envelope.datatypes]
    }
}

/// `MPI_Type_get_envelope(datatype, num_integers, num_addresses, [num_large_counts,] num_datatypes, combiner)`.
pub fn type_get_envelope(a: &mut Args<'_>) -> Call {
    let envelope = envelope(a)?;
    let lengths = lengths(a, &envelope);
    for (i, len) in (1..).zip(&lengths) {
        a.set_int(i, *len as i64);
    }
    a.set_int(1 + lengths.len(), i64::from(envelope.combiner.to_abi()));
    Ok(())
}

/// `MPI_Type_get_contents(datatype, max_…, array_of_…)`. Derived types among the contents are handed out as references
/// that the application frees.
pub fn type_get_contents(a: &mut Args<'_>) -> Call {
    let lengths = lengths(a, &envelope(a)?);
    for (i, len) in (1..).zip(&lengths) {
        if a.count(i) < *len as i64 {
            let (name, given) = (a.row().params[i].name, a.count(i));
            return Err(MpiError::argument(format!(
                "{name} is {given}, but the datatype has {len}"
            )));
        }
    }
    let contents = state().objects.datatypes.contents(type_arg(a, 0)?)?;
    let first = 1 + lengths.len();
    set_ints(
        a,
        first,
        contents.integers.iter().map(|value| i64::from(*value)),
    );
    set_ints(a, first + 1, contents.addresses);
    if is_large(a) {
        set_ints(a, first + 2, contents.large_counts);
    }
    for (at, datatype) in contents.datatypes.iter().enumerate() {
        a.set_handle_at(first + lengths.len() - 1, at, u64::from(datatype.word()));
    }
    Ok(())
}

/// Writes the array behind argument `i`.
fn set_ints(a: &mut Args<'_>, i: usize, values: impl IntoIterator<Item = i64>) {
    for (at, value) in values.into_iter().enumerate() {
        a.set_int_at(i, at, value);
    }
}
