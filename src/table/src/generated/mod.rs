//! What `cargo xtask generate` makes of the two tables.

pub mod constants;
pub mod functions;
