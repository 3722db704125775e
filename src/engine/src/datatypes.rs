//! Native counterparts of derived datatypes.
//!
//! A derived type is described by its constructor (saved) and has one native type, made by the same constructor as
//! soon as it is created and again at a restart, oldest first, so that a type's parts are always there before it.

use mana_native::Native;
use mana_record_replay::datatype::{Constructor, Datatype, Released};
use mana_record_replay::handle::DatatypeHandle;
use mana_table::constants as mpi;
use mana_table::{FnId, fns};

use crate::engine::{native, state};
use crate::error::MpiError;
use crate::{native_call, publish};

/// Creates a derived datatype and returns its handle.
pub fn create(constructor: Constructor, large: bool) -> Result<u64, MpiError> {
    let handle = state().objects.datatypes.create(constructor, large)?;
    if let Err(error) = native().and_then(|native| make(native, handle)) {
        let released = state().objects.datatypes.free(handle)?;
        forget(&released);
        return Err(error);
    }
    Ok(u64::from(handle.word()))
}

/// Makes the native type of a live datatype and publishes it.
fn make(native: &Native, handle: DatatypeHandle) -> Result<(), MpiError> {
    let (constructor, size_bytes, committed) = {
        let state = state();
        let datatype = state.objects.datatypes.derived(handle)?;
        let datatype = datatype.ok_or_else(|| MpiError::new(mpi::MPI_ERR_INTERN, "a predefined type is not made"))?;
        (datatype.constructor().clone(), datatype.layout().size_bytes(), datatype.is_committed())
    };
    let mut below = construct(native, &constructor)?;
    if committed {
        native_call::call(native, fns::MPI_TYPE_COMMIT, &[native_call::out(&mut below)])?;
    }
    publish::publish_datatype(u64::from(handle.word()), below, size_bytes, committed);
    Ok(())
}

