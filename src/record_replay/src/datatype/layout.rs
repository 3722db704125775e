//! What a datatype is in memory: size, bounds, alignment, and the walks over its bytes.
//!
//! Bounds are those of MPI 4.1 section 5.1.6. A type without explicit bounds gets an upper bound padded so that its
//! extent is a multiple of the strictest alignment in it (the standard's ε), as the C compiler pads a struct. It reaches as
//! far as the padded types that it is made of: elements at a stride that breaks their alignment end behind the last data.
//! Open MPI does the same; MPICH pads structs only, and there the bounds of a resized member do not bind the struct. A
//! native type is therefore resized to these bounds when its own differ, so that an application sees one extent under every
//! MPI.

use super::body::{Body, Bounds, add};
use super::shape::{BasicRuns, Runs};
use super::signature::Signature;
use crate::error::ObjectError;

/// A datatype's layout. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Layout {
    body: Body,
    bounds: Bounds,
}

impl Layout {
    /// Settles the bounds of a body.
    pub(super) fn of(mut body: Body) -> Self {
        let padded_from = |lb: Option<i64>| {
            body.parts
                .map(|all| padded(all, lb.unwrap_or(all.lb), body.alignment_bytes))
        };
        let natural = padded_from(body.markers.lb).unwrap_or(Bounds { lb: 0, ub: 0 });
        let bounds = Bounds {
            lb: body.markers.lb.unwrap_or(natural.lb),
            ub: body.markers.ub.unwrap_or(natural.ub),
        };
        body.parts = padded_from(None);
        Self { bounds, body }
    }

    pub(super) const fn body(&self) -> &Body {
        &self.body
    }

    /// `MPI_Type_size`: bytes of data.
    #[inline]
    #[must_use]
    pub const fn size_bytes(&self) -> i64 {
        self.body.size_bytes
    }

    /// The lower bound of `MPI_Type_get_extent`, in bytes.
    #[inline]
    #[must_use]
    pub const fn lb(&self) -> i64 {
        self.bounds.lb
    }

    /// The upper bound, in bytes.
    #[inline]
    #[must_use]
    pub const fn ub(&self) -> i64 {
        self.bounds.ub
    }

    /// The extent: bytes from one element of a buffer to the next; may be negative.
    #[inline]
    #[must_use]
    pub const fn extent(&self) -> i64 {
        self.bounds.ub.wrapping_sub(self.bounds.lb)
    }

    /// `MPI_Type_get_true_extent`: the first byte of data.
    #[must_use]
    pub fn true_lb(&self) -> i64 {
        self.body.data.map_or(0, |data| data.lb)
    }

    /// One past the last byte of data.
    #[must_use]
    pub fn true_ub(&self) -> i64 {
        self.body.data.map_or(0, |data| data.ub)
    }

    /// Bytes from the first to the last byte of data.
    #[must_use]
    pub fn true_extent(&self) -> i64 {
        self.true_ub() - self.true_lb()
    }

    /// The strictest alignment of its basic types, in bytes.
    #[must_use]
    pub const fn alignment_bytes(&self) -> i64 {
        self.body.alignment_bytes
    }

    /// Number of basic elements.
    #[must_use]
    pub const fn elements(&self) -> i64 {
        self.body.signature.elements()
    }

    /// The type signature of one.
    #[must_use]
    pub const fn signature(&self) -> Signature {
        self.body.signature
    }

    /// Whether `count` of them, packed, equal the bytes in memory from the true lower bound on.
    #[must_use]
    pub fn is_contiguous(&self, count: i64) -> bool {
        count <= 0
            || self.body.dense
                && (count == 1 || self.size_bytes() == 0 || self.extent() == self.size_bytes())
    }

    /// First byte and one past the last byte that a buffer of `count` of them touches, relative to its address.
    ///
    /// # Errors
    /// [`ObjectError::TypeTooLarge`].
    pub fn span(&self, count: i64) -> Result<(i64, i64), ObjectError> {
        let Some(data) = self.body.data.filter(|_| count > 0) else {
            return Ok((0, 0));
        };
        let distance = super::body::mul(self.extent(), count - 1)?;
        Ok((
            add(data.lb, distance.min(0))?,
            add(data.ub, distance.max(0))?,
        ))
    }

    /// The bytes of `count` of them in type map order, in runs as long as they get.
    #[must_use]
    pub fn runs(&self, count: i64) -> Runs<'_> {
        Runs::new(self.basic_runs(count))
    }

    /// The bytes of `count` of them in type map order, in runs of one basic type.
    #[must_use]
    pub fn basic_runs(&self, count: i64) -> BasicRuns<'_> {
        BasicRuns::new(self.body.shape.as_ref(), count, self.extent())
    }
}

/// The bounds with an upper one that makes the extent from `lb` on a multiple of the alignment.
fn padded(data: Bounds, lb: i64, alignment_bytes: i64) -> Bounds {
    let beyond = data.ub.wrapping_sub(lb).rem_euclid(alignment_bytes);
    let padding = if beyond == 0 {
        0
    } else {
        alignment_bytes - beyond
    };
    Bounds {
        lb: data.lb,
        ub: data.ub.saturating_add(padding),
    }
}
