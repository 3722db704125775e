//! From a datatype's constructor to the native library's type.
//!
//! ```text
//!   Constructor --recipe()--> Recipe --call--> native type --with_bounds--> native type with our layout's bounds
//!        |                      ^
//!        +------in_bytes--------+   where a stride does not fit an int and the library has no large-count functions
//!        +------repeated------------------> native type     where a contiguous type's count does not
//! ```
//!
//! Libraries differ in how they pad (MPI-5.0 section 5.1.6 leaves it open), applications must not see that: a native
//! type gets the bounds that `mana_record_replay` computed.

use mana_native::Native;
use mana_native::values::{DISTRIBUTION_ARGUMENTS, DISTRIBUTIONS, ORDERS, ValueSet};
use mana_record_replay::datatype::{Block, Constructor, DarrayDim, Layout, Order, SubarrayDim};
use mana_record_replay::handle::DatatypeHandle;
use mana_table::constants as mpi;
use mana_table::fns;

use crate::engine::state;
use crate::error::MpiError;
use crate::recipe::{Argument, Recipe};
use crate::{native_call, publish};

/// Makes the native type of `constructor`, whose layout is `layout`. 0 for a parametrised Fortran type that the
/// library lacks.
pub fn build(native: &Native, constructor: &Constructor, layout: &Layout) -> Result<u64, MpiError> {
    if constructor.is_f90() {
        return Ok(equivalent(layout));
    }
    let wanted = recipe(native, constructor)?;
    let below = match constructor {
        _ if wanted.is_callable(native) => wanted.call(native)?,
        Constructor::Contiguous { count, old } => repeated(native, part(*old)?, *count)?,
        _ => recipe(native, &in_bytes(constructor)?)?.call(native)?,
    };
    with_bounds(native, below, layout)
}

/// The native predefined type that a parametrised Fortran type is: unlike a duplicate, reductions take it.
fn equivalent(layout: &Layout) -> u64 {
    let basic = layout
        .basic_runs(1)
        .next()
        .map(|run| u64::from(run.basic.word()));
    basic
        .and_then(publish::datatype)
        .map_or(0, publish::TypeSlot::native_uncommitted)
}

/// The same type with its strides and displacements in bytes: they are 64 bits wide in every library.
fn in_bytes(constructor: &Constructor) -> Result<Constructor, MpiError> {
    let bytes = |elements: i64, old: DatatypeHandle| {
        let extent = state()
            .objects
            .datatypes
            .layout_held(old)
            .map(Layout::extent);
        extent
            .and_then(|extent| extent.checked_mul(elements))
            .ok_or_else(|| {
                MpiError::new(
                    mpi::MPI_ERR_COUNT,
                    format!("a displacement of {elements} elements exceeds 2^63 bytes"),
                )
            })
    };
    Ok(match constructor {
        Constructor::Vector {
            count,
            block_length,
            stride,
            old,
        } => Constructor::Hvector {
            count: *count,
            block_length: *block_length,
            stride_bytes: bytes(*stride, *old)?,
            old: *old,
        },
        Constructor::Indexed { blocks, old } => {
            let block = |block: &Block| {
                Ok(Block {
                    displacement: bytes(block.displacement, *old)?,
                    ..*block
                })
            };
            Constructor::Hindexed {
                blocks: blocks.iter().map(block).collect::<Result<_, MpiError>>()?,
                old: *old,
            }
        }
        Constructor::IndexedBlock {
            block_length,
            displacements,
            old,
        } => Constructor::HindexedBlock {
            block_length: *block_length,
            displacements_bytes: displacements
                .iter()
                .map(|at| bytes(*at, *old))
                .collect::<Result<_, _>>()?,
            old: *old,
        },
        other => other.clone(),
    })
}

/// Gives a native type our bounds.
fn with_bounds(native: &Native, mut below: u64, layout: &Layout) -> Result<u64, MpiError> {
    let (mut lb, mut extent) = (0_u64, 0_u64);
    let bounds = [
        below,
        native_call::out(&mut lb),
        native_call::out(&mut extent),
    ];
    native_call::call(native, fns::MPI_TYPE_GET_EXTENT, &bounds)?;
    if (lb as i64, extent as i64) == (layout.lb(), layout.extent()) {
        return Ok(below);
    }
    let mut resized = 0_u64;
    let arguments = [
        below,
        layout.lb() as u64,
        layout.extent() as u64,
        native_call::out(&mut resized),
    ];
    native_call::call(native, fns::MPI_TYPE_CREATE_RESIZED, &arguments)?;
    native_call::call(native, fns::MPI_TYPE_FREE, &[native_call::out(&mut below)])?;
    Ok(resized)
}

