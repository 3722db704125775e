//! One application on its way through three MPIs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mana_suite::checkpoints::Checkpoints;
use mana_suite::lock::one_job_at_a_time;
use mana_suite::{Install, JobSpec, Mpi, Result, places};

use super::{Application, results, sources};
use crate::sources::file;

const RANKS: u32 = 4;
/// How many checkpoints a life writes before it is killed.
const CHECKPOINTS_PER_LIFE: u32 = 2;
/// After this long a job counts as hung.
const WATCHDOG: Duration = Duration::from_secs(600);

/// An application, where it runs, and under which MPIs.
pub(super) struct Voyage<'a> {
    application: Application,
    program: &'a Path,
    install: &'a Install,
    way: &'a [&'static Mpi; 3],
    folder: tempfile::TempDir,
    checkpoints: Checkpoints,
}

impl<'a> Voyage<'a> {
    pub(super) fn new(
        application: Application,
        program: &'a Path,
        install: &'a Install,
        way: &'a [&'static Mpi; 3],
    ) -> Result<Self> {
        way.iter().try_for_each(|mpi| mpi.provision())?;
        let target = places::target();
        let folder = file("create", &target, tempfile::tempdir_in(&target))?;
        sources::put_input(application, program, folder.path())?;
        Ok(Self {
            application,
            program,
            install,
            way,
            folder,
            checkpoints: Checkpoints::new()?,
        })
    }

    /// The results of a run that nothing happens to.
    pub(super) fn undisturbed(&self) -> Result<Vec<String>> {
        let _turn = one_job_at_a_time()?;
        self.start().run()?.successful()?;
        self.take_results()
    }

    /// The results of a run that is killed and restarted, and how many checkpoints there were.
    pub(super) fn crossing(&self) -> Result<(Vec<String>, u32)> {
        let _turn = one_job_at_a_time()?;
        let mut job = self.start();
        for next in &self.way[1..] {
            let mut running = self.with_checkpoints(job).launch()?;
            for _ in 0..CHECKPOINTS_PER_LIFE {
                let before = self.checkpoints.newest()?;
                self.checkpoints.wait_for_newer(&mut running, before)?;
            }
            running.kill9_all();
            job = JobSpec::new(next, RANKS, self.install.mana())
                .args(["restart"])
                .args([self.checkpoints.path()])
                .env("MANA_MPI", next.library())
                // What a life wrote after its last checkpoint is written again by the next.
                .env("MANA_FILES", "cut");
        }
        self.with_checkpoints(job).run()?.successful()?;
        Ok((self.take_results()?, self.checkpoints.newest()?))
    }

    /// The first life.
    fn start(&self) -> JobSpec {
        let first = self.way[0];
        let arguments: &[&str] = match self.application {
            Application::Lammps => &["-in", "in.melt", "-log", "log", "-screen", "none"],
            Application::Hpcc => &[],
        };
        JobSpec::new(first, RANKS, self.program)
            .args(arguments)
            .env("MANA_MPI", first.library())
            .env("OPENBLAS_NUM_THREADS", "1")
            .directory(self.folder.path())
            .watchdog(WATCHDOG)
    }

    fn with_checkpoints(&self, job: JobSpec) -> JobSpec {
        job.env("MANA_CKPT_DIR", self.checkpoints.path())
            .env("MANA_CKPT_INTERVAL", "1s")
            .watchdog(WATCHDOG)
    }

    /// What the application has written, which is gone then.
    fn take_results(&self) -> Result<Vec<String>> {
        let name = match self.application {
            Application::Lammps => "log",
            Application::Hpcc => "hpccoutf.txt",
        };
        let path: PathBuf = self.folder.path().join(name);
        let written = file("read", &path, std::fs::read_to_string(&path))?;
        file("delete", &path, std::fs::remove_file(&path))?;
        Ok(results::of(self.application, &written))
    }
}
