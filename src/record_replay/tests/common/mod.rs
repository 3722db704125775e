//! A naive datatype: the type map written out element by element, straight from the definitions of MPI 4.1 section 5.1; but
//! a type without explicit bounds reaches as far as the padded types that it is made of, as Open MPI has it.
//!
//! The strategy makes random trees of constructors; [`Naive`] expands them. Nothing of the crate's own lowering is used.

use mana_record_replay::abi::DISTRIBUTE_DFLT_DARG;
use mana_record_replay::datatype::{
    Block, Class, Constructor, DarrayDim, Datatypes, Distribution, Member, Order, SubarrayDim,
    predefined,
};
use mana_record_replay::handle::DatatypeHandle;
use proptest::prelude::*;

/// A datatype as a tree, to be built and expanded.
#[derive(Clone, Debug)]
pub enum Tree {
    Basic(u16),
    /// The constructor's old types are placeholders, replaced by the trees in order.
    Derived(Constructor, Vec<Tree>),
}

/// A type map: basic types with displacements in bytes, and explicit bounds.
#[derive(Clone, Debug, Default)]
pub struct Naive {
    pub entries: Vec<(DatatypeHandle, i64)>,
    /// First byte and end of each type that it is made of, with its padding.
    pub parts: Vec<(i64, i64)>,
    pub lb_markers: Vec<i64>,
    pub ub_markers: Vec<i64>,
}

pub fn size_of(basic: DatatypeHandle) -> i64 {
    i64::from(predefined(basic).unwrap().size_bytes)
}

impl Naive {
    pub fn size(&self) -> i64 {
        self.entries.iter().map(|(basic, _)| size_of(*basic)).sum()
    }

    pub fn true_lb(&self) -> i64 {
        self.entries.iter().map(|(_, at)| *at).min().unwrap_or(0)
    }

    pub fn true_ub(&self) -> i64 {
        self.entries
            .iter()
            .map(|(basic, at)| at + size_of(*basic))
            .max()
            .unwrap_or(0)
    }

    pub fn lb(&self) -> i64 {
        let marker = self.lb_markers.iter().copied().min();
        marker.unwrap_or_else(|| self.natural().0)
    }

    pub fn ub(&self) -> i64 {
        let marker = self.ub_markers.iter().copied().max();
        marker.unwrap_or_else(|| self.padded_from(self.lb()))
    }

    /// First byte and end, explicit bounds aside: as far as its parts reach, and padded.
    fn natural(&self) -> (i64, i64) {
        let lb = self.parts.iter().map(|part| part.0).min();
        let lb = lb.unwrap_or_else(|| self.true_lb());
        (lb, self.padded_from(lb))
    }

    /// The end that makes a multiple of the strictest alignment of what lies between it and `lb`.
    fn padded_from(&self, lb: i64) -> i64 {
        let ub = self.parts.iter().map(|part| part.1).max();
        let ub = ub.unwrap_or_else(|| self.true_ub());
        let strictest = self
            .entries
            .iter()
            .map(|(basic, _)| i64::from(predefined(*basic).unwrap().alignment_bytes));
        let alignment = strictest.max().unwrap_or(1);
        (ub..).find(|ub| (ub - lb) % alignment == 0).unwrap()
    }

    pub fn extent(&self) -> i64 {
        self.ub() - self.lb()
    }

    fn place(&mut self, other: &Self, at: i64) {
        self.entries.extend(
            other
                .entries
                .iter()
                .map(|(basic, offset)| (*basic, offset + at)),
        );
        if !other.entries.is_empty() {
            let (lb, ub) = other.natural();
            self.parts.push((lb + at, ub + at));
        }
        self.lb_markers
            .extend(other.lb_markers.iter().map(|marker| marker + at));
        self.ub_markers
            .extend(other.ub_markers.iter().map(|marker| marker + at));
    }

    fn block(&mut self, other: &Self, length: i64, at: i64) {
        for index in 0..length {
            self.place(other, at + index * other.extent());
        }
    }

    fn resized(mut self, lb: i64, ub: i64) -> Self {
        (self.lb_markers, self.ub_markers) = (vec![lb], vec![ub]);
        self
    }

    /// The type map of `count` in a row.
    pub fn repeated(&self, count: i64) -> Self {
        let mut whole = Self::default();
        whole.block(self, count, 0);
        whole
    }
}

