//! One program on its way through all the lives of a plan, to its end and the comparison.
//!
//! ```text
//!   life 1   ./program        --ckpt-000001--ckpt-000002--x
//!   life 2   mana restart DIR                  `-----ckpt-000003--x      (from the start, where there is none yet)
//!   last     mana restart DIR                            `------------ stdout == undisturbed?
//! ```
//!
//! What went wrong is kept: the checkpoints as they are, and what every life printed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mana_suite::checkpoints::Checkpoints;
use mana_suite::lock::one_job_at_a_time;
use mana_suite::{Finished, Install, JobSpec, Result, places};
use serde::Serialize;

use super::life::{Outcome, Stage, live};
use super::plan::{Ending, Life, Plan, Whom};
use super::programs::{FOLDER, Torture};
use super::tally::Tally;

/// What went wrong on a way.
#[derive(Debug, Serialize)]
pub(crate) struct Failure {
    /// "mismatch", "hang" or "crash".
    pub what: &'static str,
    /// The program.
    pub program: &'static str,
    /// Which way: its seed, or its safe point.
    pub way: String,
    /// Where checkpoints and output are kept.
    pub kept: PathBuf,
}

/// A way that is being gone.
pub(crate) struct Voyage<'a> {
    pub program: &'static Torture,
    /// Its seed, or its safe point: in messages, and in the name of what is kept.
    pub label: String,
    pub install: &'a Install,
    pub watchdog: Duration,
    /// What it has to print.
    pub expected: String,
}

/// What came of a way.
pub(crate) struct Went {
    pub tally: Tally,
    pub failure: Option<Failure>,
    /// What every life printed and how it ended.
    pub story: Vec<String>,
}

