//! Damage of every kind is noticed, and the message says where.

use crate::common::{memory_dir, options, small_memory, write_checkpoint, write_rank};
use mana_image::layout::{HEADER_BYTES, checksum};
use mana_image::{Checkpoint, Compression, ImageError, RankReader, Store, WriteOptions, locate};
use std::fs;
use std::path::Path;
use tempfile::{TempDir, tempdir};

/// Does everything that a restart and `mana verify` do.
fn read_all(path: &Path) -> Result<(), ImageError> {
    RankReader::open(path)?.verify().map(drop)
}

#[test]
fn every_single_byte_counts() {
    let dir = memory_dir();
    write_rank(
        dir.path(),
        0,
        1,
        &small_memory(1),
        options(Compression::Auto),
    )
    .unwrap();
    let path = dir.path().join("rank-00000.mana");
    let intact = fs::read(&path).unwrap();
    read_all(&path).unwrap();
    let damaged = dir.path().join("damaged.mana");
    fs::write(&damaged, &intact).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&damaged).unwrap();
    for (offset, byte) in intact.iter().enumerate() {
        use std::os::unix::fs::FileExt;
        file.write_all_at(&[byte ^ 1 << (offset % 8)], offset as u64)
            .unwrap();
        match read_all(&damaged) {
            Err(ImageError::Damaged {
                offset: from,
                len_bytes,
                ..
            }) => {
                assert!(
                    (from..from + len_bytes).contains(&(offset as u64)),
                    "{offset} is not in {from} + {len_bytes}"
                );
            }
            Err(ImageError::NotAnImage { .. }) if offset < 8 => {}
            other => panic!("a flip at {offset} of {} gave {other:?}", intact.len()),
        }
        file.write_all_at(&[*byte], offset as u64).unwrap();
    }
    read_all(&damaged).unwrap();
}

#[test]
fn every_truncation_and_any_growth_is_noticed() {
    let dir = memory_dir();
    let memory = &small_memory(1)[..2];
    write_rank(dir.path(), 0, 1, memory, options(Compression::Auto)).unwrap();
    let path = dir.path().join("rank-00000.mana");
    let full = fs::metadata(&path).unwrap().len();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(full + 1).unwrap();
    let error = read_all(&path).unwrap_err();
    assert!(error.to_string().contains("too long"), "{error}");
    for len in (0..full).rev() {
        file.set_len(len).unwrap();
        match read_all(&path) {
            Err(ImageError::Length { found_bytes, .. }) => assert_eq!(found_bytes, len),
            other => panic!("truncated to {len} of {full} gave {other:?}"),
        }
    }
}

#[test]
fn other_files_are_not_images() {
    let dir = tempdir().unwrap();
    for content in [&b"#!/bin/sh\n"[..], &[0; 10_000], &[0x7f, b'E', b'L', b'F']] {
        let path = dir.path().join("other");
        fs::write(&path, content).unwrap();
        assert!(
            matches!(read_all(&path), Err(ImageError::NotAnImage { .. })),
            "{content:?}"
        );
    }
    assert!(
        read_all(&dir.path().join("absent"))
            .unwrap_err()
            .to_string()
            .contains("could not open")
    );
}

