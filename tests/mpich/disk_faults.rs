//! A real job whose checkpoint goes wrong at the disk: whatever the step, and whether it fails or a rank dies there, the
//! last committed checkpoint is whole and the job goes on from it. `src/image` has every step; here is one of each kind.

use std::process::Command;

use mana_suite::Program;
use mana_suite::command::run;
use mana_suite::crossing::Voyage;
use mana_suite::mpi::{MPICH_4, OPENMPI_4};

/// Runs the ring with a fault in it; gives the voyage, and whether the run came to its end.
fn run_with(fault: &str) -> (Voyage, bool) {
    let voyage = Voyage::prepare(Program::Ring, &MPICH_4, 3).unwrap();
    let job = voyage.start((&MPICH_4).into()).unwrap();
    let job = job
        .env("MANA_CKPT_INTERVAL", "0.2")
        .env("MANA_DISK_FAULT", fault);
    let finished = job.launch().unwrap().wait().unwrap();
    let ended = finished.status.success();
    if ended {
        assert_eq!(finished.stdout, voyage.expected(), "{}", finished.output());
        let said = finished.stderr.contains("no checkpoint this time")
            || finished.stderr.contains("could not be removed");
        assert!(said, "nothing went wrong:\n{}", finished.output());
    }
    (voyage, ended)
}

/// All that claims to be committed is whole, and the job goes on from the newest under another MPI.
fn goes_on(voyage: &Voyage, fault: &str) {
    let committed = voyage.checkpoints().committed().unwrap();
    assert!(!committed.is_empty(), "{fault}: the first one was good");
    for (_, path) in committed {
        run(Command::new(voyage.installed().mana())
            .arg("verify")
            .arg(path))
        .unwrap();
    }
    let restart = voyage.restart((&OPENMPI_4).into()).unwrap();
    voyage.run_to_the_end(&restart, fault).unwrap();
}

/// A rank dies at the step, and the job with it.
fn dies_at(fault: &str) {
    let (voyage, ended) = run_with(fault);
    assert!(!ended, "{fault}: the rank lives");
    goes_on(&voyage, fault);
}

/// The step fails, and the job runs on; afterwards it could still be restarted.
fn fails_at(fault: &str) {
    let (voyage, ended) = run_with(fault);
    assert!(ended, "{fault}: the job died of it");
    goes_on(&voyage, fault);
}

#[test]
fn killed_when_memory_is_half_written() {
    dies_at("torn-kill,WriteData,12,2");
}

#[test]
fn killed_before_the_header() {
    dies_at("kill,WriteHeader,2,1");
}

#[test]
fn killed_before_the_file_is_flushed() {
    dies_at("kill,SyncFile,2,3");
}

#[test]
fn killed_when_the_note_is_half_written() {
    dies_at("torn-kill,WriteNote,2,1");
}

#[test]
fn killed_when_the_manifest_is_half_written() {
    dies_at("torn-kill,WriteManifest,2");
}

#[test]
fn killed_before_the_rename() {
    dies_at("kill,Commit,2");
}

#[test]
fn killed_after_the_rename() {
    dies_at("kill,SyncStore,2");
}

#[test]
fn killed_before_an_old_one_is_removed() {
    dies_at("kill,Remove,1");
}

#[test]
fn memory_meets_a_full_disk() {
    fails_at("torn,WriteData,12,2");
}

#[test]
fn the_file_cannot_be_flushed() {
    fails_at("EIO,SyncFile,2,3");
}

#[test]
fn the_manifest_meets_a_full_disk() {
    fails_at("torn,WriteManifest,2");
}

#[test]
fn the_rename_fails() {
    fails_at("EIO,Commit,2");
}

#[test]
fn the_directory_cannot_be_flushed_after_the_rename() {
    fails_at("EIO,SyncStore,2");
}

#[test]
fn an_old_one_cannot_be_removed() {
    fails_at("EIO,Remove,1");
}
