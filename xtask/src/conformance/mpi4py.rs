//! mpi4py's own suite: some 60 modules of `unittest` tests.
//!
//! ```text
//!   per module    mpiexec -n N sh -c 'exec python main.py -v 2>>DIR/$RANK.log'     a report per rank
//!                 case = module.Class.test, its verdict = the worst of all ranks
//!   a rank dies or hangs in a test   that test is noted, left out, and the module run again
//! ```
//!
//! Natively it is mpi4py's wheel, which loads whichever MPI `MPI4PY_LIBMPI` says; under mana it is built from source for
//! the standard ABI with `mana-mpicc`.

use std::path::{Path, PathBuf};

use mana_suite::Result;
use mana_suite::programs::Toolchain;

use super::fetch;
use super::outcome::{Outcome, Outcomes, Side, Verdict};
use super::run::{self, home};
use super::unittest;
use super::{Place, Suite};
use crate::sources::file;

pub(crate) struct Mpi4py;

/// How often a module is run again without the test that it died in.
const ATTEMPTS: usize = 12;

impl Suite for Mpi4py {
    fn name(&self) -> &'static str {
        "mpi4py"
    }

    fn sets_ranks(&self) -> bool {
        false
    }

    fn run(&self, place: &Place<'_>, each: &mut dyn FnMut(Outcomes)) -> Result<()> {
        let tests = fetch::mpi4py()?.join("test");
        let python = python(place)?;
        for module in modules(&tests)? {
            if !place.wants(&module) {
                continue;
            }
            let outcomes = run_module(place, &python, &tests, &module)?;
            eprintln!("   {module}: {}", tally(&outcomes));
            for (case, outcome) in &outcomes {
                run::keep_log(place, self.name(), place.ranks, case, outcome)?;
            }
            each(outcomes);
        }
        Ok(())
    }
}

fn python(place: &Place<'_>) -> Result<PathBuf> {
    mana_suite::python::environment(match place.side {
        Side::Native => Toolchain::Native(place.mpi),
        Side::StandardAbi => Toolchain::StandardAbi(place.mpi),
        Side::Mana | Side::Restarted => Toolchain::Mana(place.install),
    })
}

/// Names of the test modules, sorted.
fn modules(tests: &Path) -> Result<Vec<String>> {
    let entries = file("read", tests, std::fs::read_dir(tests))?;
    let mut names: Vec<_> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let stem = name.strip_suffix(".py")?;
            stem.starts_with("test_").then(|| stem.to_owned())
        })
        .collect();
    names.sort();
    Ok(names)
}

/// Runs a module until it comes to its end, without the tests it did not survive.
fn run_module(place: &Place<'_>, python: &Path, tests: &Path, module: &str) -> Result<Outcomes> {
    let mut fatal = Outcomes::new();
    let mut outcomes = Outcomes::new();
    for _ in 0..ATTEMPTS {
        let left_out: Vec<_> = fatal.keys().cloned().collect();
        let attempt = attempt(place, python, tests, module, &left_out)?;
        outcomes = attempt.outcomes;
        match attempt.fatal {
            None => break,
            Some((test, outcome)) => {
                eprintln!("   {test}: {}", outcome.verdict);
                fatal.insert(test, outcome);
            }
        }
    }
    // Those that later attempts left out.
    outcomes.extend(fatal);
    Ok(outcomes)
}

struct Attempt {
    outcomes: Outcomes,
    fatal: Option<(String, Outcome)>,
}

fn attempt(
    place: &Place<'_>,
    python: &Path,
    tests: &Path,
    module: &str,
    left_out: &[String],
) -> Result<Attempt> {
    let reports = home().join("reports");
    // What an earlier job left there.
    let _absent = std::fs::remove_dir_all(&reports);
    file("create", &reports, std::fs::create_dir_all(&reports))?;
    let only_it = format!(r"^{module}\.py$");
    let mut job = run::reporting_job(place, &reports)
        .directory(tests)
        .args([python])
        .args(["main.py", "-v", "-i", &only_it]);
    if matches!(place.side, Side::Native | Side::StandardAbi) {
        for (name, value) in mana_suite::python::native_env(place.mpi)? {
            job = job.env(name, value);
        }
    }
    for test in left_out {
        job = job.args(["-x", &format!("*.{test}"), "-x", &format!("*{test}")]);
    }
    let ran = run::run_reporting(place, &job, &reports)?;
    let mut outcomes = Outcomes::new();
    let mut open = Vec::new();
    let mut complete = true;
    for report in read_reports(&reports)? {
        let parsed = unittest::parse(&report);
        complete &= parsed.complete;
        open.extend(parsed.open);
        for (case, outcome) in parsed.outcomes {
            let merged = match outcomes.remove(&case) {
                Some(other) => outcome.and(other),
                None => outcome,
            };
            outcomes.insert(case, merged);
        }
    }
    open.sort();
    // Ranks may be in different tests; the first to be left out is as good as another.
    let died_in = open.into_iter().find(|test| !left_out.contains(test));
    let fatal = match (ran.ended && complete, died_in) {
        (true, _) => None,
        (false, Some(test)) => Some((test, ran.judged(false))),
        (false, None) if ran.ended && ran.success => None,
        // It has all results, or none: it died before its first test or after its last.
        (false, None) => {
            let mut outcome = ran.judged(false);
            outcome.log += &read_reports(&reports)?.concat();
            outcomes.insert(format!("{module}.beginning_or_end"), outcome);
            None
        }
    };
    Ok(Attempt { outcomes, fatal })
}

fn read_reports(folder: &Path) -> Result<Vec<String>> {
    let entries = file("read", folder, std::fs::read_dir(folder))?;
    entries
        .flatten()
        .map(|entry| {
            let bytes = file("read", &entry.path(), std::fs::read(entry.path()))?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        })
        .collect()
}

/// "12 pass, 1 fail".
fn tally(outcomes: &Outcomes) -> String {
    let all = [
        Verdict::Pass,
        Verdict::Skip,
        Verdict::Unsupported,
        Verdict::Unbuilt,
        Verdict::Fail,
        Verdict::Hang,
    ];
    let count = |verdict| {
        outcomes
            .values()
            .filter(|outcome| outcome.verdict == verdict)
            .count()
    };
    let parts = all
        .into_iter()
        .map(|verdict| (verdict, count(verdict)))
        .filter(|(_, count)| *count > 0)
        .map(|(verdict, count)| format!("{count} {verdict}"));
    parts.collect::<Vec<_>>().join(", ")
}
