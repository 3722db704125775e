//! tests/programs/calls: our own programs, chapter by chapter, of which a native run shows that they ask for what MPI says.
//!
//! Those that take a checkpoint (they include mana.h) have no native form and are left to the tests.

use std::path::Path;

use mana_suite::programs::{Toolchain, build_c};
use mana_suite::{Result, places};

use super::outcome::{Outcome, Outcomes, Side, Verdict};
use super::run;
use super::{Place, Suite};
use crate::sources::file;

pub(crate) struct Calls;

impl Suite for Calls {
    fn name(&self) -> &'static str {
        "calls"
    }

    fn sets_ranks(&self) -> bool {
        true
    }

    fn run(&self, place: &Place<'_>, each: &mut dyn FnMut(Outcomes)) -> Result<()> {
        let folder = places::workspace().join("tests/programs/calls");
        let entries = file("read", &folder, std::fs::read_dir(&folder))?;
        let mut sources: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        sources.sort();
        for source in sources {
            let text = file("read", &source, std::fs::read_to_string(&source))?;
            let case = source
                .file_stem()
                .map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
            let Some(ranks) = ranks(&text) else { continue };
            if text.contains("mana.h") || !place.wants(&case) {
                continue;
            }
            let outcome = one(place, &source, ranks)?;
            eprintln!("   {case}: {}", outcome.verdict);
            run::keep_log(place, self.name(), 0, &case, &outcome)?;
            each(Outcomes::from([(case, outcome)]));
        }
        Ok(())
    }
}

/// The number of ranks that a program says it is written for: `check_begin(&argc, &argv, 4)`.
fn ranks(text: &str) -> Option<u32> {
    let (_, call) = text.split_once("check_begin(&argc, &argv, ")?;
    call.split(')').next()?.parse().ok()
}

fn one(place: &Place<'_>, source: &Path, ranks: u32) -> Result<Outcome> {
    let toolchain = match place.side {
        Side::Native => Toolchain::Native(place.mpi),
        Side::StandardAbi => Toolchain::StandardAbi(place.mpi),
        Side::Mana | Side::Restarted => Toolchain::Mana(place.install),
    };
    match build_c(source, toolchain) {
        Ok(program) => {
            let ran = run::run(place, ranks, &run::job(place, ranks, program))?;
            Ok(ran.judged(ran.success && ran.stdout.lines().any(|line| line == "ok")))
        }
        Err(error) => Ok(Outcome {
            verdict: Verdict::Unbuilt,
            log: error.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_program_says_how_many_ranks_it_wants() {
        assert_eq!(super::ranks("check_begin(&argc, &argv, 4);"), Some(4));
        assert_eq!(super::ranks("int main(void)"), None);
    }
}
