//! Every step of a whole checkpoint fails, or is half done, or is the last thing that the process does.
//!
//! ```text
//!   ckpt 1, ckpt 2   good                                    a clean run counts the steps; then for every k:
//!   ckpt 3           the k-th step goes wrong         ──►    2 is whole; 3 is whole or not there
//!   ckpt 4           good, the two newest are kept    ──►    nothing else is left
//! ```
//!
//! Memory differs from checkpoint to checkpoint and is compared byte by byte: one in the other's place would be noticed.

use crate::common::{State, aligned, memory_dir, noise, region, state, write_rank};
use mana_image::layout::PAGE_BYTES;
use mana_image::{
    FaultPoint, FaultScript, ImageError, Region, ScriptedFault, State as Progress, Step, Store,
    WriteOptions,
};
use memmap2::MmapMut;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

const RANKS: u32 = 2;

/// Which step of [`in_a_process_of_its_own`] goes wrong, and where it writes.
const SCRIPT: &str = "MANA_TEST_FAULT";
const DIRECTORY: &str = "MANA_TEST_FAULT_DIR";

type Faults = Option<Arc<dyn FaultPoint>>;

/// What rank `rank` has in memory at checkpoint `epoch`: something to compress and something that cannot be.
fn memory(epoch: u64, rank: u32) -> Vec<(Region, MmapMut)> {
    let seed = 1 + epoch * u64::from(RANKS) + u64::from(rank);
    let contents = [vec![seed as u8; 2 * PAGE_BYTES], noise(PAGE_BYTES, seed)];
    let place = |(number, bytes): (u64, Vec<u8>)| {
        let start = 0x2000_0000_0000 + number * 0x10_0000;
        (region(start, bytes.len(), "[heap]"), aligned(&bytes))
    };
    (0..).zip(contents).map(place).collect()
}

/// A whole checkpoint, as ranks and their first one make it.
fn checkpoint(dir: &Path, epoch: u64, faults: Faults) -> Result<(), ImageError> {
    let store = Store::create(dir, faults.clone())?;
    let pending = store.begin()?;
    for rank in 0..RANKS {
        let options = WriteOptions {
            // One worker, so that steps come in the same order each time.
            workers: 1,
            faults: faults.clone(),
            ..WriteOptions::default()
        };
        let memory = memory(epoch, rank);
        let written = write_rank(pending.path(), rank, RANKS, &memory, options)?;
        written.leave_note(pending.path(), faults.clone())?;
    }
    let written = pending.take_notes(RANKS)?;
    store.commit(pending, RANKS, epoch, Vec::new(), written)?;
    store.prune(2).map(drop)
}

/// A directory with checkpoints 1 and 2.
fn two_good_ones() -> tempfile::TempDir {
    let dir = memory_dir();
    checkpoint(dir.path(), 1, None).unwrap();
    checkpoint(dir.path(), 2, None).unwrap();
    dir
}

/// All that claim to be committed are whole; their epochs.
fn all_whole(dir: &Path) -> Vec<u64> {
    let mut epochs = Vec::new();
    for found in Store::open(dir).unwrap().list().unwrap() {
        if found.state() == Progress::Partial {
            found.manifest().expect_err("it is not committed");
            continue;
        }
        found.verify().unwrap();
        let epoch = found.manifest().unwrap().epoch;
        epochs.push(epoch);
        for rank in 0..RANKS {
            let reader = found.open_rank(rank).unwrap();
            assert_eq!(reader.metadata::<State>().unwrap(), state(rank));
            for (number, (_, bytes)) in memory(epoch, rank).iter().enumerate() {
                let mut read = vec![0; bytes.len()];
                reader.read_region_into(number, &mut read).unwrap();
                assert!(read == bytes[..], "memory of checkpoint {epoch}");
            }
        }
    }
    epochs
}

