//! What cannot work ends at once, on every rank, in an error that says so; and the checkpoint it was about stays as it was.
//!
//! The image's own refusals (every byte, every length, another version) are tested where the image is, in `src/image`; here
//! is what takes a job to show. MPICH's launcher is used throughout: it is the quickest to start.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use mana_image::{RankWriter, Store, WriteOptions, WriterInfo};
use mana_suite::command::run;
use mana_suite::crossing::Voyage;
use mana_suite::lock::one_job_at_a_time;
use mana_suite::mpi::{MPICH_4, MPICH_5, OPENMPI_4};
use mana_suite::programs::Toolchain;
use mana_suite::{Finished, JobSpec, Program, install, places};

/// A committed checkpoint of the ring, four ranks, that each test copies before it damages it.
fn checkpoint() -> &'static Path {
    static KEPT: OnceLock<PathBuf> = OnceLock::new();
    KEPT.get_or_init(|| {
        let voyage = Voyage::prepare(Program::Ring, &MPICH_4, 2).unwrap();
        voyage
            .run_until_killed(&voyage.start((&MPICH_4).into()).unwrap())
            .unwrap();
        let kept = places::target().join("checkpoints/refusals");
        let _was_not_there = std::fs::remove_dir_all(&kept);
        copy(voyage.checkpoints().path(), &kept);
        kept
    })
}

fn copy(from: &Path, to: &Path) {
    run(Command::new("cp").arg("-r").arg(from).arg(to)).unwrap();
}

/// A copy of the checkpoint directory that holds only the newest one, with the path of that.
fn a_copy() -> (tempfile::TempDir, PathBuf) {
    let kept = checkpoint();
    let dir = tempfile::tempdir_in(places::target().join("checkpoints")).unwrap();
    let mut all: Vec<_> = std::fs::read_dir(kept)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    all.retain(|path| path.join("MANIFEST").exists());
    all.sort();
    let newest = all.pop().expect("the job committed one");
    copy(&newest, dir.path());
    let copied = dir.path().join(newest.file_name().unwrap());
    (dir, copied)
}

/// `mpirun -n ranks mana WORDS…` under MPICH 4, to its end.
fn mana(ranks: u32, words: &[&str], env: &[(&str, &str)]) -> Finished {
    MPICH_4.provision().unwrap();
    let mana = install().unwrap().mana();
    let _turn = one_job_at_a_time().unwrap();
    let job = JobSpec::new(&MPICH_4, ranks, mana).args(words);
    let job = env
        .iter()
        .fold(job, |job, (name, value)| job.env(name, value));
    job.launch().unwrap().wait().unwrap()
}

/// It failed, and said all of `facts`.
#[track_caller]
fn refused(finished: &Finished, facts: &[&str]) {
    assert!(
        !finished.status.success(),
        "it should have failed:\n{}",
        finished.output()
    );
    // Not "nothing at all": Hydra tells on stdout that it ended the other ranks.
    assert!(
        !finished.stdout.contains("digest"),
        "the program ran:\n{}",
        finished.output()
    );
    for fact in facts {
        let said = finished
            .stderr
            .to_lowercase()
            .contains(&fact.to_lowercase());
        assert!(
            said,
            "{fact:?} is not in the message:\n{}",
            finished.output()
        );
    }
}

fn restart(ranks: u32, dir: &Path) -> Finished {
    mana(ranks, &["restart", dir.to_str().unwrap()], &[])
}

#[test]
fn restart_with_another_number_of_ranks() {
    let (dir, _) = a_copy();
    refused(&restart(3, dir.path()), &["4 ranks", "3"]);
}

#[test]
fn restart_without_a_rank_file() {
    let (dir, newest) = a_copy();
    std::fs::remove_file(newest.join("rank-00002.mana")).unwrap();
    refused(&restart(4, dir.path()), &["rank-00002.mana"]);
}

#[test]
fn restart_from_a_truncated_image() {
    let (dir, newest) = a_copy();
    let path = newest.join("rank-00001.mana");
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    refused(&restart(4, dir.path()), &["rank-00001.mana"]);
}

#[test]
fn restart_from_an_image_with_one_byte_flipped() {
    let (dir, newest) = a_copy();
    let path = newest.join("rank-00003.mana");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    refused(&restart(4, dir.path()), &["rank-00003.mana"]);
}

#[test]
fn restart_from_an_uncommitted_checkpoint() {
    let (dir, newest) = a_copy();
    let partial = dir.path().join("ckpt-000009.partial");
    std::fs::rename(newest, &partial).unwrap();
    refused(&restart(4, &partial), &["partial"]);
}

