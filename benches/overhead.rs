//! What `mana` costs while nothing is checkpointed: each MPI figure beside that of the same program linked to the MPI itself.
//!
//! ```text
//!   round 1:  native  mana      round 2:  mana  native      round 3:  native  mana   ...
//!              \_____/                     \_____/
//!            one ratio per figure        one ratio per figure    ->  median (min .. max) of the ratios
//! ```
//!
//! Two runs of a round follow each other at once, and who is first changes from round to round: a machine that gets slower or
//! faster meanwhile shifts both. What counts is the ratio's median; its spread says how far to trust it. A run's time is that of its
//! least disturbed batch, which is what the calls cost; beside it stands the ratio of the runs' median batches.
//!
//! Usage: `cargo bench --bench overhead [-- MPI… [--rounds N] [--only PROGRAM]]`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use mana_suite::bench::{self, Options};
use mana_suite::lock::one_job_at_a_time;
use mana_suite::programs::{Toolchain, build_c};
use mana_suite::{Install, JobSpec, Mpi, Result, install, mpi, places};

/// A bench program: its file in benches/programs and its ranks. Two ranks at most: one for each core of a small machine.
const PROGRAMS: [(&str, u32); 5] = [
    ("local", 1),
    ("pingpong", 2),
    ("allreduce", 2),
    ("rate", 2),
    ("onesided", 2),
];

/// Rounds where none are asked for.
const ROUNDS: u64 = 7;

/// What a run says of a figure, in nanoseconds per operation.
#[derive(Clone, Copy)]
struct Times {
    /// Of the batch that nothing disturbed.
    least_ns: f64,
    /// Of the middle one.
    median_ns: f64,
}

/// Both runs of a round.
#[derive(Clone, Copy)]
struct Pair {
    native: Times,
    mana: Times,
}

/// Figures in the order in which the program printed them.
type Figures = Vec<(String, Times)>;

fn main() -> ExitCode {
    bench::main("overhead", ("--rounds", ROUNDS), &mpi::ALL, run)
}

fn run(options: &Options) -> Result<()> {
    let install = install()?;
    let _turn = one_job_at_a_time()?;
    for mpi in &options.mpis {
        mpi.provision()?;
        println!(
            "\n{}: {} rounds, native and mana by turns",
            mpi.name, options.amount
        );
        println!(
            "{:28} {:>12} {:>12} {:>10}   mana/native: {:24} of medians",
            "figure", "native", "mana", "added", "median (min .. max)"
        );
        for (program, ranks) in PROGRAMS.into_iter().filter(|(name, _)| options.wants(name)) {
            measure(mpi, &install, program, ranks, options.amount)?;
        }
    }
    Ok(())
}

/// Runs one program `rounds` times each way and prints a line per figure.
fn measure(
    mpi: &'static Mpi,
    install: &Install,
    program: &str,
    ranks: u32,
    rounds: u64,
) -> Result<()> {
    let source = places::workspace()
        .join("benches/programs")
        .join(program)
        .with_extension("c");
    let native = build_c(&source, Toolchain::Native(mpi))?;
    let mana = build_c(&source, Toolchain::Mana(install))?;
    let mut order = Vec::new();
    let mut pairs: BTreeMap<String, Vec<Pair>> = BTreeMap::new();
    for round in 0..rounds {
        let (native_figures, mana_figures) = if round % 2 == 0 {
            let native_figures = figures(mpi, ranks, &native)?;
            (native_figures, figures(mpi, ranks, &mana)?)
        } else {
            let mana_figures = figures(mpi, ranks, &mana)?;
            (figures(mpi, ranks, &native)?, mana_figures)
        };
        for ((name, native), (_, mana)) in native_figures.into_iter().zip(mana_figures) {
            if round == 0 {
                order.push(name.clone());
            }
            pairs.entry(name).or_default().push(Pair { native, mana });
        }
    }
    for name in order {
        print_line(&name, &pairs[&name]);
    }
    Ok(())
}

fn figures(mpi: &'static Mpi, ranks: u32, executable: &Path) -> Result<Figures> {
    let job = JobSpec::new(mpi, ranks, PathBuf::from(executable)).env("MANA_MPI", mpi.library());
    let stdout = job.run()?.stdout;
    let figure = |line: &str| {
        let mut words = line.split('\t');
        let name = words.next()?.to_owned();
        let mut ns = words.map_while(|word| word.parse().ok());
        let times = Times {
            least_ns: ns.next()?,
            median_ns: ns.next()?,
        };
        Some((name, times))
    };
    Ok(stdout.lines().filter_map(figure).collect())
}

fn print_line(name: &str, pairs: &[Pair]) {
    let of = |value: fn(&Pair) -> f64| sorted(pairs.iter().map(value).collect());
    let ratios = of(|pair| pair.mana.least_ns / pair.native.least_ns);
    let spread = format!(
        "{:.3} ({:.3} .. {:.3})",
        middle(&ratios),
        ratios[0],
        ratios[ratios.len() - 1]
    );
    println!(
        "{name:28} {:>12} {:>12} {:>10}   {:>13}{spread:24} {:.3}",
        shown(middle(&of(|pair| pair.native.least_ns))),
        shown(middle(&of(|pair| pair.mana.least_ns))),
        shown(middle(
            &of(|pair| pair.mana.least_ns - pair.native.least_ns)
        )),
        "",
        middle(&of(|pair| pair.mana.median_ns / pair.native.median_ns)),
    );
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

fn middle(sorted: &[f64]) -> f64 {
    let half = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted[half]
    } else {
        (sorted[half - 1] + sorted[half]) / 2.0
    }
}

/// A time with its unit, three digits or so.
fn shown(ns: f64) -> String {
    match ns.abs() {
        size if size < 1e3 => format!("{ns:.1} ns"),
        size if size < 1e6 => format!("{:.2} us", ns / 1e3),
        _ => format!("{:.2} ms", ns / 1e6),
    }
}
