//! One job of a plan: started, watched closely, struck down or let end.
//!
//! ```text
//!   launch -> look every millisecond -> ended by itself                      -> Ended
//!                                    -> the moment of the fault: kill -9 ..  -> Struck
//!                                    -> neither a checkpoint nor the end for very long: stacks of all -> Hung
//! ```

use std::path::Path;
use std::time::{Duration, Instant};

use mana_suite::checkpoints::Checkpoints;
use mana_suite::{Finished, Job, JobSpec, Result, polling};

use super::plan::{Ending, Life, Saving, When, Whom};
use super::stacks;
use crate::request::Request;

/// How often a running job is looked at.
const LOOK: Duration = Duration::from_millis(1);

/// How long the launcher has to end a job that has lost a rank; the rest is struck down then.
const LAUNCHERS_TIME: Duration = Duration::from_secs(10);

/// What became of a job.
pub(crate) enum Outcome {
    /// It ended by itself, well or not.
    Ended(Finished),
    /// A fault ended it; this is what it had printed.
    Struck {
        /// Its output.
        output: String,
        /// Whether a checkpoint was being written at that moment.
        writing: bool,
        /// Whether the job had been restarted and was not running yet.
        restarting: bool,
    },
    /// It did not get on any more.
    Hung {
        /// Its output and the stacks of its threads.
        report: String,
    },
}

/// What is needed to run a job.
pub(crate) struct Stage<'a> {
    /// Where it checkpoints.
    pub checkpoints: &'a Checkpoints,
    /// The `mana` command.
    pub mana: &'a Path,
    /// So long without a checkpoint or the end is a hang.
    pub watchdog: Duration,
}

impl Stage<'_> {
    fn ask(&self, options: &[&str]) -> Option<Request> {
        Request::start(self.mana, options, self.checkpoints.path())
    }
}

/// A job under watch.
struct Watched<'a> {
    stage: &'a Stage<'a>,
    job: Job,
    begin: Instant,
    /// Number of the newest checkpoint when it began, and now.
    first: u64,
    newest: u64,
    /// When the newest was first seen, or the job began.
    moved: Instant,
    /// When the `nth` one was first seen to be written.
    writing: Option<Instant>,
    asking: Option<Asking>,
}

/// `mana checkpoint`, again and again.
struct Asking {
    pause: Duration,
    next: Instant,
    request: Option<Request>,
}

/// Runs `spec` as `life` says.
///
/// # Errors
/// It cannot be started or looked at.
pub(crate) fn live(stage: &Stage<'_>, spec: &JobSpec, life: &Life) -> Result<Outcome> {
    let (spec, asking) = match life.saving {
        Saving::Every(pause) => {
            let interval = format!("{}ms", pause.as_millis());
            (spec.clone().env("MANA_CKPT_INTERVAL", interval), None)
        }
        Saving::Asked(pause) => (spec.clone(), Some(pause)),
        Saving::AtSafePoint { nth, rank } => {
            let point = format!("{nth}@{rank}");
            (spec.clone().env("MANA_CKPT_AT_SAFE_POINT", point), None)
        }
        Saving::Never => (spec.clone(), None),
    };
    let first = stage.checkpoints.newest()?.into();
    let now = Instant::now();
    Watched {
        stage,
        job: spec.launch()?,
        begin: now,
        first,
        newest: first,
        moved: now,
        writing: None,
        asking: asking.map(|pause| Asking {
            pause,
            next: now + pause,
            request: None,
        }),
    }
    .watch(life)
}

impl Watched<'_> {
    fn watch(mut self, life: &Life) -> Result<Outcome> {
        loop {
            if !self.job.is_running()? {
                return Ok(Outcome::Ended(self.job.wait()?));
            }
            self.look()?;
            if let Ending::Fault(whom, when) = life.ending
                && self.is_time(when)
            {
                return self.strike(whom);
            }
            if self.moved.elapsed() > self.stage.watchdog {
                let report = self.job.output() + &stacks::of(&self.job);
                return Ok(Outcome::Hung { report });
            }
            std::thread::sleep(LOOK);
        }
    }

    fn look(&mut self) -> Result<()> {
        let newest = self.stage.checkpoints.newest()?.into();
        if newest > self.newest {
            self.newest = newest;
            self.moved = Instant::now();
        }
        if let Some(asking) = &mut self.asking {
            asking.go_on(self.stage);
        }
        Ok(())
    }

    /// Checkpoints of this job so far.
    fn made(&self) -> u64 {
        self.newest - self.first
    }

    /// Whether the moment of the fault has come.
    fn is_time(&mut self, when: When) -> bool {
        match when {
            When::After { nth, delay } => self.made() >= nth && self.moved.elapsed() >= delay,
            When::During { nth, delay } => {
                if self.writing.is_none() && self.made() + 1 >= nth && self.is_writing() {
                    self.writing = Some(Instant::now());
                }
                self.writing.is_some_and(|begin| begin.elapsed() >= delay)
            }
            When::Starting { delay } => self.begin.elapsed() >= delay,
        }
    }

    fn is_writing(&self) -> bool {
        self.stage.checkpoints.is_writing()
    }

    fn strike(mut self, whom: Whom) -> Result<Outcome> {
        let writing = self.is_writing();
        let restarting = self.first > 0 && !self.job.stderr().contains(" goes on with ");
        match whom {
            Whom::All => {}
            Whom::Rank(rank) => {
                if self.job.kill9_rank(rank) {
                    self.wait_for_end(LAUNCHERS_TIME)?;
                }
            }
            Whom::Command => {
                if let Some(hung) = self.end_by_command()? {
                    return Ok(hung);
                }
            }
        }
        Ok(Outcome::Struck {
            output: self.job.kill9_all(),
            writing,
            restarting,
        })
    }

    /// Has `mana checkpoint --kill` end the job. Where no checkpoint can be made (MPI is not up yet, or not any more), it
    /// says so, and the job is left to `kill -9`.
    fn end_by_command(&mut self) -> Result<Option<Outcome>> {
        let Some(mut command) = self.stage.ask(&["--kill"]) else {
            return Ok(None);
        };
        let done = polling::until(self.stage.watchdog, || {
            // Looked at first: the command ends after the job has been told to.
            let refused = command.answer().is_some_and(|status| !status.success());
            Ok((refused || !self.job.is_running()?).then_some(()))
        });
        drop(command);
        if done?.is_some() {
            return Ok(None);
        }
        let report = self.job.output() + &stacks::of(&self.job);
        Ok(Some(Outcome::Hung { report }))
    }

    fn wait_for_end(&mut self, at_most: Duration) -> Result<()> {
        polling::until(at_most, || Ok((!self.job.is_running()?).then_some(())))?;
        Ok(())
    }
}

impl Asking {
    /// Sees to it that somebody asks, or has asked not long ago.
    fn go_on(&mut self, stage: &Stage<'_>) {
        // What it says is the job's to say, too.
        let answer = self.request.as_mut().and_then(Request::answer);
        if answer.is_some() {
            self.request = None;
            self.next = Instant::now() + self.pause;
        }
        if self.request.is_none() && self.next <= Instant::now() {
            self.request = stage.ask(&[]);
            self.next = Instant::now() + self.pause;
        }
    }
}
