//! Faults on purpose, to show that a checkpoint survives them: what happens at which step, in words.
//!
//! ```text
//!   kill,SyncFile,2        the process is killed when it is about to flush a rank's file for the second time
//!   torn,WriteData,1,3     in rank 3 the first write of memory stops half way, the rest fails
//!   ENOSPC,any,17          the 17th step of all finds no space
//! ```

use crate::disk::{FaultPoint, Step};
use std::{
    io,
    path::Path,
    str::FromStr,
    sync::atomic::{AtomicU8, AtomicUsize, Ordering::SeqCst},
};

/// What happens at the chosen step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// It fails with this error, and is not done.
    Fail(i32),
    /// It is done, and fails with this error.
    FailAfter(i32),
    /// The first write of it takes a part only; the rest succeeds.
    Short,
    /// The first write of it takes a part only; the rest finds no space.
    Torn,
    /// The process is killed before it.
    Kill,
    /// The first write of it takes a part only; then the process is killed.
    TornKill,
}

const ENOSPC: i32 = 28;
const EIO: i32 = 5;

const WORDS: [(&str, What); 8] = [
    ("ENOSPC", What::Fail(ENOSPC)),
    ("EIO", What::Fail(EIO)),
    ("ENOSPC-after", What::FailAfter(ENOSPC)),
    ("EIO-after", What::FailAfter(EIO)),
    ("short", What::Short),
    ("torn", What::Torn),
    ("kill", What::Kill),
    ("torn-kill", What::TornKill),
];

/// Which fault, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultScript {
    what: What,
    /// Any, if absent.
    step: Option<Step>,
    /// The how manieth time in this process, from 1.
    nth: usize,
    /// In this rank only.
    rank: Option<u32>,
}

impl FromStr for FaultScript {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split(',').collect();
        let (what, step, nth, rank) = match words[..] {
            [what, step, nth] => (what, step, nth, None),
            [what, step, nth, rank] => (what, step, nth, Some(rank)),
            _ => return Err("it is not WHAT,STEP,NTH or WHAT,STEP,NTH,RANK".into()),
        };
        let known = WORDS.iter().find(|(word, _)| *word == what);
        let (_, what) = known.ok_or_else(|| {
            let words: Vec<_> = WORDS.iter().map(|(word, _)| *word).collect();
            format!("{what} is none of {}", words.join(", "))
        })?;
        let number = |text: &str| text.parse().map_err(|_| format!("{text} is no number"));
        Ok(Self {
            what: *what,
            step: parse_step(step)?,
            nth: number(nth)? as usize,
            rank: rank.map(number).transpose()?,
        })
    }
}

fn parse_step(name: &str) -> Result<Option<Step>, String> {
    if name == "any" {
        return Ok(None);
    }
    let step = Step::ALL.iter().find(|step| step.name() == name);
    step.map(|step| Some(*step)).ok_or_else(|| {
        let names: Vec<_> = Step::ALL.iter().map(|step| step.name()).collect();
        format!("{name} is none of any, {}", names.join(", "))
    })
}

impl FaultScript {
    /// The fault of rank `rank`, if it is to have one.
    pub fn of_rank(&self, rank: u32) -> Option<ScriptedFault> {
        let meant = self.rank.is_none_or(|only| only == rank);
        meant.then(|| ScriptedFault {
            script: self.clone(),
            seen: AtomicUsize::new(0),
            stage: AtomicU8::new(WAITING),
        })
    }
}

/// Counts steps, and does at the chosen one what the script says.
#[derive(Debug)]
pub struct ScriptedFault {
    script: FaultScript,
    /// Steps so far that the script may mean.
    seen: AtomicUsize,
    stage: AtomicU8,
}

/// The chosen step has not come.
const WAITING: u8 = 0;
/// It has begun.
const BEGUN: u8 = 1;
/// A write of it (or, if it does not write, of the first one after it that does) was cut short.
const CUT_SHORT: u8 = 2;
/// All is done that was to be.
const OVER: u8 = 3;

impl ScriptedFault {
    /// Steps so far that the script may mean.
    pub fn seen(&self) -> usize {
        self.seen.load(SeqCst)
    }

    /// Goes from one stage to the next; only one thread does.
    fn passes(&self, from: u8, to: u8) -> bool {
        let passed = self.stage.compare_exchange(from, to, SeqCst, SeqCst);
        passed.is_ok()
    }

    fn means(&self, step: Step) -> bool {
        self.script.step.is_none_or(|meant| meant == step)
    }
}

impl FaultPoint for ScriptedFault {
    fn before(&self, step: Step, _path: &Path) -> io::Result<()> {
        if !self.means(step) {
            return Ok(());
        }
        let now = self.seen.fetch_add(1, SeqCst) + 1 == self.script.nth;
        match self.script.what {
            What::Fail(errno) if now => return Err(io::Error::from_raw_os_error(errno)),
            What::Kill if now => die(),
            _ if now => self.stage.store(BEGUN, SeqCst),
            _ => {}
        }
        Ok(())
    }

    fn write_limit(&self, step: Step, _path: &Path) -> io::Result<usize> {
        /// Less than a page, so that O_DIRECT cannot go on behind it either.
        const PART_BYTES: usize = 100;
        let writes = matches!(self.script.what, What::Short | What::Torn | What::TornKill);
        if !self.means(step) || !writes {
            return Ok(usize::MAX);
        }
        if self.passes(BEGUN, CUT_SHORT) {
            return Ok(PART_BYTES);
        }
        match self.script.what {
            What::Torn if self.passes(CUT_SHORT, OVER) => Err(io::Error::from_raw_os_error(ENOSPC)),
            What::TornKill if self.passes(CUT_SHORT, OVER) => die(),
            _ => Ok(usize::MAX),
        }
    }

    fn after(&self, step: Step, _path: &Path) -> io::Result<()> {
        match self.script.what {
            What::FailAfter(errno) if self.means(step) && self.passes(BEGUN, OVER) => {
                Err(io::Error::from_raw_os_error(errno))
            }
            _ => Ok(()),
        }
    }
}

/// Ends the process as `kill -9` does: no handler, no destructor, no buffer written.
fn die() -> ! {
    let me = rustix::process::getpid();
    let killed = rustix::process::kill_process(me, rustix::process::Signal::KILL);
    unreachable!("nothing survives SIGKILL: {killed:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts() {
        let script: FaultScript = "kill,SyncFile,2".parse().unwrap();
        assert_eq!((script.what, script.nth), (What::Kill, 2));
        assert_eq!((script.step, script.rank), (Some(Step::SyncFile), None));
        let script: FaultScript = "torn,any,17,3".parse().unwrap();
        assert!(script.of_rank(2).is_none() && script.of_rank(3).is_some());
        for (text, said) in [
            ("kill", "WHAT,STEP,NTH"),
            ("die,any,1", "ENOSPC, EIO"),
            ("kill,Sync,1", "SyncFile"),
            ("kill,any,one", "one is no number"),
        ] {
            let error = text.parse::<FaultScript>().unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