/// A checkpoint of a program that is at home on another processor. There is nothing else in it: it must not come to that.
#[test]
fn restart_on_a_processor_that_lacks_a_feature() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), None).unwrap();
    let pending = store.begin().unwrap();
    let write = |rank| {
        let options = WriteOptions::default();
        let mut writer = RankWriter::create(pending.path(), rank, options).unwrap();
        writer.write_regions(Vec::new()).unwrap();
        writer.write_metadata(&()).unwrap();
        let info = WriterInfo {
            rank,
            ranks: 4,
            cpu_features: vec!["warp-drive".into()],
            ..WriterInfo::here()
        };
        writer.finish(&info).unwrap()
    };
    let written = (0..4).map(write).collect();
    store.commit(pending, 4, 1, Vec::new(), written).unwrap();
    refused(
        &restart(4, dir.path()),
        &["this processor lacks warp-drive"],
    );
}

#[test]
fn restart_in_an_empty_directory() {
    let dir = tempfile::tempdir().unwrap();
    refused(
        &restart(4, dir.path()),
        &["no checkpoint", dir.path().to_str().unwrap()],
    );
}

#[test]
fn launcher_and_library_of_different_mpis() {
    OPENMPI_4.provision().unwrap();
    let (dir, _) = a_copy();
    let library = OPENMPI_4.library();
    let words = ["restart", dir.path().to_str().unwrap()];
    let finished = mana(4, &words, &[("MANA_MPI", library.to_str().unwrap())]);
    refused(&finished, &["MPICH", "Open MPI"]);
}

#[test]
fn a_library_that_is_not_there() {
    let (dir, _) = a_copy();
    let words = ["restart", dir.path().to_str().unwrap()];
    let finished = mana(4, &words, &[("MANA_MPI", "/nowhere/libmpi.so.12")]);
    refused(&finished, &["/nowhere/libmpi.so.12"]);
}

/// Debian's MPICH has no library of the standard ABI, and `mana` must not take its own stub for one.
#[test]
fn no_library_of_the_abi_that_is_asked_for() {
    let (dir, _) = a_copy();
    let words = ["restart", dir.path().to_str().unwrap()];
    refused(
        &mana(4, &words, &[("MANA_MPI", "standard")]),
        &["no MPI library found", "libmpi_abi.so.1", "looked in"],
    );
}

#[test]
fn a_program_that_is_linked_to_an_mpi_itself() {
    MPICH_5.provision().unwrap();
    let native = Program::Ring.build(Toolchain::Native(&MPICH_5)).unwrap();
    refused(
        &mana(2, &["run", native.to_str().unwrap(), "1"], &[]),
        &["libmpi.so.12", "mana-mpicc"],
    );
}

#[test]
fn a_program_that_is_statically_linked() {
    let dir = tempfile::tempdir().unwrap();
    let (source, program) = (dir.path().join("static.c"), dir.path().join("static"));
    std::fs::write(&source, "int main(void) { return 0; }\n").unwrap();
    run(Command::new("cc")
        .arg("-static")
        .arg(&source)
        .arg("-o")
        .arg(&program))
    .unwrap();
    refused(
        &mana(1, &["run", program.to_str().unwrap()], &[]),
        &["static"],
    );
}

#[test]
fn an_unknown_setting() {
    refused(
        &mana(1, &["run", "/bin/true"], &[("MANA_CKPT_INTERVALL", "1")]),
        &["MANA_CKPT_INTERVALL", "MANA_CKPT_DIR"],
    );
}

#[test]
fn a_bad_value() {
    let finished = mana(1, &["run", "/bin/true"], &[("MANA_CKPT_INTERVAL", "soon")]);
    refused(&finished, &["MANA_CKPT_INTERVAL", "soon", "90s"]);
}

/// A disk that is full: every checkpoint is abandoned, and the run goes on to its right end.
#[test]
fn no_space_for_a_checkpoint() {
    let voyage = Voyage::prepare(Program::Ring, &MPICH_4, 3).unwrap();
    // A file system of 1 MiB, seen by this job only; a user who is not root mounts it as root of a user namespace.
    let mount = "mount -t tmpfs -o size=1m none \"$0\" && exec \"$@\"";
    let is_root = run(Command::new("id").arg("-u")).unwrap().trim() == "0";
    let unshare = [
        "unshare",
        if is_root { "-m" } else { "-rm" },
        "sh",
        "-c",
        mount,
    ];
    let dir = voyage.checkpoints().path().to_str().unwrap();
    let job = voyage
        .start((&MPICH_4).into())
        .unwrap()
        .wrapped_in(unshare.into_iter().chain([dir]));
    let finished = voyage
        .run_to_the_end(&job, "the ring with a full disk")
        .unwrap();
    assert!(
        finished.stderr.contains("No space left"),
        "it must say so:\n{}",
        finished.output()
    );
}