/// Visits the index vectors of an array in memory order, with each element's number in that order.
fn indices(sizes: &[i64], order: Order) -> Vec<(i64, Vec<i64>)> {
    let total: i64 = sizes.iter().product();
    let vector = |number: i64| {
        let mut rest = number;
        let mut index = vec![0; sizes.len()];
        let dims: Vec<usize> = match order {
            Order::C => (0..sizes.len()).rev().collect(),
            Order::Fortran => (0..sizes.len()).collect(),
        };
        for dim in dims {
            index[dim] = rest % sizes[dim];
            rest /= sizes[dim];
        }
        (number, index)
    };
    (0..total).map(vector).collect()
}

/// The process that owns an element of a dimension.
fn owner(dim: &DarrayDim, index: i64) -> i64 {
    let (size, processes) = (dim.global_size, i64::from(dim.processes));
    let given = (dim.argument != DISTRIBUTE_DFLT_DARG).then_some(i64::from(dim.argument));
    match dim.distribution {
        Distribution::None => 0,
        Distribution::Block => index / given.unwrap_or((size + processes - 1) / processes),
        Distribution::Cyclic => index / given.unwrap_or(1) % processes,
    }
}

fn array_elements(constructor: &Constructor) -> (Vec<i64>, i64) {
    match constructor {
        Constructor::Subarray { dims, order, .. } => {
            let sizes: Vec<_> = dims.iter().map(|dim| dim.size).collect();
            let inside = |index: &[i64]| {
                index
                    .iter()
                    .zip(dims)
                    .all(|(at, dim)| (dim.start..dim.start + dim.subsize).contains(at))
            };
            let chosen = indices(&sizes, *order)
                .into_iter()
                .filter(|(_, index)| inside(index))
                .map(|(n, _)| n);
            (chosen.collect(), sizes.iter().product())
        }
        Constructor::Darray {
            rank, dims, order, ..
        } => {
            let sizes: Vec<_> = dims.iter().map(|dim| dim.global_size).collect();
            let owned_by = |index: &[i64]| {
                index.iter().zip(dims).fold(0, |rank, (at, dim)| {
                    rank * i64::from(dim.processes) + owner(dim, *at)
                })
            };
            let mine = indices(&sizes, *order)
                .into_iter()
                .filter(|(_, index)| owned_by(index) == i64::from(*rank));
            (
                mine.map(|(number, _)| number).collect(),
                sizes.iter().product(),
            )
        }
        _ => unreachable!("an array constructor"),
    }
}

impl Tree {
    /// Creates the datatype bottom-up.
    pub fn build(&self, store: &mut Datatypes) -> DatatypeHandle {
        match self {
            Self::Basic(value) => DatatypeHandle::predefined(*value),
            Self::Derived(constructor, children) => {
                let children: Vec<_> = children.iter().map(|child| child.build(store)).collect();
                let constructor = with_children(constructor.clone(), &children);
                let handle = store.create(constructor, false).unwrap();
                for child in children.iter().filter(|child| !child.is_predefined()) {
                    assert!(
                        store.free(*child).unwrap().is_empty(),
                        "the parent holds it"
                    );
                }
                handle
            }
        }
    }

    /// Writes the type map out.
    pub fn expand(&self) -> Naive {
        match self {
            Self::Basic(value) => {
                let row = predefined(DatatypeHandle::predefined(*value)).unwrap();
                let mut naive = Naive::default();
                match (row.class, row.parts) {
                    (Class::LowerBound, _) => naive.lb_markers.push(0),
                    (Class::UpperBound, _) => naive.ub_markers.push(0),
                    (_, Some(parts)) => naive
                        .entries
                        .extend(parts.map(|(at, half)| (half, i64::from(at)))),
                    (_, None) => naive.entries.push((row.handle, 0)),
                }
                naive
            }
            Self::Derived(constructor, children) => {
                let children: Vec<_> = children.iter().map(Self::expand).collect();
                expand(constructor, &children)
            }
        }
    }
}

