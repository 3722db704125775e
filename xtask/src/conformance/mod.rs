//! `cargo xtask conformance`: foreign test suites, natively and under mana, on each MPI, and where the two differ.
//!
//! ```text
//!   fetch     a suite's source and its builds       target/conformance/{src,mpi4py,mpich,rsmpi}
//!   suite     Suite::run(Place) -> case: verdict    a Place is an MPI, a number of ranks, and natively or under mana
//!   store     all verdicts so far                   target/conformance/results.json   (a later run replaces its own)
//!   compare   native, mana -> same | more | differs (with its reason in known.table, or without)
//!   report    a table, the differences              stdout, CONFORMANCE.md
//! ```
//!
//! What a job said in a case that did not pass is in `target/conformance/logs`. A job that hangs is killed by a watchdog,
//! and `hang` is its verdict.

mod calls;
mod compare;
mod earlier;
mod fetch;
mod known;
mod mpi4py;
mod mpich;
mod outcome;
mod report;
mod restart;
mod rsmpi;
mod run;
mod store;
mod testlist;
mod unittest;

use std::time::{Duration, Instant};

use mana_suite::{Install, Mpi, Result, mpi};

use outcome::{Outcomes, Side};
use store::Store;

/// What to run.
#[derive(clap::Args)]
pub struct Options {
    /// Only this suite.
    #[arg(long, value_enum)]
    suite: Vec<Name>,
    /// Only over this MPI, as `mpich-4.0.2`.
    #[arg(long)]
    mpi: Vec<String>,
    /// On so many ranks; otherwise on 1, 2 and 4. The cases of MPICH's suite and the calls say themselves how many they
    /// want, and one of MPICH's that wants more than the highest number given here gets that many.
    #[arg(long)]
    ranks: Vec<u32>,
    /// Only cases (of mpi4py: modules) whose name contains one of these.
    #[arg(long)]
    only: Vec<String>,
    /// Natively only what has no native result yet.
    #[arg(long)]
    keep_native: bool,
    /// First under mana, then natively only what does not pass: nothing else can differ for the worse.
    #[arg(long, conflicts_with_all = ["side", "checkpoint"])]
    native_if_needed: bool,
    /// Only one side: bugs are found without native runs of what passes.
    #[arg(long, value_enum, conflicts_with = "checkpoint")]
    side: Option<OneSide>,
    /// Checkpoint at a random time, kill, and go on under the next MPI.
    #[arg(long)]
    checkpoint: bool,
    /// Seconds after which a job counts as hung.
    #[arg(long, default_value_t = 180)]
    watchdog: u64,
    /// Run nothing: report what there is.
    #[arg(long)]
    report: bool,
    /// Print all verdicts as JSON instead of the table.
    #[arg(long)]
    json: bool,
}

/// A suite's name on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Name {
    /// mpi4py's own tests.
    Mpi4py,
    /// The test programs of MPICH's sources.
    Mpich,
    /// The examples of rsmpi.
    Rsmpi,
    /// tests/programs/calls.
    Calls,
}

/// A side's name on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum OneSide {
    /// Natively.
    Native,
    /// Natively, but built for the standard ABI (with MPICH 5's `mpicc_abi`) and run with the MPI's library of that ABI, what
    /// does not pass under mana: of a program that counts on an MPI's own handles it says so. MPICH's suite only.
    StandardAbi,
    /// Under mana.
    Mana,
}

/// Where and how cases are run.
pub(crate) struct Place<'a> {
    mpi: &'static Mpi,
    ranks: u32,
    side: Side,
    install: &'a Install,
    options: &'a Options,
    /// Cases that need not run, because their result is there already.
    done: &'a dyn Fn(&str) -> bool,
}

impl Place<'_> {
    /// Whether the case is to be run.
    fn wants(&self, case: &str) -> bool {
        let only = &self.options.only;
        (only.is_empty() || only.iter().any(|part| case.contains(part.as_str())))
            && !(self.done)(case)
    }

    fn watchdog(&self) -> Duration {
        Duration::from_secs(self.options.watchdog)
    }
}

/// A foreign suite.
pub(crate) trait Suite {
    /// Its name in tables and folders.
    fn name(&self) -> &'static str;

    /// Whether its cases say themselves on how many ranks they run.
    fn sets_ranks(&self) -> bool;

