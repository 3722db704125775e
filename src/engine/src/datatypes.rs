//! Native counterparts of derived datatypes.
//!
//! ```text
//!   application's constructor -> Datatypes (saved) --native_type--> native type --publish--> hot paths
//!                                      ^                  ^
//!                                  restart: all again, oldest first, so that a type's parts are there before it
//! ```
//!
//! A type that the application has freed stays, here and below, while another type or a pending request uses it.

use std::sync::Arc;

use mana_native::Native;
use mana_record_replay::datatype::{Constructor, Datatype, Layout, Released};
use mana_record_replay::handle::DatatypeHandle;
use mana_table::constants as mpi;
use mana_table::fns;

use crate::engine::{native, state};
use crate::error::MpiError;
use crate::{native_call, native_type, publish};

/// What the native type of a datatype is made from.
struct Plan {
    constructor: Constructor,
    layout: Arc<Layout>,
    committed: bool,
}

impl From<&Datatype> for Plan {
    fn from(datatype: &Datatype) -> Self {
        Self {
            constructor: datatype.constructor().clone(),
            layout: Arc::clone(datatype.layout()),
            committed: datatype.is_committed(),
        }
    }
}

/// Creates a derived datatype and returns its handle.
pub fn create(constructor: Constructor, large: bool) -> Result<u64, MpiError> {
    let native = native()?;
    let handle = state().objects.datatypes.create(constructor, large)?;
    make_new(native, handle).inspect_err(|_| {
        // A parametrised Fortran type cannot be freed: it stays, unknown to the library below.
        let released = state().objects.datatypes.free(handle);
        forget(&released.unwrap_or_default());
    })?;
    Ok(u64::from(handle.word()))
}

/// Makes the native type of a datatype that was just created.
fn make_new(native: &Native, handle: DatatypeHandle) -> Result<(), MpiError> {
    let plan = state().objects.datatypes.derived(handle)?.map(Plan::from);
    let plan =
        plan.ok_or_else(|| MpiError::new(mpi::MPI_ERR_INTERN, "a predefined type is not made"))?;
    make(native, handle, &plan)
}

/// Makes a native type and publishes it.
fn make(native: &Native, handle: DatatypeHandle, plan: &Plan) -> Result<(), MpiError> {
    let mut below = native_type::build(native, &plan.constructor, &plan.layout)?;
    if plan.committed && !plan.constructor.is_f90() {
        native_call::call(
            native,
            fns::MPI_TYPE_COMMIT,
            &[native_call::out(&mut below)],
        )?;
    }
    publish::publish_datatype(
        u64::from(handle.word()),
        below,
        plan.layout.size_bytes(),
        plan.committed,
    );
    Ok(())
}

/// Commits a datatype, here and below.
pub fn commit(handle: DatatypeHandle) -> Result<(), MpiError> {
    state().objects.datatypes.commit(handle)?;
    let word = u64::from(handle.word());
    let Some(slot) = publish::datatype(word).filter(|slot| !slot.is_committed()) else {
        return Ok(());
    };
    let mut below = slot.native_uncommitted();
    native_call::call(
        native()?,
        fns::MPI_TYPE_COMMIT,
        &[native_call::out(&mut below)],
    )?;
    publish::publish_datatype(word, below, slot.size_bytes(), true);
    Ok(())
}

/// Frees a datatype; types that nothing uses any more go below as well.
pub fn free(handle: DatatypeHandle) -> Result<(), MpiError> {
    let released = state().objects.datatypes.free(handle)?;
    forget(&released);
    Ok(())
}

/// Frees the native types of datatypes that are gone.
pub fn forget(released: &Released) {
    for (handle, _) in released.iter() {
        let word = u64::from(handle.word());
        if let (Some(slot), Ok(native)) = (publish::datatype(word), native()) {
            let mut below = slot.native_uncommitted();
            native_call::raw(native, fns::MPI_TYPE_FREE, &[native_call::out(&mut below)]);
        }
        publish::retire_datatype(word);
    }
}

/// Makes all native types anew, oldest first; also of types that the application has freed and something still uses.
pub fn rebuild(native: &Native) -> Result<(), MpiError> {
    let plans: Vec<_> = {
        let state = state();
        let order = state.objects.datatypes.rebuild_order();
        order
            .into_iter()
            .map(|(handle, datatype)| (handle, Plan::from(datatype)))
            .collect()
    };
    plans
        .iter()
        .try_for_each(|(handle, plan)| make(native, *handle, plan))
}
