//! How fast images are written and read, against what the disk itself does with the same bytes.
//!
//! A disk's speed changes from second to second, so contenders take turns within one run and are compared by the
//! ratios of neighbouring turns. `cargo bench --bench image` prints a table; then criterion follows with what depends on the
//! processor rather than on the disk. Nothing here passes or fails.
//!
//! ```text
//!   round 1:  write(2)+fsync │ O_DIRECT+fsync │ mana raw │ mana auto │ read(2) │ mana read │ mana verify
//!   round 2:  write(2)+fsync │ …
//! ```

use criterion::{Criterion, Throughput};
use mana_image::layout::PAGE_BYTES;
use mana_image::{
    Compression, RankReader, RankWriter, Region, RegionSource, WriteOptions, WriterInfo,
};
use memmap2::MmapMut;
use rustix::fs::{Mode, OFlags};
use std::fs::{self, File};
use std::hint::black_box;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const MEMORY_BYTES: usize = 256 << 20;
const ROUNDS: usize = 7;
/// What the plain O_DIRECT writer hands to the kernel at once.
const BLOCK_BYTES: usize = 8 << 20;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    // `cargo test --benches` and `cargo bench -- --list` run this program too, and want no minutes of disk work.
    let measuring = std::env::args().any(|argument| argument == "--bench");
    if measuring {
        compare_with_the_disk()?;
    }
    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    processor_bound(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}

/// Bytes that look like the state of a simulation: a smooth field of doubles, with `noise` in their last bits.
fn memory(bytes: usize, noise: f64) -> Outcome<MmapMut> {
    let mut map = MmapMut::map_anon(bytes)?;
    let mut state = 1_u64;
    for (number, value) in map.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let smooth = 300.0 + (number as f64 * 1e-5).sin();
        *value = (smooth + (state >> 11) as f64 / (1_u64 << 53) as f64 * noise).to_le_bytes();
    }
    Ok(map)
}

fn image(dir: &Path, memory: &[u8], compression: Compression) -> Outcome<PathBuf> {
    let mut writer = RankWriter::create(
        dir,
        0,
        WriteOptions {
            compression,
            ..WriteOptions::default()
        },
    )?;
    let path = writer.path().to_owned();
    let region = Region {
        start: 0x2000_0000_0000,
        len_bytes: memory.len() as u64,
        prot: 3,
        flags: 0x22,
        name: "[heap]".into(),
    };
    writer.write_regions([RegionSource::whole(region, memory)])?;
    writer.write_metadata(&())?;
    writer.finish(&WriterInfo::here())?;
    Ok(path)
}

fn write_and_sync(path: &Path, memory: &[u8]) -> Outcome<()> {
    let mut file = File::create_new(path)?;
    file.write_all(memory)?;
    Ok(file.sync_all()?)
}

fn write_direct(path: &Path, memory: &[u8]) -> Outcome<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::DIRECT;
    let mut file: File = rustix::fs::open(path, flags, Mode::from_raw_mode(0o644))?.into();
    for block in memory.chunks(BLOCK_BYTES) {
        file.write_all(block)?;
    }
    Ok(file.sync_all()?)
}

/// Reads a whole file past the page cache, as the reader of images does.
fn read_direct(path: &Path, memory: &mut [u8]) -> Outcome<()> {
    let mut file: File =
        rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECT, Mode::empty())?.into();
    for block in memory.chunks_mut(BLOCK_BYTES) {
        file.read_exact(block)?;
    }
    Ok(())
}

fn timed(action: impl FnOnce() -> Outcome<()>) -> Outcome<Duration> {
    let begin = Instant::now();
    action()?;
    Ok(begin.elapsed())
}

