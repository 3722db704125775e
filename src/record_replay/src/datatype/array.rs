//! Subarrays and distributed arrays (MPI 4.1 sections 5.1.3 and 5.1.4).
//!
//! ```text
//!   subarray, C order, 4 x 6 of which 2 x 3 at (1, 2)        darray, cyclic(2) over 2 processes, 7 elements
//!
//!     . . . . . .                                              process 0   0 1 . . 4 5 .
//!     . . # # # .      rows: Run, repeated per dimension       process 1   . . 2 3 . . 6
//!     . . # # # .      from the fastest one outwards
//!     . . . . . .      bounds: always those of the whole array
//! ```
//!
//! Both walk the dimensions from the one that changes fastest to the slowest. Each dimension wraps the body made so far:
//! its elements lie `stride` bytes apart, where the stride is the extent of all faster dimensions of the whole array.

use super::body::{Body, add, mul};
use super::constructor::{DarrayDim, Distribution, Order, SubarrayDim};
use super::layout::Layout;
use crate::abi::DISTRIBUTE_DFLT_DARG;
use crate::error::ObjectError;

/// The body of a subarray.
pub(super) fn subarray(
    dims: &[SubarrayDim],
    order: Order,
    old: &Layout,
) -> Result<Body, ObjectError> {
    check_dimensions(dims.len())?;
    for (dimension, dim) in dims.iter().enumerate() {
        check_subarray(dimension, *dim)?;
    }
    let mut body = old.body().clone();
    let mut stride = old.extent();
    for dim in fastest_first(dims, order) {
        let part = body.repeat(dim.subsize, stride)?;
        body = Body::sequence([(mul(dim.start, stride)?, &part)].into_iter())?;
        stride = mul(stride, dim.size)?;
    }
    body.resized(0, stride)
}

fn check_subarray(dimension: usize, dim: SubarrayDim) -> Result<(), ObjectError> {
    let problem = |value, problem| {
        Err(ObjectError::Dimension {
            dimension,
            value,
            problem,
        })
    };
    if dim.size < 1 {
        return problem(dim.size, "the array's size must be at least 1");
    }
    if dim.subsize < 1 || dim.subsize > dim.size {
        return problem(
            dim.subsize,
            "the subarray's size must be from 1 to the array's size",
        );
    }
    if dim.start < 0 || dim.start > dim.size - dim.subsize {
        return problem(dim.start, "the subarray must lie within the array");
    }
    Ok(())
}

/// The body of one process's part of a distributed array.
pub(super) fn darray(
    size: i32,
    rank: i32,
    dims: &[DarrayDim],
    order: Order,
    old: &Layout,
) -> Result<Body, ObjectError> {
    check_dimensions(dims.len())?;
    check_processes(size, rank, dims)?;
    // The process grid is row-major for both orders.
    let mut coordinates = vec![0; dims.len()];
    let mut rest = rank;
    for (coordinate, dim) in coordinates.iter_mut().zip(dims).rev() {
        *coordinate = i64::from(rest % dim.processes);
        rest /= dim.processes;
    }
    let placed: Vec<_> = dims.iter().copied().zip(coordinates).enumerate().collect();
    let mut body = old.body().clone();
    let mut stride = old.extent();
    for (dimension, (dim, coordinate)) in fastest_first(&placed, order) {
        let owned = owned(*dimension, *dim, *coordinate)?;
        body = deal(&body, &owned, stride)?;
        stride = mul(stride, dim.global_size)?;
    }
    body.resized(0, stride)
}

fn check_processes(size: i32, rank: i32, dims: &[DarrayDim]) -> Result<(), ObjectError> {
    let mut processes = 1_i64;
    for (dimension, dim) in dims.iter().enumerate() {
        let value = i64::from(dim.processes);
        if value < 1 {
            let problem = "the number of processes must be at least 1";
            return Err(ObjectError::Dimension {
                dimension,
                value,
                problem,
            });
        }
        processes = processes.saturating_mul(value);
    }
    if processes != i64::from(size) {
        let allowed = "it must be the product of the process grid's extents";
        return Err(ObjectError::Argument {
            argument: "size",
            value: i64::from(size),
            allowed,
        });
    }
    if !(0..size).contains(&rank) {
        return Err(ObjectError::Rank {
            rank: i64::from(rank),
            size: size as u32,
        });
    }
    Ok(())
}

/// The elements of a dimension that one process owns: whole blocks at a regular distance, then a shorter one.
struct Owned {
    first: i64,
    block: i64,
    period: i64,
    whole_blocks: i64,
    rest: i64,
}

fn owned(dimension: usize, dim: DarrayDim, coordinate: i64) -> Result<Owned, ObjectError> {
    let (size, processes) = (dim.global_size, i64::from(dim.processes));
    let problem = |value, problem| {
        Err(ObjectError::Dimension {
            dimension,
            value,
            problem,
        })
    };
    if size < 1 {
        return problem(size, "the array's size must be at least 1");
    }
    let given = (dim.argument != DISTRIBUTE_DFLT_DARG).then_some(i64::from(dim.argument));
    if given.is_some_and(|block| block < 1) && dim.distribution != Distribution::None {
        return problem(
            i64::from(dim.argument),
            "the distribution argument must be at least 1",
        );
    }
    let block = match dim.distribution {
        Distribution::None if dim.processes != 1 => {
            return problem(
                processes,
                "a dimension that is not distributed has one process",
            );
        }
        Distribution::None => size,
        Distribution::Block => given.unwrap_or((size + processes - 1) / processes),
        Distribution::Cyclic => given.unwrap_or(1),
    };
    let period = mul(block, processes)?;
    if dim.distribution == Distribution::Block && period < size {
        return problem(block, "blocks of this length do not cover the dimension");
    }
    let first = mul(coordinate, block)?;
    let available = (size - first).max(0);
    let rest = (available % period).min(block);
    let whole_blocks = available / period + rest / block;
    Ok(Owned {
        first,
        block,
        period,
        whole_blocks,
        rest: rest % block,
    })
}

fn deal(element: &Body, owned: &Owned, stride: i64) -> Result<Body, ObjectError> {
    let first = mul(owned.first, stride)?;
    let period = mul(owned.period, stride)?;
    let whole = element
        .repeat(owned.block, stride)?
        .repeat(owned.whole_blocks, period)?;
    let rest = element.repeat(owned.rest, stride)?;
    let rest_at = if owned.rest == 0 {
        first
    } else {
        add(first, mul(owned.whole_blocks, period)?)?
    };
    Body::sequence([(first, &whole), (rest_at, &rest)].into_iter())
}

fn check_dimensions(count: usize) -> Result<(), ObjectError> {
    if count == 0 {
        return Err(ObjectError::Argument {
            argument: "ndims",
            value: 0,
            allowed: "at least one dimension is needed",
        });
    }
    Ok(())
}

fn fastest_first<T>(dims: &[T], order: Order) -> Box<dyn Iterator<Item = &T> + '_> {
    match order {
        Order::C => Box::new(dims.iter().rev()),
        Order::Fortran => Box::new(dims.iter()),
    }
}
