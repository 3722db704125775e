//! Child processes of a rank: each has a file of its own, and a checkpoint is whole only with all of them.

use crate::common::{
    State, child_seed, small_memory, state, write_child, write_family, write_rank,
};
use mana_image::layout::{HEADER_BYTES, checksum};
use mana_image::{Checkpoint, ImageError, Store, WriteOptions, Written};
use std::fs;
use std::path::Path;
use tempfile::{TempDir, tempdir};

/// Where the header has the child's number.
const AT_CHILD: usize = 56;

/// A store with one committed checkpoint of two ranks, of which the second has two children.
fn checkpoint() -> (TempDir, Store, Checkpoint) {
    let dir = tempdir().unwrap();
    let store = Store::create(dir.path(), None).unwrap();
    let checkpoint = write_family(&store, &[0, 2], &WriteOptions::default()).unwrap();
    (dir, store, checkpoint)
}

#[test]
fn children_are_read_back() {
    let (_dir, _store, checkpoint) = checkpoint();
    let manifest = checkpoint.check_files(Some(2)).unwrap();
    assert_eq!([0, 1, 2].map(|rank| manifest.children(rank)), [0, 2, 0]);
    let expected = [(0, None), (1, None), (1, Some(1)), (1, Some(2))];
    let reported: Vec<_> = manifest
        .written()
        .map(|one| (one.rank, one.child))
        .collect();
    assert_eq!(reported, expected);
    let reports = checkpoint.verify().unwrap();
    let verified: Vec<_> = reports.iter().map(|one| (one.rank, one.child)).collect();
    assert_eq!(verified, expected);
    for child in [1, 2] {
        let (reader, seed) = (
            checkpoint.open_child(1, child).unwrap(),
            child_seed(1, child),
        );
        assert_eq!(reader.path(), checkpoint.child_file(1, child));
        assert_eq!(reader.header().child, Some(child));
        assert_eq!(reader.metadata::<State>().unwrap(), state(seed));
        for (number, (region, expected)) in small_memory(seed.into()).iter().enumerate() {
            let mut found = vec![0xff; expected.len()];
            reader.read_region_into(number, &mut found).unwrap();
            assert!(
                found[..] == expected[..],
                "{} of child {child}",
                region.name
            );
        }
    }
    let rank = checkpoint.open_rank(1).unwrap();
    assert_eq!(rank.header().child, None);
    assert_eq!(rank.metadata::<State>().unwrap(), state(1));
}

#[test]
fn children_count_in_sizes_and_times() {
    let (_dir, _store, checkpoint) = checkpoint();
    let manifest = checkpoint.manifest().unwrap();
    let bytes: Vec<_> = manifest.written().map(|one| one.file_bytes).collect();
    let summary = checkpoint.summary();
    assert_eq!(summary.problem, None);
    assert_eq!((bytes.len(), summary.file_bytes), (4, bytes.iter().sum()));
    let mut slow = manifest.clone();
    slow.files[1].written.children[0].timings.memory_ns = u64::MAX;
    let phases = slow.phases();
    let memory = phases.iter().find(|phase| phase.name == "write memory");
    assert_eq!(memory.unwrap().wall_ns, u64::MAX);
}

