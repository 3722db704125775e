//! `MPI_Type_get_envelope` and `MPI_Type_get_contents`: a constructor as the arrays of integers, addresses, large counts and
//! datatypes that the application gets (MPI 4.1 section 5.1.13).
//!
//! A type made by a large-count function (`_c`) reports counts, strides and displacements as large counts; one made by a
//! plain function reports counts as integers and byte displacements as addresses:
//!
//! ```text
//!   MPI_Type_create_hvector      integers: count, blocklength       addresses: stride
//!   MPI_Type_create_hvector_c    large counts: count, blocklength, stride
//! ```

use super::constructor::{Block, Constructor, DarrayDim, SubarrayDim};
use crate::handle::DatatypeHandle;

/// MPI_COMBINER_*.
#[expect(missing_docs, reason = "the variants are the standard's combiners")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i32)]
pub enum Combiner {
    Named = 101,
    Dup = 102,
    Contiguous = 103,
    Vector = 104,
    Hvector = 105,
    Indexed = 106,
    Hindexed = 107,
    IndexedBlock = 108,
    HindexedBlock = 109,
    Struct = 110,
    Subarray = 111,
    Darray = 112,
    F90Real = 113,
    F90Complex = 114,
    F90Integer = 115,
    Resized = 116,
}

impl Combiner {
    /// The value of the standard ABI.
    #[must_use]
    pub const fn to_abi(self) -> i32 {
        self as i32
    }
}

/// How long the arrays of the contents are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Envelope {
    /// The constructor.
    pub combiner: Combiner,
    /// Number of integers.
    pub integers: usize,
    /// Number of addresses.
    pub addresses: usize,
    /// Number of large counts.
    pub large_counts: usize,
    /// Number of datatypes.
    pub datatypes: usize,
}

/// The arguments of a constructor, in the order of the standard's tables.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Contents {
    /// Integers.
    pub integers: Vec<i32>,
    /// Addresses.
    pub addresses: Vec<i64>,
    /// Large counts.
    pub large_counts: Vec<i64>,
    /// Datatypes.
    pub datatypes: Vec<DatatypeHandle>,
}

impl Envelope {
    /// Of a predefined type.
    pub const NAMED: Self = Self {
        combiner: Combiner::Named,
        integers: 0,
        addresses: 0,
        large_counts: 0,
        datatypes: 0,
    };
}

impl Constructor {
    /// Its combiner.
    #[must_use]
    pub const fn combiner(&self) -> Combiner {
        match self {
            Self::Dup { .. } => Combiner::Dup,
            Self::Contiguous { .. } => Combiner::Contiguous,
            Self::Vector { .. } => Combiner::Vector,
            Self::Hvector { .. } => Combiner::Hvector,
            Self::Indexed { .. } => Combiner::Indexed,
            Self::Hindexed { .. } => Combiner::Hindexed,
            Self::IndexedBlock { .. } => Combiner::IndexedBlock,
            Self::HindexedBlock { .. } => Combiner::HindexedBlock,
            Self::Struct { .. } => Combiner::Struct,
            Self::Subarray { .. } => Combiner::Subarray,
            Self::Darray { .. } => Combiner::Darray,
            Self::Resized { .. } => Combiner::Resized,
            Self::F90Real { .. } => Combiner::F90Real,
            Self::F90Complex { .. } => Combiner::F90Complex,
            Self::F90Integer { .. } => Combiner::F90Integer,
        }
    }

    /// The lengths of its contents. `large`: it was made by a `_c` function.
    #[must_use]
    pub fn envelope(&self, large: bool) -> Envelope {
        let contents = self.contents(large);
        Envelope {
            combiner: self.combiner(),
            integers: contents.integers.len(),
            addresses: contents.addresses.len(),
            large_counts: contents.large_counts.len(),
            datatypes: contents.datatypes.len(),
        }
    }

