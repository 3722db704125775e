//! mana (being written)
fn main() {}
