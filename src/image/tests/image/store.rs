//! Numbering, committing and pruning.

use crate::common::{write_checkpoint, write_rank};
use mana_image::{ImageError, JobId, Store, WriteOptions, locate_to_restart};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::tempdir;

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn store_of_job(dir: &Path, job: &str) -> Store {
    let store = Store::create(dir, None).unwrap();
    store.of_job(JobId(job.into()))
}

fn new_checkpoint(store: &Store) -> u64 {
    write_checkpoint(store, 1, &WriteOptions::default())
        .unwrap()
        .number()
}

#[test]
fn a_checkpoint_is_there_whole_or_not_at_all() {
    let dir = tempdir().unwrap();
    let store = Store::create(&dir.path().join("a/b"), None).unwrap();
    let pending = store.begin().unwrap();
    assert_eq!(names(store.dir()), ["ckpt-000001.partial"]);
    assert!(matches!(
        store.latest(),
        Err(ImageError::OnlyPartial { .. })
    ));
    let written = write_rank(pending.path(), 0, 1, &[], WriteOptions::default()).unwrap();
    let checkpoint = store
        .commit(pending, 1, 9, Vec::new(), vec![written])
        .unwrap();
    assert_eq!(names(store.dir()), ["ckpt-000001"]);
    assert_eq!(names(checkpoint.path()), ["MANIFEST", "rank-00000.mana"]);
    assert_eq!(checkpoint.manifest().unwrap().epoch, 9);
}

#[test]
fn an_abandoned_checkpoint_disappears() {
    let dir = tempdir().unwrap();
    let store = Store::create(dir.path(), None).unwrap();
    let pending = store.begin().unwrap();
    write_rank(pending.path(), 0, 2, &[], WriteOptions::default()).unwrap();
    drop(pending);
    assert!(names(store.dir()).is_empty());
}

#[test]
fn numbers_are_taken_once_even_by_two_jobs() {
    let dir = tempdir().unwrap();
    let store = Store::create(dir.path(), None).unwrap();
    let (one, other) = (store.begin().unwrap(), store.begin().unwrap());
    assert_eq!((one.number(), other.number()), (1, 2));
    // What a crash left behind keeps its number.
    fs::create_dir(dir.path().join("ckpt-000041.partial")).unwrap();
    assert_eq!(store.begin().unwrap().number(), 42);
}

#[test]
fn nothing_incomplete_is_committed() {
    let dir = tempdir().unwrap();
    let store = Store::create(dir.path(), None).unwrap();
    let refused = |ranks: u32, reports: &[u32], spoil: fn(&Path)| {
        let pending = store.begin().unwrap();
        let write = |&rank: &u32| {
            let path = pending.path().join(format!("rank-{rank:05}.mana"));
            let _ = fs::remove_file(&path);
            write_rank(pending.path(), rank, ranks, &[], WriteOptions::default()).unwrap()
        };
        let written = reports.iter().map(write).collect();
        spoil(pending.path());
        let message = store
            .commit(pending, ranks, 1, Vec::new(), written)
            .unwrap_err()
            .to_string();
        assert!(names(store.dir()).is_empty());
        message
    };
    assert!(refused(3, &[0, 2], |_| {}).contains("rank 1 has not reported"));
    assert!(refused(2, &[0, 1, 1], |_| {}).contains("rank 1 has reported twice"));
    assert!(refused(1, &[0, 1], |_| {}).contains("2 ranks have reported, of 1"));
    let elsewhere = refused(2, &[0, 1], |dir| {
        fs::remove_file(dir.join("rank-00001.mana")).unwrap()
    });
    assert!(
        elsewhere.contains("a file system that all nodes share"),
        "{elsewhere}"
    );
}

#[test]
fn pruning_keeps_the_newest() {
    let dir = tempdir().unwrap();
    let store = Store::create(dir.path(), None).unwrap();
    for expected in 1..=4 {
        assert_eq!(new_checkpoint(&store), expected);
    }
    fs::create_dir(dir.path().join("my-notes")).unwrap();
    let removed = store.prune(2).unwrap();
    assert_eq!(removed.len(), 2);
    assert_eq!(
        names(dir.path()),
        ["ckpt-000003", "ckpt-000004", "my-notes"]
    );
    store.prune(0).unwrap();
    assert_eq!(
        names(dir.path()),
        ["ckpt-000004", "my-notes"],
        "the newest one always stays"
    );
}

#[test]
fn a_damaged_checkpoint_never_displaces_a_good_one() {
    let dir = tempdir().unwrap();
    let store = Store::create(dir.path(), None).unwrap();
    for _ in 0..3 {
        new_checkpoint(&store);
    }
    fs::remove_file(dir.path().join("ckpt-000003/rank-00000.mana")).unwrap();
    store.prune(1).unwrap();
    assert_eq!(names(dir.path()), ["ckpt-000002", "ckpt-000003"]);
}

#[test]
fn jobs_that_share_a_directory_remove_their_own_alone() {
    let dir = tempdir().unwrap();
    let of = |job| store_of_job(dir.path(), job);
    let (first, second) = (of("first"), of("second"));
    for store in [&first, &second, &first, &second, &first] {
        new_checkpoint(store);
    }
    assert_eq!(first.prune(1).unwrap().len(), 2);
    assert_eq!(
        names(dir.path()),
        ["ckpt-000002", "ckpt-000004", "ckpt-000005"]
    );
    assert_eq!(of("third").prune(1).unwrap(), Vec::<PathBuf>::new());
}

#[test]
fn a_restart_wants_to_know_which_of_several_jobs_is_meant() {
    let dir = tempdir().unwrap();
    let of = |job| store_of_job(dir.path(), job);
    let found = || locate_to_restart(dir.path());
    new_checkpoint(&Store::create(dir.path(), None).unwrap());
    for job in ["first", "first", "second"] {
        new_checkpoint(&of(job));
    }
    // One after the other: the last one.
    assert_eq!(found().unwrap().number(), 4);
    new_checkpoint(&of("first"));
    let Err(ImageError::SeveralJobs { newest, .. }) = found() else {
        panic!("by turns: {:?}", found());
    };
    let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    let names: Vec<String> = newest.iter().map(name).collect();
    assert_eq!(names, ["ckpt-000004", "ckpt-000005"]);
    let named = dir.path().join("ckpt-000004");
    assert_eq!(locate_to_restart(&named).unwrap().number(), 4);
}

#[test]
fn remains_of_dead_jobs_are_removed_and_work_in_progress_is_not() {
    let dir = tempdir().unwrap();
    let store = Store::create(dir.path(), None).unwrap();
    fs::create_dir(dir.path().join("ckpt-000001.partial")).unwrap();
    fs::create_dir(dir.path().join("ckpt-000001.retired")).unwrap();
    let in_progress = store.begin().unwrap();
    assert_eq!(new_checkpoint(&store), 3);
    fs::create_dir(dir.path().join("ckpt-000009.partial")).unwrap();
    store.prune(2).unwrap();
    // 1 is left over, 2 is locked, and nothing committed is newer than 9.
    assert_eq!(
        names(dir.path()),
        ["ckpt-000002.partial", "ckpt-000003", "ckpt-000009.partial"]
    );
    drop(in_progress);
}

#[test]
fn a_directory_that_is_not_there_is_an_error() {
    let dir = tempdir().unwrap();
    let message = Store::open(&dir.path().join("absent"))
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("could not list the directory") && message.contains("absent"),
        "{message}"
    );
}