#[test]
fn a_newer_version_is_refused_with_both_versions() {
    let dir = tempdir().unwrap();
    write_rank(dir.path(), 0, 1, &small_memory(1), WriteOptions::default()).unwrap();
    let path = dir.path().join("rank-00000.mana");
    let mut bytes = fs::read(&path).unwrap();
    bytes[8] = 2;
    let sum = checksum(&bytes[..HEADER_BYTES - 8]);
    bytes[HEADER_BYTES - 8..HEADER_BYTES].copy_from_slice(&sum.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    let message = read_all(&path).unwrap_err().to_string();
    assert!(
        message.contains("has format version 2, and this mana reads versions up to 1"),
        "{message}"
    );
}

/// A store with one committed checkpoint of three ranks.
fn checkpoint() -> (TempDir, Checkpoint) {
    let dir = tempdir().unwrap();
    let store = Store::create(dir.path(), None).unwrap();
    let checkpoint = write_checkpoint(&store, 3, &WriteOptions::default()).unwrap();
    checkpoint.verify().unwrap();
    (dir, checkpoint)
}

#[test]
fn every_byte_of_the_manifest_counts() {
    let (_dir, checkpoint) = checkpoint();
    let path = checkpoint.path().join("MANIFEST");
    let intact = fs::read(&path).unwrap();
    for offset in 0..intact.len() {
        for bit in 0..8 {
            let mut bytes = intact.clone();
            bytes[offset] ^= 1 << bit;
            fs::write(&path, &bytes).unwrap();
            assert!(
                matches!(checkpoint.manifest(), Err(ImageError::BadManifest { .. })),
                "bit {bit} at {offset}"
            );
        }
    }
    for len in 0..intact.len() {
        fs::write(&path, &intact[..len]).unwrap();
        assert!(
            matches!(checkpoint.manifest(), Err(ImageError::BadManifest { .. })),
            "length {len}"
        );
    }
}

#[test]
fn another_rank_count_is_refused() {
    let (_dir, checkpoint) = checkpoint();
    checkpoint.check_files(Some(3)).unwrap();
    let message = checkpoint.check_files(Some(4)).unwrap_err().to_string();
    assert!(
        message.contains("made by 3 ranks and this job has 4: restart it with `-n 3`"),
        "{message}"
    );
}

#[test]
fn a_missing_rank_file_is_named() {
    let (_dir, checkpoint) = checkpoint();
    fs::remove_file(checkpoint.rank_file(1)).unwrap();
    for error in [
        checkpoint.check_files(None).unwrap_err(),
        checkpoint.open_rank(1).map(drop).unwrap_err(),
    ] {
        let message = error.to_string();
        assert!(message.contains("rank-00001.mana is missing"), "{message}");
    }
}

#[test]
fn a_file_of_another_checkpoint_or_rank_is_noticed() {
    let (_dir, checkpoint) = checkpoint();
    // Same size, intact, and not the one that was committed.
    fs::copy(checkpoint.rank_file(0), checkpoint.rank_file(2)).unwrap();
    assert!(matches!(
        checkpoint.check_files(None),
        Err(ImageError::Foreign { .. })
    ));
    assert!(matches!(
        checkpoint.open_rank(2).map(drop),
        Err(ImageError::Foreign { .. })
    ));
}

#[test]
fn a_truncated_or_damaged_rank_is_found_without_reading_memory_where_possible() {
    let (_dir, checkpoint) = checkpoint();
    let path = checkpoint.rank_file(2);
    let intact = fs::read(&path).unwrap();
    fs::write(&path, &intact[..intact.len() - 4096]).unwrap();
    assert!(matches!(
        checkpoint.check_files(None),
        Err(ImageError::Length { .. })
    ));
    // The first chunk lies behind the header: only reading memory finds this.
    let mut bytes = intact.clone();
    bytes[HEADER_BYTES + 100] ^= 4;
    fs::write(&path, &bytes).unwrap();
    checkpoint.check_files(None).unwrap();
    let message = checkpoint.verify().unwrap_err().to_string();
    for part in [
        "rank-00002.mana is damaged",
        "memory at 0x2",
        "at offset 4096",
        "should have checksum",
    ] {
        assert!(message.contains(part), "{part:?} is not in {message}");
    }
}

#[test]
fn what_a_path_means() {
    let (dir, checkpoint) = checkpoint();
    assert_eq!(
        locate(dir.path()).unwrap().path().file_name(),
        checkpoint.path().file_name()
    );
    assert_eq!(locate(checkpoint.path()).unwrap().number(), 1);
    let renamed = dir.path().join("before-the-upgrade");
    fs::rename(checkpoint.path(), &renamed).unwrap();
    locate(&renamed).unwrap().verify().unwrap();
    let text = |path: &Path| locate(path).unwrap_err().to_string();
    fs::create_dir(dir.path().join("ckpt-000007.partial")).unwrap();
    assert!(text(&dir.path().join("ckpt-000007.partial")).contains("was never committed"));
    assert!(text(dir.path()).contains("ckpt-000007.partial was being written when the job ended"));
    let empty = tempdir().unwrap();
    assert!(
        text(empty.path()).contains("no checkpoint in"),
        "{}",
        text(empty.path())
    );
    assert!(text(&empty.path().join("absent")).contains("No such file"));
}
