//! The undisturbed run that all others are compared with.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::error::Result;
use crate::job::JobSpec;
use crate::mpi::{MPICH_4, Mpi};
use crate::programs::{Program, Toolchain};

/// stdout of the undisturbed native run; run once per process for the same program, MPI and arguments.
///
/// The Rust ring's native run is under one MPI only, whatever `home` is: building it takes rsmpi's bindgen each time, and
/// its digest does not depend on the MPI (nor does any program's; the C ones are run under every one to see that).
///
/// # Errors
/// It could not be built, or failed.
pub fn native_stdout(program: Program, home: &'static Mpi, args: &[String]) -> Result<String> {
    type Runs = HashMap<(Program, &'static str, Vec<String>), String>;
    static DONE: LazyLock<Mutex<Runs>> = LazyLock::new(Mutex::default);
    let home = if program == Program::RingRust {
        &MPICH_4
    } else {
        home
    };
    let key = (program, home.name, args.to_vec());
    // A panic elsewhere leaves the map as whole as it was: it only ever gains entries.
    let done = || DONE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(stdout) = done().get(&key) {
        return Ok(stdout.clone());
    }
    home.provision()?;
    let executable = program.build(Toolchain::Native(home))?;
    let mut job = JobSpec::new(home, program.ranks(), executable).args(args);
    if program == Program::Gradient {
        for (name, value) in crate::python::native_env(home)? {
            job = job.env(name, value);
        }
    }
    let stdout = job.run()?.stdout;
    done().insert(key, stdout.clone());
    Ok(stdout)
}

#[cfg(test)]
mod tests {
    use super::native_stdout;
    use crate::lock::one_job_at_a_time;
    use crate::mpi::{ALL, MPICH_4};
    use crate::programs::Program;

    /// What every crossing relies on: the digest says nothing about the MPI.
    #[test]
    fn every_mpi_computes_the_same() {
        let _turn = one_job_at_a_time().unwrap();
        for program in [Program::Ring, Program::Heat, Program::Threads] {
            let args = program.args_for(1);
            let stdouts = ALL.map(|mpi| native_stdout(program, mpi, &args).unwrap());
            assert!(stdouts[0].contains("digest "), "{stdouts:?}");
            assert!(
                stdouts.iter().all(|stdout| *stdout == stdouts[0]),
                "{stdouts:?}"
            );
        }
    }

    #[test]
    fn the_ring_in_rust_computes_what_the_ring_in_c_does() {
        let _turn = one_job_at_a_time().unwrap();
        let args = Program::Ring.args_for(1);
        let [c, rust] = [Program::Ring, Program::RingRust]
            .map(|program| native_stdout(program, &MPICH_4, &args).unwrap());
        assert_eq!(c, rust);
    }
}
