//! How long it takes from the request for a checkpoint to the cut, and what a program loses between checkpoints that are
//! taken every 50 ms.
//!
//! ```text
//!   without   step ......... step          steps per second                                       A
//!   with      step ..|cut|.. step ..|cut|  steps per second, the time from request to commit left out  B
//!                                          between checkpoints the program is slower by  A / B
//! ```
//!
//! Each job runs until both it has run so many seconds and there are fifty checkpoints, and is killed. All its checkpoints
//! are kept until then: `mana ls --json` says of each how long the cut took.
//!
//! Usage: `cargo bench --bench cut [-- MPI… [--seconds N] [--only PROGRAM]]`

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use mana_image::{CheckpointSummary, Store};
use mana_suite::bench::{self, Options};
use mana_suite::checkpoints::Checkpoints;
use mana_suite::lock::one_job_at_a_time;
use mana_suite::programs::{Toolchain, build_c};
use mana_suite::{Install, Job, JobSpec, Mpi, Result, SuiteError, install, mpi, places};

const RANKS: u32 = 4;

/// More steps than any run here makes.
const FOR_EVER: &str = "1000000000";

/// The programs, where their sources are, and their arguments.
const PROGRAMS: [(&str, &str, &[&str]); 4] = [
    (
        "ring",
        "examples/mpi_ring/ring.c",
        &[FOR_EVER, "--progress"],
    ),
    (
        "heat",
        "examples/mpi_ring/heat.c",
        &["512", FOR_EVER, "--progress"],
    ),
    (
        "dense",
        "tests/programs/torture/dense.c",
        &[FOR_EVER, "--progress"],
    ),
    (
        "flood",
        "tests/programs/torture/flood.c",
        &[FOR_EVER, "--progress"],
    ),
];

const INTERVAL: &str = "0.05";
const CHECKPOINTS: usize = 50;
/// How long each job runs at least, where nothing is asked for.
const SECONDS: u64 = 10;

fn main() -> ExitCode {
    bench::main("cut", ("--seconds", SECONDS), &[&mpi::MPICH_4], run)
}

fn run(options: &Options) -> Result<()> {
    let install = install()?;
    for mpi in &options.mpis {
        mpi.provision()?;
        println!(
            "{}, {RANKS} ranks, a checkpoint every {INTERVAL} s:",
            mpi.name
        );
        println!(
            "    {:8} {:>11} {:>23} {:>23} {:>23} {:>10} {:>10}",
            "program",
            "checkpoints",
            "request to cut",
            "of it converging",
            "request to commit",
            "slowdown",
            "in all"
        );
        for (name, source, args) in PROGRAMS {
            if options.wants(name) {
                measure(options, &install, mpi, name, source, args)?;
            }
        }
    }
    Ok(())
}

fn measure(
    options: &Options,
    install: &Install,
    mpi: &'static Mpi,
    name: &str,
    source: &str,
    args: &[&str],
) -> Result<()> {
    let program = build_c(&places::workspace().join(source), Toolchain::Mana(install))?;
    let _turn = one_job_at_a_time()?;
    let seconds = Duration::from_secs(options.amount);
    let (undisturbed, _) = watch(mpi, &program, args, "2h", seconds, 0)?;
    let (disturbed, all) = watch(mpi, &program, args, INTERVAL, seconds, CHECKPOINTS)?;
    let phases = |one: &CheckpointSummary| one.phases.iter().map(|phase| phase.wall_ns).sum();
    let converging = |one: &CheckpointSummary| one.phases.first().map_or(0, |phase| phase.wall_ns);
    let inside_s: f64 = all[disturbed.before..].iter().map(phases).sum::<u64>() as f64 / 1e9;
    let outside_s = (disturbed.seconds - inside_s).max(f64::MIN_POSITIVE);
    println!(
        "    {name:8} {:>11} {:>23} {:>23} {:>23} {:>10.3} {:>10.3}",
        all.len(),
        median_and_worst(&all, |one| one.until_cut_ns.unwrap_or(0)),
        median_and_worst(&all, converging),
        median_and_worst(&all, phases),
        undisturbed.rate() / (disturbed.steps / outside_s),
        undisturbed.rate() / disturbed.rate(),
    );
    Ok(())
}

/// A stretch of a run.
struct Stretch {
    steps: f64,
    seconds: f64,
    /// Checkpoints that there were when it began.
    before: usize,
}

impl Stretch {
    fn rate(&self) -> f64 {
        self.steps / self.seconds
    }
}

/// Lets the program run for at least so long and so many checkpoints; gives the steps it made and its checkpoints.
fn watch(
    mpi: &'static Mpi,
    program: &PathBuf,
    args: &[&str],
    interval: &str,
    seconds: Duration,
    checkpoints: usize,
) -> Result<(Stretch, Vec<CheckpointSummary>)> {
    let directory = Checkpoints::new()?;
    let mut job = JobSpec::new(mpi, RANKS, program)
        .args(args)
        .env("MANA_MPI", mpi.library())
        .env("MANA_CKPT_DIR", directory.path())
        .env("MANA_CKPT_INTERVAL", interval)
        .env("MANA_CKPT_KEEP", "1000000")
        .watchdog(Duration::from_secs(900))
        .launch()?;
    let next_step = |job: &mut Job, after: u64| {
        job.wait_until("made another step", |job| {
            Ok(last_step(&job.stderr()).filter(|&step| step > after))
        })
    };
    // The first steps have the cost of everything that happens once.
    let first = next_step(&mut job, 2)?;
    let (begin, before) = (Instant::now(), directory.committed()?.len());
    job.wait_until("taken its checkpoints", |_| {
        let enough = directory.committed()?.len() >= checkpoints && begin.elapsed() >= seconds;
        Ok(enough.then_some(()))
    })?;
    let so_far = last_step(&job.stderr()).unwrap_or(first);
    let last = next_step(&mut job, so_far)?;
    let stretch = Stretch {
        steps: (last - first) as f64,
        seconds: begin.elapsed().as_secs_f64(),
        before,
    };
    job.kill9_all();
    let store = Store::open(directory.path()).map_err(|error| SuiteError::Differs {
        what: "the directory of checkpoints".to_owned(),
        expected: "a list".to_owned(),
        got: error.to_string(),
        report: String::new(),
    });
    let all = store?.list().unwrap_or_default();
    let committed = all.iter().map(|one| one.summary());
    Ok((stretch, committed.filter(|one| one.ranks > 0).collect()))
}

/// The number in the last whole line `step N`.
fn last_step(stderr: &str) -> Option<u64> {
    let whole = &stderr[..stderr.rfind('\n')?];
    let mut steps = whole
        .lines()
        .rev()
        .filter_map(|line| line.strip_prefix("step "));
    steps.next()?.trim().parse().ok()
}

fn median_and_worst(
    all: &[CheckpointSummary],
    figure: impl Fn(&CheckpointSummary) -> u64,
) -> String {
    let mut all: Vec<u64> = all.iter().map(figure).collect();
    all.sort_unstable();
    let ms =
        |ns: Option<&u64>| ns.map_or("-".to_owned(), |&ns| format!("{:.1} ms", ns as f64 / 1e6));
    format!("{} / {}", ms(all.get(all.len() / 2)), ms(all.last()))
}
