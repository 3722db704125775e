//! What was written once stays readable, and reads as what it was.

use crate::common::{State, child_seed, info, small_memory, state, write_family};
use mana_image::{
    Compression, Manifest, RankReader, RankWriter, RegionSource, Store, WriteOptions, locate,
};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::tempdir;

/// A checkpoint whose manifest has this format, kept in the repository.
fn golden(format: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/format-{format}"))
}

/// Makes the newest golden checkpoint anew: only when a new format version begins, in a directory of its own.
/// `cargo test -p mana_image -- --ignored write_golden`
#[test]
#[ignore = "writes into the source tree"]
fn write_golden() {
    let dir = tempdir().unwrap();
    let store = Store::create(dir.path(), None).unwrap();
    let options = WriteOptions {
        workers: 1,
        compression: Compression::Auto,
        ..WriteOptions::default()
    };
    let checkpoint = write_family(&store, &[1], &options).unwrap();
    fs::create_dir_all(golden(2)).unwrap();
    for file in fs::read_dir(checkpoint.path()).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), golden(2).join(file.file_name())).unwrap();
    }
}

/// The file is rank 0's, or its child's, and `seed` is that of its memory.
fn expect_content(reader: &RankReader, seed: u64) {
    for (number, (region, expected)) in small_memory(seed).iter().enumerate() {
        assert_eq!(&reader.regions()[number], region);
        let mut found = vec![0xff; expected.len()];
        reader.read_region_into(number, &mut found).unwrap();
        assert!(found[..] == expected[..], "{}", region.name);
    }
}

#[test]
fn format_1_stays_readable() {
    let checkpoint = locate(&golden(1)).unwrap();
    checkpoint.verify().unwrap();
    let reader = checkpoint.open_rank(0).unwrap();
    assert_eq!(reader.info(), &info(0, 1));
    assert_eq!(reader.metadata::<State>().unwrap(), state(0));
    expect_content(&reader, 1);
}

#[test]
fn format_2_stays_readable() {
    let checkpoint = locate(&golden(2)).unwrap();
    assert_eq!(checkpoint.verify().unwrap().len(), 2);
    expect_content(&checkpoint.open_rank(0).unwrap(), 1);
    let child = checkpoint.open_child(0, 1).unwrap();
    let seed = child_seed(0, 1);
    assert_eq!(child.metadata::<State>().unwrap(), state(seed));
    expect_content(&child, u64::from(seed));
}

/// A manifest without children is written as it was before there were any.
#[test]
fn format_1_is_still_written() {
    let text = fs::read_to_string(golden(1).join("MANIFEST")).unwrap();
    let (json, _) = text.split_once("xxh3-64").unwrap();
    let manifest: Manifest = serde_json::from_str(json).unwrap();
    let again = serde_json::to_string_pretty(&manifest).unwrap();
    assert_eq!(again + "\n", json);
}

#[test]
fn the_summary_says_it_all() {
    let summary = locate(&golden(1)).unwrap().open_rank(0).unwrap().summary();
    let mut value = serde_json::to_value(summary).unwrap();
    value["path"] = "rank-00000.mana".into();
    insta::assert_snapshot!(serde_json::to_string_pretty(&value).unwrap());
}

#[test]
fn the_summary_of_a_checkpoint_says_it_all() {
    let mut value = serde_json::to_value(locate(&golden(1)).unwrap().summary()).unwrap();
    value["path"] = "format-1".into();
    insta::assert_snapshot!(serde_json::to_string_pretty(&value).unwrap());
}

/// An engine of a later version may add fields to its state, and reads what an earlier one wrote.
#[test]
fn metadata_may_grow() {
    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Later {
        answer: u32,
        #[serde(default)]
        windows: Vec<u64>,
    }
    let dir = tempdir().unwrap();
    let mut writer = RankWriter::create(dir.path(), 0, WriteOptions::default()).unwrap();
    let memory = small_memory(1);
    writer
        .write_regions(
            memory
                .iter()
                .map(|(region, bytes)| RegionSource::whole(region.clone(), bytes)),
        )
        .unwrap();
    writer.write_metadata(&state(0)).unwrap();
    writer.finish(&info(0, 1)).unwrap();
    let reader = RankReader::open(&dir.path().join("rank-00000.mana")).unwrap();
    assert_eq!(
        reader.metadata::<Later>().unwrap(),
        Later {
            answer: 42,
            windows: Vec::new()
        }
    );
    let error = reader.metadata::<Vec<String>>().unwrap_err().to_string();
    assert!(
        error.contains("this one cannot read the metadata section"),
        "{error}"
    );
}
