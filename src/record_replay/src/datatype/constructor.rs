//! How a datatype was made: the constructor with its arguments, which is all that has to survive.

use serde::{Deserialize, Serialize};

use crate::abi;
use crate::error::ObjectError;
use crate::handle::DatatypeHandle;

/// Which way an array's elements are numbered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Order {
    /// The last dimension changes fastest.
    C,
    /// The first dimension changes fastest.
    Fortran,
}

impl Order {
    /// MPI_ORDER_C or MPI_ORDER_FORTRAN.
    #[must_use]
    pub const fn to_abi(self) -> i32 {
        match self {
            Self::C => abi::ORDER_C,
            Self::Fortran => abi::ORDER_FORTRAN,
        }
    }

    /// From the value of the standard ABI.
    ///
    /// # Errors
    /// [`ObjectError::Argument`].
    pub const fn from_abi(value: i32) -> Result<Self, ObjectError> {
        match value {
            abi::ORDER_C => Ok(Self::C),
            abi::ORDER_FORTRAN => Ok(Self::Fortran),
            _ => {
                let allowed = "MPI_ORDER_C or MPI_ORDER_FORTRAN is allowed";
                Err(ObjectError::Argument {
                    argument: "order",
                    value: value as i64,
                    allowed,
                })
            }
        }
    }
}

/// How a dimension of a darray is dealt out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Distribution {
    /// Not at all.
    None,
    /// One block per process.
    Block,
    /// Blocks in turn.
    Cyclic,
}

impl Distribution {
    /// MPI_DISTRIBUTE_NONE, _BLOCK or _CYCLIC.
    #[must_use]
    pub const fn to_abi(self) -> i32 {
        match self {
            Self::None => abi::DISTRIBUTE_NONE,
            Self::Block => abi::DISTRIBUTE_BLOCK,
            Self::Cyclic => abi::DISTRIBUTE_CYCLIC,
        }
    }

    /// From the value of the standard ABI.
    ///
    /// # Errors
    /// [`ObjectError::Argument`].
    pub const fn from_abi(value: i32) -> Result<Self, ObjectError> {
        match value {
            abi::DISTRIBUTE_NONE => Ok(Self::None),
            abi::DISTRIBUTE_BLOCK => Ok(Self::Block),
            abi::DISTRIBUTE_CYCLIC => Ok(Self::Cyclic),
            _ => {
                let allowed =
                    "MPI_DISTRIBUTE_NONE, MPI_DISTRIBUTE_BLOCK or MPI_DISTRIBUTE_CYCLIC is allowed";
                Err(ObjectError::Argument {
                    argument: "distribution",
                    value: value as i64,
                    allowed,
                })
            }
        }
    }
}

/// A dimension of an array, and the part of it that a subarray takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SubarrayDim {
    /// Elements in the array.
    pub size: i64,
    /// Elements in the part.
    pub subsize: i64,
    /// The part's first element.
    pub start: i64,
}

/// A dimension of a distributed array.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DarrayDim {
    /// Elements in the whole array.
    pub global_size: i64,
    /// How they are dealt out.
    pub distribution: Distribution,
    /// The length of a block, or MPI_DISTRIBUTE_DFLT_DARG.
    pub argument: i32,
    /// Processes along this dimension.
    pub processes: i32,
}

/// A block of an indexed type. Displacements are in extents of the old type or in bytes, as the constructor says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Block {
    /// Number of old elements.
    pub length: i64,
    /// Where it begins.
    pub displacement: i64,
}

/// A member of a struct type.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Member {
    /// Number of elements.
    pub length: i64,
    /// Where it begins, in bytes.
    pub displacement: i64,
    /// Their type.
    pub datatype: DatatypeHandle,
}

/// A datatype constructor of MPI 4.1 section 5.1 with its arguments.
#[expect(
    missing_docs,
    reason = "the fields are the arguments of the MPI function that each variant names"
)]
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Constructor {
    /// `MPI_Type_dup`.
    Dup { old: DatatypeHandle },
    /// `MPI_Type_contiguous`.
    Contiguous { count: i64, old: DatatypeHandle },
    /// `MPI_Type_vector`; the stride in extents.
    Vector {
        count: i64,
        block_length: i64,
        stride: i64,
        old: DatatypeHandle,
    },
    /// `MPI_Type_create_hvector`.
    Hvector {
        count: i64,
        block_length: i64,
        stride_bytes: i64,
        old: DatatypeHandle,
    },
    /// `MPI_Type_indexed`; displacements in extents.
    Indexed {
        blocks: Vec<Block>,
        old: DatatypeHandle,
    },
    /// `MPI_Type_create_hindexed`; displacements in bytes.
    Hindexed {
        blocks: Vec<Block>,
        old: DatatypeHandle,
    },
    /// `MPI_Type_create_indexed_block`; displacements in extents.
    IndexedBlock {
        block_length: i64,
        displacements: Vec<i64>,
        old: DatatypeHandle,
    },
    /// `MPI_Type_create_hindexed_block`; displacements in bytes.
    HindexedBlock {
        block_length: i64,
        displacements_bytes: Vec<i64>,
        old: DatatypeHandle,
    },
    /// `MPI_Type_create_struct`.
    Struct { members: Vec<Member> },
    /// `MPI_Type_create_subarray`.
    Subarray {
        dims: Vec<SubarrayDim>,
        order: Order,
        old: DatatypeHandle,
    },
    /// `MPI_Type_create_darray`.
    Darray {
        size: i32,
        rank: i32,
        dims: Vec<DarrayDim>,
        order: Order,
        old: DatatypeHandle,
    },
    /// `MPI_Type_create_resized`.
    Resized {
        lb: i64,
        extent: i64,
        old: DatatypeHandle,
    },
    /// `MPI_Type_create_f90_real`; MPI_UNDEFINED for what is not asked for.
    F90Real { precision: i32, range: i32 },
    /// `MPI_Type_create_f90_complex`.
    F90Complex { precision: i32, range: i32 },
    /// `MPI_Type_create_f90_integer`.
    F90Integer { range: i32 },
}

impl Constructor {
    /// The datatypes that it is made of, in the order in which `MPI_Type_get_contents` reports them.
    #[must_use]
    pub fn children(&self) -> Vec<DatatypeHandle> {
        match self {
            Self::Dup { old }
            | Self::Contiguous { old, .. }
            | Self::Vector { old, .. }
            | Self::Hvector { old, .. }
            | Self::Indexed { old, .. }
            | Self::Hindexed { old, .. }
            | Self::IndexedBlock { old, .. }
            | Self::HindexedBlock { old, .. }
            | Self::Subarray { old, .. }
            | Self::Darray { old, .. }
            | Self::Resized { old, .. } => vec![*old],
            Self::Struct { members } => members.iter().map(|member| member.datatype).collect(),
            Self::F90Real { .. } | Self::F90Complex { .. } | Self::F90Integer { .. } => Vec::new(),
        }
    }

    /// Whether it is one of the parametrised predefined types of Fortran, which are committed and never freed.
    #[must_use]
    pub const fn is_f90(&self) -> bool {
        matches!(
            self,
            Self::F90Real { .. } | Self::F90Complex { .. } | Self::F90Integer { .. }
        )
    }
}
