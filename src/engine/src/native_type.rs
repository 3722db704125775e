//! From a datatype's constructor to the native library's type.
//!
//! ```text
//!   Constructor --recipe--> plain function, large function, arguments --build--> all fit int?  plain : large
//!                                                                         |
//!                            bounds as our layout has them  <--resized----+  if the library's own differ
//! ```
//!
//! Libraries differ in how they pad (MPI-5.0 section 5.1.6 leaves it open), applications must not see that: a native
//! type gets the bounds that `mana_record_replay` computed.

use mana_native::Native;
use mana_native::values::{DISTRIBUTION_ARGUMENTS, DISTRIBUTIONS, ORDERS, ValueSet};
use mana_record_replay::datatype::{Block, Constructor, DarrayDim, Layout, Order, SubarrayDim};
use mana_record_replay::handle::DatatypeHandle;
use mana_table::constants as mpi;
use mana_table::{FnId, fns};

use crate::error::MpiError;
use crate::{native_call, publish};

/// An argument of a constructor.
enum Argument {
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
struct Recipe {
    plain: FnId,
    large: FnId,
    arguments: Vec<Argument>,
}

/// Makes the native type of `constructor`, whose layout is `layout`. 0 for a parametrised Fortran type that the
/// library lacks.
pub fn build(native: &Native, constructor: &Constructor, layout: &Layout) -> Result<u64, MpiError> {
    if constructor.is_f90() {
        return Ok(equivalent(layout));
    }
    let below = call(native, &recipe(native, constructor)?)?;
    with_bounds(native, below, layout)
}

/// The native predefined type that a parametrised Fortran type is: unlike a duplicate, reductions take it.
fn equivalent(layout: &Layout) -> u64 {
    let basic = layout.basic_runs(1).next().map(|run| u64::from(run.basic.word()));
    basic.and_then(publish::datatype).map_or(0, publish::TypeSlot::native_uncommitted)
}

/// Gives a native type our bounds.
fn with_bounds(native: &Native, mut below: u64, layout: &Layout) -> Result<u64, MpiError> {
    let (mut lb, mut extent) = (0_u64, 0_u64);
    let bounds = [below, native_call::out(&mut lb), native_call::out(&mut extent)];
    native_call::call(native, fns::MPI_TYPE_GET_EXTENT, &bounds)?;
    if (lb as i64, extent as i64) == (layout.lb(), layout.extent()) {
        return Ok(below);
    }
    let mut resized = 0_u64;
    let arguments = [below, layout.lb() as u64, layout.extent() as u64, native_call::out(&mut resized)];
    native_call::call(native, fns::MPI_TYPE_CREATE_RESIZED, &arguments)?;
    native_call::call(native, fns::MPI_TYPE_FREE, &[native_call::out(&mut below)])?;
    Ok(resized)
}

/// Calls the plain form if all counts fit it, else the large one.
fn call(native: &Native, recipe: &Recipe) -> Result<u64, MpiError> {
    let large = !recipe.arguments.iter().all(Argument::fits_int);
    let function = if large { recipe.large } else { recipe.plain };
    if large && !native.has(function) {
        return Err(MpiError::new(
            mpi::MPI_ERR_COUNT,
            format!("a count does not fit an int, and the MPI library below has no {}", function.name()),
        ));
    }
    let mut made = 0_u64;
    let arrays: Vec<Vec<u64>> = recipe.arguments.iter().map(|argument| argument.array(large)).collect();
    let mut words: Vec<u64> =
        recipe.arguments.iter().zip(&arrays).map(|(argument, array)| argument.word(array)).collect();
    words.push(native_call::out(&mut made));
    native_call::call(native, function, &words)?;
    Ok(made)
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
            Self::Counts(values) | Self::Addresses(values) => values.iter().map(|value| *value as u64).collect(),
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
            Self::Ints(_) | Self::Counts(_) | Self::Addresses(_) | Self::Types(_) => array.as_ptr() as u64,
        }
    }
}

/// An array of `int`, two in a word.
fn narrow(values: impl Iterator<Item = i32>) -> Vec<u64> {
    let halves: Vec<u64> = values.map(|value| u64::from(value as u32)).collect();
    halves.chunks(2).map(|pair| pair[0] | pair.get(1).map_or(0, |second| second << 32)).collect()
}

/// The native type of a part.
fn part(handle: DatatypeHandle) -> Result<u64, MpiError> {
    let word = u64::from(handle.word());
    let slot = publish::datatype(word).ok_or_else(|| MpiError::bad_handle(mpi::MPI_ERR_TYPE, "datatype", word))?;
    match slot.native_uncommitted() {
        0 => Err(MpiError::new(mpi::MPI_ERR_TYPE, format!("the MPI library below lacks datatype {word:#x}"))),
        below => Ok(below),
    }
}

