//! What is written is read back, whatever it is.

use crate::common::{
    aligned, doubles, info, noise, options, region, small_memory, state, write_rank,
};
use mana_image::layout::{CHUNK_BYTES, PAGE_BYTES};
use mana_image::{Codec, Compression, RankReader, RankWriter, RegionSource, Run, WriteOptions};
use proptest::prelude::*;
use tempfile::tempdir;

/// A page of some kind.
#[derive(Debug, Clone, Copy)]
enum Page {
    Untouched,
    Zero,
    Noise(u8),
    Doubles,
    Text,
}

impl Page {
    fn bytes(self) -> Vec<u8> {
        match self {
            Page::Untouched | Page::Zero => vec![0; PAGE_BYTES],
            Page::Noise(seed) => noise(PAGE_BYTES, u64::from(seed)),
            Page::Doubles => doubles(PAGE_BYTES),
            Page::Text => b"checkpoint "
                .iter()
                .copied()
                .cycle()
                .take(PAGE_BYTES)
                .collect(),
        }
    }
}

fn page() -> impl Strategy<Value = Page> {
    prop_oneof![
        Just(Page::Untouched),
        Just(Page::Zero),
        any::<u8>().prop_map(Page::Noise),
        Just(Page::Doubles),
        Just(Page::Text),
    ]
}

/// Pages that come in stretches, as in real memory.
fn pages() -> impl Strategy<Value = Vec<Page>> {
    let stretch = (page(), 1..40_usize).prop_map(|(page, count)| vec![page; count]);
    prop::collection::vec(stretch, 0..8).prop_map(|stretches| stretches.concat())
}

/// The touched pages of `memory` as runs.
fn runs<'a>(pages: &[Page], memory: &'a [u8]) -> Vec<Run<'a>> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (number, _) in pages
        .iter()
        .enumerate()
        .filter(|(_, page)| !matches!(page, Page::Untouched))
    {
        match runs.last_mut() {
            Some((begin, len)) if *begin + *len == number => *len += 1,
            _ => runs.push((number, 1)),
        }
    }
    let run = |(begin, len): (usize, usize)| Run {
        offset_bytes: (begin * PAGE_BYTES) as u64,
        data: &memory[begin * PAGE_BYTES..(begin + len) * PAGE_BYTES],
    };
    runs.into_iter().map(run).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_memory_round_trips(
        regions in prop::collection::vec(pages(), 0..4),
        compression in prop::sample::select(&Compression::ALL[..]),
        buffered: bool,
        align: bool,
        workers in 1..4_usize,
    ) {
        let dir = tempdir().unwrap();
        let contents: Vec<Vec<u8>> = regions.iter().map(|pages| pages.iter().flat_map(|page| page.bytes()).collect()).collect();
        // Unaligned memory has to be copied before O_DIRECT takes it: shift it by one byte.
        let shifted: Vec<Vec<u8>> = contents.iter().map(|bytes| [&[9], &bytes[..]].concat()).collect();
        let maps: Vec<_> = contents.iter().map(|bytes| aligned(&[bytes, &[0; PAGE_BYTES][..]].concat())).collect();
        let memory = |number: usize| {
            let len = contents[number].len();
            if align { &maps[number][..len] } else { &shifted[number][1..] }
        };
        let mut writer = RankWriter::create(dir.path(), 0, WriteOptions { compression, workers, buffered, faults: None }).unwrap();
        writer.write_regions(regions.iter().enumerate().map(|(number, pages)| RegionSource {
            region: region(0x2000_0000_0000 + ((number * 4 * CHUNK_BYTES) as u64), memory(number).len(), "any"),
            runs: runs(pages, memory(number)),
        })).unwrap();
        writer.write_metadata(&state(0)).unwrap();
        let written = writer.finish(&info(0, 1)).unwrap();

        let reader = RankReader::open(&dir.path().join("rank-00000.mana")).unwrap();
        prop_assert_eq!(reader.fingerprint(), written.header_xxh3);
        prop_assert_eq!(reader.metadata::<crate::common::State>().unwrap(), state(0));
        reader.verify().unwrap();
        for (number, expected) in contents.iter().enumerate() {
            let mut found = vec![0xaa; expected.len()];
            reader.read_region_into(number, &mut found).unwrap();
            prop_assert!(&found == expected, "region {} differs", number);
        }
    }
}

