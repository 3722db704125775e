//! A request for a checkpoint reaches a rank wherever it is, and costs nothing where there is none.
//!
//! ```text
//!   tests/programs/waiting   rank 1 waits in a call that is chosen; rank 0 computes until a file is there
//!   reached                  both are there, by the kernel's account ─► mana checkpoint ─► committed ─► kill -9
//!                            the file is made ─► restart under another MPI ─► the undisturbed run's output
//!   agents_sleep             while a rank computes, no agent wakes up
//! ```

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::checkpoints::Checkpoints;
use crate::command::shown;
use crate::error::{Context, Result, SuiteError};
use crate::lock::one_job_at_a_time;
use crate::processes::{ThreadUse, thread_uses};
use crate::programs::{Toolchain, build_c};
use crate::{Install, Job, JobSpec, Mpi, install, places};

const RANKS: u32 = 2;

/// How one sees that rank 1 waits, and what the cut needs meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// It tests again and again, or computes: its time on the core grows.
    Busily,
    /// The same, in a collective that rank 0 has to join before there is a cut.
    ForALateMember,
    /// It sleeps in this system call.
    In(u64),
}

/// System calls of x86-64 Linux.
pub mod calls {
    /// read(2)
    pub const READ: u64 = 0;
    /// futex(2)
    pub const FUTEX: u64 = 202;
    /// clock_nanosleep(2)
    pub const CLOCK_NANOSLEEP: u64 = 230;
}

/// What a run of the program needs.
struct Stage {
    install: Install,
    checkpoints: Checkpoints,
    release: PathBuf,
    folder: tempfile::TempDir,
}

impl Stage {
    fn new() -> Result<Self> {
        let parent = places::target().join("checkpoints");
        std::fs::create_dir_all(&parent).context("create", &parent)?;
        let folder = tempfile::tempdir_in(&parent).context("create", &parent)?;
        Ok(Self {
            install: install()?,
            checkpoints: Checkpoints::new()?,
            release: folder.path().join("release"),
            folder,
        })
    }

    fn release(&self) -> Result<()> {
        std::fs::write(&self.release, "").context("create", &self.release)
    }

    /// What the program prints when nothing is late and nothing is saved.
    fn undisturbed(&self, mode: &str, mpi: &'static Mpi) -> Result<String> {
        let program = build_c(&source(), Toolchain::Native(mpi))?;
        let release = self.folder.path().join("at-once");
        std::fs::write(&release, "").context("create", &release)?;
        let job = JobSpec::new(mpi, RANKS, program).args([mode]);
        Ok(job.args([release]).run()?.stdout)
    }

    fn start(&self, mode: &str, mpi: &'static Mpi) -> Result<JobSpec> {
        let program = build_c(&source(), Toolchain::Mana(&self.install))?;
        let job = JobSpec::new(mpi, RANKS, program).args([mode]);
        Ok(self.with_settings(job.args([&self.release]), mpi))
    }

    fn restart(&self, mpi: &'static Mpi) -> JobSpec {
        let job = JobSpec::new(mpi, RANKS, self.install.mana()).args(["restart"]);
        self.with_settings(job.args([self.checkpoints.path()]), mpi)
    }

    fn with_settings(&self, job: JobSpec, mpi: &'static Mpi) -> JobSpec {
        job.env("MANA_MPI", mpi.library())
            .env("MANA_CKPT_DIR", self.checkpoints.path())
            .env("MANA_LOG", "mana_agent=debug,warn")
    }

    /// `mana checkpoint`, which ends when there is one.
    fn ask(&self) -> Result<Asked> {
        let mut command = Command::new(self.install.mana());
        command
            .arg("checkpoint")
            .arg(self.checkpoints.path())
            .stdout(Stdio::null());
        let shown = shown(&command);
        let child = command.spawn().map_err(|source| SuiteError::Start {
            command: shown.clone(),
            source,
        })?;
        Ok(Asked { child, shown })
    }
}

/// `mana checkpoint` while it runs. Dropping it ends it.
struct Asked {
    child: Child,
    shown: String,
}

