//! `cargo xtask provision [MPI…]`: gets the MPIs that tests, benches and the demo run on.

use mana_suite::{Mpi, mpi};

/// Which ones.
#[derive(clap::Args)]
pub struct Options {
    /// Names, as `mpich-5.0.2`; all five where none is given.
    names: Vec<String>,
}

/// Provisions each and prints a line for it.
///
/// # Errors
/// A name is unknown, or apt or pip failed.
pub fn run(options: &Options) -> mana_suite::Result<()> {
    for mpi in chosen(&options.names)? {
        mpi.provision()?;
        println!("{:16} {}", mpi.name, mpi.library().display());
    }
    Ok(())
}

fn chosen(names: &[String]) -> mana_suite::Result<Vec<&'static Mpi>> {
    if names.is_empty() {
        return Ok(mpi::ALL.to_vec());
    }
    names.iter().map(|name| Mpi::named(name)).collect()
}
