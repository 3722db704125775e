//! Where the one-sided functions have their parameters, found in the table when this is compiled: their calls are short
//! and many.
//!
//! ```text
//!   MPI_Fetch_and_op(origin_addr, result_addr, datatype, target_rank, target_disp, op, win)
//!                                    2            3           4       5    6       one element: no counts
//! ```

use mana_table::{Direction, FUNCTIONS, Function, Kind, Param, SLOT_COUNT};

/// The places of a function's parameters.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// The window.
    pub win: usize,
    /// The target's rank.
    pub rank: usize,
    /// The displacement there.
    pub disp: usize,
    /// The datatype of the elements there.
    pub datatype: usize,
    /// The operation, where there is one.
    pub op: Option<usize>,
    /// The request, where there is one.
    pub request: Option<usize>,
    /// Whether something is fetched beside an operation.
    pub fetches: bool,
    /// Whether there are counts; else it is one element.
    pub counted: bool,
}

/// By slot.
static SHAPES: [Option<Shape>; SLOT_COUNT] = shapes();

/// The shape of a function; none for one that is not about a target in a window.
#[inline]
pub fn of(row: &Function) -> Option<&'static Shape> {
    SHAPES[usize::from(row.id.0)].as_ref()
}

const fn shapes() -> [Option<Shape>; SLOT_COUNT] {
    let mut by_slot = [None; SLOT_COUNT];
    let mut at = 0;
    while at < FUNCTIONS.len() {
        by_slot[FUNCTIONS[at].id.0 as usize] = shape(FUNCTIONS[at].params);
        at += 1;
    }
    by_slot
}

const fn shape(params: &[Param]) -> Option<Shape> {
    let (mut win, mut rank, mut disp, mut datatype, mut op, mut request) =
        (None, None, None, None, None, None);
    let (mut fetches, mut counted) = (false, false);
    let mut at = 0;
    while at < params.len() {
        match params[at].kind {
            Kind::Win => win = Some(at),
            Kind::Rank => rank = Some(at),
            Kind::Aint => disp = Some(at),
            // The target's is the last.
            Kind::Datatype => datatype = Some(at),
            Kind::Op => op = Some(at),
            Kind::Request => request = Some(at),
            Kind::Count => counted = true,
            Kind::Buffer if matches!(params[at].direction, Direction::Out) => fetches = true,
            _ => {}
        }
        at += 1;
    }
    match (win, rank, disp, datatype) {
        (Some(win), Some(rank), Some(disp), Some(datatype)) => Some(Shape {
            win,
            rank,
            disp,
            datatype,
            op,
            request,
            fetches,
            counted,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use mana_table::{FnId, fns};

    use super::*;

    fn shape_of(function: FnId) -> Option<Shape> {
        function.function().and_then(of).copied()
    }

    #[test]
    fn every_function_of_one_sided_communication_has_a_shape_and_no_other() {
        let with: Vec<_> = FUNCTIONS
            .iter()
            .filter(|row| of(row).is_some())
            .map(|row| row.name.trim_end_matches("_c"))
            .collect();
        let mut names = with;
        names.dedup();
        names.sort_unstable();
        names.dedup();
        let wanted = [
            "MPI_Accumulate",
            "MPI_Compare_and_swap",
            "MPI_Fetch_and_op",
            "MPI_Get",
            "MPI_Get_accumulate",
            "MPI_Put",
            "MPI_Raccumulate",
            "MPI_Rget",
            "MPI_Rget_accumulate",
            "MPI_Rput",
        ];
        assert_eq!(names, wanted);
    }

    #[test]
    fn the_places_are_those_of_the_prototypes() {
        let shape = shape_of(fns::MPI_FETCH_AND_OP).expect("it has one");
        assert_eq!(
            (shape.datatype, shape.rank, shape.disp, shape.op, shape.win),
            (2, 3, 4, Some(5), 6)
        );
        assert!(shape.fetches && !shape.counted && shape.request.is_none());
        let shape = shape_of(fns::MPI_RACCUMULATE_C).expect("it has one");
        assert_eq!(
            (shape.datatype, shape.op, shape.request),
            (6, Some(7), Some(9))
        );
        assert!(!shape.fetches && shape.counted);
    }
}