fn expand(constructor: &Constructor, children: &[Naive]) -> Naive {
    let mut whole = Naive::default();
    let old = &children[0];
    match constructor {
        Constructor::Dup { .. } => whole = old.clone(),
        Constructor::Contiguous { count, .. } => whole.block(old, *count, 0),
        Constructor::Vector {
            count,
            block_length,
            stride,
            ..
        } => {
            (0..*count)
                .for_each(|index| whole.block(old, *block_length, index * stride * old.extent()));
        }
        Constructor::Hvector {
            count,
            block_length,
            stride_bytes,
            ..
        } => {
            (0..*count).for_each(|index| whole.block(old, *block_length, index * stride_bytes));
        }
        Constructor::Indexed { blocks, .. } => {
            blocks.iter().for_each(|block| {
                whole.block(old, block.length, block.displacement * old.extent())
            });
        }
        Constructor::Hindexed { blocks, .. } => {
            blocks
                .iter()
                .for_each(|block| whole.block(old, block.length, block.displacement));
        }
        Constructor::IndexedBlock {
            block_length,
            displacements,
            ..
        } => {
            displacements
                .iter()
                .for_each(|at| whole.block(old, *block_length, at * old.extent()));
        }
        Constructor::HindexedBlock {
            block_length,
            displacements_bytes,
            ..
        } => {
            displacements_bytes
                .iter()
                .for_each(|at| whole.block(old, *block_length, *at));
        }
        Constructor::Struct { members } => {
            for (member, child) in members.iter().zip(children) {
                whole.block(child, member.length, member.displacement);
            }
        }
        Constructor::Subarray { .. } | Constructor::Darray { .. } => {
            let (elements, total) = array_elements(constructor);
            elements
                .iter()
                .for_each(|number| whole.place(old, number * old.extent()));
            whole = whole.resized(0, total * old.extent());
        }
        Constructor::Resized { lb, extent, .. } => whole = old.clone().resized(*lb, lb + extent),
        Constructor::F90Real { .. }
        | Constructor::F90Complex { .. }
        | Constructor::F90Integer { .. } => {
            unreachable!("not generated")
        }
    }
    whole
}

fn with_children(mut constructor: Constructor, children: &[DatatypeHandle]) -> Constructor {
    match &mut constructor {
        Constructor::Dup { old }
        | Constructor::Contiguous { old, .. }
        | Constructor::Vector { old, .. }
        | Constructor::Hvector { old, .. }
        | Constructor::Indexed { old, .. }
        | Constructor::Hindexed { old, .. }
        | Constructor::IndexedBlock { old, .. }
        | Constructor::HindexedBlock { old, .. }
        | Constructor::Subarray { old, .. }
        | Constructor::Darray { old, .. }
        | Constructor::Resized { old, .. } => *old = children[0],
        Constructor::Struct { members } => {
            members
                .iter_mut()
                .zip(children)
                .for_each(|(member, child)| member.datatype = *child);
        }
        Constructor::F90Real { .. }
        | Constructor::F90Complex { .. }
        | Constructor::F90Integer { .. } => {}
    }
    constructor
}

const PLACEHOLDER: DatatypeHandle = DatatypeHandle::NULL;

fn block() -> impl Strategy<Value = Block> {
    (0_i64..4, -9_i64..10).prop_map(|(length, displacement)| Block {
        length,
        displacement,
    })
}

fn order() -> impl Strategy<Value = Order> {
    prop_oneof![Just(Order::C), Just(Order::Fortran)]
}

fn subarray_dim() -> impl Strategy<Value = SubarrayDim> {
    (1_i64..5).prop_flat_map(|size| {
        (1..=size).prop_flat_map(move |subsize| {
            (0..=size - subsize).prop_map(move |start| SubarrayDim {
                size,
                subsize,
                start,
            })
        })
    })
}

fn darray_dim() -> impl Strategy<Value = DarrayDim> {
    let shape = (1_i64..8, 1_i32..4, 0_i32..4);
    shape.prop_flat_map(|(global_size, processes, argument)| {
        let argument = if argument == 0 {
            DISTRIBUTE_DFLT_DARG
        } else {
            argument
        };
        let covering = (global_size as i32 + processes - 1) / processes;
        let none = DarrayDim {
            global_size,
            distribution: Distribution::None,
            argument: DISTRIBUTE_DFLT_DARG,
            processes: 1,
        };
        let cyclic = DarrayDim {
            global_size,
            distribution: Distribution::Cyclic,
            argument,
            processes,
        };
        let block = DarrayDim {
            distribution: Distribution::Block,
            argument: if argument < covering {
                DISTRIBUTE_DFLT_DARG
            } else {
                argument
            },
            ..cyclic
        };
        prop_oneof![Just(none), Just(cyclic), Just(block)]
    })
}

fn darray() -> impl Strategy<Value = Constructor> {
    (
        prop::collection::vec(darray_dim(), 1..4),
        order(),
        any::<prop::sample::Index>(),
    )
        .prop_map(|(dims, order, pick)| {
            let size: i32 = dims.iter().map(|dim| dim.processes).product();
            Constructor::Darray {
                size,
                rank: pick.index(size as usize) as i32,
                dims,
                order,
                old: PLACEHOLDER,
            }
        })
}

