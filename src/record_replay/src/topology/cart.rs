//! Cartesian grids and tori: row-major numbering (the last coordinate changes fastest), MPI 4.1 section 8.5.

use serde::{Deserialize, Serialize};

use crate::abi::{PROC_NULL, UNDEFINED};
use crate::error::ObjectError;

/// A grid of `dims[0] × dims[1] × …` ranks. A grid of no dimensions has one rank.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Cart {
    dims: Vec<i32>,
    periods: Vec<bool>,
}

/// One part of a grid cut by `MPI_Cart_sub`, as seen by one rank.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CartSub {
    /// The part's grid.
    pub cart: Cart,
    /// Equal for the ranks of one part: the colour of the `MPI_Comm_split` that makes it.
    pub colour: i32,
    /// The rank in the part: the key of that split.
    pub rank: i32,
}

impl Cart {
    /// A grid on a communicator of `available` ranks.
    ///
    /// # Errors
    /// [`ObjectError::Dimension`] for an extent below 1, [`ObjectError::TopologySize`] when there are too few ranks,
    /// [`ObjectError::Length`] when not every dimension has a period.
    pub fn new(dims: Vec<i32>, periods: Vec<bool>, available: u32) -> Result<Self, ObjectError> {
        if dims.len() != periods.len() {
            return Err(ObjectError::Length {
                what: "periods",
                got: periods.len(),
                wanted: dims.len(),
            });
        }
        if let Some((dimension, value)) = dims.iter().enumerate().find(|(_, extent)| **extent < 1) {
            let problem = "an extent must be at least 1";
            return Err(ObjectError::Dimension {
                dimension,
                value: i64::from(*value),
                problem,
            });
        }
        let wanted = dims
            .iter()
            .fold(1_u64, |size, extent| size.saturating_mul(*extent as u64));
        if wanted > u64::from(available) {
            return Err(ObjectError::TopologySize {
                wanted,
                available: u64::from(available),
            });
        }
        Ok(Self { dims, periods })
    }

    /// The extents.
    #[must_use]
    pub fn dims(&self) -> &[i32] {
        &self.dims
    }

    /// Which dimensions are closed to rings.
    #[must_use]
    pub fn periods(&self) -> &[bool] {
        &self.periods
    }

    /// Number of ranks in the grid.
    #[must_use]
    pub fn size(&self) -> i32 {
        self.dims.iter().product()
    }

    /// `MPI_Cart_rank`: coordinates of periodic dimensions wrap around.
    ///
    /// # Errors
    /// [`ObjectError::Length`] for another number of coordinates, [`ObjectError::Argument`] for one outside a dimension
    /// that is not periodic.
    pub fn rank(&self, coords: &[i32]) -> Result<i32, ObjectError> {
        if coords.len() < self.dims.len() {
            return Err(ObjectError::Length {
                what: "coordinates",
                got: coords.len(),
                wanted: self.dims.len(),
            });
        }
        let mut rank = 0;
        for ((extent, periodic), coordinate) in self.dims.iter().zip(&self.periods).zip(coords) {
            let inside = (0..*extent).contains(coordinate);
            if !inside && !periodic {
                let allowed =
                    "a coordinate of a dimension that is not periodic must be in 0..extent";
                return Err(ObjectError::Argument {
                    argument: "coordinate",
                    value: i64::from(*coordinate),
                    allowed,
                });
            }
            rank = rank * extent + coordinate.rem_euclid(*extent);
        }
        Ok(rank)
    }

    /// `MPI_Cart_coords`.
    ///
    /// # Errors
    /// [`ObjectError::Rank`].
    pub fn coords(&self, rank: i32) -> Result<Vec<i32>, ObjectError> {
        self.check(rank)?;
        let mut rest = rank;
        let mut coords = vec![0; self.dims.len()];
        for (coordinate, extent) in coords.iter_mut().zip(&self.dims).rev() {
            *coordinate = rest % extent;
            rest /= extent;
        }
        Ok(coords)
    }

    /// `MPI_Cart_shift`: (source, destination) of a shift by `displacement` along a dimension, MPI_PROC_NULL beyond a
    /// border.
    ///
    /// # Errors
    /// [`ObjectError::Dimension`] for a dimension that is not there, [`ObjectError::Rank`].
    pub fn shift(
        &self,
        rank: i32,
        dimension: i32,
        displacement: i32,
    ) -> Result<(i32, i32), ObjectError> {
        let index = usize::try_from(dimension)
            .ok()
            .filter(|index| *index < self.dims.len());
        let problem = "the grid has no such dimension";
        let index = index.ok_or(ObjectError::Dimension {
            dimension: 0,
            value: i64::from(dimension),
            problem,
        })?;
        let coords = self.coords(rank)?;
        let displacement = i64::from(displacement);
        Ok((
            self.displaced(rank, &coords, index, -displacement),
            self.displaced(rank, &coords, index, displacement),
        ))
    }

