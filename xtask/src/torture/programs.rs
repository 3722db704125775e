//! The programs that are tortured: each prints one digest of all that its ranks computed and received.
//!
//! `--pause-us` makes them last without changing what they print, so the undisturbed run does without it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use mana_suite::programs::{Toolchain, build_c};
use mana_suite::{Fabric, Install, JobSpec, Mpi, Result, mpi, places};

/// The variable that tells a program where to put files.
pub(crate) const FOLDER: &str = "TORTURE_FOLDER";

/// One program with its arguments.
#[derive(Debug)]
pub(crate) struct Torture {
    /// What it is called here.
    pub name: &'static str,
    source: &'static str,
    /// How many ranks it is run with.
    pub ranks: u32,
    args: &'static [&'static str],
    /// Microseconds of its pauses, where messages are in flight.
    pause_us: u32,
    /// Whether it makes windows with `MPI_THREAD_MULTIPLE`.
    threaded_windows: bool,
    /// The MPI that the undisturbed run is made with.
    native: &'static Mpi,
}

/// All of them. Steps and pauses are such that each takes some seconds.
pub(crate) static ALL: &[Torture] = &[
    torture("ring", "examples/mpi_ring/ring.c", 4, &["120"], 10_000),
    torture(
        "heat",
        "examples/mpi_ring/heat.c",
        4,
        &["256", "200"],
        10_000,
    ),
    torture("threads", "tests/programs/threads.c", 2, &["120"], 10_000),
    torture(
        "communicators",
        "tests/programs/communicators.c",
        4,
        &["90"],
        5_000,
    ),
    torture(
        "dense",
        "tests/programs/torture/dense.c",
        4,
        &["40"],
        10_000,
    ),
    torture("flood", "tests/programs/torture/flood.c", 4, &["2"], 50_000),
    torture(
        "trickle",
        "tests/programs/torture/flood.c",
        4,
        &["80", "--in-flight", "2000"],
        5_000,
    ),
    Torture {
        threaded_windows: true,
        ..torture(
            "mixed",
            "tests/programs/torture/mixed.c",
            4,
            &["60"],
            10_000,
        )
    },
    torture(
        "churn",
        "tests/programs/torture/churn.c",
        4,
        &["120"],
        5_000,
    ),
    torture("odds", "tests/programs/torture/odds.c", 4, &["40"], 5_000),
    Torture {
        native: &mpi::MPICH_5,
        ..torture("four", "tests/programs/torture/four.c", 4, &["60"], 10_000)
    },
    torture(
        "files",
        "tests/programs/torture/files.c",
        4,
        &["80"],
        10_000,
    ),
    torture(
        "early",
        "tests/programs/torture/early.c",
        4,
        &["240"],
        10_000,
    ),
];

/// The small one whose every safe point gets a checkpoint.
pub(crate) static POINTS: Torture =
    torture("points", "tests/programs/torture/points.c", 3, &["1"], 0);

const fn torture(
    name: &'static str,
    source: &'static str,
    ranks: u32,
    args: &'static [&'static str],
    pause_us: u32,
) -> Torture {
    Torture {
        name,
        source,
        ranks,
        args,
        pause_us,
        threaded_windows: false,
        // Its waiting ranks give up their cores.
        native: &mpi::OPENMPI_4,
    }
}

impl Torture {
    /// Its executable, linked with the stub.
    ///
    /// # Errors
    /// It does not build.
    pub fn build(&self, install: &Install) -> Result<PathBuf> {
        build_c(
            &places::workspace().join(self.source),
            Toolchain::Mana(install),
        )
    }

    /// Whether it can run under `mpi` over `fabric`.
    pub fn can_run(&self, mpi: &Mpi, fabric: Fabric) -> bool {
        fabric == Fabric::SharedMemory
            || mpi.has_tcp() && (!self.threaded_windows || mpi.has_threaded_windows_over_tcp())
    }

    /// Its arguments when it is tortured.
    pub fn args(&self) -> Vec<String> {
        let pause_us = self.pause_us.to_string();
        let words = self.args.iter().copied();
        words
            .chain(["--pause-us", &pause_us])
            .map(str::to_owned)
            .collect()
    }

    /// What it prints when nobody disturbs it, natively.
    fn undisturbed(&self) -> Result<String> {
        let native = self.native;
        native.provision()?;
        let source = places::workspace().join(self.source);
        let program = build_c(&source, Toolchain::Native(native))?;
        let folder = places::target().join("torture/undisturbed");
        super::file("create", &folder, |folder| std::fs::create_dir_all(folder))?;
        let finished = JobSpec::new(native, self.ranks, program)
            .args(self.args)
            .env(FOLDER, &folder)
            .run()?;
        Ok(finished.stdout)
    }
}

/// What the programs print when nobody disturbs them; each is run once.
#[derive(Debug, Default)]
pub(crate) struct Undisturbed(BTreeMap<&'static str, String>);

impl Undisturbed {
    /// stdout of `program`.
    ///
    /// # Errors
    /// It does not build, or fails.
    pub fn of(&mut self, program: &'static Torture) -> Result<String> {
        if let Some(stdout) = self.0.get(program.name) {
            return Ok(stdout.clone());
        }
        let stdout = program.undisturbed()?;
        self.0.insert(program.name, stdout.clone());
        Ok(stdout)
    }
}
