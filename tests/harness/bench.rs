//! What the benches that drive MPI jobs have in common: their command line, and when they run at all.
//!
//! ```text
//!   cargo bench --bench cut -- openmpi-4.1.4 --seconds 30 --only dense
//!                              which MPIs     how much      which program
//! ```

use std::process::ExitCode;

use crate::error::Result;
use crate::mpi::Mpi;

/// What the command line asks for.
#[derive(Debug)]
pub struct Options {
    /// Which MPIs.
    pub mpis: Vec<&'static Mpi>,
    /// How many rounds, or seconds: what the bench calls `amount`.
    pub amount: u64,
    only: Option<String>,
}

impl Options {
    /// Whether `program` is to be run.
    pub fn wants(&self, program: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == program)
    }

    /// Reads the command line of a bench whose option `amount` (`--rounds`) takes a number, `usual` without it, and which
    /// runs over `mpis` where none is named.
    fn read(amount: &str, usual: u64, mpis: &[&'static Mpi]) -> Result<Self> {
        let mut options = Self {
            mpis: Vec::new(),
            amount: usual,
            only: None,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                // cargo adds it.
                "--bench" => {}
                "--only" => options.only = words.next(),
                word if word == amount => {
                    let number = words.next().and_then(|word| word.parse().ok());
                    options.amount = number.unwrap_or(usual);
                }
                name => options.mpis.push(Mpi::named(name)?),
            }
        }
        if options.mpis.is_empty() {
            options.mpis = mpis.to_vec();
        }
        Ok(options)
    }
}

/// The `main` of the bench called `name`; see [`Options`].
pub fn main(
    name: &str,
    (amount, usual): (&str, u64),
    mpis: &[&'static Mpi],
    run: impl FnOnce(&Options) -> Result<()>,
) -> ExitCode {
    // `cargo test --benches` runs this program too, and wants no minutes of measuring.
    if !std::env::args().any(|word| word == "--bench") {
        return ExitCode::SUCCESS;
    }
    match Options::read(amount, usual, mpis).and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}
