//! `cargo xtask applications`: whole applications, fetched, built with mana's compilers, killed in the middle twice, and compared.
//!
//! ```text
//!   undisturbed   mpiexec(first)  APPLICATION                                                         -> results
//!   crossing      mpiexec(first)  APPLICATION     --2 checkpoints--x kill -9, everything
//!                 mpiexec(second) mana restart    --2 checkpoints--x kill -9
//!                 mpiexec(third)  mana restart    ... end                                             -> the same results
//! ```
//!
//! Results are what an application writes, without what it says about time.

mod results;
mod sources;
mod voyage;

use clap::ValueEnum;
use mana_suite::mpi::{INTEL, MPICH_4, MPICH_5, OPENMPI_4, OPENMPI_5};
use mana_suite::{Mpi, Result, install};
use serde::Serialize;

/// An application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Application {
    /// LAMMPS, molecular dynamics: its melt example, with eight times the atoms and twice the steps.
    Lammps,
    /// HPCC, the HPC Challenge: linear algebra, transposition, random access, Fourier transforms, bandwidth.
    Hpcc,
}

/// Which part.
#[derive(clap::Args)]
pub struct Options {
    /// Only this application.
    #[arg(long, value_enum)]
    only: Option<Application>,
    /// Print the verdicts as JSON.
    #[arg(long)]
    json: bool,
}

/// Each pair that is asked for is in one of them.
static WAYS: [[&Mpi; 3]; 3] = [
    [&MPICH_5, &OPENMPI_5, &OPENMPI_4],
    [&OPENMPI_4, &INTEL, &MPICH_4],
    [&INTEL, &MPICH_4, &OPENMPI_5],
];

/// How one of them fared on one way.
#[derive(Serialize)]
struct Verdict {
    application: String,
    way: String,
    checkpoints: u32,
    restarts: usize,
    is_same: bool,
}

/// Runs all; true when every result was the same.
///
/// # Errors
/// A source cannot be had or does not build, or a job failed.
pub fn run(options: &Options) -> Result<bool> {
    let install = install()?;
    let mut verdicts = Vec::new();
    for application in Application::value_variants() {
        if options.only.is_some_and(|only| only != *application) {
            continue;
        }
        let program = sources::build(*application, &install)?;
        for way in &WAYS {
            let voyage = voyage::Voyage::new(*application, &program, &install, way)?;
            let expected = voyage.undisturbed()?;
            let (got, checkpoints) = voyage.crossing()?;
            let verdict = Verdict {
                application: format!("{application:?}").to_lowercase(),
                way: way.map(|mpi| mpi.name).join(" -> "),
                checkpoints,
                restarts: way.len() - 1,
                is_same: got == expected,
            };
            eprintln!(
                "{:<8} {:<50} {:>3} checkpoints, {} restarts: {}",
                verdict.application,
                verdict.way,
                verdict.checkpoints,
                verdict.restarts,
                if verdict.is_same {
                    format!("{} lines of results, the same", expected.len())
                } else {
                    format!("expected {expected:#?}, got {got:#?}")
                }
            );
            verdicts.push(verdict);
        }
    }
    if options.json {
        let text = serde_json::to_string_pretty(&verdicts);
        println!("{}", text.unwrap_or_default());
    }
    Ok(verdicts.iter().all(|verdict| verdict.is_same))
}