/// What has to hold after checkpoint 3 was tried.
fn judge(dir: &Path, what: &str, succeeded: bool) {
    let epochs = all_whole(dir);
    assert!(epochs.contains(&2), "{what}: {epochs:?}");
    assert!(!succeeded || epochs.ends_with(&[3]), "{what}: {epochs:?}");
    let latest = Store::open(dir).unwrap().latest().unwrap();
    assert_eq!(latest.manifest().unwrap().epoch, *epochs.last().unwrap());

    checkpoint(dir, 4, None).unwrap();
    let newest = *epochs.last().unwrap();
    assert_eq!(all_whole(dir), [newest, 4], "{what}");
    let left = std::fs::read_dir(dir).unwrap().count();
    assert_eq!(left, 2, "{what}: the remains are gone with the next one");
}

fn scripted(text: &str) -> Arc<ScriptedFault> {
    let script: FaultScript = text.parse().unwrap();
    Arc::new(script.of_rank(0).unwrap())
}

/// How many steps a checkpoint has that nothing happens to.
fn steps() -> usize {
    let dir = two_good_ones();
    let faults = scripted("EIO,any,1000000");
    checkpoint(dir.path(), 3, Some(faults.clone())).unwrap();
    judge(dir.path(), "nothing went wrong", true);
    faults.seen()
}

#[test]
fn each_step_fails_in_each_way() {
    let steps = steps();
    assert!(steps > 30, "{steps}");
    for way in ["ENOSPC", "EIO", "EIO-after", "short", "torn"] {
        let mut failed = 0;
        for k in 1..=steps {
            let dir = two_good_ones();
            let what = format!("{way},any,{k}");
            let result = checkpoint(dir.path(), 3, Some(scripted(&what)));
            failed += usize::from(result.is_err());
            judge(dir.path(), &what, result.is_ok());
        }
        match way {
            "short" => assert_eq!(failed, 0, "the rest is written by another call"),
            // Not reserving space does no harm. (After the last write nothing can be torn.)
            "torn" => assert!(failed > steps / 2, "{failed} of {steps}"),
            _ => assert!((steps - 4..steps).contains(&failed), "{failed} of {steps}"),
        }
    }
}

/// From the k-th step on nothing works: the file system is gone, and with it what tidies up.
#[derive(Debug)]
struct GoneFrom(usize, AtomicUsize);

impl FaultPoint for GoneFrom {
    fn before(&self, _step: Step, _path: &Path) -> io::Result<()> {
        if self.1.fetch_add(1, SeqCst) + 1 < self.0 {
            return Ok(());
        }
        Err(io::ErrorKind::StaleNetworkFileHandle.into())
    }
}

#[test]
fn the_disk_is_gone_from_each_step_on() {
    for k in 1..=steps() {
        let dir = two_good_ones();
        let faults = Arc::new(GoneFrom(k, AtomicUsize::new(0)));
        let result = checkpoint(dir.path(), 3, Some(faults));
        assert!(result.is_err(), "from step {k} on nothing works");
        judge(dir.path(), &format!("gone from {k}"), false);
    }
}

/// In the process that [`the_process_is_killed_at_each_step`] starts: the checkpoint during which it is killed.
#[test]
fn in_a_process_of_its_own() {
    let (Ok(script), Some(dir)) = (std::env::var(SCRIPT), std::env::var_os(DIRECTORY)) else {
        return;
    };
    checkpoint(Path::new(&dir), 3, Some(scripted(&script))).unwrap();
}

#[test]
fn the_process_is_killed_at_each_step() {
    let steps = steps();
    for way in ["kill", "torn-kill"] {
        let mut killed = 0;
        for k in 1..=steps {
            let dir = two_good_ones();
            let what = format!("{way},any,{k}");
            let output = Command::new(std::env::current_exe().unwrap())
                .args(["every_step::in_a_process_of_its_own", "--exact"])
                .env(SCRIPT, &what)
                .env(DIRECTORY, dir.path())
                .output()
                .unwrap();
            let by_signal = output.status.signal() == Some(9);
            assert!(by_signal || output.status.success(), "{what}: {output:?}");
            killed += usize::from(by_signal);
            judge(dir.path(), &what, output.status.success());
        }
        match way {
            "kill" => assert_eq!(killed, steps),
            _ => assert!(killed > steps / 2, "{killed} of {steps}"),
        }
    }
}
