//! `cargo xtask torture`: real programs over real MPIs, saved every few milliseconds, killed at random moments, restarted
//! under other MPIs and networks, again and again, and what they print in the end compared with an undisturbed run.
//!
//! ```text
//!   programs   what is run, and what it prints when nobody disturbs it
//!   plan       seed -> lives: MPI, network, how often it is saved, whom kill -9 strikes and when
//!   life       one job: watched, struck; or it ends, or hangs
//!   voyage     one program through all its lives, and the comparison
//!   safe_points   the deterministic mode: a checkpoint at every safe point of a small program
//!   tally      what it has to show
//! ```
//!
//! The `n`th way has seed `S + n`, so a failure is repeated by its own seed alone: `--seed` with it and `--ways 1`.

mod life;
mod plan;
mod programs;
mod safe_points;
mod show;
mod stacks;
mod tally;
mod voyage;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use mana_suite::{Install, Mpi, Result, SuiteError, install, mpi};
use serde::Serialize;

use plan::Plan;
use programs::{Torture, Undisturbed};
use safe_points::Walk;
use show::Show;
use tally::Tally;
use voyage::{Failure, Voyage, Went};

/// How long, and what.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// Begin no new program after so many minutes.
    #[arg(long, default_value_t = 3.0)]
    minutes: f64,
    /// Bring at most so many programs to their end.
    #[arg(long)]
    ways: Option<u64>,
    /// What all chance comes from; told in the first line, and for each failure.
    #[arg(long)]
    seed: Option<u64>,
    /// Only programs whose name contains one of these.
    #[arg(long)]
    only: Vec<String>,
    /// Only under these MPIs, as `mpich-4.0.2`.
    #[arg(long)]
    mpi: Vec<String>,
    /// Stop after so many failures.
    #[arg(long, default_value_t = 10)]
    failures: u64,
    /// Seconds without a checkpoint or the end after which a job counts as hung.
    #[arg(long, default_value_t = 120)]
    watchdog: u64,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
    /// Instead of all that: a checkpoint at every safe point of a small program, and a restart from each.
    #[arg(long)]
    every_safe_point: bool,
    /// Of these safe points, only every so many.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    stride: u64,
}

impl Options {
    /// For `cargo xtask test`: so many minutes from this seed.
    pub fn for_tests(minutes: f64, seed: u64) -> Self {
        Self {
            minutes,
            ways: None,
            seed: Some(seed),
            only: Vec::new(),
            mpi: Vec::new(),
            failures: 1,
            watchdog: 120,
            json: false,
            every_safe_point: false,
            stride: 1,
        }
    }

    fn whole(&self) -> Duration {
        Duration::from_secs_f64(self.minutes * 60.0)
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(self.watchdog)
    }

    fn programs(&self) -> Result<Vec<&'static Torture>> {
        let wanted = |program: &&Torture| {
            self.only.is_empty() || self.only.iter().any(|part| program.name.contains(part))
        };
        let found: Vec<_> = programs::ALL.iter().filter(wanted).collect();
        if found.is_empty() {
            let known: Vec<_> = programs::ALL.iter().map(|program| program.name).collect();
            return Err(SuiteError::UnknownProgram {
                name: self.only.join(", "),
                known: known.join(", "),
            });
        }
        Ok(found)
    }

    fn mpis(&self) -> Result<Vec<&'static Mpi>> {
        if self.mpi.is_empty() {
            return Ok(mpi::ALL.to_vec());
        }
        self.mpi.iter().map(|name| Mpi::named(name)).collect()
    }
}

/// The whole run.
#[derive(Serialize)]
struct Summary {
    seed: u64,
    seconds: f64,
    #[serde(flatten)]
    tally: Tally,
    by_program: BTreeMap<&'static str, Tally>,
    failures: Vec<Failure>,
}

impl Summary {
    fn new(seed: u64) -> Self {
        Self {
            seed,
            seconds: 0.0,
            tally: Tally::default(),
            by_program: BTreeMap::new(),
            failures: Vec::new(),
        }
    }

