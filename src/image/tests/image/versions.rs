//! What was written once stays readable, and reads as what it was.

use crate::common::{State, info, small_memory, state, write_checkpoint};
use mana_image::{Compression, RankReader, RankWriter, RegionSource, Store, WriteOptions, locate};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::tempdir;

/// A checkpoint of format 1, kept in the repository.
fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/format-1")
}

/// Makes the golden checkpoint anew: only when a new format version begins, in a directory of its own.
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
    let checkpoint = write_checkpoint(&store, 1, &options).unwrap();
    fs::create_dir_all(golden()).unwrap();
    for file in ["MANIFEST", "rank-00000.mana"] {
        fs::copy(checkpoint.path().join(file), golden().join(file)).unwrap();
    }
}

#[test]
fn format_1_stays_readable() {
    let checkpoint = locate(&golden()).unwrap();
    checkpoint.verify().unwrap();
    let reader = checkpoint.open_rank(0).unwrap();
    assert_eq!(reader.info(), &info(0, 1));
    assert_eq!(reader.metadata::<State>().unwrap(), state(0));
    for (number, (region, expected)) in small_memory(1).iter().enumerate() {
        assert_eq!(&reader.regions()[number], region);
        let mut found = vec![0xff; expected.len()];
        reader.read_region_into(number, &mut found).unwrap();
        assert!(found[..] == expected[..], "{}", region.name);
    }
}

#[test]
fn the_summary_says_it_all() {
    let summary = locate(&golden()).unwrap().open_rank(0).unwrap().summary();
    let mut value = serde_json::to_value(summary).unwrap();
    value["path"] = "rank-00000.mana".into();
    insta::assert_snapshot!(serde_json::to_string_pretty(&value).unwrap());
}

#[test]
fn the_summary_of_a_checkpoint_says_it_all() {
    let mut value = serde_json::to_value(locate(&golden()).unwrap().summary()).unwrap();
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