#[test]
fn large_regions_are_cut_into_chunks_and_read_in_parallel() {
    let dir = tempdir().unwrap();
    let contents = [
        noise(19 * CHUNK_BYTES / 2, 1),
        doubles(5 * CHUNK_BYTES),
        vec![0; 3 * CHUNK_BYTES],
    ];
    let memory: Vec<_> = contents
        .iter()
        .zip(1..)
        .map(|(bytes, number)| {
            (
                region(0x2000_0000_3000 + (number << 32), bytes.len(), "large"),
                aligned(bytes),
            )
        })
        .collect();
    let written = write_rank(dir.path(), 0, 1, &memory, options(Compression::Auto)).unwrap();
    assert!(
        written.file_bytes < written.memory_bytes,
        "the doubles and the zeros take less than they are"
    );

    let reader = RankReader::open(&dir.path().join("rank-00000.mana")).unwrap();
    let mut found: Vec<_> = contents
        .iter()
        .map(|bytes| aligned(&vec![0; bytes.len()]))
        .collect();
    reader
        .read_regions(found.iter_mut().map(|map| &mut map[..]).enumerate())
        .unwrap();
    for (found, expected) in found.iter().zip(&contents) {
        assert!(found[..] == expected[..]);
    }
    let codec_of = |region: usize| {
        reader
            .chunks_of(region)
            .iter()
            .map(|chunk| chunk.codec)
            .collect::<Vec<_>>()
    };
    assert!(
        codec_of(0).iter().all(|&codec| codec == Codec::Raw),
        "noise stays raw"
    );
    assert!(
        codec_of(1)
            .iter()
            .all(|&codec| codec == Codec::ShuffledZstd),
        "{:?}",
        codec_of(1)
    );
    assert!(codec_of(2).is_empty(), "zeros are not stored");
}

#[test]
fn the_codec_is_the_one_asked_for() {
    let compressible = |compression| {
        let dir = tempdir().unwrap();
        write_rank(dir.path(), 0, 1, &small_memory(1), options(compression))
            .unwrap()
            .codecs
    };
    let names = |compression| {
        compressible(compression)
            .iter()
            .map(|one| one.codec)
            .collect::<Vec<_>>()
    };
    assert_eq!(names(Compression::Raw), [Codec::Raw]);
    assert_eq!(
        names(Compression::Auto),
        [Codec::Raw, Codec::Zstd, Codec::ShuffledZstd]
    );
    assert_eq!(
        names(Compression::Zstd),
        [Codec::Raw, Codec::Zstd, Codec::ShuffledZstd]
    );
}

#[test]
fn regions_may_come_in_several_calls() {
    let dir = tempdir().unwrap();
    let memory = small_memory(1);
    let mut writer = RankWriter::create(dir.path(), 5, WriteOptions::default()).unwrap();
    for (region, bytes) in &memory {
        writer
            .write_regions([RegionSource::whole(region.clone(), bytes)])
            .unwrap();
    }
    writer.finish(&info(5, 6)).unwrap();
    let reader = RankReader::open(&dir.path().join("rank-00005.mana")).unwrap();
    assert_eq!(reader.regions().len(), memory.len());
    for (number, (region, expected)) in memory.iter().enumerate() {
        assert_eq!(&reader.regions()[number], region);
        let mut found = vec![1; expected.len()];
        reader.read_region_into(number, &mut found).unwrap();
        assert!(found[..] == expected[..]);
    }
}

#[test]
fn a_destination_of_another_size_is_refused() {
    let dir = tempdir().unwrap();
    write_rank(dir.path(), 0, 1, &small_memory(1), WriteOptions::default()).unwrap();
    let reader = RankReader::open(&dir.path().join("rank-00000.mana")).unwrap();
    let error = reader
        .read_region_into(0, &mut [0; 100])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("4096 bytes and 100 are to be filled"),
        "{error}"
    );
    assert!(
        reader
            .read_region_into(17, &mut [])
            .unwrap_err()
            .to_string()
            .contains("no region 17")
    );
}
