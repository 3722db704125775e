//! A whole checkpoint of a job with 4 x 256 MiB, and the restart from it: what a user waits for.
//!
//! ```text
//!   mana checkpoint DIR ----> ckpt-000001/ there      "until committed"; `mana show` has it by phase
//!   mana restart DIR    ----> the next step's line    "until it runs again"
//! ```
//!
//! Usage: `cargo bench --bench checkpoint [-- MIB [MPI]]`

use std::process::{Command, ExitCode};
use std::time::Instant;

use mana_suite::checkpoints::Checkpoints;
use mana_suite::command::run as run_command;
use mana_suite::lock::one_job_at_a_time;
use mana_suite::programs::{Toolchain, build_c};
use mana_suite::{JobSpec, Mpi, Result, install, mpi, places};

const RANKS: u32 = 4;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let mib = words.first().map_or("256", String::as_str);
    let mpi = words
        .get(1)
        .map_or(Ok(&mpi::MPICH_4), |name| Mpi::named(name));
    match mpi.and_then(|mpi| run(mpi, mib)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("checkpoint: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(mpi: &'static Mpi, mib: &str) -> Result<()> {
    mpi.provision()?;
    let install = install()?;
    let _turn = one_job_at_a_time()?;
    let source = places::workspace().join("benches/programs/ballast.c");
    let ballast = build_c(&source, Toolchain::Mana(&install))?;
    let checkpoints = Checkpoints::new()?;
    let settings = |job: JobSpec| {
        let job = job.env("MANA_MPI", mpi.library());
        job.env("MANA_CKPT_DIR", checkpoints.path())
            .env("MANA_CKPT_INTERVAL", "2h")
    };
    println!("{}: {RANKS} ranks x {mib} MiB of noise", mpi.name);

    let mut job = settings(JobSpec::new(mpi, RANKS, ballast).args([mib, "100000"])).launch()?;
    job.wait_for_line("step 20")?;
    let begin = Instant::now();
    run_command(
        Command::new(install.mana())
            .arg("checkpoint")
            .arg(checkpoints.path()),
    )?;
    checkpoints.wait_for_newer(&mut job, 0)?;
    println!("until committed       {:.2?}", begin.elapsed());
    job.kill9_all();
    print!(
        "{}",
        run_command(
            Command::new(install.mana())
                .arg("show")
                .arg(checkpoints.path())
        )?
    );

    let restart = JobSpec::new(mpi, RANKS, install.mana())
        .args(["restart"])
        .args([checkpoints.path()]);
    let begin = Instant::now();
    let mut job = settings(restart).launch()?;
    job.wait_for_line("step ")?;
    println!("until it runs again   {:.2?}", begin.elapsed());
    job.kill9_all();
    Ok(())
}