    /// Runs its cases and gives `each` verdict as soon as it is there.
    fn run(&self, place: &Place<'_>, each: &mut dyn FnMut(Outcomes)) -> Result<()>;
}

fn suite(name: Name) -> &'static dyn Suite {
    match name {
        Name::Mpi4py => &mpi4py::Mpi4py,
        Name::Mpich => &mpich::Mpich,
        Name::Rsmpi => &rsmpi::Rsmpi,
        Name::Calls => &calls::Calls,
    }
}

/// Runs what the options say, and reports.
///
/// # Errors
/// A suite could not be fetched or built at all, or a report could not be written. A case that fails is no error.
pub fn run(options: &Options) -> Result<()> {
    let mut store = Store::open()?;
    if !options.report {
        run_suites(options, &mut store)?;
    }
    let standing = report::standing()?;
    let report = report::Report::new(&store, &standing);
    if options.json {
        println!("{}", store.json()?);
    } else {
        println!("{}", report.text());
    }
    report.write()
}

fn run_suites(options: &Options, store: &mut Store) -> Result<()> {
    let install = mana_suite::install()?;
    let chosen = |name: &&Name| options.suite.is_empty() || options.suite.contains(name);
    let mpis = match options.mpi.as_slice() {
        [] => mpi::ALL.to_vec(),
        names => names
            .iter()
            .map(|name| Mpi::named(name))
            .collect::<Result<_>>()?,
    };
    let ranks = match options.ranks.as_slice() {
        [] => vec![1, 2, 4],
        some => some.to_vec(),
    };
    let all = match options.side {
        Some(OneSide::StandardAbi) => &[Name::Mpich][..],
        _ => &[Name::Calls, Name::Rsmpi, Name::Mpi4py, Name::Mpich],
    };
    for name in all.iter().filter(chosen) {
        let suite = suite(*name);
        let most = ranks.iter().copied().max().unwrap_or(4);
        let ranks = if suite.sets_ranks() {
            &[most]
        } else {
            ranks.as_slice()
        };
        for mpi in &mpis {
            mpi.provision()?;
            if options.side == Some(OneSide::StandardAbi) {
                if !mpi.has_standard_abi() {
                    eprintln!("== {} has no library of the standard ABI", mpi.name);
                    continue;
                }
                mpi::MPICH_5.provision()?;
            }
            for &ranks in ranks {
                for side in sides(options) {
                    run_one(options, store, suite, (mpi, ranks, *side), &install)?;
                }
            }
        }
    }
    Ok(())
}

/// With checkpoints, only mana runs: what the cases do natively is known from a run without.
fn sides(options: &Options) -> &'static [Side] {
    match options.side {
        _ if options.checkpoint => &[Side::Restarted],
        Some(OneSide::Native) => &[Side::Native],
        Some(OneSide::StandardAbi) => &[Side::StandardAbi],
        Some(OneSide::Mana) => &[Side::Mana],
        None if options.native_if_needed => &[Side::Mana, Side::Native],
        None => &[Side::Native, Side::Mana],
    }
}

fn run_one(
    options: &Options,
    store: &mut Store,
    suite: &dyn Suite,
    (mpi, ranks, side): (&'static Mpi, u32, Side),
    install: &Install,
) -> Result<()> {
    let before = store.clone();
    let key = |case: &str| store::Key {
        suite: suite.name().to_owned(),
        mpi: mpi.name.to_owned(),
        ranks: if suite.sets_ranks() { 0 } else { ranks },
        case: case.to_owned(),
    };
    let done = |case: &str| {
        let passes = before.passes_under_mana(&key(case));
        match side {
            Side::Native => {
                options.keep_native && before.has_native(&key(case))
                    || options.native_if_needed && passes
            }
            Side::StandardAbi => passes,
            Side::Mana | Side::Restarted => false,
        }
    };
    let place = Place {
        mpi,
        ranks,
        side,
        install,
        options,
        done: &done,
    };
    eprintln!("== {} over {} on {ranks}, {side}", suite.name(), mpi.name);
    let (begin, restarts) = (Instant::now(), restart::restarts());
    let mut saved = Ok(());
    let mut count = 0;
    suite.run(&place, &mut |outcomes| {
        for (case, outcome) in outcomes {
            count += 1;
            store.put(key(&case), side, outcome.verdict);
        }
        if saved.is_ok() {
            saved = store.save();
        }
    })?;
    eprintln!("   {count} results in {:.0?}", begin.elapsed());
    if side == Side::Restarted {
        eprintln!(
            "   {} jobs went through a restart, the others ended before",
            restart::restarts() - restarts
        );
    }
    saved
}
