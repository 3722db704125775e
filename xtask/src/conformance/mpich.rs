//! MPICH's own test programs: folder by folder, as their lists say.
//!
//! ```text
//!   configure MPICC=<wrapper>    once per wrapper     target/conformance/mpich/<mana | MPI>
//!   make util dtpools, make <programs of a folder>
//!   mpiexec -n <of the list> ./program                passes if it prints " No Errors" and nothing else, status 0
//! ```

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use mana_suite::mpi::MPICH_5;
use mana_suite::{JobSpec, Result, command};

use super::fetch;
use super::outcome::{Outcome, Outcomes, Side, Verdict};
use super::run::{self, Ran, home};
use super::testlist::{self, Line};
use super::{Place, Suite};
use crate::sources::file;

pub(crate) struct Mpich;

/// The folders with tests of MPI's C interface.
const FOLDERS: [&str; 19] = [
    "attr", "coll", "comm", "datatype", "errhan", "errors", "group", "impls", "info", "init", "io",
    "mpi_t", "part", "perf", "pt2pt", "rma", "spawn", "threads", "topo",
];

/// Tests that want more memory than this are left out.
const MOST_GIB: u32 = 2;

/// Functions that MPICH had before MPI 4.1 did, by the names that they have there.
const RENAMED: &str = "-DMPIX_Delete_error_class=MPI_Remove_error_class \
    -DMPIX_Delete_error_code=MPI_Remove_error_code -DMPIX_Delete_error_string=MPI_Remove_error_string";

/// Open MPI 4 has the functions that MPI-3 removed, and its header declares them to those who insist.
const REMOVED: &str = "-DOMPI_OMIT_MPI1_COMPAT_DECLS=0";

impl Suite for Mpich {
    fn name(&self) -> &'static str {
        "mpich"
    }

    fn sets_ranks(&self) -> bool {
        true
    }

    fn run(&self, place: &Place<'_>, each: &mut dyn FnMut(Outcomes)) -> Result<()> {
        let source = fetch::mpich()?;
        let build = configure(place, &source)?;
        for folder in folders(&source, &build)? {
            let lines: Vec<_> = listed_programs(&source, &build, &folder)?
                .into_iter()
                .filter(|line| line.memory_gib <= MOST_GIB && !line.xfail)
                .map(|line| Line {
                    ranks: line.ranks.min(place.ranks),
                    ..line
                })
                .filter(|line| place.wants(&line.case(&folder)))
                .collect();
            let lines = without_repeats(lines);
            if lines.is_empty() {
                continue;
            }
            eprintln!("   {folder}: {} cases", lines.len());
            let said = make(place, &build.join(&folder), &lines)?;
            for line in &lines {
                let case = line.case(&folder);
                let outcome = one(place, &build.join(&folder), line, &said)?;
                if outcome.verdict != Verdict::Pass {
                    eprintln!("   {case}: {}", outcome.verdict);
                }
                run::keep_log(place, self.name(), 0, &case, &outcome)?;
                each(Outcomes::from([(case, outcome)]));
            }
        }
        Ok(())
    }
}

/// Runs their configure with the wrapper of this place, and makes what all programs share.
fn configure(place: &Place<'_>, source: &Path) -> Result<PathBuf> {
    let (name, wrapper, flags) = match place.side {
        Side::Native => (place.mpi.name, place.mpi.mpicc(), REMOVED),
        // What is built for the standard ABI runs with any library that has it.
        Side::StandardAbi => ("standard-abi", MPICH_5.mpicc_abi(), RENAMED),
        Side::Mana | Side::Restarted => ("mana", place.install.mpicc(), RENAMED),
    };
    let build = home().join("mpich").join(name);
    let done = build.join("complete");
    if !done.exists() {
        eprintln!("   configuring MPICH's tests for {name}");
        file("create", &build, std::fs::create_dir_all(&build))?;
        let mut configure = Command::new(source.join("configure"));
        configure
            .current_dir(&build)
            .arg(format!("MPICC={}", wrapper.display()))
            .arg(format!("CC={}", wrapper.display()))
            .arg(format!("CPPFLAGS={flags}"))
            .args([
                "--disable-fortran",
                "--disable-cxx",
                "--disable-dependency-tracking",
            ])
            .envs(compiler_env(place));
        command::run(&mut configure)?;
        for folder in ["util", "dtpools"] {
            let mut make = Command::new("make");
            make.arg("-C").arg(build.join(folder));
            command::run(make.envs(compiler_env(place)))?;
        }
        file("create", &done, std::fs::write(&done, ""))?;
    }
    Ok(build)
}

