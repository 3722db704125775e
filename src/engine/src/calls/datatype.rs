//! Derived datatypes: constructors, commit, free.

use mana_record_replay::datatype::{
    Block, Constructor, DarrayDim, Distribution, Member, Order, SubarrayDim,
};
use mana_record_replay::handle::DatatypeHandle;
use mana_table::constants as mpi;

use crate::args::Args;
use crate::engine::state;
use crate::error::{Call, MpiError};
use crate::{attributes, datatypes};

/// The datatype handle in argument `i`.
pub fn type_arg(a: &Args<'_>, i: usize) -> Result<DatatypeHandle, MpiError> {
    Ok(DatatypeHandle::from_word(a.raw(i))?)
}

/// Creates a datatype and hands it out through parameter `i`; `_c` functions make large ones.
pub fn hand_out_type(a: &mut Args<'_>, i: usize, constructor: Constructor) -> Call {
    let made = datatypes::create(constructor, a.row().name.ends_with("_c"))?;
    a.set_handle(i, made);
    Ok(())
}

/// The length of the arrays, argument `i`.
fn length(a: &Args<'_>, i: usize) -> Result<usize, MpiError> {
    let (name, count) = (a.row().params[i].name, a.count(i));
    usize::try_from(count).map_err(|_| {
        MpiError::new(
            mpi::MPI_ERR_COUNT,
            format!("{name} is {count}, but must not be negative"),
        )
    })
}

/// The blocks whose lengths and displacements are the arrays behind arguments 1 and 2.
fn blocks(a: &Args<'_>) -> Result<Vec<Block>, MpiError> {
    let block = |at| Block {
        length: a.int_at(1, at),
        displacement: a.int_at(2, at),
    };
    Ok((0..length(a, 0)?).map(block).collect())
}

/// `MPI_Type_dup(oldtype, newtype)`.
pub fn type_dup(a: &mut Args<'_>) -> Call {
    let old = type_arg(a, 0)?;
    let made = datatypes::create(Constructor::Dup { old }, false)?;
    let copy = DatatypeHandle::from_word(made)?;
    attributes::copy_all_of_type(old, copy)
        .or_else(|refused| datatypes::free(copy).and(Err(refused)))?;
    a.set_handle(1, made);
    Ok(())
}

/// `MPI_Type_contiguous(count, oldtype, newtype)`.
pub fn type_contiguous(a: &mut Args<'_>) -> Call {
    let constructor = Constructor::Contiguous {
        count: a.count(0),
        old: type_arg(a, 1)?,
    };
    hand_out_type(a, 2, constructor)
}

/// `MPI_Type_vector(count, blocklength, stride, oldtype, newtype)`.
pub fn type_vector(a: &mut Args<'_>) -> Call {
    let constructor = Constructor::Vector {
        count: a.count(0),
        block_length: a.count(1),
        stride: a.count(2),
        old: type_arg(a, 3)?,
    };
    hand_out_type(a, 4, constructor)
}

/// `MPI_Type_create_hvector(count, blocklength, stride, oldtype, newtype)`.
pub fn type_create_hvector(a: &mut Args<'_>) -> Call {
    let constructor = Constructor::Hvector {
        count: a.count(0),
        block_length: a.count(1),
        stride_bytes: a.count(2),
        old: type_arg(a, 3)?,
    };
    hand_out_type(a, 4, constructor)
}

/// `MPI_Type_indexed(count, array_of_blocklengths, array_of_displacements, oldtype, newtype)`.
pub fn type_indexed(a: &mut Args<'_>) -> Call {
    let constructor = Constructor::Indexed {
        blocks: blocks(a)?,
        old: type_arg(a, 3)?,
    };
    hand_out_type(a, 4, constructor)
}

/// `MPI_Type_create_hindexed(count, array_of_blocklengths, array_of_displacements, oldtype, newtype)`.
pub fn type_create_hindexed(a: &mut Args<'_>) -> Call {
    let constructor = Constructor::Hindexed {
        blocks: blocks(a)?,
        old: type_arg(a, 3)?,
    };
    hand_out_type(a, 4, constructor)
}

/// `MPI_Type_create_indexed_block(count, blocklength, array_of_displacements, oldtype, newtype)`.
pub fn type_create_indexed_block(a: &mut Args<'_>) -> Call {
    let constructor = Constructor::IndexedBlock {
        displacements: a.ints(2, length(a, 0)?),
        block_length: a.count(1),
        old: type_arg(a, 3)?,
    };
    hand_out_type(a, 4, constructor)
}

