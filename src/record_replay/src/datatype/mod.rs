//! Datatypes: a tree of constructors over the predefined types, computed here once and for all MPIs.
//!
//! ```text
//!   handle ──> Datatype { constructor ──> old types (held, so a freed one stays while it is used),
//!                         committed, name, attributes,
//!                         layout: size, bounds, shape }       layout: not in the image, computed again when it is read
//!
//!   constructor ──lower──> Body (repeat, sequence, resize) ──> Layout ──> runs: (offset, length) in type map order
//!                                                                          pack, unpack, counts
//! ```
//!
//! So all queries are answered without the native MPI and equally under all of them, and messages that were drained into an
//! image can be delivered into any type.

mod array;
mod body;
mod constructor;
mod count;
mod envelope;
mod external32;
mod f90;
mod file_layout;
mod layout;
mod lower;
mod pack;
mod predefined;
mod shape;
mod signature;
mod store;

pub use constructor::{Block, Constructor, DarrayDim, Distribution, Member, Order, SubarrayDim};
pub use envelope::{Combiner, Contents, Envelope};
pub use external32::external32_size;
pub use f90::match_size;
pub use layout::Layout;
pub use predefined::{Class, PREDEFINED, Predefined, predefined, predefined_layout};
pub use shape::{BasicRun, BasicRuns, Run, Runs};
pub use signature::Signature;
pub use store::{Datatype, Datatypes, Released};
