//! The functions of MPI, a file per chapter. A function here is named like MPI's in lower case without `MPI_`; the
//! generated dispatch finds it by that name.

mod comm;
mod comm_query;
mod datatype;
mod datatype_query;
mod env;
mod envelope;
mod graph;
mod group;
mod intercomm;
mod mana;
mod op;
mod p2p;
mod pack;
mod query;
mod status;
mod topology;
mod wait;

pub use comm::*;
pub use comm_query::*;
pub use datatype::*;
pub use datatype_query::*;
pub use env::*;
pub use envelope::*;
pub use graph::*;
pub use group::*;
pub use intercomm::*;
pub use mana::*;
pub use op::*;
pub use p2p::*;
pub use pack::*;
pub use query::*;
pub use status::*;
pub use topology::*;
pub use wait::*;
