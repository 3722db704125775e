//! The examples of rsmpi (crate `mpi`), which check themselves by assertions: an example passes if it ends with status 0.

use std::path::{Path, PathBuf};
use std::process::Command;

use mana_suite::{Result, command, mpi};

use super::fetch;
use super::outcome::{Outcome, Outcomes, Side, Verdict};
use super::run::{self, home};
use super::{Place, Suite};
use crate::sources::file;

pub(crate) struct Rsmpi;

impl Suite for Rsmpi {
    fn name(&self) -> &'static str {
        "rsmpi"
    }

    fn sets_ranks(&self) -> bool {
        false
    }

    fn run(&self, place: &Place<'_>, each: &mut dyn FnMut(Outcomes)) -> Result<()> {
        mpi::provision_libclang()?;
        let source = fetch::rsmpi()?;
        let (target, said) = build(place, &source)?;
        for example in examples(&source)? {
            if !place.wants(&example) {
                continue;
            }
            let program = target.join("debug/examples").join(&example);
            let outcome = if program.exists() {
                run::run(place, place.ranks, &run::job(place, place.ranks, program))?.by_status()
            } else {
                Outcome {
                    verdict: Verdict::Unbuilt,
                    log: said.clone(),
                }
            };
            if outcome.verdict != Verdict::Pass {
                eprintln!("   {example}: {}", outcome.verdict);
            }
            run::keep_log(place, self.name(), place.ranks, &example, &outcome)?;
            each(Outcomes::from([(example, outcome)]));
        }
        Ok(())
    }
}

/// Builds what builds; gives cargo's target directory, one per wrapper, and what it said.
fn build(place: &Place<'_>, source: &Path) -> Result<(PathBuf, String)> {
    let (name, wrapper, lib, env) = match place.side {
        Side::Native | Side::StandardAbi => (
            place.mpi.name,
            place.mpi.mpicc(),
            place.mpi.prefix().join("lib"),
            place.mpi.compiler_env(),
        ),
        Side::Mana | Side::Restarted => (
            "mana",
            place.install.mpicc(),
            place.install.lib(),
            Vec::new(),
        ),
    };
    let target = home().join("rsmpi").join(name);
    eprintln!("   building rsmpi's examples for {name}");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(source)
        .args([
            "build",
            "--examples",
            "--all-features",
            "--keep-going",
            "--quiet",
        ])
        .env("CARGO_TARGET_DIR", &target)
        .env("MPICC", wrapper)
        .env(
            "RUSTFLAGS",
            format!("-Clink-arg=-Wl,-rpath,{}", lib.display()),
        )
        .env_remove("MPI_PKG_CONFIG")
        .envs(env);
    // An example that does not build has its own verdict.
    let said = match command::run(&mut cargo) {
        Ok(said) => said,
        Err(error) => error.to_string(),
    };
    Ok((target, said))
}

/// Names of the examples: a file or a folder each.
fn examples(source: &Path) -> Result<Vec<String>> {
    let folder = source.join("examples");
    let entries = file("read", &folder, std::fs::read_dir(&folder))?;
    let mut names: Vec<_> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            name.strip_suffix(".rs").map(str::to_owned)
        })
        .collect();
    names.sort();
    Ok(names)
}