/// Commits a datatype, here and below.
pub fn commit(handle: DatatypeHandle) -> Result<(), MpiError> {
    state().objects.datatypes.commit(handle)?;
    let word = u64::from(handle.word());
    let Some(slot) = publish::datatype(word).filter(|slot| !slot.is_committed()) else { return Ok(()) };
    let mut below = slot.native_uncommitted();
    native_call::call(native()?, fns::MPI_TYPE_COMMIT, &[native_call::out(&mut below)])?;
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

/// Makes all native types anew, oldest first.
pub fn rebuild(native: &Native) -> Result<(), MpiError> {
    let order: Vec<_> = {
        let state = state();
        state.objects.datatypes.rebuild_order().into_iter().map(|(handle, _): (_, &Datatype)| handle).collect()
    };
    for handle in order {
        make_held(native, handle)?;
    }
    Ok(())
}

/// As [`make`], also for a type that the application has freed and something still uses.
fn make_held(native: &Native, handle: DatatypeHandle) -> Result<(), MpiError> {
    make(native, handle)
}

/// The native type of a part of a derived type.
fn part(handle: DatatypeHandle) -> Result<u64, MpiError> {
    publish::datatype(u64::from(handle.word()))
        .map(publish::TypeSlot::native_uncommitted)
        .filter(|below| *below != 0)
        .ok_or_else(|| MpiError::bad_handle(mpi::MPI_ERR_TYPE, "datatype (in the MPI below)", u64::from(handle.word())))
}

/// A count or displacement as the `int` that the plain constructors take.
fn int(value: i64) -> Result<i32, MpiError> {
    i32::try_from(value).map_err(|_| {
        MpiError::new(mpi::MPI_ERR_COUNT, format!("{value} does not fit the int that the MPI library below takes"))
    })
}

/// Values as `int`s.
fn ints(values: impl Iterator<Item = i64>) -> Result<Vec<i32>, MpiError> {
    values.map(int).collect()
}

/// A count as an argument word.
fn count(value: i64) -> Result<u64, MpiError> {
    int(value).map(|value| value as u64)
}

/// Calls the native constructor `function` with `arguments` and the place for the new type.
fn call(native: &Native, function: FnId, arguments: &[u64]) -> Result<u64, MpiError> {
    let mut made = 0_u64;
    let mut words = arguments.to_vec();
    words.push(native_call::out(&mut made));
    native_call::call(native, function, &words)?;
    Ok(made)
}

/// The constructor's call below.
fn construct(native: &Native, constructor: &Constructor) -> Result<u64, MpiError> {
    match constructor {
        Constructor::Dup { old } => call(native, fns::MPI_TYPE_DUP, &[part(*old)?]),
        Constructor::Contiguous { count: n, old } => {
            call(native, fns::MPI_TYPE_CONTIGUOUS, &[count(*n)?, part(*old)?])
        }
        Constructor::Vector { count: n, block_length, stride, old } => {
            call(native, fns::MPI_TYPE_VECTOR, &[count(*n)?, count(*block_length)?, count(*stride)?, part(*old)?])
        }
        Constructor::Hvector { count: n, block_length, stride_bytes, old } => call(
            native,
            fns::MPI_TYPE_CREATE_HVECTOR,
            &[count(*n)?, count(*block_length)?, *stride_bytes as u64, part(*old)?],
        ),
        Constructor::Resized { lb, extent, old } => {
            call(native, fns::MPI_TYPE_CREATE_RESIZED, &[part(*old)?, *lb as u64, *extent as u64])
        }
        other => construct_arrays(native, other),
    }
}

/// Constructors that take arrays.
fn construct_arrays(native: &Native, constructor: &Constructor) -> Result<u64, MpiError> {
    match constructor {
        Constructor::Indexed { blocks, old } => {
            let lengths = ints(blocks.iter().map(|block| block.length))?;
            let displacements = ints(blocks.iter().map(|block| block.displacement))?;
            let (n, old) = (lengths.len() as u64, part(*old)?);
            let arguments = [n, lengths.as_ptr() as u64, displacements.as_ptr() as u64, old];
            call(native, fns::MPI_TYPE_INDEXED, &arguments)
        }
        Constructor::Hindexed { blocks, old } => {
            let lengths = ints(blocks.iter().map(|block| block.length))?;
            let displacements: Vec<i64> = blocks.iter().map(|block| block.displacement).collect();
            let (n, old) = (lengths.len() as u64, part(*old)?);
            let arguments = [n, lengths.as_ptr() as u64, displacements.as_ptr() as u64, old];
            call(native, fns::MPI_TYPE_CREATE_HINDEXED, &arguments)
        }
        Constructor::IndexedBlock { block_length, displacements, old } => {
            let displacements = ints(displacements.iter().copied())?;
            let arguments =
                [displacements.len() as u64, count(*block_length)?, displacements.as_ptr() as u64, part(*old)?];
            call(native, fns::MPI_TYPE_CREATE_INDEXED_BLOCK, &arguments)
        }
        Constructor::HindexedBlock { block_length, displacements_bytes, old } => {
            let (n, displacements) = (displacements_bytes.len() as u64, displacements_bytes.as_ptr() as u64);
            let arguments = [n, count(*block_length)?, displacements, part(*old)?];
            call(native, fns::MPI_TYPE_CREATE_HINDEXED_BLOCK, &arguments)
        }
        Constructor::Struct { members } => {
            let lengths = ints(members.iter().map(|member| member.length))?;
            let displacements: Vec<i64> = members.iter().map(|member| member.displacement).collect();
            let types = members.iter().map(|member| part(member.datatype)).collect::<Result<Vec<_>, _>>()?;
            let types = native_call::handle_array(native, &types);
            let (n, types) = (lengths.len() as u64, types.as_ptr() as u64);
            let arguments = [n, lengths.as_ptr() as u64, displacements.as_ptr() as u64, types];
            call(native, fns::MPI_TYPE_CREATE_STRUCT, &arguments)
        }
        Constructor::Subarray { dims, order, old } => {
            let sizes = ints(dims.iter().map(|dim| dim.size))?;
            let subsizes = ints(dims.iter().map(|dim| dim.subsize))?;
            let starts = ints(dims.iter().map(|dim| dim.start))?;
            let order = native.to_native(&mana_native::values::ORDERS, order.to_abi()).unwrap_or(order.to_abi());
            call(native, fns::MPI_TYPE_CREATE_SUBARRAY, &[
                dims.len() as u64,
                sizes.as_ptr() as u64,
                subsizes.as_ptr() as u64,
                starts.as_ptr() as u64,
                order as u64,
                part(*old)?,
            ])
        }
        other => Err(MpiError::new(
            mpi::MPI_ERR_UNSUPPORTED_OPERATION,
            format!("datatypes made by {:?} are not built below yet", other.combiner()),
        )),
    }
}
