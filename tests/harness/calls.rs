//! Programs that check MPI functions by themselves: tests/programs/calls, a C file per subject, each of which says `ok`.
//!
//! ```text
//!   checks_itself   mpiexec(mpi) ./program                                       -> ok
//!   kept            mpiexec(from) ./program, which calls mana_checkpoint()       -> ok
//!                   mpiexec(to) mana restart: the same program from there on     -> ok
//! ```

use std::path::PathBuf;

use crate::checkpoints::Checkpoints;
use crate::error::{Context, Result, SuiteError};
use crate::job::Finished;
use crate::lock::one_job_at_a_time;
use crate::programs::{Toolchain, build_c};
use crate::{Install, JobSpec, Mpi, install, places};

/// Where the programs put files.
fn scratch() -> Result<PathBuf> {
    let directory = places::target().join("calls");
    std::fs::create_dir_all(&directory).context("create", &directory)?;
    Ok(directory)
}

/// Builds tests/programs/calls/`name`.c with `mana-mpicc`.
fn build(name: &str, install: &Install) -> Result<PathBuf> {
    let source = places::workspace()
        .join("tests/programs/calls")
        .join(name)
        .with_extension("c");
    build_c(&source, Toolchain::Mana(install))
}

/// How ranks lock windows: `MANA_WINDOW_LOCKS`.
#[derive(Debug, Clone, Copy)]
pub enum WindowLocks {
    /// Through memory that they share, since they are on one node.
    Shared,
    /// As ranks of several nodes do.
    Network,
}

impl WindowLocks {
    fn setting(self) -> &'static str {
        match self {
            Self::Shared => "auto",
            Self::Network => "network",
        }
    }
}

/// Runs tests/programs/calls/`name`.c with mana over `mpi` on `ranks` ranks.
///
/// # Errors
/// It does not build, does not end well, or does not say `ok`.
pub fn checks_itself(name: &str, mpi: &'static Mpi, ranks: u32) -> Result<()> {
    locks_itself(name, mpi, ranks, WindowLocks::Shared)
}

/// As [`checks_itself`], with a say in how windows are locked.
///
/// # Errors
/// As there.
pub fn locks_itself(name: &str, mpi: &'static Mpi, ranks: u32, locks: WindowLocks) -> Result<()> {
    let _turn = one_job_at_a_time()?;
    let install = install()?;
    mpi.provision()?;
    let program = build(name, &install)?;
    let directory = scratch()?;
    let job = JobSpec::new(mpi, ranks, program)
        .env("MANA_MPI", mpi.library())
        .env("MANA_WINDOW_LOCKS", locks.setting())
        .env("MANA_CKPT_DIR", &directory)
        .env("CHECK_FOLDER", &directory);
    says_ok(job.run()?)
}

/// Runs tests/programs/calls/`name`.c, which takes a checkpoint in the middle of what it does, over `from`, and restarts it
/// from there over `to`: both lives must find everything as they left it.
///
/// # Errors
/// It does not build, does not end well, does not say `ok`, or left no checkpoint.
pub fn kept(name: &str, from: &'static Mpi, to: &'static Mpi, ranks: u32) -> Result<()> {
    let shared = WindowLocks::Shared;
    kept_locks(name, (from, shared), (to, shared), ranks)
}

