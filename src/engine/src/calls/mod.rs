//! The functions of MPI, a file per chapter. A function here is named like MPI's in lower case without `MPI_`; the
//! generated dispatch finds it by that name.

mod comm;
mod datatype;
mod env;
mod mana;
mod p2p;
mod query;
mod topology;
mod wait;

pub use comm::*;
pub use datatype::*;
pub use env::*;
pub use mana::*;
pub use p2p::*;
pub use query::*;
pub use topology::*;
pub use wait::*;
