//! From a constructor to a layout, as MPI 4.1 section 5.1 defines each.

use super::array;
use super::body::{Body, mul};
use super::constructor::{Block, Constructor, Member};
use super::f90;
use super::layout::Layout;
use crate::error::ObjectError;
use crate::handle::DatatypeHandle;

/// Computes the layout of a constructor, given a way to find those of its children.
pub(super) fn layout<'a>(
    constructor: &Constructor,
    find: &impl Fn(DatatypeHandle) -> Result<&'a Layout, ObjectError>,
) -> Result<Layout, ObjectError> {
    let body = match constructor {
        Constructor::Dup { old } => find(*old)?.body().clone(),
        Constructor::Contiguous { count, old } => {
            copies(find(*old)?, not_negative("count", *count)?)?
        }
        Constructor::Vector {
            count,
            block_length,
            stride,
            old,
        } => {
            let old = find(*old)?;
            vector(old, *count, *block_length, mul(*stride, old.extent())?)?
        }
        Constructor::Hvector {
            count,
            block_length,
            stride_bytes,
            old,
        } => vector(find(*old)?, *count, *block_length, *stride_bytes)?,
        Constructor::Indexed { blocks, old } => {
            let old = find(*old)?;
            indexed(old, blocks.iter().copied(), old.extent())?
        }
        Constructor::Hindexed { blocks, old } => indexed(find(*old)?, blocks.iter().copied(), 1)?,
        Constructor::IndexedBlock {
            block_length,
            displacements,
            old,
        } => {
            let old = find(*old)?;
            indexed(
                old,
                equal_blocks(*block_length, displacements),
                old.extent(),
            )?
        }
        Constructor::HindexedBlock {
            block_length,
            displacements_bytes,
            old,
        } => indexed(
            find(*old)?,
            equal_blocks(*block_length, displacements_bytes),
            1,
        )?,
        Constructor::Struct { members } => structure(members, find)?,
        Constructor::Subarray { dims, order, old } => array::subarray(dims, *order, find(*old)?)?,
        Constructor::Darray {
            size,
            rank,
            dims,
            order,
            old,
        } => array::darray(*size, *rank, dims, *order, find(*old)?)?,
        Constructor::Resized { lb, extent, old } => {
            find(*old)?.body().clone().resized(*lb, *extent)?
        }
        Constructor::F90Real { precision, range } => {
            find(f90::real(*precision, *range)?)?.body().clone()
        }
        Constructor::F90Complex { precision, range } => {
            find(f90::complex(*precision, *range)?)?.body().clone()
        }
        Constructor::F90Integer { range } => find(f90::integer(*range)?)?.body().clone(),
    };
    Ok(Layout::of(body))
}

pub(super) fn not_negative(what: &'static str, value: i64) -> Result<i64, ObjectError> {
    if value < 0 {
        return Err(ObjectError::NegativeCount { what, value });
    }
    Ok(value)
}

/// `count` copies an extent apart: what a block of any constructor is.
pub(super) fn copies(old: &Layout, count: i64) -> Result<Body, ObjectError> {
    old.body().repeat(count, old.extent())
}

fn vector(
    old: &Layout,
    count: i64,
    block_length: i64,
    stride_bytes: i64,
) -> Result<Body, ObjectError> {
    not_negative("count", count)?;
    let block = copies(old, not_negative("blocklength", block_length)?)?;
    block.repeat(count, stride_bytes)
}

fn equal_blocks(length: i64, displacements: &[i64]) -> impl Iterator<Item = Block> {
    displacements.iter().map(move |displacement| Block {
        length,
        displacement: *displacement,
    })
}

fn indexed(
    old: &Layout,
    blocks: impl Iterator<Item = Block>,
    unit_bytes: i64,
) -> Result<Body, ObjectError> {
    let mut parts = Vec::new();
    for block in blocks {
        let body = copies(old, not_negative("blocklength", block.length)?)?;
        parts.push((mul(block.displacement, unit_bytes)?, body));
    }
    Body::sequence(parts.iter().map(|(offset, body)| (*offset, body)))
}

fn structure<'a>(
    members: &[Member],
    find: &impl Fn(DatatypeHandle) -> Result<&'a Layout, ObjectError>,
) -> Result<Body, ObjectError> {
    let mut parts = Vec::new();
    for member in members {
        let length = not_negative("blocklength", member.length)?;
        parts.push((member.displacement, copies(find(member.datatype)?, length)?));
    }
    Body::sequence(parts.iter().map(|(offset, body)| (*offset, body)))
}
