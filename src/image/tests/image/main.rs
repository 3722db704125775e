//! Tests of images from outside: what a user of the crate, or of the disk below it, can do to them.

mod children;
mod common;
mod damage;
mod every_step;
mod faults;
mod no_space;
mod round_trip;
mod store;
mod versions;
