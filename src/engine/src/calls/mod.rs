//! The functions of MPI, a file per chapter. A function here is named like MPI's in lower case without `MPI_`; the
//! generated dispatch finds it by that name.

mod attribute;
mod comm;
mod comm_query;
mod datatype;
mod datatype_query;
mod env;
mod envelope;
mod errhandler;
mod graph;
mod group;
mod info;
mod intercomm;
mod mana;
mod memory;
mod op;
mod p2p;
mod pack;
mod query;
mod request;
mod status;
mod topology;
mod wait;

pub use attribute::*;
pub use comm::*;
pub use comm_query::*;
pub use datatype::*;
pub use datatype_query::*;
pub use env::*;
pub use envelope::*;
pub use errhandler::*;
pub use graph::*;
pub use group::*;
pub use info::*;
pub use intercomm::*;
pub use mana::*;
pub use memory::*;
pub use op::*;
pub use p2p::*;
pub use pack::*;
pub use query::*;
pub use request::*;
pub use status::*;
pub use topology::*;
pub use wait::*;
