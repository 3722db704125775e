//! The content of a datatype under construction, and the three ways to make a larger one: repeat, put in sequence, resize.
//!
//! Every constructor of MPI is expressed by these; see [`super::lower`]. All figures of a type are computed along, without
//! walking the type map:
//!
//! ```text
//!    lb marker     true lb                       true ub     ub marker
//!       |             |#####....####....####........|            |
//!       |<------------------------ extent -------------------->  |
//! ```
//!
//! Markers are sticky: a type that contains a resized one has its bounds at the outermost markers, wherever its data lies
//! (MPI 4.1 section 5.1.6). Arithmetic is checked: a type that exceeds 63 bits is refused.

use super::predefined::{Class, Predefined};
use super::shape::Shape;
use super::signature::Signature;
use crate::error::ObjectError;

/// The content of a datatype, its bounds aside.
#[derive(Clone, Debug)]
pub struct Body {
    pub(super) size_bytes: i64,
    /// Explicit bounds, from MPI_Type_create_resized, the array constructors, MPI_LB and MPI_UB.
    pub(super) markers: Markers,
    /// Bounds of the data; None when there is no data.
    pub(super) data: Option<Bounds>,
    /// Bounds of the types it is made of, each with its padding; None when there is no data.
    pub(super) parts: Option<Bounds>,
    pub(super) alignment_bytes: i64,
    pub(super) signature: Signature,
    /// Whether the data in type map order is one run of bytes without gap.
    pub(super) dense: bool,
    /// None when there is no data.
    pub(super) shape: Option<Shape>,
}

/// First byte and one past the last byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Bounds {
    pub(super) lb: i64,
    pub(super) ub: i64,
}

impl Bounds {
    fn shifted(self, offset: i64) -> Result<Self, ObjectError> {
        Ok(Self {
            lb: add(self.lb, offset)?,
            ub: add(self.ub, offset)?,
        })
    }

    fn joined(self, other: Self) -> Self {
        Self {
            lb: self.lb.min(other.lb),
            ub: self.ub.max(other.ub),
        }
    }

    /// Around `count` copies at a distance of `step`: extremes lie at the first and the last.
    fn repeated(self, count: i64, step: i64) -> Result<Self, ObjectError> {
        Ok(self.joined(self.shifted(mul(step, count - 1)?)?))
    }
}

/// Explicit bounds, as far as there are any: MPI_LB and MPI_UB set one each.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Markers {
    pub(super) lb: Option<i64>,
    pub(super) ub: Option<i64>,
}

impl Markers {
    fn shifted(self, offset: i64) -> Result<Self, ObjectError> {
        let shifted = |at: Option<i64>| at.map(|at| add(at, offset)).transpose();
        Ok(Self {
            lb: shifted(self.lb)?,
            ub: shifted(self.ub)?,
        })
    }

    /// The outermost.
    fn joined(self, other: Self) -> Self {
        Self {
            lb: self.lb.into_iter().chain(other.lb).min(),
            ub: self.ub.into_iter().chain(other.ub).max(),
        }
    }

    /// Of `count` copies at a distance of `step`.
    fn repeated(self, count: i64, step: i64) -> Result<Self, ObjectError> {
        Ok(self.joined(self.shifted(mul(step, count - 1)?)?))
    }
}

impl Body {
    /// No data.
    pub(super) fn empty() -> Self {
        Self {
            size_bytes: 0,
            markers: Markers::default(),
            data: None,
            parts: None,
            alignment_bytes: 1,
            signature: Signature::EMPTY,
            dense: true,
            shape: None,
        }
    }

    /// One element of a basic type, or a marker.
    pub(super) fn basic(row: &Predefined) -> Self {
        let (lb, ub) = (
            (row.class == Class::LowerBound).then_some(0),
            (row.class == Class::UpperBound).then_some(0),
        );
        let markers = Markers { lb, ub };
        if markers != Markers::default() {
            return Self {
                markers,
                ..Self::empty()
            };
        }
        let length = i64::from(row.size_bytes);
        Self {
            size_bytes: length,
            markers,
            data: Some(Bounds { lb: 0, ub: length }),
            parts: Some(Bounds { lb: 0, ub: length }),
            alignment_bytes: i64::from(row.alignment_bytes),
            signature: Signature::of_basic(row.handle),
            dense: true,
            shape: Some(Shape::Run {
                offset: 0,
                length,
                basic: row.handle,
            }),
        }
    }

