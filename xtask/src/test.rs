//! `cargo xtask test`: everything CI checks, in the order in which a failure is cheapest to find.
//!
//! ```text
//!   generated files are fresh -> format -> clippy -> MPIs provisioned -> mana built and put together
//!     -> tests of the crates -> of the harness -> tests/alone -> tests/mpich -> tests/openmpi -> torture
//! ```
//!
//! A failing step does not stop the ones after it. The last line is "N passed, N failed": the tests cargo counted, and each
//! step that is no test run counts as one.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use mana_suite::{mpi, places};

use crate::{generate, torture};

/// How long the torture takes, and what its chance comes from.
const TORTURE_MINUTES: f64 = 3.0;
const TORTURE_SEED: u64 = 4;

/// Which part.
#[derive(clap::Args)]
pub struct Options {
    /// Only the steps that need no MPI.
    #[arg(long)]
    no_mpi: bool,
}

/// Tests that passed and failed so far.
#[derive(Default)]
struct Tally {
    passed: u64,
    failed: u64,
}

/// Runs all steps; true when nothing failed.
pub fn run(options: &Options) -> bool {
    let mut tally = Tally::default();
    let fresh = generate::Options { check: true };
    tally.step("generated files are fresh", || {
        generate::run(&fresh).map_err(|error| error.to_string())
    });
    tally.step("format", || cargo(&["fmt", "--all", "--check"]));
    let clippy = [
        "clippy",
        "--quiet",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ];
    tally.step("clippy", || cargo(&clippy));
    tally.step("mana and its stub are built", || {
        mana_suite::install()
            .map(drop)
            .map_err(|error| error.to_string())
    });
    // Tests of crates look at an MPI's header and library, so the MPIs come before them.
    if !options.no_mpi {
        tally.step("MPIs are provisioned", provision);
    }
    tally.tests(
        "tests of the crates",
        &["--workspace", "--exclude", "mana_suite"],
        &[],
    );
    tally.tests(
        "tests of the harness",
        &["--package", "mana_suite", "--lib"],
        &[],
    );
    tally.tests(
        "tests/alone",
        &["--package", "mana_suite", "--test", "alone"],
        &["--test-threads=1", "--nocapture"],
    );
    if !options.no_mpi {
        for family in ["mpich", "openmpi"] {
            let which = ["--package", "mana_suite", "--test", family];
            // One job at a time, and what each test says as it goes.
            let how = ["--test-threads=1", "--nocapture"];
            tally.tests(&format!("tests/{family}"), &which, &how);
        }
    }
    if !options.no_mpi {
        tally.step("torture", || {
            let survived =
                torture::run(&torture::Options::for_tests(TORTURE_MINUTES, TORTURE_SEED));
            match survived {
                Ok(true) => Ok(()),
                Ok(false) => Err("not everything survived".to_owned()),
                Err(error) => Err(error.to_string()),
            }
        });
    }
    println!("\n{} passed, {} failed", tally.passed, tally.failed);
    tally.failed == 0
}

fn provision() -> Result<(), String> {
    mpi::ALL
        .iter()
        .try_for_each(|mpi| mpi.provision())
        .map_err(|error| error.to_string())
}

impl Tally {
    /// Runs a step that is no test run, and counts it as one.
    fn step(&mut self, name: &str, step: impl FnOnce() -> Result<(), String>) {
        println!("\n== {name}");
        let begin = Instant::now();
        match step() {
            Ok(()) => {
                self.passed += 1;
                println!("   ok ({:.0?})", begin.elapsed());
            }
            Err(message) => {
                self.failed += 1;
                println!("   FAILED: {message}");
            }
        }
    }

    /// Runs `cargo test`, shows what it prints, and adds up its "test result" lines.
    fn tests(&mut self, name: &str, which: &[&str], how: &[&str]) {
        println!("\n== {name}");
        let begin = Instant::now();
        let before = self.failed;
        let mut command = cargo_command(&["test", "--no-fail-fast"]);
        command
            .args(which)
            .arg("--")
            .args(how)
            .stdout(Stdio::piped());
        let ended_well = self.count_lines_of(&mut command);
        // A build that failed, or a test binary that died, has no result line of its own.
        if !ended_well && self.failed == before {
            self.failed += 1;
        }
        println!("   ({:.0?})", begin.elapsed());
    }

    fn count_lines_of(&mut self, command: &mut Command) -> bool {
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => {
                println!("   FAILED: cannot start cargo: {error}");
                return false;
            }
        };
        let stdout = child
            .stdout
            .take()
            .into_iter()
            .flat_map(|stdout| BufReader::new(stdout).lines());
        for line in stdout.map_while(Result::ok) {
            println!("{line}");
            self.add(&line);
        }
        child.wait().is_ok_and(|status| status.success())
    }

    /// Adds a line like "test result: ok. 12 passed; 0 failed; 0 ignored; …".
    fn add(&mut self, line: &str) {
        let Some((_, counts)) = line.split_once("test result: ") else {
            return;
        };
        let count = |of: &str| {
            let before = counts.split(of).next().unwrap_or_default();
            before
                .split_whitespace()
                .last()
                .and_then(|number| number.parse::<u64>().ok())
                .unwrap_or(0)
        };
        self.passed += count(" passed");
        self.failed += count(" failed");
    }
}

fn cargo_command(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(places::workspace()).args(args);
    command
}

fn cargo(args: &[&str]) -> Result<(), String> {
    let status = cargo_command(args)
        .status()
        .map_err(|error| error.to_string())?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("cargo {} ended with {status}", args.join(" ")))
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn result_lines_are_added_up() {
        let mut tally = Tally::default();
        tally
            .add("test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out");
        tally.add("ok test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured");
        tally.add("test some_name ... ok");
        assert_eq!((tally.passed, tally.failed), (17, 3));
    }
}