    fn displaced(&self, rank: i32, coords: &[i32], dimension: usize, displacement: i64) -> i32 {
        let extent = i64::from(self.dims[dimension]);
        let target = i64::from(coords[dimension]) + displacement;
        if !self.periods[dimension] && !(0..extent).contains(&target) {
            return PROC_NULL;
        }
        let steps = target.rem_euclid(extent) - i64::from(coords[dimension]);
        let stride: i64 = self.dims[dimension + 1..]
            .iter()
            .map(|extent| i64::from(*extent))
            .product();
        (i64::from(rank) + steps * stride) as i32
    }

    /// The neighbours in the order of neighbourhood collectives: for each dimension, −1 then +1 (MPI 4.1 section 8.6).
    ///
    /// # Errors
    /// [`ObjectError::Rank`].
    pub fn neighbours(&self, rank: i32) -> Result<Vec<i32>, ObjectError> {
        let coords = self.coords(rank)?;
        let both = |index| {
            [
                self.displaced(rank, &coords, index, -1),
                self.displaced(rank, &coords, index, 1),
            ]
        };
        Ok((0..self.dims.len()).flat_map(both).collect())
    }

    /// `MPI_Cart_sub`: the part that `rank` belongs to when the dimensions that are not in `remain` are cut.
    ///
    /// # Errors
    /// [`ObjectError::Rank`], [`ObjectError::Length`] for another number of dimensions.
    pub fn sub(&self, rank: i32, remain: &[bool]) -> Result<CartSub, ObjectError> {
        if remain.len() < self.dims.len() {
            return Err(ObjectError::Length {
                what: "remain_dims",
                got: remain.len(),
                wanted: self.dims.len(),
            });
        }
        let coords = self.coords(rank)?;
        let mut sub = CartSub {
            cart: Self {
                dims: Vec::new(),
                periods: Vec::new(),
            },
            colour: 0,
            rank: 0,
        };
        for (index, (extent, coordinate)) in self.dims.iter().zip(coords).enumerate() {
            if remain[index] {
                sub.cart.dims.push(*extent);
                sub.cart.periods.push(self.periods[index]);
                sub.rank = sub.rank * extent + coordinate;
            } else {
                sub.colour = sub.colour * extent + coordinate;
            }
        }
        Ok(sub)
    }

    /// `MPI_Cart_map` without reordering: the rank itself, or MPI_UNDEFINED for one that is not in the grid.
    #[must_use]
    pub fn map(&self, rank: i32) -> i32 {
        if (0..self.size()).contains(&rank) {
            rank
        } else {
            UNDEFINED
        }
    }

    fn check(&self, rank: i32) -> Result<(), ObjectError> {
        let size = self.size();
        if (0..size).contains(&rank) {
            return Ok(());
        }
        Err(ObjectError::Rank {
            rank: i64::from(rank),
            size: size as u32,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(dims: &[i32], periods: &[bool]) -> Cart {
        Cart::new(dims.to_vec(), periods.to_vec(), 1000).unwrap()
    }

    #[test]
    fn ranks_are_row_major_and_wrap_where_periodic() {
        let cart = grid(&[2, 3], &[false, true]);
        assert_eq!(cart.rank(&[1, 2]), Ok(5));
        assert_eq!(cart.rank(&[1, -1]), Ok(5));
        assert_eq!(cart.rank(&[1, 302]), Ok(5));
        assert!(cart.rank(&[2, 0]).is_err());
        assert_eq!(cart.coords(5), Ok(vec![1, 2]));
        assert!(cart.coords(6).is_err());
    }

    #[test]
    fn a_shift_beyond_the_border_is_nobody() {
        let cart = grid(&[2, 3], &[false, true]);
        assert_eq!(cart.shift(0, 0, 1), Ok((PROC_NULL, 3)));
        assert_eq!(cart.shift(0, 1, 1), Ok((2, 1)));
        assert_eq!(cart.shift(0, 1, -4), Ok((1, 2)));
        assert_eq!(cart.shift(4, 0, 0), Ok((4, 4)));
        assert_eq!(cart.shift(4, 0, i32::MIN), Ok((PROC_NULL, PROC_NULL)));
        assert!(cart.shift(0, 2, 1).is_err());
    }

    #[test]
    fn neighbours_are_minus_then_plus_per_dimension() {
        assert_eq!(
            grid(&[2, 3], &[false, true]).neighbours(1),
            Ok(vec![PROC_NULL, 4, 0, 2])
        );
        // A ring of one or two: the same neighbour on both sides, listed twice.
        assert_eq!(
            grid(&[1, 2], &[true, true]).neighbours(0),
            Ok(vec![0, 0, 1, 1])
        );
    }

    #[test]
    fn a_grid_without_dimensions_has_one_rank() {
        let cart = grid(&[], &[]);
        assert_eq!(
            (cart.size(), cart.rank(&[]), cart.coords(0)),
            (1, Ok(0), Ok(vec![]))
        );
        assert_eq!(cart.map(1), UNDEFINED);
    }

    #[test]
    fn bad_dimensions_are_refused() {
        assert!(Cart::new(vec![2, 0], vec![false; 2], 4).is_err());
        assert!(Cart::new(vec![2, 3], vec![false; 2], 5).is_err());
        assert!(Cart::new(vec![i32::MAX; 4], vec![false; 4], 5).is_err());
    }
}