    /// `count` copies at a distance of `step` bytes.
    pub(super) fn repeat(&self, count: i64, step: i64) -> Result<Self, ObjectError> {
        if count <= 0 {
            return Ok(Self::empty());
        }
        let around = |bounds: Option<Bounds>| {
            bounds
                .map(|bounds| bounds.repeated(count, step))
                .transpose()
        };
        Ok(Self {
            size_bytes: mul(self.size_bytes, count)?,
            markers: self.markers.repeated(count, step)?,
            data: around(self.data)?,
            parts: around(self.parts)?,
            alignment_bytes: self.alignment_bytes,
            signature: self.signature.repeated(count),
            dense: self.dense && (count == 1 || self.data.is_none() || step == self.size_bytes),
            shape: self.shape.clone().map(|shape| shape.repeat(count, step)),
        })
    }

    /// Bodies at their offsets, in order.
    pub(super) fn sequence<'a>(
        parts: impl Iterator<Item = (i64, &'a Self)>,
    ) -> Result<Self, ObjectError> {
        let mut whole = Self::empty();
        let mut shapes: Vec<(i64, Shape)> = Vec::new();
        for (offset, part) in parts {
            whole.append(offset, part)?;
            if let Some(shape) = &part.shape {
                push_joined(&mut shapes, offset, shape);
            }
        }
        whole.shape = match &shapes[..] {
            [] => None,
            [(offset, shape)] => Some(shifted(*offset, shape)),
            _ => Some(Shape::Sequence(shapes.into())),
        };
        Ok(whole)
    }

    /// Adds a part's figures; the shape is the caller's.
    fn append(&mut self, offset: i64, part: &Self) -> Result<(), ObjectError> {
        self.size_bytes = add(self.size_bytes, part.size_bytes)?;
        self.signature = self.signature.then(part.signature);
        self.markers = self.markers.joined(part.markers.shifted(offset)?);
        let (Some(data), Some(parts)) = (part.data, part.parts) else {
            return Ok(());
        };
        let (data, parts) = (data.shifted(offset)?, parts.shifted(offset)?);
        let follows = self.data.is_none_or(|before| before.ub == data.lb);
        self.dense = self.dense && part.dense && follows;
        self.data = Some(self.data.map_or(data, |before| before.joined(data)));
        self.parts = Some(self.parts.map_or(parts, |before| before.joined(parts)));
        self.alignment_bytes = self.alignment_bytes.max(part.alignment_bytes);
        Ok(())
    }

    /// The same data with explicit bounds.
    pub(super) fn resized(self, lb: i64, extent: i64) -> Result<Self, ObjectError> {
        Ok(Self {
            markers: Markers {
                lb: Some(lb),
                ub: Some(add(lb, extent)?),
            },
            ..self
        })
    }
}

/// Appends a part, joined to the last run when it continues it with the same basic type.
fn push_joined(shapes: &mut Vec<(i64, Shape)>, at: i64, part: &Shape) {
    if let (
        Some((
            last_at,
            Shape::Run {
                offset: last_offset,
                length: last_length,
                basic: last_basic,
            },
        )),
        Shape::Run {
            offset,
            length,
            basic,
        },
    ) = (shapes.last_mut(), part)
        && last_basic == basic
        && *last_at + *last_offset + *last_length == at + offset
    {
        *last_length += length;
        return;
    }
    shapes.push((at, part.clone()));
}

fn shifted(by: i64, shape: &Shape) -> Shape {
    match shape {
        Shape::Run {
            offset,
            length,
            basic,
        } => Shape::Run {
            offset: offset + by,
            length: *length,
            basic: *basic,
        },
        other if by == 0 => other.clone(),
        other => Shape::Sequence([(by, other.clone())].into()),
    }
}

pub(super) fn add(a: i64, b: i64) -> Result<i64, ObjectError> {
    a.checked_add(b).ok_or(ObjectError::TypeTooLarge)
}

pub(super) fn mul(a: i64, b: i64) -> Result<i64, ObjectError> {
    a.checked_mul(b).ok_or(ObjectError::TypeTooLarge)
}