/// The native type of a part.
fn part(handle: DatatypeHandle) -> Result<u64, MpiError> {
    let word = u64::from(handle.word());
    let slot = publish::datatype(word)
        .ok_or_else(|| MpiError::bad_handle(mpi::MPI_ERR_TYPE, "datatype", word))?;
    match slot.native_uncommitted() {
        0 => Err(MpiError::new(
            mpi::MPI_ERR_TYPE,
            format!("the MPI library below lacks datatype {word:#x}"),
        )),
        below => Ok(below),
    }
}

/// A committed native type of `count` elements of `element`, more than an `int` can count: for functions
/// whose large-count form the library lacks or gets wrong. The caller frees it.
///
/// ```text
///   | chunk | chunk | … | rest |     a chunk is as many elements as an int counts
/// ```
pub fn repeated(native: &Native, element: u64, count: i64) -> Result<u64, MpiError> {
    const CHUNK: i64 = i32::MAX as i64;
    let (mut lb, mut extent) = (0_u64, 0_u64);
    let words = [
        element,
        native_call::out(&mut lb),
        native_call::out(&mut extent),
    ];
    native_call::call(native, fns::MPI_TYPE_GET_EXTENT, &words)?;
    let far = (count / CHUNK * CHUNK).checked_mul(extent as i64);
    let far = far.ok_or_else(|| {
        MpiError::new(
            mpi::MPI_ERR_COUNT,
            format!(
                "{count} elements of {} bytes exceed 2^63 bytes",
                extent as i64
            ),
        )
    })?;
    let contiguous = |count: i64, of: u64| {
        let mut made = 0_u64;
        let words = [count as u64, of, native_call::out(&mut made)];
        native_call::call(native, fns::MPI_TYPE_CONTIGUOUS, &words).map(|()| made)
    };
    let mut parts = [
        contiguous(CHUNK, element)?,
        0,
        contiguous(count % CHUNK, element)?,
    ];
    parts[1] = contiguous(count / CHUNK, parts[0])?;
    let types = native_call::handle_array(native, &parts[1..]);
    let (lengths, places) = ([1_i32, 1], [0_i64, far]);
    let mut made = 0_u64;
    let words = [
        2,
        lengths.as_ptr() as u64,
        places.as_ptr() as u64,
        types.as_ptr() as u64,
        native_call::out(&mut made),
    ];
    native_call::call(native, fns::MPI_TYPE_CREATE_STRUCT, &words)?;
    for part in &mut parts {
        native_call::call(native, fns::MPI_TYPE_FREE, &[native_call::out(part)])?;
    }
    native_call::call(native, fns::MPI_TYPE_COMMIT, &[native_call::out(&mut made)])?;
    Ok(made)
}

