//! Real refusals by the kernel: a full file system, and a limit on the size of files.
//!
//! The test runs itself again in a shell that sets the stage: a mount namespace of its own with a small tmpfs, or `ulimit -f`.

use crate::common::{aligned, info, noise, region};
use mana_image::{ImageError, RankWriter, RegionSource, Store, WriteOptions};
use std::path::Path;
use std::process::Command;
use tempfile::tempdir;

const STAGE: &str = "MANA_TEST_FULL_DISK";
const MEMORY_BYTES: usize = 4 << 20;

/// Writes 4 MiB to a place that takes less, in the process that a test below started.
#[test]
fn on_a_full_disk() {
    let Some(dir) = std::env::var_os(STAGE) else {
        return;
    };
    let store = Store::create(Path::new(&dir), None).unwrap();
    let good = crate::common::write_checkpoint(&store, 1, &WriteOptions::default()).unwrap();
    let pending = store.begin().unwrap();
    let memory = aligned(&noise(MEMORY_BYTES, 3));
    let mut writer = RankWriter::create(pending.path(), 0, WriteOptions::default()).unwrap();
    let source = RegionSource::whole(region(0x2000_0000_0000, MEMORY_BYTES, "[heap]"), &memory);
    let result = writer
        .write_regions([source])
        .and_then(|()| writer.finish(&info(0, 1)).map(drop));
    drop(pending);
    match result {
        Err(error @ ImageError::Io { .. }) => println!("refused: {error}"),
        other => panic!("4 MiB fit: {other:?}"),
    }
    assert_eq!(
        store.list().unwrap(),
        [good],
        "nothing of the refused one is left"
    );
    store.latest().unwrap().verify().unwrap();
    println!("survived");
}

/// Runs `on_a_full_disk` with `script` around it; `$0` is the test program and `$DIR` an empty directory.
fn stage(launcher: &[&str], script: &str) -> (bool, String) {
    let dir = tempdir().unwrap();
    let output = Command::new(launcher[0])
        .args(&launcher[1..])
        .args(["sh", "-c", script])
        .arg(std::env::current_exe().unwrap())
        .args(["no_space::on_a_full_disk", "--exact", "--nocapture"])
        .env("DIR", dir.path())
        .env(STAGE, dir.path())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr]
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .concat();
    (output.status.success(), text)
}

#[test]
fn a_limit_on_file_sizes_is_reported_and_survived() {
    // 512 blocks of 512 bytes; the signal that comes with the error is ignored, as in any job that sets the limit.
    let (success, text) = stage(
        &["env"],
        r#"ulimit -f 512 && trap "" XFSZ && exec "$0" "$@""#,
    );
    assert!(success && text.contains("survived"), "{text}");
    assert!(
        text.contains("File too large") && text.contains("ulimit -f"),
        "{text}"
    );
}

#[test]
fn a_full_file_system_is_reported_and_survived() {
    let mount = r#"mount -t tmpfs -o size=1m none "$DIR""#;
    if !stage(&["unshare", "--user", "--map-root-user", "--mount"], mount).0 {
        eprintln!("not tested here: this system lets no user make a mount namespace");
        return;
    }
    let script = format!(r#"{mount} && exec "$0" "$@""#);
    let (success, text) = stage(
        &["unshare", "--user", "--map-root-user", "--mount"],
        &script,
    );
    assert!(success && text.contains("survived"), "{text}");
    assert!(
        text.contains("No space left on device") && text.contains("MANA_CKPT_DIR"),
        "{text}"
    );
}
