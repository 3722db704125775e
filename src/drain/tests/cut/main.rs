//! The protocol against every interleaving of small programs, against random ones, and its cost on paper.
mod catalogue;
mod cost;
mod features;
mod model;
mod random;
mod scale;
mod sim;