    /// Its arguments.
    #[must_use]
    pub fn contents(&self, large: bool) -> Contents {
        let mut writer = Writer {
            large,
            contents: Contents {
                datatypes: self.children(),
                ..Contents::default()
            },
        };
        match self {
            Self::Dup { .. } => {}
            Self::Contiguous { count, .. } => writer.counts([*count]),
            Self::Vector {
                count,
                block_length,
                stride,
                ..
            } => writer.counts([*count, *block_length, *stride]),
            Self::Hvector {
                count,
                block_length,
                stride_bytes,
                ..
            } => {
                writer.counts([*count, *block_length]);
                writer.addresses([*stride_bytes]);
            }
            Self::Indexed { blocks, .. } => {
                writer.block_lengths(blocks);
                writer.counts(blocks.iter().map(|block| block.displacement));
            }
            Self::Hindexed { blocks, .. } => {
                writer.block_lengths(blocks);
                writer.addresses(blocks.iter().map(|block| block.displacement));
            }
            Self::IndexedBlock {
                block_length,
                displacements,
                ..
            } => {
                writer.counts([displacements.len() as i64, *block_length]);
                writer.counts(displacements.iter().copied());
            }
            Self::HindexedBlock {
                block_length,
                displacements_bytes,
                ..
            } => {
                writer.counts([displacements_bytes.len() as i64, *block_length]);
                writer.addresses(displacements_bytes.iter().copied());
            }
            Self::Struct { members } => {
                writer.counts([members.len() as i64]);
                writer.counts(members.iter().map(|member| member.length));
                writer.addresses(members.iter().map(|member| member.displacement));
            }
            Self::Subarray { dims, order, .. } => writer.subarray(dims, order.to_abi()),
            Self::Darray {
                size,
                rank,
                dims,
                order,
                ..
            } => writer.darray(*size, *rank, dims, order.to_abi()),
            Self::Resized { lb, extent, .. } => writer.addresses([*lb, *extent]),
            Self::F90Real { precision, range } | Self::F90Complex { precision, range } => {
                writer.integers([*precision, *range]);
            }
            Self::F90Integer { range } => writer.integers([*range]),
        }
        writer.contents
    }
}

struct Writer {
    large: bool,
    contents: Contents,
}

impl Writer {
    /// Values that are `int` in the plain function and `MPI_Count` in the large one.
    fn counts(&mut self, values: impl IntoIterator<Item = i64>) {
        if self.large {
            self.contents.large_counts.extend(values);
        } else {
            self.contents
                .integers
                .extend(values.into_iter().map(|value| value as i32));
        }
    }

    /// Values that are `MPI_Aint` in the plain function and `MPI_Count` in the large one.
    fn addresses(&mut self, values: impl IntoIterator<Item = i64>) {
        let array = if self.large {
            &mut self.contents.large_counts
        } else {
            &mut self.contents.addresses
        };
        array.extend(values);
    }

    /// Values that are `int` in both.
    fn integers(&mut self, values: impl IntoIterator<Item = i32>) {
        self.contents.integers.extend(values);
    }

    fn block_lengths(&mut self, blocks: &[Block]) {
        self.counts([blocks.len() as i64]);
        self.counts(blocks.iter().map(|block| block.length));
    }

    fn subarray(&mut self, dims: &[SubarrayDim], order: i32) {
        self.integers([dims.len() as i32]);
        self.counts(dims.iter().map(|dim| dim.size));
        self.counts(dims.iter().map(|dim| dim.subsize));
        self.counts(dims.iter().map(|dim| dim.start));
        self.integers([order]);
    }

    fn darray(&mut self, size: i32, rank: i32, dims: &[DarrayDim], order: i32) {
        self.integers([size, rank, dims.len() as i32]);
        self.counts(dims.iter().map(|dim| dim.global_size));
        self.integers(dims.iter().map(|dim| dim.distribution.to_abi()));
        self.integers(dims.iter().map(|dim| dim.argument));
        self.integers(dims.iter().map(|dim| dim.processes));
        self.integers([order]);
    }
}
