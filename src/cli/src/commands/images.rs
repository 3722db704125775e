//! `mana ls` and `mana show`: what there is, without reading memory.

use crate::commands::{inventories, path_or_setting, print, print_json};
use crate::exit::{Failure, Status};
use crate::text;
use mana_engine::inventory::{self, Inventory};
use mana_image::{
    CheckpointSummary, CodecSummary, Phase, RankReader, RankSummary, State, Store, locate,
};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;

/// `mana ls`: every checkpoint in a directory, whole or not.
pub fn list(directory: Option<PathBuf>, json: bool) -> Result<Status, Failure> {
    let directory = path_or_setting(directory)?;
    let all: Vec<_> = Store::open(&directory)?
        .list()?
        .iter()
        .map(|checkpoint| checkpoint.summary())
        .collect();
    if json {
        print_json(&all)?;
        return Ok(Status::Done);
    }
    if all.is_empty() {
        // The same words, and the same status, as for a restart from here.
        return Err(Store::open(&directory)?
            .latest()
            .map(drop)
            .unwrap_err()
            .into());
    }
    let jobs: BTreeSet<&str> = all.iter().map(job_of).collect();
    let rows: Vec<_> = all
        .iter()
        .map(|one| list_row(one, jobs.len() > 1))
        .collect();
    let mut columns = vec![
        "CHECKPOINT",
        "STATE",
        "RANKS",
        "SIZE",
        "OF MEMORY",
        "TO THE CUT",
        "WRITTEN (UTC)",
    ];
    if jobs.len() > 1 {
        columns.push("JOB");
    }
    print(&text::table(&columns, &rows))?;
    let problems = all
        .iter()
        .filter(|one| one.state == State::Committed)
        .filter_map(|one| one.problem.as_ref());
    for problem in problems {
        print(&format!("\n{problem}\n"))?;
    }
    Ok(Status::Done)
}

/// Which job it is of, or nothing: enough of its id to tell jobs apart.
fn job_of(one: &CheckpointSummary) -> &str {
    const SHOWN: usize = 8;
    let job = one.job.as_ref().map_or("", |job| &job.0);
    job.get(..SHOWN).unwrap_or(job)
}

fn list_row(one: &CheckpointSummary, with_job: bool) -> Vec<String> {
    let name = one
        .path
        .file_name()
        .unwrap_or(one.path.as_os_str())
        .to_string_lossy()
        .into_owned();
    let state = match (one.state, &one.problem) {
        (State::Partial, _) => "not committed",
        (State::Committed, None) => "good",
        (State::Committed, Some(_)) => "damaged",
    };
    if one.ranks == 0 {
        return vec![name, state.into()];
    }
    vec![
        name,
        state.into(),
        one.ranks.to_string(),
        text::bytes(one.file_bytes),
        text::bytes(one.memory_bytes),
        one.until_cut_ns.map(text::duration).unwrap_or_default(),
        text::time(one.committed_unix_ns),
    ]
    .into_iter()
    .chain(with_job.then(|| job_of(one).to_owned()))
    .collect()
}

/// What `mana show --json` prints.
#[derive(Debug, Serialize)]
struct Shown {
    /// Absent for a file that was named by itself.
    checkpoint: Option<CheckpointSummary>,
    ranks: Vec<RankShown>,
}

/// A rank's file, and what its process had.
#[derive(Debug, Serialize)]
struct RankShown {
    #[serde(flatten)]
    summary: RankSummary,
    /// Absent where this mana cannot read the engine's part of the image.
    inventory: Option<Inventory>,
}

impl RankShown {
    fn of(reader: &RankReader) -> Self {
        let inventory = inventory::of(reader);
        if let Err(error) = &inventory {
            tracing::debug!("no inventory: {error}");
        }
        Self {
            summary: reader.summary(),
            inventory: inventory.ok(),
        }
    }
}

/// `mana show`: a checkpoint, or a rank's file.
pub fn show(path: Option<PathBuf>, rank: Option<u32>, json: bool) -> Result<Status, Failure> {
    let path = path_or_setting(path)?;
    let shown = look(&path, rank)?;
    if json {
        print_json(&shown)?;
        return Ok(Status::Done);
    }
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = describe(&mut out, &shown, rank.is_some());
    print(&out)?;
    Ok(Status::Done)
}

fn look(path: &std::path::Path, rank: Option<u32>) -> Result<Shown, Failure> {
    if path.is_file() {
        return Ok(Shown {
            checkpoint: None,
            ranks: vec![RankShown::of(&RankReader::open(path)?)],
        });
    }
    let checkpoint = locate(path)?;
    let manifest = checkpoint.manifest()?;
    if let Some(rank) = rank.filter(|&rank| rank >= manifest.ranks) {
        let error = format!(
            "there is no rank {rank}: {} has {} ranks",
            checkpoint.path().display(),
            manifest.ranks
        );
        return Err(Failure::new(Status::Usage, error));
    }
    let wanted = rank.map_or(0..manifest.ranks, |rank| rank..rank + 1);
    let ranks: Result<_, mana_image::ImageError> = wanted
        .map(|rank| Ok(RankShown::of(&checkpoint.open_rank(rank)?)))
        .collect();
    Ok(Shown {
        checkpoint: Some(checkpoint.summary()),
        ranks: ranks?,
    })
}

