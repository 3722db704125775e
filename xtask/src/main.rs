//! Tasks of the workspace: `cargo xtask <task>`.

mod applications;
mod conformance;
mod demo;
mod generate;
mod provision;
mod request;
mod sources;
mod test;
mod torture;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Tasks of the mana workspace.
#[derive(Parser)]
#[command(name = "cargo xtask")]
enum Task {
    /// Write the files that follow from the function and constants tables.
    Generate(generate::Options),
    /// Get the MPIs that tests, benches and the demo run on.
    Provision(provision::Options),
    /// Build `mana` and install it: bin, lib and include.
    Install {
        /// The folder to install into, as /usr/local or ~/.local.
        prefix: PathBuf,
    },
    /// Show a job that begins under MPICH, is killed, and ends under Open MPI.
    Demo,
    /// Run foreign test suites natively and under mana, and compare.
    Conformance(conformance::Options),
    /// Fetch and build LAMMPS and HPCC, kill and restart them under other MPIs, and compare their results.
    Applications(applications::Options),
    /// Kill and restart real programs over real MPIs at random moments, and compare what they print.
    Torture(torture::Options),
    /// Run every check and every test.
    Test(test::Options),
}

/// The exit code of a task that was interrupted, as shells have it for SIGINT.
const INTERRUPTED: i32 = 130;

/// A task that is interrupted takes its jobs with it: they run on otherwise, as launchers make sessions of their own.
fn end_jobs_when_interrupted() -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(|| {
        mana_suite::processes::kill9_jobs();
        std::process::exit(INTERRUPTED);
    })
}

fn main() -> ExitCode {
    if let Err(error) = end_jobs_when_interrupted() {
        eprintln!("xtask: jobs will outlive an interrupt: {error}");
    }
    let done = match Task::parse() {
        Task::Generate(options) => generate::run(&options).map_err(|error| error.to_string()),
        Task::Provision(options) => provision::run(&options).map_err(|error| error.to_string()),
        Task::Install { prefix } => mana_suite::install::install_into(&prefix)
            .map(drop)
            .map_err(|error| error.to_string()),
        Task::Demo => demo::run().map_err(|error| error.to_string()),
        Task::Conformance(options) => conformance::run(&options).map_err(|error| error.to_string()),
        Task::Applications(options) => match applications::run(&options) {
            Ok(true) => Ok(()),
            Ok(false) => Err("results differ".to_owned()),
            Err(error) => Err(error.to_string()),
        },
        Task::Torture(options) => match torture::run(&options) {
            Ok(true) => Ok(()),
            Ok(false) => Err("not everything survived".to_owned()),
            Err(error) => Err(error.to_string()),
        },
        Task::Test(options) if test::run(&options) => Ok(()),
        Task::Test(_) => Err("not everything passed".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}