impl Asked {
    /// Waits until it has ended, and well.
    fn answered(mut self, job: &mut Job) -> Result<()> {
        let status = job.wait_until("answered who asked", |_| {
            let ended = self.child.try_wait();
            ended.context("wait for", std::path::Path::new(&self.shown))
        })?;
        if status.success() {
            return Ok(());
        }
        Err(SuiteError::Failed {
            command: self.shown.clone(),
            status,
            output: job.output(),
        })
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

fn source() -> PathBuf {
    places::workspace().join("tests/programs/waiting.c")
}

/// Waits until both ranks are where they are to be; gives the process of rank 1.
fn wait_until_there(job: &mut Job, waits: Waits) -> Result<u32> {
    let ready = |job: &Job, rank: u32| {
        let prefix = format!("ready {rank} ");
        let stderr = job.stderr();
        let mut words = stderr.lines().filter_map(|line| line.strip_prefix(&prefix));
        words.next().and_then(|pid| pid.trim().parse::<u32>().ok())
    };
    let pid = job.wait_until("come to where it waits", |job| {
        Ok(ready(job, 0).and(ready(job, 1)))
    })?;
    // The first thread has the process's number.
    let first = |pid: u32| thread_uses(pid).into_iter().find(|one| one.tid == pid);
    let ticks = |one: Option<ThreadUse>| one.map_or(0, |one| one.ticks);
    let before = ticks(first(pid));
    job.wait_until("waited", |_| {
        let there = match waits {
            Waits::Busily | Waits::ForALateMember => ticks(first(pid)) > before + 1,
            Waits::In(call) => first(pid).and_then(|one| one.sleeps_in) == Some(call),
        };
        Ok(there.then_some(pid))
    })
}

/// A checkpoint is made while rank 1 waits as `mode` says over `from`; killed and restarted over `to`, the program prints what
/// it does undisturbed.
///
/// # Errors
/// Any step failed, or the output differs.
pub fn reached(mode: &str, waits: Waits, from: &'static Mpi, to: &'static Mpi) -> Result<()> {
    let _turn = one_job_at_a_time()?;
    from.provision()?;
    to.provision()?;
    let stage = Stage::new()?;
    let expected = stage.undisturbed(mode, from)?;
    let mut job = stage.start(mode, from)?.launch()?;
    wait_until_there(&mut job, waits)?;

    let asked = stage.ask()?;
    job.wait_until("heard of the checkpoint on both ranks", |job| {
        let heard = |rank: u32| {
            let stderr = job.stderr();
            let rank = format!("rank={rank}");
            let mut lines = stderr.lines().filter(|line| line.contains("Intent"));
            lines.any(|line| line.contains(&rank))
        };
        Ok((0..RANKS).all(heard).then_some(()))
    })?;
    if waits == Waits::ForALateMember {
        stage.release()?;
    }
    let (number, _) = stage.checkpoints.wait_for_newer(&mut job, 0)?;
    asked.answered(&mut job)?;
    job.kill9_all();

    stage.release()?;
    let finished = stage.restart(to).run()?;
    let what = format!("waiting {mode}: {} -> {}", from.name, to.name);
    if finished.stdout != expected {
        return Err(SuiteError::Differs {
            what,
            expected,
            got: finished.stdout.clone(),
            report: finished.output(),
        });
    }
    println!(
        "{what}: killed after checkpoint {number}, {}",
        expected.trim()
    );
    Ok(())
}

/// While ranks compute, agents do nothing at all: somewhere there is a stretch, as long as rank 1 uses a core for this many
/// clock ticks, in which no agent runs or wakes up. One that woke up now and then would never give such a stretch.
const STRETCH_TICKS: u64 = 100;

/// See [`STRETCH_TICKS`].
///
/// # Errors
/// The job failed, or its agents do not rest.
pub fn agents_sleep(mpi: &'static Mpi) -> Result<()> {
    let _turn = one_job_at_a_time()?;
    mpi.provision()?;
    let stage = Stage::new()?;
    let mut job = stage.start("compute", mpi)?.launch()?;
    let computing = wait_until_there(&mut job, Waits::Busily)?;
    let agents = |job: &Job| -> Vec<ThreadUse> {
        let processes = job.processes().into_iter();
        let threads = processes.flat_map(|process| thread_uses(process.pid));
        threads.filter(|one| one.name == "mana-agent").collect()
    };
    let ticks = || {
        let threads = thread_uses(computing);
        let first = threads.iter().find(|one| one.tid == computing);
        first.map_or(0, |one| one.ticks)
    };
    let (mut since, mut resting) = (ticks(), agents(&job));
    job.wait_until("computed for a while without an agent waking up", |job| {
        let now = agents(job);
        if now != resting {
            (since, resting) = (ticks(), now);
        }
        let rested = resting.len() == RANKS as usize && ticks() >= since + STRETCH_TICKS;
        Ok(rested.then_some(()))
    })?;
    println!(
        "{}: {STRETCH_TICKS} ticks of computing, and {resting:?} unchanged",
        mpi.name
    );
    Ok(())
}

/// The tests of all modes, from the first MPI to the second.
#[macro_export]
macro_rules! waiting {
    ($from:ident => $to:ident) => {
        $crate::waiting! { $from => $to:
            compute Busily, recv Busily, wait Busily, waitall Busily, waitany Busily, probe Busily,
            mprobe Busily, test Busily, lock Busily,
            barrier ForALateMember, fence ForALateMember, file ForALateMember,
            sleep In($crate::waiting::calls::CLOCK_NANOSLEEP),
            cond In($crate::waiting::calls::FUTEX),
            read In($crate::waiting::calls::READ),
        }
    };
    ($from:ident => $to:ident: $($mode:ident $waits:ident $(($call:expr))?,)*) => {
        $(
            #[test]
            fn $mode() {
                use $crate::{crossing, mpi, waiting};
                crossing::passes(waiting::reached(
                    stringify!($mode),
                    waiting::Waits::$waits $(($call))?,
                    &mpi::$from,
                    &mpi::$to,
                ));
            }
        )*
    };
}
