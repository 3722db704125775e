//! Every step of writing a checkpoint is made to fail, and the last committed one survives.

use crate::common::{memory_dir, write_checkpoint};
use mana_image::{FaultPoint, ImageError, Step, Store, WriteOptions};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// Fails the `nth` time that `step` is about to happen.
#[derive(Debug)]
struct FailAt {
    step: Step,
    nth: usize,
    errno: i32,
    seen: AtomicUsize,
}

impl FailAt {
    fn new(step: Step, nth: usize, errno: i32) -> Arc<Self> {
        Arc::new(Self {
            step,
            nth,
            errno,
            seen: AtomicUsize::new(0),
        })
    }

    fn hit(&self) -> bool {
        self.seen.load(SeqCst) > self.nth
    }
}

impl FaultPoint for FailAt {
    fn before(&self, step: Step, _path: &Path) -> io::Result<()> {
        if step == self.step && self.seen.fetch_add(1, SeqCst) == self.nth {
            return Err(io::Error::from_raw_os_error(self.errno));
        }
        Ok(())
    }
}

const ENOSPC: i32 = 28;
const EIO: i32 = 5;

/// The steps of writing; a real run does each of them.
const WRITING: [Step; 16] = [
    Step::CreateStore,
    Step::CreatePartial,
    Step::CreateFile,
    Step::WriteData,
    Step::WriteTail,
    Step::WriteHeader,
    Step::SetLength,
    Step::SyncFile,
    Step::WriteNote,
    Step::ReadNote,
    Step::RemoveNote,
    Step::WriteManifest,
    Step::SyncManifest,
    Step::SyncPartial,
    Step::Commit,
    Step::SyncStore,
];

/// Writes a checkpoint with `faults`.
fn attempt(dir: &Path, faults: Arc<dyn FaultPoint>) -> Result<u64, ImageError> {
    let store = Store::create(dir, Some(faults.clone()))?;
    let options = WriteOptions {
        faults: Some(faults),
        ..WriteOptions::default()
    };
    Ok(write_checkpoint(&store, 2, &options)?.number())
}

#[test]
fn after_any_failed_step_the_last_checkpoint_is_there_and_nothing_else_is() {
    for (step, errno) in WRITING
        .iter()
        .flat_map(|&step| [(step, ENOSPC), (step, EIO)])
    {
        // Later occurrences too: of the second rank, of the second write.
        for nth in 0.. {
            let dir = memory_dir();
            let store = Store::create(dir.path(), None).unwrap();
            let good = write_checkpoint(&store, 2, &WriteOptions::default()).unwrap();

            let faults = FailAt::new(step, nth, errno);
            let result = attempt(dir.path(), faults.clone());
            if !faults.hit() {
                assert!(nth > 0, "{step:?} never happens");
                assert_eq!(result.unwrap(), 2);
                break;
            }
            let message = result.expect_err("the step failed").to_string();
            assert!(message.contains(&step.to_string()), "{step:?}: {message}");
            assert!(
                errno != ENOSPC || message.contains("free some space"),
                "{message}"
            );

            assert_eq!(store.latest().unwrap(), good, "{step:?}");
            good.verify().unwrap();
            assert_eq!(
                store.list().unwrap().len(),
                1,
                "the rest of the failed one is removed after {step:?}"
            );
            // And the run goes on: the next one succeeds.
            assert_eq!(
                write_checkpoint(&store, 2, &WriteOptions::default())
                    .unwrap()
                    .number(),
                2
            );
        }
    }
}

#[test]
fn a_file_system_that_cannot_reserve_space_is_good_enough() {
    let dir = memory_dir();
    let faults = FailAt::new(Step::Preallocate, 0, 95);
    assert_eq!(attempt(dir.path(), faults.clone()).unwrap(), 1);
    assert!(faults.hit());
    Store::open(dir.path())
        .unwrap()
        .latest()
        .unwrap()
        .verify()
        .unwrap();
}

#[test]
fn failed_pruning_loses_nothing_that_is_to_stay() {
    for step in [Step::Retire, Step::Remove, Step::List] {
        let dir = memory_dir();
        let store = Store::create(dir.path(), None).unwrap();
        for _ in 0..3 {
            write_checkpoint(&store, 1, &WriteOptions::default()).unwrap();
        }
        let failing = Store::create(dir.path(), Some(FailAt::new(step, 0, EIO))).unwrap();
        failing.prune(1).expect_err("the step failed");
        let newest = store.latest().unwrap();
        assert_eq!(newest.number(), 3);
        newest.verify().unwrap();
        store.prune(1).unwrap();
        let left: Vec<_> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["ckpt-000003"], "after {step:?}");
    }
}

#[test]
fn the_list_above_is_all_of_them() {
    // Those that tidy up are made to fail in `every_step`.
    let others = [
        Step::Revoke,
        Step::Discard,
        Step::Preallocate,
        Step::Retire,
        Step::Remove,
        Step::Open,
        Step::Read,
        Step::List,
    ];
    for step in Step::ALL {
        assert_ne!(WRITING.contains(step), others.contains(step), "{step:?}");
    }
}
