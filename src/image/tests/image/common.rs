//! What the tests of images share: memory of several kinds, and checkpoints made of it.

use mana_image::layout::{CHUNK_BYTES, PAGE_BYTES};
use mana_image::{
    Checkpoint, Compression, MpiIdentity, Phase, RankWriter, Region, RegionSource, Store,
    WriteOptions, WriterInfo, Written,
};
use memmap2::MmapMut;
use std::path::Path;

/// State beside the memory, as an engine would have it.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct State {
    pub answer: u32,
    pub names: Vec<String>,
}

pub fn state(rank: u32) -> State {
    State {
        answer: 42 + rank,
        names: vec!["world".into(), "self".into()],
    }
}

/// A writer that is the same on every machine and at every time.
pub fn info(rank: u32, ranks: u32) -> WriterInfo {
    WriterInfo {
        mana_version: "0.1.0".into(),
        host: "node1".into(),
        kernel: "Linux 6.1.0 x86_64".into(),
        cpu_features: vec!["avx".into(), "avx2".into()],
        rank,
        ranks,
        epoch: 3,
        written_unix_ns: 1_700_000_000_000_000_000,
        program: "/home/user/ring".into(),
        arguments: vec!["./ring".into(), "100".into()],
        threads: 2,
        mpi: MpiIdentity {
            name: "MPICH 4.0.2".into(),
            library: "/usr/lib/libmpich.so.12".into(),
            abi: "mpich".into(),
        },
        phases: vec![
            Phase::new("converge", 1_500_000),
            Phase::new("drain", 200_000),
        ],
    }
}

/// Bytes that no codec makes smaller.
pub fn noise(bytes: usize, mut seed: u64) -> Vec<u8> {
    let mut next = || {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as u8
    };
    (0..bytes).map(|_| next()).collect()
}

/// A smooth field with noise in its last bits: what simulations hold.
pub fn doubles(bytes: usize) -> Vec<u8> {
    let noise = noise(bytes / 8, 7);
    let value = |n: usize| 300.0 + n as f64 * 1e-4 + f64::from(noise[n]) * 1e-9;
    (0..bytes / 8)
        .flat_map(|n| value(n).to_le_bytes())
        .collect()
}

/// Memory as a program has it: page aligned.
pub fn aligned(bytes: &[u8]) -> MmapMut {
    let mut map = MmapMut::map_anon(bytes.len()).expect("memory");
    map.copy_from_slice(bytes);
    map
}

pub fn region(start: u64, len: usize, name: &str) -> Region {
    Region {
        start,
        len_bytes: len as u64,
        prot: 3,
        flags: 0x22,
        name: name.into(),
    }
}

pub fn options(compression: Compression) -> WriteOptions {
    WriteOptions {
        compression,
        ..WriteOptions::default()
    }
}

/// A small memory of every kind: noise, doubles, text, zeros with something in the middle, and nothing at all.
pub fn small_memory(seed: u64) -> Vec<(Region, MmapMut)> {
    let mut sparse = vec![0; 12 * PAGE_BYTES];
    sparse[6 * PAGE_BYTES + 5] = 1;
    let mut text = b"all work and no play makes jack a dull boy\n".repeat(300);
    text.resize(3 * PAGE_BYTES, b' ');
    let contents = [
        ("[heap]", noise(PAGE_BYTES, seed)),
        ("field", doubles(4 * PAGE_BYTES)),
        ("text", text),
        ("sparse", sparse),
        ("zero", vec![0; 5 * PAGE_BYTES]),
    ];
    let place = |(number, (name, bytes)): (usize, (&str, Vec<u8>))| {
        (
            region(
                0x2000_0000_0000 + (number * CHUNK_BYTES) as u64,
                bytes.len(),
                name,
            ),
            aligned(&bytes),
        )
    };
    contents.into_iter().enumerate().map(place).collect()
}

/// A directory in memory, for tests that read one file thousands of times.
pub fn memory_dir() -> tempfile::TempDir {
    let shm = Path::new("/dev/shm");
    if shm.is_dir() {
        tempfile::tempdir_in(shm)
    } else {
        tempfile::tempdir()
    }
    .expect("a directory")
}

/// What a child has in memory and beside it, as a number that no rank has.
pub fn child_seed(rank: u32, child: u32) -> u32 {
    100 * (rank + 1) + child
}

/// Writes a rank's file.
pub fn write_rank(
    dir: &Path,
    rank: u32,
    ranks: u32,
    memory: &[(Region, MmapMut)],
    options: WriteOptions,
) -> Result<Written, mana_image::ImageError> {
    let writer = RankWriter::create(dir, rank, options)?;
    write_all(writer, memory, &state(rank), &info(rank, ranks))
}

/// Writes a child's file.
pub fn write_child(
    dir: &Path,
    (rank, child): (u32, u32),
    ranks: u32,
    options: WriteOptions,
) -> Result<Written, mana_image::ImageError> {
    let writer = RankWriter::create_child(dir, rank, child, options)?;
    let seed = child_seed(rank, child);
    let memory = small_memory(u64::from(seed));
    write_all(writer, &memory, &state(seed), &info(rank, ranks))
}

fn write_all(
    mut writer: RankWriter,
    memory: &[(Region, MmapMut)],
    state: &State,
    info: &WriterInfo,
) -> Result<Written, mana_image::ImageError> {
    writer.write_regions(
        memory
            .iter()
            .map(|(region, bytes)| RegionSource::whole(region.clone(), bytes)),
    )?;
    writer.write_metadata(state)?;
    writer.finish(info)
}

/// Writes and commits a checkpoint of small memories.
pub fn write_checkpoint(
    store: &Store,
    ranks: u32,
    options: &WriteOptions,
) -> Result<Checkpoint, mana_image::ImageError> {
    write_family(store, &vec![0; ranks as usize], options)
}

/// Writes and commits a checkpoint of ranks that have so many children each.
pub fn write_family(
    store: &Store,
    children: &[u32],
    options: &WriteOptions,
) -> Result<Checkpoint, mana_image::ImageError> {
    let pending = store.begin()?;
    let ranks = children.len() as u32;
    for (rank, &count) in (0..).zip(children) {
        let memory = small_memory(u64::from(rank) + 1);
        let mut written = write_rank(pending.path(), rank, ranks, &memory, options.clone())?;
        for child in 1..=count {
            let of_child = write_child(pending.path(), (rank, child), ranks, options.clone())?;
            written.children.push(of_child);
        }
        written.leave_note(pending.path(), options.faults.clone())?;
    }
    let written = pending.take_notes(ranks)?;
    store.commit(
        pending,
        ranks,
        3,
        vec![Phase::new("converge", 1_500_000)],
        written,
    )
}