fn constructor() -> impl Strategy<Value = Constructor> {
    let old = PLACEHOLDER;
    let shifts = || prop::collection::vec(-9_i64..10, 0..4);
    let blocks = || prop::collection::vec(block(), 0..4);
    prop_oneof![
        Just(Constructor::Dup { old }),
        (0_i64..4).prop_map(move |count| Constructor::Contiguous { count, old }),
        (0_i64..4, 0_i64..4, -5_i64..6).prop_map(move |(count, block_length, stride)| {
            Constructor::Vector {
                count,
                block_length,
                stride,
                old,
            }
        }),
        (0_i64..4, 0_i64..4, -40_i64..41).prop_map(move |(count, block_length, stride_bytes)| {
            Constructor::Hvector {
                count,
                block_length,
                stride_bytes,
                old,
            }
        }),
        blocks().prop_map(move |blocks| Constructor::Indexed { blocks, old }),
        blocks().prop_map(move |blocks| Constructor::Hindexed { blocks, old }),
        (0_i64..4, shifts()).prop_map(move |(block_length, displacements)| {
            Constructor::IndexedBlock {
                block_length,
                displacements,
                old,
            }
        }),
        (0_i64..4, shifts()).prop_map(move |(block_length, displacements_bytes)| {
            Constructor::HindexedBlock {
                block_length,
                displacements_bytes,
                old,
            }
        }),
        (prop::collection::vec(subarray_dim(), 1..4), order())
            .prop_map(move |(dims, order)| Constructor::Subarray { dims, order, old }),
        darray(),
        (-30_i64..31, -60_i64..61).prop_map(move |(lb, extent)| Constructor::Resized {
            lb,
            extent,
            old
        }),
    ]
}

fn basic() -> impl Strategy<Value = Tree> {
    // BYTE, SHORT, INT, DOUBLE, LONG_DOUBLE, DOUBLE_INT, SHORT_INT, C_FLOAT_COMPLEX, LB, UB.
    let values = vec![
        0x247, 0x208, 0x209, 0x214, 0x220, 0x229, 0x22c, 0x212, 0x2fe, 0x2ff,
    ];
    prop::sample::select(values).prop_map(Tree::Basic)
}

/// Trees of up to four levels; type maps of at most a few thousand elements.
pub fn tree() -> impl Strategy<Value = Tree> {
    let nested = basic().prop_recursive(3, 12, 3, |inner| {
        let member = (0_i64..3, -20_i64..60, inner.clone());
        let structure = prop::collection::vec(member, 1..4).prop_map(|members| {
            let (members, children) = members
                .into_iter()
                .map(|(length, displacement, child)| {
                    (
                        Member {
                            length,
                            displacement,
                            datatype: PLACEHOLDER,
                        },
                        child,
                    )
                })
                .unzip();
            Tree::Derived(Constructor::Struct { members }, children)
        });
        let single = (constructor(), inner)
            .prop_map(|(constructor, child)| Tree::Derived(constructor, vec![child]));
        prop_oneof![3 => single, 1 => structure]
    });
    nested.prop_filter("a type map that takes too long to write out", |tree| {
        elements(tree) < 4000
    })
}

/// An upper bound of the type map's length.
fn elements(tree: &Tree) -> i64 {
    let Tree::Derived(constructor, children) = tree else {
        return 2;
    };
    let times = match constructor {
        Constructor::Contiguous { count, .. } => *count,
        Constructor::Vector {
            count,
            block_length,
            ..
        }
        | Constructor::Hvector {
            count,
            block_length,
            ..
        } => count * block_length,
        Constructor::Indexed { blocks, .. } | Constructor::Hindexed { blocks, .. } => {
            blocks.iter().map(|block| block.length).sum()
        }
        Constructor::IndexedBlock {
            block_length,
            displacements,
            ..
        } => block_length * displacements.len() as i64,
        Constructor::HindexedBlock {
            block_length,
            displacements_bytes,
            ..
        } => block_length * displacements_bytes.len() as i64,
        Constructor::Struct { .. } => 2,
        Constructor::Subarray { dims, .. } => dims.iter().map(|dim| dim.subsize).product(),
        Constructor::Darray { dims, .. } => dims.iter().map(|dim| dim.global_size).product(),
        _ => 1,
    };
    times * children.iter().map(elements).sum::<i64>()
}