impl Voyage<'_> {
    /// Goes the way; `tell` hears of each life as it begins.
    ///
    /// # Errors
    /// A job cannot be started at all, or the file system refuses something.
    pub fn go(&self, plan: &Plan, mut tell: impl FnMut(&Life)) -> Result<Went> {
        let _turn = one_job_at_a_time()?;
        let checkpoints = Checkpoints::new()?;
        let executable = self.program.build(self.install)?;
        let mana = self.install.mana();
        let stage = Stage {
            checkpoints: &checkpoints,
            mana: &mana,
            watchdog: self.watchdog,
        };
        let mut tally = Tally::default();
        let mut story = Vec::new();
        let mut wrong = None;
        let mut printed = false;
        for life in &plan.lives {
            life.mpi.provision()?;
            tell(life);
            let before: u64 = checkpoints.newest()?.into();
            if before > 0 {
                tally.restarts += 1;
                *tally.restarts_under.entry(life.mpi.name).or_default() += 1;
            }
            let outcome = live(&stage, &self.job(life, &executable, &checkpoints)?, life)?;
            tally.checkpoints += u64::from(checkpoints.newest()?) - before;
            wrong = self.judge(&outcome, &mut printed, &mut tally);
            story.push(format!("== {life}\n{}", told(&outcome, wrong)));
            // One that ended before its fault came is at its end. (Where none was to come, another life may begin at
            // its last checkpoint.)
            let over =
                matches!(outcome, Outcome::Ended(_)) && !matches!(life.ending, Ending::Finish);
            if wrong.is_some() || over {
                break;
            }
            count_fault(life, &outcome, &mut tally);
        }
        if wrong.is_none() {
            tally.programs += 1;
        }
        let failure = wrong
            .map(|what| self.keep(what, checkpoints, &story))
            .transpose()?;
        Ok(Went {
            tally,
            failure,
            story,
        })
    }

    /// The job of `life`: from the newest checkpoint, or from the start where there is none.
    fn job(&self, life: &Life, executable: &Path, checkpoints: &Checkpoints) -> Result<JobSpec> {
        let ranks = self.program.ranks;
        let job = if checkpoints.newest()? == 0 {
            JobSpec::new(life.mpi, ranks, executable).args(self.program.args())
        } else {
            JobSpec::new(life.mpi, ranks, self.install.mana())
                .args(["restart"])
                .args([checkpoints.path()])
        };
        Ok(job
            .fabric(life.fabric)
            .env("MANA_MPI", life.mpi.library())
            .env("MANA_CKPT_DIR", checkpoints.path())
            // What a life wrote to its files after its last checkpoint, the next one writes again.
            .env("MANA_FILES", "cut")
            .env(FOLDER, checkpoints.path()))
    }

    /// What is wrong with how a life ended, if anything.
    ///
    /// A job that was saved after it had printed does not print again, and one that was saved before does: so each life
    /// prints everything or nothing, and at the end something was `printed`.
    fn judge(
        &self,
        outcome: &Outcome,
        printed: &mut bool,
        tally: &mut Tally,
    ) -> Option<&'static str> {
        let (stdout, at_its_end) = match outcome {
            Outcome::Hung { .. } => {
                tally.hangs += 1;
                return Some("hang");
            }
            Outcome::Ended(finished) if !finished.status.success() => {
                tally.crashes += 1;
                return Some("crash");
            }
            Outcome::Ended(finished) => (finished.stdout.clone(), true),
            Outcome::Struck { output, .. } => (self.of_program(Finished::stdout_in(output)), false),
        };
        *printed |= stdout == self.expected;
        let right = stdout == self.expected || (stdout.is_empty() && (*printed || !at_its_end));
        if right {
            return None;
        }
        tally.mismatches += 1;
        Some("mismatch")
    }

    /// What the program has printed on stdout, where launchers tell of ranks that were killed, too: the lines that begin with
    /// a word with which a line of its begins.
    fn of_program(&self, stdout: &str) -> String {
        let first = |line: &str| line.split_whitespace().next().map(str::to_owned);
        let known: Vec<_> = self.expected.lines().filter_map(first).collect();
        let lines = stdout
            .lines()
            .filter(|line| first(line).is_some_and(|word| known.contains(&word)));
        lines.map(|line| format!("{line}\n")).collect()
    }

    fn keep(
        &self,
        what: &'static str,
        checkpoints: Checkpoints,
        story: &[String],
    ) -> Result<Failure> {
        let kept = places::target()
            .join("torture/failures")
            .join(format!("{}-{}", self.program.name, self.label));
        checkpoints.keep(&kept)?;
        let text = format!(
            "{what} of {}, {}\nexpected: {}\n{}",
            self.program.name,
            self.label,
            self.expected,
            story.join("\n")
        );
        super::file("write", &kept.join("story.txt"), |path| {
            std::fs::write(path, &text)
        })?;
        Ok(Failure {
            what,
            program: self.program.name,
            way: self.label.clone(),
            kept,
        })
    }
}

/// How a life ended and what it printed, for the story.
fn told(outcome: &Outcome, wrong: Option<&str>) -> String {
    match outcome {
        Outcome::Ended(finished) => format!(
            "   ended with {}{}\n{}",
            finished.status,
            wrong.map(|what| format!(": {what}")).unwrap_or_default(),
            finished.output()
        ),
        Outcome::Struck {
            output,
            writing,
            restarting,
        } => {
            let moment = match (writing, restarting) {
                (true, _) => " in a checkpoint",
                (false, true) => " in the restart",
                (false, false) => "",
            };
            format!("   struck{moment}\n{output}")
        }
        Outcome::Hung { report } => format!("   hung\n{report}"),
    }
}

fn count_fault(life: &Life, outcome: &Outcome, tally: &mut Tally) {
    let (
        Ending::Fault(whom, _),
        Outcome::Struck {
            writing,
            restarting,
            ..
        },
    ) = (life.ending, outcome)
    else {
        return;
    };
    tally.faults += 1;
    match whom {
        Whom::All => tally.killed_all += 1,
        Whom::Rank(_) => tally.killed_rank += 1,
        Whom::Command => tally.ended_by_command += 1,
    }
    tally.during_checkpoint += u64::from(*writing);
    tally.during_restart += u64::from(*restarting);
}
