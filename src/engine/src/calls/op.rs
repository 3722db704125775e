//! Reduction operations of the application, and the one reduction that is local.

use mana_record_replay::handle::OpHandle;
use mana_record_replay::op::predefined_op;
use mana_table::constants as mpi;
use mana_table::fns;

use crate::args::Args;
use crate::engine::{native, state};
use crate::error::{Call, MpiError};
use crate::translate::buffer;
use crate::{native_call, ops, p2p};

/// `MPI_Op_create(user_fn, commute, op)`.
pub fn op_create(a: &mut Args<'_>) -> Call {
    if a.is_null(0) {
        return Err(MpiError::argument("user_fn is a null pointer"));
    }
    let made = ops::create(a.raw(0), a.int(1) != 0, a.row().name.ends_with("_c"))?;
    a.set_handle(2, made);
    Ok(())
}

/// `MPI_Op_free(op)`.
pub fn op_free(a: &mut Args<'_>) -> Call {
    let op = OpHandle::from_word(a.handle_at(0, 0))?;
    if predefined_op(op).is_some() {
        return Err(MpiError::new(
            mpi::MPI_ERR_OP,
            "a predefined operation cannot be freed",
        ));
    }
    ops::free(op)?;
    a.set_handle(0, mpi::MPI_OP_NULL);
    Ok(())
}

/// `MPI_Op_commutative(op, commute)`: every predefined operation commutes.
pub fn op_commutative(a: &mut Args<'_>) -> Call {
    let op = OpHandle::from_word(a.raw(0))?;
    let commutes = predefined_op(op).is_some() || state().objects.ops.require(op)?.commutes;
    a.set_flag(1, commutes);
    Ok(())
}

/// `MPI_Reduce_local(inbuf, inoutbuf, count, datatype, op)`.
pub fn reduce_local(a: &mut Args<'_>) -> Call {
    let op = OpHandle::from_word(a.raw(4))?;
    if predefined_op(op).is_none() {
        state().objects.ops.require(op)?;
    }
    let datatype = p2p::datatype(a.raw(3))?;
    let count = a.count(2);
    if count < 0 {
        return Err(MpiError::new(
            mpi::MPI_ERR_COUNT,
            format!("count {count} is negative"),
        ));
    }
    let native = native()?;
    let function = if i32::try_from(count).is_ok() {
        fns::MPI_REDUCE_LOCAL
    } else {
        fns::MPI_REDUCE_LOCAL_C
    };
    native_call::call(
        native,
        function,
        &[
            buffer(native, a.raw(0)),
            buffer(native, a.raw(1)),
            count as u64,
            datatype.native(),
            ops::native_op(native, a.raw(4)),
        ],
    )
}
