//! `MPI_Dims_create`: extents for a balanced grid (MPI 4.1 section 8.5.2).
//!
//! The standard asks for extents "as close to each other as possible", in non-increasing order. That is read here as: the
//! least difference between the largest and the smallest extent chosen; among those, the greatest smallest one (and with
//! it the greatest largest one), then the greatest second smallest, and so on, as MPICH's tests have it. Extents that are
//! given stay, and only the others are chosen and sorted.

use std::cmp::Ordering;

use crate::error::ObjectError;

/// Fills the zeros of `dims` so that the product is `nodes`.
///
/// # Errors
/// [`ObjectError::Argument`] for fewer than one node, [`ObjectError::Dimension`] for a negative extent or when the given
/// ones do not divide `nodes` (or, with no zero left, are not `nodes`).
pub fn dims_create(nodes: i32, dims: &mut [i32]) -> Result<(), ObjectError> {
    let problem = "an extent must be positive, or 0 to be chosen";
    if let Some((dimension, value)) = dims.iter().enumerate().find(|(_, extent)| **extent < 0) {
        return Err(ObjectError::Dimension {
            dimension,
            value: i64::from(*value),
            problem,
        });
    }
    if nodes < 1 {
        return Err(ObjectError::Argument {
            argument: "nnodes",
            value: i64::from(nodes),
            allowed: "at least 1",
        });
    }
    let mut rest = i64::from(nodes);
    for (dimension, extent) in dims.iter().enumerate().filter(|(_, extent)| **extent > 0) {
        let value = i64::from(*extent);
        if rest % value != 0 {
            let problem = "the extents given do not divide the number of nodes";
            return Err(ObjectError::Dimension {
                dimension,
                value,
                problem,
            });
        }
        rest /= value;
    }
    let free = dims.iter().filter(|extent| **extent == 0).count();
    if free == 0 {
        let problem = "the product of the extents given is not the number of nodes";
        let value = dims.last().map_or(0, |extent| i64::from(*extent));
        return if rest == 1 {
            Ok(())
        } else {
            Err(ObjectError::Dimension {
                dimension: 0,
                value,
                problem,
            })
        };
    }
    let chosen = balanced(rest, free);
    for (extent, choice) in dims.iter_mut().filter(|extent| **extent == 0).zip(chosen) {
        *extent = choice as i32;
    }
    Ok(())
}

/// The most balanced factorisation of `nodes` into `count` factors, non-increasing.
fn balanced(nodes: i64, count: usize) -> Vec<i64> {
    let mut trivial = vec![1; count];
    trivial[0] = nodes;
    let divisors = divisors(nodes);
    let mut search = Search {
        divisors: &divisors,
        spread: nodes - 1,
        best: trivial,
        prefix: Vec::new(),
    };
    for &largest in &divisors {
        search.prefix.push(largest);
        search.extend(nodes / largest, count - 1);
        search.prefix.pop();
    }
    search.best
}

struct Search<'a> {
    divisors: &'a [i64],
    /// Largest less smallest factor of the best one so far.
    spread: i64,
    best: Vec<i64>,
    /// The factors chosen so far, non-increasing.
    prefix: Vec<i64>,
}

impl Search<'_> {
    /// Tries all ways to write `rest` as `count` further factors.
    fn extend(&mut self, rest: i64, count: usize) {
        let (largest, previous) = (self.prefix[0], self.prefix[self.prefix.len() - 1]);
        if count == 0 {
            let spread = largest - previous;
            let better = match spread.cmp(&self.spread) {
                Ordering::Equal => self.prefix.iter().rev().gt(self.best.iter().rev()),
                closer => closer == Ordering::Less,
            };
            if rest == 1 && better {
                self.spread = spread;
                self.best.clone_from(&self.prefix);
            }
            return;
        }
        for &factor in self
            .divisors
            .iter()
            .take_while(|factor| **factor <= previous)
        {
            let fits = rest % factor == 0 && factor >= largest - self.spread;
            if fits && can_reach(factor, count, rest) {
                self.prefix.push(factor);
                self.extend(rest / factor, count - 1);
                self.prefix.pop();
            }
        }
    }
}

/// Whether `count` factors of at most `factor` can have a product of `rest`.
fn can_reach(factor: i64, count: usize, rest: i64) -> bool {
    let mut product = 1_i64;
    for _ in 0..count {
        product = product.saturating_mul(factor);
        if product >= rest {
            return true;
        }
        if factor == 1 {
            return false;
        }
    }
    product >= rest
}

fn divisors(number: i64) -> Vec<i64> {
    let low: Vec<i64> = (1..)
        .take_while(|d| d * d <= number)
        .filter(|d| number % d == 0)
        .collect();
    let high: Vec<i64> = low
        .iter()
        .rev()
        .map(|d| number / d)
        .filter(|d| d * d > number)
        .collect();
    [low, high].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_class::ErrorClass;

    fn dims<const N: usize>(nodes: i32, mut dims: [i32; N]) -> Result<[i32; N], ErrorClass> {
        dims_create(nodes, &mut dims)
            .map(|()| dims)
            .map_err(|error| error.class())
    }

    #[test]
    fn the_examples_of_the_standard() {
        // MPI 4.1 section 8.5.2, example 8.1.
        assert_eq!(dims(6, [0, 0]), Ok([3, 2]));
        assert_eq!(dims(7, [0, 0]), Ok([7, 1]));
        assert_eq!(dims(6, [0, 3, 0]), Ok([2, 3, 1]));
        assert_eq!(dims(7, [0, 3, 0]), Err(ErrorClass::DIMS));
    }

    #[test]
    fn of_the_closest_extents_those_with_the_greatest_smallest_one_are_taken() {
        assert_eq!(dims(5040, [0, 0, 0]), Ok([21, 16, 15]));
        assert_eq!(dims(10_800, [0, 0, 0]), Ok([27, 20, 20]));
        assert_eq!(dims(5616, [0; 4]), Ok([13, 9, 8, 6]));
        assert_eq!(dims(98_784, [0; 5]), Ok([14, 14, 9, 8, 7]));
    }

    #[test]
    fn given_extents_are_checked() {
        assert_eq!(dims(6, [2, 3]), Ok([2, 3]));
        assert_eq!(dims(6, [2, 2]), Err(ErrorClass::DIMS));
        assert_eq!(dims(6, [-1, 0]), Err(ErrorClass::DIMS));
        assert_eq!(dims(0, [0]), Err(ErrorClass::ARG));
        assert_eq!(dims(1, []), Ok([]));
        assert_eq!(dims(2, []), Err(ErrorClass::DIMS));
    }

    #[test]
    fn big_jobs_are_balanced_too() {
        assert_eq!(dims(65_536, [0, 0, 0]), Ok([64, 32, 32]));
        assert_eq!(dims(1_000_000, [0; 6]), Ok([10; 6]));
        assert_eq!(dims(720_720, [0, 0, 0]), Ok([91, 90, 88]));
        assert_eq!(dims(1 << 30, [0; 10]), Ok([8; 10]));
        assert_eq!(dims(i32::MAX, [0, 0]), Ok([i32::MAX, 1]));
    }
}