    fn add(&mut self, program: &'static Torture, went: Went) {
        self.tally.add(&went.tally);
        self.by_program
            .entry(program.name)
            .or_default()
            .add(&went.tally);
        self.failures.extend(went.failure);
    }
}

/// Runs it; false when anything went wrong with a program.
///
/// # Errors
/// Something is missing, or cannot be built or started.
pub fn run(options: &Options) -> Result<bool> {
    let mpis = options.mpis()?;
    let install = install()?;
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(0..1 << 32));
    let mut torture = Session {
        options,
        mpis,
        install,
        show: Show::new(options.whole()),
        undisturbed: Undisturbed::default(),
        begin: Instant::now(),
    };
    let summary = if options.every_safe_point {
        torture.safe_points()?
    } else {
        torture.at_random(seed)?
    };
    torture.show.end();
    if options.json {
        println!("{}", as_json(&summary));
    } else {
        println!("torture: {:.0} s: {}", summary.seconds, summary.tally);
        for (mpi, restarts) in &summary.tally.restarts_under {
            println!("   {restarts:5} restarts under {mpi}");
        }
    }
    Ok(summary.tally.failures() == 0)
}

/// What a run needs.
struct Session<'a> {
    options: &'a Options,
    mpis: Vec<&'static Mpi>,
    install: Install,
    show: Show,
    undisturbed: Undisturbed,
    begin: Instant,
}

impl Session<'_> {
    /// Programs one after the other, with faults at random moments.
    fn at_random(&mut self, seed: u64) -> Result<Summary> {
        let programs = self.options.programs()?;
        self.show.line(&format!("torture: seed {seed}"));
        let mut summary = Summary::new(seed);
        for way in 0..self.options.ways.unwrap_or(u64::MAX) {
            let failed = summary.failures.len() as u64 >= self.options.failures;
            if failed || self.begin.elapsed() > self.options.whole() {
                break;
            }
            let seed = seed.wrapping_add(way);
            let program = programs[(seed % programs.len() as u64) as usize];
            let voyage = Voyage {
                program,
                label: seed.to_string(),
                install: &self.install,
                watchdog: self.options.patience(),
                expected: self.undisturbed.of(program)?,
            };
            let plan = Plan::draw(seed, program, &self.mpis);
            let went = voyage.go(&plan, |life| {
                self.show.life(program.name, &voyage.label, life);
            })?;
            self.show.way(program.name, seed, &went.tally);
            if let Some(failure) = &went.failure {
                self.show.line(&told(failure, self.options));
            }
            summary.add(program, went);
        }
        summary.seconds = self.begin.elapsed().as_secs_f64();
        Ok(summary)
    }

    /// The deterministic mode.
    fn safe_points(&mut self) -> Result<Summary> {
        let walk = Walk {
            program: &programs::POINTS,
            mpis: &self.mpis,
            install: &self.install,
            watchdog: self.options.patience(),
            ends: self.begin + self.options.whole(),
            stride: self.options.stride,
            most_failures: self.options.failures,
        };
        let mut summary = Summary::new(0);
        walk.go(&mut self.undisturbed, &self.show, |went| {
            summary.add(&programs::POINTS, went);
        })?;
        summary.seconds = self.begin.elapsed().as_secs_f64();
        Ok(summary)
    }
}

fn as_json(summary: &Summary) -> String {
    serde_json::to_string_pretty(summary)
        .unwrap_or_else(|error| format!("{{\"error\": \"{error}\"}}"))
}

/// A failure with what repeats it.
fn told(failure: &Failure, options: &Options) -> String {
    let mpis: String = options
        .mpi
        .iter()
        .map(|mpi| format!(" --mpi {mpi}"))
        .collect();
    format!(
        "torture: {} of {}; to repeat it: cargo xtask torture --seed {} --ways 1 --only {}{mpis}; kept in {}",
        failure.what,
        failure.program,
        failure.way,
        failure.program,
        failure.kept.display()
    )
}

/// An I/O step with its file in the error.
fn file<T>(
    action: &'static str,
    path: &Path,
    step: impl FnOnce(&Path) -> std::io::Result<T>,
) -> Result<T> {
    step(path).map_err(|source| SuiteError::File {
        action,
        path: path.to_owned(),
        source,
    })
}