/// One round: how long each contender took.
fn round(
    dir: &Path,
    memory: &[u8],
    target: &mut MmapMut,
) -> Outcome<Vec<(&'static str, Duration)>> {
    let plain = dir.join("plain");
    let remove = |path: &Path| fs::remove_file(path);
    let mut times = vec![(
        "write(2) + fsync",
        timed(|| write_and_sync(&plain, memory))?,
    )];
    remove(&plain)?;
    let mut path = PathBuf::new();
    let auto = timed(|| {
        path = image(dir, memory, Compression::Auto)?;
        Ok(())
    })?;
    times.push(("mana, auto", auto));
    remove(&path)?;
    times.push(("O_DIRECT + fsync", timed(|| write_direct(&plain, memory))?));
    let raw = timed(|| {
        path = image(dir, memory, Compression::Raw)?;
        Ok(())
    })?;
    times.push(("mana, raw", raw));
    times.push(("O_DIRECT read", timed(|| read_direct(&plain, target))?));
    let reader = RankReader::open(&path)?;
    times.push((
        "mana, restart",
        timed(|| Ok(reader.read_regions([(0, &mut target[..])])?))?,
    ));
    times.push(("mana, verify", timed(|| Ok(reader.verify().map(drop)?))?));
    remove(&plain)?;
    remove(&path)?;
    Ok(times)
}

/// The median and the extremes.
fn spread(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    (
        values[values.len() / 2],
        values[0],
        values[values.len() - 1],
    )
}

fn compare_with_the_disk() -> Outcome<()> {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    for (kind, noise) in [
        ("noise in every bit of the mantissa", 1e3),
        ("doubles with noise in the last digits", 1e-9),
    ] {
        let memory = memory(MEMORY_BYTES, noise)?;
        let mut target = MmapMut::map_anon(MEMORY_BYTES)?;
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            rounds.push(round(dir.path(), &memory, &mut target)?);
        }
        println!(
            "\n{} MiB, {kind}; median of {ROUNDS} rounds [lowest, highest]",
            MEMORY_BYTES >> 20
        );
        println!("{:<18} {:>10}   speed relative to", "", "GB/s");
        for (position, &(name, _)) in rounds[0].iter().enumerate() {
            let base = if position < 4 {
                ["write(2) + fsync", "O_DIRECT + fsync"].as_slice()
            } else {
                &["O_DIRECT read"]
            };
            let of = |name: &str, round: &Vec<(&str, Duration)>| {
                round
                    .iter()
                    .find(|(other, _)| *other == name)
                    .map_or(f64::NAN, |(_, time)| time.as_secs_f64())
            };
            let (speed, ..) = spread(
                rounds
                    .iter()
                    .map(|round| MEMORY_BYTES as f64 / 1e9 / of(name, round))
                    .collect(),
            );
            print!("{name:<18} {speed:>10.2}");
            for base in base.iter().filter(|&&base| base != name) {
                let (ratio, low, high) = spread(
                    rounds
                        .iter()
                        .map(|round| of(base, round) / of(name, round))
                        .collect(),
                );
                print!("   {base}: {ratio:.2} [{low:.2}, {high:.2}]");
            }
            println!();
        }
    }
    Ok(())
}

/// The same work on a file system in memory: what the processor has to do for it.
fn processor_bound(criterion: &mut Criterion) -> Outcome<()> {
    let dir = tempfile::tempdir_in(if Path::new("/dev/shm").is_dir() {
        "/dev/shm"
    } else {
        env!("CARGO_TARGET_TMPDIR")
    })?;
    let bytes = 64 << 20;
    assert!(bytes % PAGE_BYTES == 0);
    let mut group = criterion.benchmark_group("image in memory, 64 MiB");
    group.throughput(Throughput::Bytes(bytes as u64));
    let contents = [
        ("noise", memory(bytes, 1e3)?),
        ("doubles", memory(bytes, 1e-9)?),
        ("zeros", MmapMut::map_anon(bytes)?),
    ];
    for (name, memory) in &contents {
        for compression in [Compression::Raw, Compression::Auto] {
            group.bench_function(format!("write {name}, {compression}"), |bencher| {
                bencher.iter(|| {
                    let path =
                        image(dir.path(), memory, compression).expect("the image is written");
                    fs::remove_file(path).expect("it is removed");
                });
            });
        }
        let path = image(dir.path(), memory, Compression::Auto)?;
        group.bench_function(format!("read {name}, auto"), |bencher| {
            let mut target = MmapMut::map_anon(bytes).expect("memory");
            bencher.iter(|| {
                let reader = RankReader::open(&path).expect("the image opens");
                reader
                    .read_regions([(0, &mut target[..])])
                    .expect("it is intact");
                black_box(target[0])
            });
        });
        fs::remove_file(path)?;
    }
    group.finish();
    Ok(())
}