#[test]
fn a_child_that_is_not_there_is_named() {
    let (_dir, _store, checkpoint) = checkpoint();
    for (rank, child) in [(0, 1), (1, 0), (1, 3), (2, 1)] {
        let error = checkpoint.open_child(rank, child).map(drop).unwrap_err();
        assert!(matches!(error, ImageError::MissingRank { .. }), "{error}");
    }
    fs::remove_file(checkpoint.child_file(1, 2)).unwrap();
    for error in [
        checkpoint.check_files(None).unwrap_err(),
        checkpoint.open_child(1, 2).map(drop).unwrap_err(),
        checkpoint.verify().unwrap_err(),
    ] {
        let message = error.to_string();
        let expected = "rank-00001.child-00002.mana is missing: the checkpoint has 2 ranks";
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_truncated_or_damaged_child_is_named() {
    let (_dir, _store, checkpoint) = checkpoint();
    let path = checkpoint.child_file(1, 1);
    let intact = fs::read(&path).unwrap();
    fs::write(&path, &intact[..intact.len() - 4096]).unwrap();
    let message = checkpoint.check_files(None).unwrap_err().to_string();
    assert!(
        message.contains("rank-00001.child-00001.mana is"),
        "{message}"
    );
    assert!(message.contains("it is truncated"), "{message}");
    // In the header; and in the first chunk, which only reading memory finds.
    for (offset, part) in [
        (AT_CHILD, "the header"),
        (HEADER_BYTES + 100, "memory at 0x2"),
    ] {
        let mut bytes = intact.clone();
        bytes[offset] ^= 4;
        fs::write(&path, &bytes).unwrap();
        assert_eq!(checkpoint.check_files(None).is_err(), offset < HEADER_BYTES);
        let message = checkpoint.verify().unwrap_err().to_string();
        let expected = format!("rank-00001.child-00001.mana is damaged: {part}");
        assert!(message.contains(&expected), "{message}");
    }
}

#[test]
fn a_child_of_another_checkpoint_or_number_is_noticed() {
    let (_dir, store, checkpoint) = checkpoint();
    let other = write_family(&store, &[1], &WriteOptions::default()).unwrap();
    let mine = checkpoint.child_file(1, 1);
    let intact = fs::read(&mine).unwrap();
    for foreign in [
        other.child_file(0, 1),
        checkpoint.child_file(1, 2),
        checkpoint.rank_file(1),
    ] {
        fs::copy(&foreign, &mine).unwrap();
        for error in [
            checkpoint.check_files(None).unwrap_err(),
            checkpoint.open_child(1, 1).map(drop).unwrap_err(),
        ] {
            let expected = "rank-00001.child-00001.mana does not belong to this checkpoint";
            assert!(error.to_string().contains(expected), "{error}");
        }
        fs::write(&mine, &intact).unwrap();
    }
    checkpoint.verify().unwrap();
}

/// Commits two ranks, the second with children as `spoil` leaves them; the message of the refusal.
fn refused(spoil: fn(&Path, &mut Vec<Written>)) -> String {
    let dir = tempdir().unwrap();
    let store = Store::create(dir.path(), None).unwrap();
    let pending = store.begin().unwrap();
    let path = pending.path().to_owned();
    let options = WriteOptions::default;
    let mut written = [0, 1].map(|rank| write_rank(&path, rank, 2, &[], options()).unwrap());
    let children = [1, 2].map(|child| write_child(&path, (1, child), 2, options()).unwrap());
    written[1].children = children.into();
    spoil(&path, &mut written[1].children);
    let error = store.commit(pending, 2, 1, Vec::new(), written.into());
    assert!(!path.exists(), "nothing of it stays");
    error.unwrap_err().to_string()
}

#[test]
fn nothing_incomplete_is_committed() {
    let gone = refused(|dir, _| fs::remove_file(dir.join("rank-00001.child-00002.mana")).unwrap());
    for part in [
        "child 2 of rank 1 wrote",
        "rank-00001.child-00002.mana has No such file",
    ] {
        assert!(gone.contains(part), "{part:?} is not in {gone}");
    }
    let short = refused(|dir, _| {
        let file = fs::File::options()
            .write(true)
            .open(dir.join("rank-00001.child-00001.mana"));
        file.unwrap().set_len(4096).unwrap();
    });
    assert!(
        short.contains("rank-00001.child-00001.mana has 4096 bytes"),
        "{short}"
    );
    let first = refused(|_, children| drop(children.remove(0)));
    assert!(
        first.contains("child 2 of rank 1 stands where child 1 of rank 1 should"),
        "{first}"
    );
    let grandchild = refused(|_, children| {
        let child = children.remove(1);
        children[0].children.push(child);
    });
    assert!(
        grandchild.contains("child 1 of rank 1 has children itself"),
        "{grandchild}"
    );
}

#[test]
fn a_child_does_not_stand_for_its_rank() {
    let dir = tempdir().unwrap();
    let store = Store::create(dir.path(), None).unwrap();
    let pending = store.begin().unwrap();
    let child = write_child(pending.path(), (0, 1), 1, WriteOptions::default()).unwrap();
    let error = store.commit(pending, 1, 1, Vec::new(), vec![child]);
    let message = error.unwrap_err().to_string();
    assert!(
        message.contains("child 1 of rank 0 stands for its rank"),
        "{message}"
    );
}

#[test]
fn only_children_need_the_newer_format() {
    let (_dir, store, with) = checkpoint();
    let without = write_family(&store, &[0, 0], &WriteOptions::default()).unwrap();
    assert_eq!(with.manifest().unwrap().format, 2);
    assert_eq!(without.manifest().unwrap().format, 1);
    let text = fs::read_to_string(without.path().join("MANIFEST")).unwrap();
    assert!(!text.contains("child"), "{text}");
}

/// Changes a manifest and gives it the checksum that it needs then.
fn forge(checkpoint: &Checkpoint, change: impl FnOnce(&mut serde_json::Value)) {
    let path = checkpoint.path().join("MANIFEST");
    let text = fs::read_to_string(&path).unwrap();
    let (json, _) = text.split_once("xxh3-64").unwrap();
    let mut value = serde_json::from_str(json).unwrap();
    change(&mut value);
    let json = serde_json::to_string_pretty(&value).unwrap() + "\n";
    let sum = checksum(json.as_bytes());
    fs::write(path, format!("{json}xxh3-64 {sum:016x}\n")).unwrap();
}

#[test]
fn a_manifest_with_wrong_children_is_refused() {
    type Change = fn(&mut serde_json::Value);
    let changes: [(Change, &str); 7] = [
        (
            |written| written["children"][1]["child"] = 3.into(),
            "child 3 of rank 1 stands where child 2",
        ),
        (
            |written| written["children"][0]["child"] = 2.into(),
            "child 2 of rank 1 stands where child 1",
        ),
        (
            |written| written["children"][0]["child"] = 0.into(),
            "child 0 of rank 1 stands where child 1",
        ),
        (
            |written| written["children"][1]["child"] = ().into(),
            "rank 1 stands where child 2",
        ),
        (
            |written| written["children"][1]["rank"] = 0.into(),
            "child 2 of rank 0 stands where child 2",
        ),
        (
            |written| {
                let child = written["children"][1].clone();
                written["children"][1]["children"] = vec![child].into();
            },
            "child 2 of rank 1 has children itself",
        ),
        (
            |written| written["child"] = 1.into(),
            "child 1 of rank 1 stands for its rank",
        ),
    ];
    for (change, why) in changes {
        let (_dir, _store, checkpoint) = checkpoint();
        forge(&checkpoint, |_| {});
        checkpoint.check_files(None).unwrap();
        forge(&checkpoint, |manifest| {
            change(&mut manifest["files"][1]["written"])
        });
        match checkpoint.manifest() {
            Err(ImageError::BadManifest { why: found, .. }) => {
                assert!(found.contains(why), "{found}")
            }
            other => panic!("{why}: {other:?}"),
        }
    }
}

#[test]
fn a_manifest_of_a_format_that_does_not_fit_is_refused() {
    let (_dir, _store, checkpoint) = checkpoint();
    forge(&checkpoint, |manifest| manifest["format"] = 1.into());
    let message = checkpoint.manifest().unwrap_err().to_string();
    assert!(message.contains("format 1 knows no children"), "{message}");
    forge(&checkpoint, |manifest| manifest["format"] = 3.into());
    let message = checkpoint.manifest().unwrap_err().to_string();
    assert!(
        message.contains("has format version 3, and this mana reads versions up to 2"),
        "{message}"
    );
}

#[test]
fn a_checkpoint_with_a_damaged_child_never_displaces_a_good_one() {
    let (dir, store, good) = checkpoint();
    let options = WriteOptions::default();
    for _ in 0..2 {
        write_family(&store, &[0, 2], &options).unwrap();
    }
    let [missing, short] = [2, 3].map(|number| dir.path().join(format!("ckpt-{number:06}")));
    fs::remove_file(missing.join("rank-00001.child-00002.mana")).unwrap();
    let file = fs::File::options()
        .write(true)
        .open(short.join("rank-00001.child-00001.mana"));
    file.unwrap().set_len(4096).unwrap();
    store.prune(1).unwrap();
    good.verify().unwrap();
    assert!(missing.exists() && short.exists());
    write_family(&store, &[0, 2], &options).unwrap();
    assert_eq!(store.prune(1).unwrap().len(), 3);
}
