//! Written by `cargo xtask generate`.
pub mod dispatch;