/// `MPI_Type_create_hindexed_block(count, blocklength, array_of_displacements, oldtype, newtype)`.
pub fn type_create_hindexed_block(a: &mut Args<'_>) -> Call {
    let constructor = Constructor::HindexedBlock {
        displacements_bytes: a.ints(2, length(a, 0)?),
        block_length: a.count(1),
        old: type_arg(a, 3)?,
    };
    hand_out_type(a, 4, constructor)
}

/// `MPI_Type_create_struct(count, array_of_blocklengths, array_of_displacements, array_of_types, newtype)`.
pub fn type_create_struct(a: &mut Args<'_>) -> Call {
    let member = |at| -> Result<Member, MpiError> {
        let datatype = DatatypeHandle::from_word(a.handle_at(3, at))?;
        Ok(Member {
            length: a.int_at(1, at),
            displacement: a.int_at(2, at),
            datatype,
        })
    };
    let members = (0..length(a, 0)?).map(member).collect::<Result<_, _>>()?;
    hand_out_type(a, 4, Constructor::Struct { members })
}

/// `MPI_Type_create_resized(oldtype, lb, extent, newtype)`.
pub fn type_create_resized(a: &mut Args<'_>) -> Call {
    let constructor = Constructor::Resized {
        lb: a.count(1),
        extent: a.count(2),
        old: type_arg(a, 0)?,
    };
    hand_out_type(a, 3, constructor)
}

/// `MPI_Type_create_subarray(ndims, sizes, subsizes, starts, order, oldtype, newtype)`.
pub fn type_create_subarray(a: &mut Args<'_>) -> Call {
    let ndims = usize::try_from(a.int(0)).map_err(|_| MpiError::argument("ndims is negative"))?;
    let dims = (0..ndims)
        .map(|at| SubarrayDim {
            size: a.int_at(1, at),
            subsize: a.int_at(2, at),
            start: a.int_at(3, at),
        })
        .collect();
    let constructor = Constructor::Subarray {
        dims,
        order: Order::from_abi(a.int(4))?,
        old: type_arg(a, 5)?,
    };
    hand_out_type(a, 6, constructor)
}

/// `MPI_Type_create_darray(size, rank, ndims, gsizes, distribs, dargs, psizes, order, oldtype, newtype)`.
pub fn type_create_darray(a: &mut Args<'_>) -> Call {
    let dim = |at| -> Result<DarrayDim, MpiError> {
        Ok(DarrayDim {
            global_size: a.int_at(3, at),
            distribution: Distribution::from_abi(a.int_at(4, at) as i32)?,
            argument: a.int_at(5, at) as i32,
            processes: a.int_at(6, at) as i32,
        })
    };
    let ndims = usize::try_from(a.int(2)).map_err(|_| MpiError::argument("ndims is negative"))?;
    let dims = (0..ndims).map(dim).collect::<Result<_, _>>()?;
    let (order, old) = (Order::from_abi(a.int(7))?, type_arg(a, 8)?);
    hand_out_type(
        a,
        9,
        Constructor::Darray {
            size: a.int(0),
            rank: a.int(1),
            dims,
            order,
            old,
        },
    )
}

/// `MPI_Type_create_f90_real(p, r, newtype)`.
pub fn type_create_f90_real(a: &mut Args<'_>) -> Call {
    hand_out_type(
        a,
        2,
        Constructor::F90Real {
            precision: a.int(0),
            range: a.int(1),
        },
    )
}

/// `MPI_Type_create_f90_complex(p, r, newtype)`.
pub fn type_create_f90_complex(a: &mut Args<'_>) -> Call {
    hand_out_type(
        a,
        2,
        Constructor::F90Complex {
            precision: a.int(0),
            range: a.int(1),
        },
    )
}

/// `MPI_Type_create_f90_integer(r, newtype)`.
pub fn type_create_f90_integer(a: &mut Args<'_>) -> Call {
    hand_out_type(a, 1, Constructor::F90Integer { range: a.int(0) })
}

/// `MPI_Type_commit(datatype)`.
pub fn type_commit(a: &mut Args<'_>) -> Call {
    datatypes::commit(DatatypeHandle::from_word(a.handle_at(0, 0))?)
}

/// `MPI_Type_free(datatype)`.
pub fn type_free(a: &mut Args<'_>) -> Call {
    let datatype = DatatypeHandle::from_word(a.handle_at(0, 0))?;
    // Not of a type whose free is refused: it keeps its attributes.
    if state()
        .objects
        .datatypes
        .derived(datatype)?
        .is_some_and(|derived| !derived.constructor().is_f90())
    {
        attributes::delete_all_of_type(datatype)?;
    }
    datatypes::free(datatype)?;
    a.set_handle(0, mpi::MPI_DATATYPE_NULL);
    Ok(())
}
