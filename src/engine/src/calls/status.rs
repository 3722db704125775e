//! Statuses: their fields by function (MPI-5.0 sections 3.2.5 and 13.3), and counting what was received.

use mana_record_replay::datatype::Layout;
use mana_table::constants as mpi;

use crate::args::Args;
use crate::calls::layout_arg;
use crate::error::{Call, MpiError};
use crate::status::Completion;
use crate::wait;

/// The status behind argument 0.
fn status(a: &Args<'_>) -> Result<Completion, MpiError> {
    if a.is_null(0) {
        return Err(MpiError::argument("the status is MPI_STATUS_IGNORE"));
    }
    Ok(wait::read_status(a, 0, 0))
}

/// Changes the status behind argument 0.
fn change(a: &mut Args<'_>, change: impl FnOnce(&mut Completion)) -> Call {
    let mut changed = status(a)?;
    change(&mut changed);
    wait::write_status(a, 0, 0, &changed);
    Ok(())
}

/// `MPI_Get_elements(status, datatype, count)`: `MPI_UNDEFINED` where the bytes end within a basic element, or an
/// `int` cannot hold the number.
pub fn get_elements(a: &mut Args<'_>) -> Call {
    let bytes = status(a)?.count_bytes;
    let elements = layout_arg(a, 1)?.elements_in(u64::try_from(bytes).unwrap_or(0));
    let fits = |elements: &i64| a.is_wide(2) || i32::try_from(*elements).is_ok();
    let reported = elements
        .filter(fits)
        .unwrap_or(i64::from(mpi::MPI_UNDEFINED));
    a.set_int(2, reported);
    Ok(())
}

/// `MPI_Get_elements_x(status, datatype, count)`.
pub fn get_elements_x(a: &mut Args<'_>) -> Call {
    get_elements(a)
}

/// `MPI_Status_set_elements(status, datatype, count)`.
pub fn status_set_elements(a: &mut Args<'_>) -> Call {
    let bytes = bytes_of(&layout_arg(a, 1)?, a.count(2))?;
    change(a, |status| status.count_bytes = bytes)
}

/// `MPI_Status_set_elements_x(status, datatype, count)`.
pub fn status_set_elements_x(a: &mut Args<'_>) -> Call {
    status_set_elements(a)
}

/// The bytes that make `MPI_Get_elements` say `elements`.
fn bytes_of(layout: &Layout, elements: i64) -> Result<i64, MpiError> {
    let bytes = if elements < 0 {
        None
    } else {
        layout.bytes_of_elements(elements)
    };
    bytes
        .and_then(|bytes| i64::try_from(bytes).ok())
        .ok_or_else(|| {
            MpiError::new(
                mpi::MPI_ERR_COUNT,
                format!("no message has {elements} basic elements of this datatype"),
            )
        })
}

/// `MPI_Status_set_cancelled(status, flag)`.
pub fn status_set_cancelled(a: &mut Args<'_>) -> Call {
    let cancelled = a.int(1) != 0;
    change(a, |status| status.cancelled = cancelled)
}

/// `MPI_Status_set_source(status, source)`.
pub fn status_set_source(a: &mut Args<'_>) -> Call {
    let source = a.int(1);
    change(a, |status| status.source = source)
}

/// `MPI_Status_set_tag(status, tag)`.
pub fn status_set_tag(a: &mut Args<'_>) -> Call {
    let tag = a.int(1);
    change(a, |status| status.tag = tag)
}

/// `MPI_Status_set_error(status, err)`.
pub fn status_set_error(a: &mut Args<'_>) -> Call {
    let error = a.int(1);
    change(a, |status| status.error = error)
}

/// `MPI_Status_get_source(status, source)`.
pub fn status_get_source(a: &mut Args<'_>) -> Call {
    let source = status(a)?.source;
    a.set_int(1, i64::from(source));
    Ok(())
}

/// `MPI_Status_get_tag(status, tag)`.
pub fn status_get_tag(a: &mut Args<'_>) -> Call {
    let tag = status(a)?.tag;
    a.set_int(1, i64::from(tag));
    Ok(())
}

/// `MPI_Status_get_error(status, err)`.
pub fn status_get_error(a: &mut Args<'_>) -> Call {
    let error = status(a)?.error;
    a.set_int(1, i64::from(error));
    Ok(())
}