/// The calls below for each constructor.
fn recipe(native: &Native, constructor: &Constructor) -> Result<Recipe, MpiError> {
    use Argument::{Address, Addresses, Count, Counts, Type, Types};
    let made = |plain, large, arguments| Ok(Recipe { plain, large, arguments });
    match constructor {
        Constructor::Dup { old } => made(fns::MPI_TYPE_DUP, fns::MPI_TYPE_DUP, vec![Type(part(*old)?)]),
        Constructor::Contiguous { count, old } => made(
            fns::MPI_TYPE_CONTIGUOUS,
            fns::MPI_TYPE_CONTIGUOUS_C,
            vec![Count(*count), Type(part(*old)?)],
        ),
        Constructor::Vector { count, block_length, stride, old } => made(
            fns::MPI_TYPE_VECTOR,
            fns::MPI_TYPE_VECTOR_C,
            vec![Count(*count), Count(*block_length), Count(*stride), Type(part(*old)?)],
        ),
        Constructor::Hvector { count, block_length, stride_bytes, old } => made(
            fns::MPI_TYPE_CREATE_HVECTOR,
            fns::MPI_TYPE_CREATE_HVECTOR_C,
            vec![Count(*count), Count(*block_length), Address(*stride_bytes), Type(part(*old)?)],
        ),
        Constructor::Indexed { blocks, old } => made(
            fns::MPI_TYPE_INDEXED,
            fns::MPI_TYPE_INDEXED_C,
            vec![count(blocks.len()), lengths(blocks), Counts(displacements(blocks)), Type(part(*old)?)],
        ),
        Constructor::Hindexed { blocks, old } => made(
            fns::MPI_TYPE_CREATE_HINDEXED,
            fns::MPI_TYPE_CREATE_HINDEXED_C,
            vec![count(blocks.len()), lengths(blocks), Addresses(displacements(blocks)), Type(part(*old)?)],
        ),
        Constructor::IndexedBlock { block_length, displacements, old } => made(
            fns::MPI_TYPE_CREATE_INDEXED_BLOCK,
            fns::MPI_TYPE_CREATE_INDEXED_BLOCK_C,
            vec![count(displacements.len()), Count(*block_length), Counts(displacements.clone()), Type(part(*old)?)],
        ),
        Constructor::HindexedBlock { block_length, displacements_bytes: at, old } => made(
            fns::MPI_TYPE_CREATE_HINDEXED_BLOCK,
            fns::MPI_TYPE_CREATE_HINDEXED_BLOCK_C,
            vec![count(at.len()), Count(*block_length), Addresses(at.clone()), Type(part(*old)?)],
        ),
        Constructor::Struct { members } => {
            let types = members.iter().map(|member| part(member.datatype)).collect::<Result<Vec<_>, _>>()?;
            made(fns::MPI_TYPE_CREATE_STRUCT, fns::MPI_TYPE_CREATE_STRUCT_C, vec![
                count(members.len()),
                Counts(members.iter().map(|member| member.length).collect()),
                Addresses(members.iter().map(|member| member.displacement).collect()),
                Types(native_call::handle_array(native, &types)),
            ])
        }
        Constructor::Resized { lb, extent, old } => made(
            fns::MPI_TYPE_CREATE_RESIZED,
            fns::MPI_TYPE_CREATE_RESIZED_C,
            vec![Type(part(*old)?), Address(*lb), Address(*extent)],
        ),
        Constructor::Subarray { dims, order, old } => subarray(native, dims, *order, *old),
        Constructor::Darray { size, rank, dims, order, old } => {
            darray(native, [*size, *rank], dims, *order, *old)
        }
        Constructor::F90Real { .. } | Constructor::F90Complex { .. } | Constructor::F90Integer { .. } => {
            Err(MpiError::new(mpi::MPI_ERR_INTERN, "a parametrised Fortran type has no constructor below"))
        }
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
    Ok(Recipe { plain: fns::MPI_TYPE_CREATE_SUBARRAY, large: fns::MPI_TYPE_CREATE_SUBARRAY_C, arguments: vec![
        Argument::Int(dims.len() as i32),
        of(|dim| dim.size),
        of(|dim| dim.subsize),
        of(|dim| dim.start),
        Argument::Int(constant(native, &ORDERS, order.to_abi())),
        Argument::Type(part(old)?),
    ] })
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
    Ok(Recipe { plain: fns::MPI_TYPE_CREATE_DARRAY, large: fns::MPI_TYPE_CREATE_DARRAY_C, arguments: vec![
        Argument::Int(size),
        Argument::Int(rank),
        Argument::Int(dims.len() as i32),
        Argument::Counts(dims.iter().map(|dim| dim.global_size).collect()),
        of(&|dim| constant(native, &DISTRIBUTIONS, dim.distribution.to_abi())),
        of(&|dim| constant(native, &DISTRIBUTION_ARGUMENTS, dim.argument)),
        of(&|dim| dim.processes),
        Argument::Int(constant(native, &ORDERS, order.to_abi())),
        Argument::Type(part(old)?),
    ] })
}