/// As [`kept`], with a say in how windows are locked in each life.
///
/// # Errors
/// As there.
pub fn kept_locks(
    name: &str,
    (from, first): (&'static Mpi, WindowLocks),
    (to, second): (&'static Mpi, WindowLocks),
    ranks: u32,
) -> Result<()> {
    let _turn = one_job_at_a_time()?;
    let install = install()?;
    from.provision()?;
    to.provision()?;
    let program = build(name, &install)?;
    let checkpoints = Checkpoints::new()?;
    let directory = scratch()?;
    let job = |mpi: &'static Mpi, locks: WindowLocks, program: PathBuf| {
        JobSpec::new(mpi, ranks, program)
            .env("MANA_MPI", mpi.library())
            .env("MANA_WINDOW_LOCKS", locks.setting())
            .env("MANA_CKPT_DIR", checkpoints.path())
            .env("CHECK_FOLDER", &directory)
    };
    says_ok(job(from, first, program).run()?)?;
    let restart = job(to, second, install.mana())
        .args(["restart"])
        .args([checkpoints.path()])
        // The first life went on, and wrote to its files what the second one writes again.
        .env("MANA_FILES", "cut");
    says_ok(restart.run()?)
}

/// The job ended well and one of its lines is `ok`.
fn says_ok(finished: Finished) -> Result<()> {
    let finished = finished.successful()?;
    if finished.stdout.lines().any(|line| line == "ok") {
        return Ok(());
    }
    let output = finished.output();
    Err(SuiteError::Failed {
        command: finished.command,
        status: finished.status,
        output,
    })
}

/// The tests of all programs of tests/programs/calls that take no checkpoint, on one MPI: the one place that lists them,
/// with their number of ranks.
#[macro_export]
macro_rules! all_calls {
    ($mpi:ident) => {
        $crate::calls! { $mpi:
            abi_calls 2,
            attr_calls 2,
            bsend_calls 2,
            comm_calls 4,
            critical_calls 2,
            err_calls 2,
            grequest_calls 2,
            file_calls 4,
            file_collective_calls 4,
            file_nonblocking_calls 2,
            file_shared_calls 3,
            file_view_calls 2,
            group_calls 4,
            info_calls 2,
            isendrecv_calls 4,
            large_calls 2,
            op_calls 2,
            own_win_calls 1,
            pack_calls 2,
            partitioned_calls 2,
            persistent_calls 4,
            pscw_calls 4,
            rma_calls 4,
            rma_pair_calls 4,
            shared_win_calls 4,
            rma_serialized_calls 2,
            rma_threads_calls 2,
            session_calls 4,
            session_threads_calls 2,
            tool_calls 2,
            topo_calls 4,
            type_calls 2,
            win_calls 4,
            wait_err_calls 2,
        }
    };
}

/// The tests of all programs of tests/programs/calls that take a checkpoint in the middle: begun over one MPI, restarted over
/// another.
#[macro_export]
macro_rules! all_kept {
    ($from:ident => $to:ident) => {
        $crate::kept! { $from => $to:
            bsend_kept 2,
            descriptors_kept 2,
            early_kept 2,
            file_kept_calls 2,
            kept_calls 2,
            kept_rma 3,
            kept_win 4,
            mana_calls 2,
            session_kept 4,
            tool_kept 2,
            partitioned_kept 2,
            persistent_kept 4,
            requests_kept 2,
            #[ignore = "needs 10 GiB of memory and 5 of disk"]
            large_kept 2,
        }
    };
}

/// The tests of window locks between ranks that share no memory, as those of several nodes do not: alone, and in one of two
/// lives.
#[macro_export]
macro_rules! network_locks {
    ($from:ident => $to:ident) => {
        use $crate::calls::WindowLocks::{Network, Shared};
        use $crate::calls::{kept_locks, locks_itself};
        use $crate::crossing::passes;
        use $crate::mpi::{$from, $to};

        #[test]
        fn rma_calls() {
            passes(locks_itself("rma_calls", &$from, 4, Network));
        }

        #[test]
        fn kept_and_then_in_shared_memory() {
            passes(kept_locks("kept_rma", (&$from, Network), (&$to, Shared), 3));
        }

        #[test]
        fn kept_from_shared_memory() {
            passes(kept_locks("kept_rma", (&$from, Shared), (&$to, Network), 3));
        }
    };
}

/// A test per program, on the MPI named.
#[macro_export]
macro_rules! calls {
    ($mpi:ident: $($name:ident $ranks:literal,)*) => {
        $(
            #[test]
            fn $name() {
                $crate::crossing::passes($crate::calls::checks_itself(
                    stringify!($name),
                    &$crate::mpi::$mpi,
                    $ranks,
                ));
            }
        )*
    };
}

/// A test per program, from the first MPI to the second.
#[macro_export]
macro_rules! kept {
    ($from:ident => $to:ident: $($(#[$attribute:meta])* $name:ident $ranks:literal,)*) => {
        $(
            #[test]
            $(#[$attribute])*
            fn $name() {
                $crate::crossing::passes($crate::calls::kept(
                    stringify!($name),
                    &$crate::mpi::$from,
                    &$crate::mpi::$to,
                    $ranks,
                ));
            }
        )*
    };
}