/// What the wrapper of this place needs in its environment.
fn compiler_env(place: &Place<'_>) -> Vec<(&'static str, PathBuf)> {
    match place.side {
        Side::Native => place.mpi.compiler_env(),
        Side::StandardAbi | Side::Mana | Side::Restarted => Vec::new(),
    }
}

/// The folders and, where their lists name some, folders within.
fn folders(source: &Path, build: &Path) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for folder in FOLDERS {
        all.push(folder.to_owned());
        for line in listed(source, build, folder)? {
            let within = format!("{folder}/{}", line.name);
            if source.join(&within).is_dir() {
                all.push(within);
            }
        }
    }
    Ok(all)
}

/// The programs of a folder's list; a program of another folder is left to that one.
fn listed_programs(source: &Path, build: &Path, folder: &str) -> Result<Vec<Line>> {
    let is_program =
        |line: &Line| !source.join(folder).join(&line.name).is_dir() && !line.name.contains('/');
    let listed = listed(source, build, folder)?;
    Ok(listed.into_iter().filter(is_program).collect())
}

/// The lines without those that are the same case, as two numbers of ranks are that exceed the highest.
fn without_repeats(lines: Vec<Line>) -> Vec<Line> {
    let mut seen = BTreeSet::new();
    let is_new = |line: &Line| seen.insert(line.case(""));
    lines.into_iter().filter(is_new).collect()
}

/// All lines of a folder's list: configure's, or the one that needs no configuration.
fn listed(source: &Path, build: &Path, folder: &str) -> Result<Vec<Line>> {
    let candidates = [build, source].map(|root| root.join(folder).join("testlist"));
    match candidates.into_iter().find(|path| path.exists()) {
        None => Ok(Vec::new()),
        Some(path) => {
            let text = file("read", &path, std::fs::read_to_string(&path))?;
            Ok(testlist::parse(&text))
        }
    }
}

/// Builds the programs of these lines as far as they can be; gives what make said.
fn make(place: &Place<'_>, folder: &Path, lines: &[Line]) -> Result<String> {
    let mut programs: Vec<_> = lines.iter().map(|line| line.name.as_str()).collect();
    programs.sort_unstable();
    programs.dedup();
    programs.retain(|program| !folder.join(program).exists());
    if programs.is_empty() {
        return Ok(String::new());
    }
    let mut make = Command::new("nice");
    make.args(["-n", "5", "make", "-k", "-C"])
        .arg(folder)
        .args(&programs)
        .envs(compiler_env(place));
    // A program that does not build has its own verdict.
    match command::run(&mut make) {
        Ok(said) => Ok(said),
        Err(error) => Ok(error.to_string()),
    }
}

/// Runs the program of a line.
fn one(place: &Place<'_>, folder: &Path, line: &Line, said: &str) -> Result<Outcome> {
    let program = folder.join(&line.name);
    if !program.exists() {
        return Ok(Outcome {
            verdict: Verdict::Unbuilt,
            log: about(said, &line.name),
        });
    }
    let mut job: JobSpec = run::job(place, line.ranks, program)
        .directory(folder)
        .args(&line.args);
    for (name, value) in &line.env {
        job = job.env(name, value);
    }
    let ran = run::run(place, line.ranks, &job)?;
    Ok(ran.judged(good(&ran, line)))
}

/// What MPICH's own script asks for.
fn good(ran: &Ran, line: &Line) -> bool {
    if line.must_fail {
        return !ran.success;
    }
    let no_errors = |text: &str| text.trim().eq_ignore_ascii_case("no errors");
    let mut said_so = false;
    let mut nothing_else = true;
    for text in ran.stdout.lines() {
        said_so |= no_errors(text);
        nothing_else &= no_errors(text) || text.trim() == "Test Passed" || text.trim().is_empty();
    }
    ran.success && said_so && nothing_else
}

/// The lines of make's output that name the program.
fn about(said: &str, program: &str) -> String {
    let mut lines: Vec<_> = said
        .lines()
        .filter(|line| line.contains(program) || line.contains("undefined reference"))
        .collect();
    lines.truncate(40);
    lines.join("\n") + "\n"
}
