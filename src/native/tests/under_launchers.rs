//! The example `native_ring` under every MPI's own launcher: the right library is found, and it is spoken to rightly.

use mana_native::{Environment, Family, discover};
use mana_suite::mpi::{self, Fabric, Mpi};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::OnceLock;

/// The example's executable, built once.
fn native_ring() -> &'static PathBuf {
    static EXECUTABLE: OnceLock<PathBuf> = OnceLock::new();
    EXECUTABLE.get_or_init(|| {
        let built = Command::new(env!("CARGO"))
            .args([
                "build",
                "-q",
                "-p",
                "mana_native",
                "--example",
                "native_ring",
            ])
            .status();
        assert!(built.expect("cargo runs").success());
        let test = std::env::current_exe().expect("a test has an executable");
        let profile = test
            .parent()
            .and_then(|deps| deps.parent())
            .expect("target/<profile>/deps/<test>");
        profile.join("examples/native_ring")
    })
}

/// Runs the ring on `ranks` ranks under `mpi`'s launcher, with MANA_MPI as given.
fn run(mpi: &Mpi, ranks: u32, mana_mpi: &str) -> Output {
    mpi.provision().expect("the MPI can be installed");
    let mut command = mpi.launcher(ranks, Fabric::SharedMemory);
    command.arg(native_ring()).env("MANA_MPI", mana_mpi);
    command.output().expect("the launcher starts")
}

fn runs(mpi: &Mpi, mana_mpi: &str, family: Family) {
    for ranks in [2, 4] {
        let output = run(mpi, ranks, mana_mpi);
        let stdout = String::from_utf8_lossy(&output.stdout);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{} on {ranks} ranks: {stdout}{stderr}",
            mpi.name
        );
        let version = mpi.name.rsplit('-').next().expect("names are NAME-VERSION");
        for part in [
            &format!("native_ring ok: {ranks} ranks"),
            version,
            &family.to_string(),
        ] {
            assert!(stdout.contains(part), "{part:?} not in {stdout}{stderr}");
        }
        assert!(stdout.contains(mpi.prefix().to_str().unwrap()), "{stdout}");
    }
}

#[test]
fn mpich_4_by_the_mpich_abi() {
    runs(&mpi::MPICH_4, "auto", Family::Mpich);
}

#[test]
fn mpich_5_by_the_standard_abi() {
    runs(&mpi::MPICH_5, "auto", Family::StandardAbi);
}

#[test]
fn mpich_5_by_the_mpich_abi() {
    runs(&mpi::MPICH_5, "mpich", Family::Mpich);
}

#[test]
fn intel_by_the_mpich_abi() {
    runs(&mpi::INTEL, "auto", Family::Mpich);
}

#[test]
fn open_mpi_4() {
    runs(&mpi::OPENMPI_4, "openmpi", Family::OpenMpi);
}

#[test]
fn open_mpi_5() {
    runs(&mpi::OPENMPI_5, "auto", Family::OpenMpi);
}

#[test]
fn a_library_of_another_mpi_than_the_launchers_is_refused() {
    mpi::MPICH_5.provision().expect("the MPI can be installed");
    let library = mpi::MPICH_5.library();
    let output = run(&mpi::OPENMPI_5, 2, library.to_str().unwrap());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    for part in [
        "Open MPI's mpirun",
        "OMPI_COMM_WORLD_SIZE=2",
        library.to_str().unwrap(),
        "MPICH ABI",
    ] {
        assert!(stderr.contains(part), "{part:?} not in {stderr}");
    }
}

#[test]
fn a_family_that_the_launcher_cannot_start_is_refused() {
    mpi::OPENMPI_4
        .provision()
        .expect("the MPI can be installed");
    let output = run(&mpi::MPICH_5, 2, "openmpi");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    for part in ["MPICH's mpirun", "PMI_SIZE=2", "Open MPI ABI"] {
        assert!(stderr.contains(part), "{part:?} not in {stderr}");
    }
}

#[test]
fn a_library_that_does_not_understand_its_launcher_is_noticed() {
    mpi::OPENMPI_5
        .provision()
        .expect("the MPI can be installed");
    // Slurm's PMI-2 without Slurm: Open MPI speaks PMIx only, and makes a world of one.
    let mut command = Command::new(native_ring());
    command
        .envs([("PMI_RANK", "0"), ("PMI_SIZE", "8"), ("SLURM_STEP_ID", "0")])
        .envs([
            ("OMPI_ALLOW_RUN_AS_ROOT", "1"),
            ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"),
        ])
        .env("MANA_MPI", mpi::OPENMPI_5.library());
    let output = command.output().expect("the ring starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(
        stderr.contains("started 8 ranks") && stderr.contains("has 1"),
        "{stderr}"
    );
}

#[test]
fn everything_installed_is_discovered_with_its_version() {
    let mut path = Vec::new();
    for mpi in mpi::ALL {
        mpi.provision().expect("the MPI can be installed");
        path.push(mpi.prefix().join("bin").display().to_string());
    }
    let (found, rejected) = discover(&Environment::new([("PATH", path.join(":").as_str())], []));
    for mpi in mpi::ALL {
        let version = mpi.name.rsplit('-').next().expect("names are NAME-VERSION");
        let is_it = |found: &&mana_native::FoundMpi| {
            found.path.canonicalize().ok() == mpi.library().canonicalize().ok()
                && found
                    .version
                    .as_ref()
                    .is_ok_and(|text| text.contains(version))
        };
        assert!(
            found.iter().any(|found| is_it(&found)),
            "{} is not among {found:#?}",
            mpi.name
        );
    }
    let intels_draft = |reason: &str| reason.contains("impi") && reason.contains("libmpi_abi.so.1");
    assert!(
        rejected
            .iter()
            .any(|rejected| intels_draft(&rejected.reason)),
        "{rejected:#?}"
    );
}