/// The calls below for each constructor.
fn recipe(native: &Native, constructor: &Constructor) -> Result<Recipe, MpiError> {
    use Argument::{Address, Addresses, Count, Counts, Type, Types};
    let made = |plain, large, arguments| {
        Ok(Recipe {
            plain,
            large,
            arguments,
        })
    };
    match constructor {
        Constructor::Dup { old } => made(
            fns::MPI_TYPE_DUP,
            fns::MPI_TYPE_DUP,
            vec![Type(part(*old)?)],
        ),
        Constructor::Contiguous { count, old } => made(
            fns::MPI_TYPE_CONTIGUOUS,
            fns::MPI_TYPE_CONTIGUOUS_C,
            vec![Count(*count), Type(part(*old)?)],
        ),
        Constructor::Vector {
            count,
            block_length,
            stride,
            old,
        } => made(
            fns::MPI_TYPE_VECTOR,
            fns::MPI_TYPE_VECTOR_C,
            vec![
                Count(*count),
                Count(*block_length),
                Count(*stride),
                Type(part(*old)?),
            ],
        ),
        Constructor::Hvector {
            count,
            block_length,
            stride_bytes,
            old,
        } => made(
            fns::MPI_TYPE_CREATE_HVECTOR,
            fns::MPI_TYPE_CREATE_HVECTOR_C,
            vec![
                Count(*count),
                Count(*block_length),
                Address(*stride_bytes),
                Type(part(*old)?),
            ],
        ),
        Constructor::Indexed { blocks, old } => made(
            fns::MPI_TYPE_INDEXED,
            fns::MPI_TYPE_INDEXED_C,
            vec![
                count(blocks.len()),
                lengths(blocks),
                Counts(displacements(blocks)),
                Type(part(*old)?),
            ],
        ),
        Constructor::Hindexed { blocks, old } => made(
            fns::MPI_TYPE_CREATE_HINDEXED,
            fns::MPI_TYPE_CREATE_HINDEXED_C,
            vec![
                count(blocks.len()),
                lengths(blocks),
                Addresses(displacements(blocks)),
                Type(part(*old)?),
            ],
        ),
        Constructor::IndexedBlock {
            block_length,
            displacements,
            old,
        } => made(
            fns::MPI_TYPE_CREATE_INDEXED_BLOCK,
            fns::MPI_TYPE_CREATE_INDEXED_BLOCK_C,
            vec![
                count(displacements.len()),
                Count(*block_length),
                Counts(displacements.clone()),
                Type(part(*old)?),
            ],
        ),
        Constructor::HindexedBlock {
            block_length,
            displacements_bytes: at,
            old,
        } => made(
            fns::MPI_TYPE_CREATE_HINDEXED_BLOCK,
            fns::MPI_TYPE_CREATE_HINDEXED_BLOCK_C,
            vec![
                count(at.len()),
                Count(*block_length),
                Addresses(at.clone()),
                Type(part(*old)?),
            ],
        ),
        Constructor::Struct { members } => {
            let types = members
                .iter()
                .map(|member| part(member.datatype))
                .collect::<Result<Vec<_>, _>>()?;
            made(
                fns::MPI_TYPE_CREATE_STRUCT,
                fns::MPI_TYPE_CREATE_STRUCT_C,
                vec![
                    count(members.len()),
                    Counts(members.iter().map(|member| member.length).collect()),
                    Addresses(members.iter().map(|member| member.displacement).collect()),
                    Types(native_call::handle_array(native, &types)),
                ],
            )
        }
        Constructor::Resized { lb, extent, old } => made(
            fns::MPI_TYPE_CREATE_RESIZED,
            fns::MPI_TYPE_CREATE_RESIZED_C,
            vec![Type(part(*old)?), Address(*lb), Address(*extent)],
        ),
        Constructor::Subarray { dims, order, old } => subarray(native, dims, *order, *old),
        Constructor::Darray {
            size,
            rank,
            dims,
            order,
            old,
        } => darray(native, [*size, *rank], dims, *order, *old),
        Constructor::F90Real { .. }
        | Constructor::F90Complex { .. }
        | Constructor::F90Integer { .. } => Err(MpiError::new(
            mpi::MPI_ERR_INTERN,
            "a parametrised Fortran type has no constructor below",
        )),
    }
}

/// The length of an array.
fn count(len: usize) -> Argument {
    Argument::Count(len as i64)
}

/// The lengths of blocks.
fn lengths(blocks: &[Block]) -> Argument {
    Argument::Counts(blocks.iter().map(|block| block.length).collect())
}

/// Where blocks begin.
fn displacements(blocks: &[Block]) -> Vec<i64> {
    blocks.iter().map(|block| block.displacement).collect()
}

/// A constant of the standard ABI as the library has it; other values are numbers and stay.
fn constant(native: &Native, set: &ValueSet, value: i32) -> i32 {
    native.to_native(set, value).unwrap_or(value)
}

/// `MPI_Type_create_subarray`.
fn subarray(
    native: &Native,
    dims: &[SubarrayDim],
    order: Order,
    old: DatatypeHandle,
) -> Result<Recipe, MpiError> {
    let of = |value: fn(&SubarrayDim) -> i64| Argument::Counts(dims.iter().map(value).collect());
    Ok(Recipe {
        plain: fns::MPI_TYPE_CREATE_SUBARRAY,
        large: fns::MPI_TYPE_CREATE_SUBARRAY_C,
        arguments: vec![
            Argument::Int(dims.len() as i32),
            of(|dim| dim.size),
            of(|dim| dim.subsize),
            of(|dim| dim.start),
            Argument::Int(constant(native, &ORDERS, order.to_abi())),
            Argument::Type(part(old)?),
        ],
    })
}

/// `MPI_Type_create_darray`.
fn darray(
    native: &Native,
    [size, rank]: [i32; 2],
    dims: &[DarrayDim],
    order: Order,
    old: DatatypeHandle,
) -> Result<Recipe, MpiError> {
    let of = |value: &dyn Fn(&DarrayDim) -> i32| Argument::Ints(dims.iter().map(value).collect());
    Ok(Recipe {
        plain: fns::MPI_TYPE_CREATE_DARRAY,
        large: fns::MPI_TYPE_CREATE_DARRAY_C,
        arguments: vec![
            Argument::Int(size),
            Argument::Int(rank),
            Argument::Int(dims.len() as i32),
            Argument::Counts(dims.iter().map(|dim| dim.global_size).collect()),
            of(&|dim| constant(native, &DISTRIBUTIONS, dim.distribution.to_abi())),
            of(&|dim| constant(native, &DISTRIBUTION_ARGUMENTS, dim.argument)),
            of(&|dim| dim.processes),
            Argument::Int(constant(native, &ORDERS, order.to_abi())),
            Argument::Type(part(old)?),
        ],
    })
}