fn describe(out: &mut String, shown: &Shown, in_detail: bool) -> std::fmt::Result {
    if let Some(checkpoint) = &shown.checkpoint {
        describe_checkpoint(out, checkpoint)?;
    }
    if in_detail || shown.checkpoint.is_none() {
        return shown.ranks.iter().try_for_each(|rank| {
            describe_rank(out, &rank.summary)?;
            match &rank.inventory {
                Some(inventory) => inventories::describe(out, inventory),
                None => Ok(()),
            }
        });
    }
    if let Some(first) = shown.ranks.first() {
        writeln!(out)?;
        describe_writer(out, &first.summary)?;
    }
    let rows: Vec<_> = shown
        .ranks
        .iter()
        .map(|rank| rank_row(&rank.summary))
        .collect();
    writeln!(
        out,
        "\n{}",
        text::table(
            &[
                "RANK",
                "HOST",
                "FILE",
                "STORED OF",
                "MEMORY",
                "REGIONS",
                "STATE"
            ],
            &rows
        )
    )?;
    for rank in &shown.ranks {
        for lost in rank.inventory.iter().flat_map(|inventory| &inventory.lost) {
            let number = rank.summary.info.rank;
            writeln!(
                out,
                "rank {number}: not kept: {} ({}): {}",
                lost.object, lost.what, lost.why
            )?;
        }
    }
    writeln!(
        out,
        "`mana show --rank N` shows a rank's threads, descriptors and memory."
    )
}

fn rank_row(rank: &RankSummary) -> Vec<String> {
    vec![
        rank.info.rank.to_string(),
        rank.info.host.clone(),
        text::bytes(rank.file_bytes),
        text::bytes(rank.nonzero_bytes),
        text::bytes(rank.memory_bytes),
        rank.regions.len().to_string(),
        text::bytes(rank.metadata_bytes),
    ]
}

fn describe_checkpoint(out: &mut String, checkpoint: &CheckpointSummary) -> std::fmt::Result {
    writeln!(out, "{}", checkpoint.path.display())?;
    writeln!(
        out,
        "  written     {} UTC by mana {}",
        text::time(checkpoint.committed_unix_ns),
        checkpoint.mana_version
    )?;
    writeln!(
        out,
        "  ranks       {}, epoch {}",
        checkpoint.ranks, checkpoint.epoch
    )?;
    let (file, memory) = (
        text::bytes(checkpoint.file_bytes),
        text::bytes(checkpoint.memory_bytes),
    );
    writeln!(out, "  size        {file} for {memory} of memory")?;
    if let Some(problem) = &checkpoint.problem {
        writeln!(out, "  PROBLEM     {problem}")?;
    }
    describe_codecs(out, &checkpoint.codecs)?;
    if let Some(until_cut_ns) = checkpoint.until_cut_ns {
        let took = text::duration(until_cut_ns);
        writeln!(out, "  cut         {took} after the request")?;
    }
    describe_phases(out, "phases", &checkpoint.phases)
}

fn describe_codecs(out: &mut String, codecs: &[CodecSummary]) -> std::fmt::Result {
    for (number, codec) in codecs.iter().enumerate() {
        let label = if number == 0 { "codecs" } else { "" };
        let (memory, stored) = (
            text::bytes(codec.memory_bytes),
            text::bytes(codec.stored_bytes),
        );
        let percent = codec.ratio * 100.0;
        writeln!(
            out,
            "  {label:<10}  {:<14} {memory:>11} in {stored:>11} ({percent:.0} %)",
            codec.codec.to_string()
        )?;
    }
    Ok(())
}

fn describe_phases(out: &mut String, label: &str, phases: &[Phase]) -> std::fmt::Result {
    for (number, phase) in phases.iter().enumerate() {
        let label = if number == 0 { label } else { "" };
        writeln!(
            out,
            "  {label:<10}  {:<14} {:>11}",
            phase.name,
            text::duration(phase.wall_ns)
        )?;
    }
    Ok(())
}

fn describe_writer(out: &mut String, rank: &RankSummary) -> std::fmt::Result {
    let info = &rank.info;
    writeln!(out, "  program     {}", info.program)?;
    if info.arguments.len() > 1 {
        writeln!(out, "  arguments   {}", info.arguments[1..].join(" "))?;
    }
    let mpi = &info.mpi;
    if mpi.name.is_empty() {
        writeln!(out, "  MPI         none")?;
    } else {
        writeln!(
            out,
            "  MPI         {} ({}, {})",
            mpi.name, mpi.library, mpi.abi
        )?;
    }
    writeln!(out, "  system      {}, {}", info.host, info.kernel)?;
    writeln!(out, "  processor   needs {}", info.cpu_features.join(" "))
}

fn describe_rank(out: &mut String, rank: &RankSummary) -> std::fmt::Result {
    writeln!(
        out,
        "\nrank {} of {}, {}",
        rank.info.rank,
        rank.info.ranks,
        rank.path.display()
    )?;
    writeln!(out, "  format      {}", rank.format_version)?;
    describe_writer(out, rank)?;
    writeln!(
        out,
        "  written     {} UTC by mana {}",
        text::time(rank.info.written_unix_ns),
        rank.info.mana_version
    )?;
    writeln!(out, "  threads     {}", rank.info.threads)?;
    writeln!(
        out,
        "  size        {} for {} of memory",
        text::bytes(rank.file_bytes),
        text::bytes(rank.memory_bytes)
    )?;
    writeln!(out, "  state       {}", text::bytes(rank.metadata_bytes))?;
    describe_codecs(out, &rank.codecs)?;
    describe_phases(out, "before", &rank.info.phases)?;
    let row = |region: &mana_image::RegionSummary| {
        vec![
            format!("{:x}-{:x}", region.start, region.end),
            region.permissions.clone(),
            text::bytes(region.end - region.start),
            text::bytes(region.memory_bytes),
            text::bytes(region.stored_bytes),
            region.name.clone(),
        ]
    };
    let rows: Vec<_> = rank.regions.iter().map(row).collect();
    write!(
        out,
        "\n{}",
        text::table(
            &["ADDRESSES", "PROT", "SIZE", "NOT ZERO", "STORED", "NAME"],
            &rows
        )
    )
}
