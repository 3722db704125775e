//! `mana verify`: reads everything and compares it with its checksums.

use crate::commands::{path_or_setting, print, print_json};
use crate::exit::{Failure, Status};
use crate::text;
use indicatif::{ProgressBar, ProgressStyle};
use mana_image::{Checkpoint, ImageError, RankReader, State, Store, VerifyReport, locate};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// What became of one file or checkpoint.
#[derive(Debug, Serialize)]
struct Verdict {
    path: PathBuf,
    good: bool,
    /// What is wrong.
    problem: Option<String>,
    /// How much was read.
    bytes: u64,
    /// How many chunks were right.
    chunks: u64,
    /// How long it took.
    wall_ns: u64,
}

impl Verdict {
    fn new(path: &Path, result: Result<Vec<VerifyReport>, ImageError>) -> Self {
        let (reports, problem) = match result {
            Ok(reports) => (reports, None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        Self {
            path: path.to_owned(),
            good: problem.is_none(),
            problem,
            bytes: reports.iter().map(|report| report.file_bytes).sum(),
            chunks: reports.iter().map(|report| report.chunks).sum(),
            wall_ns: reports.iter().map(|report| report.wall_ns).sum(),
        }
    }
}

/// Verifies a file, a checkpoint, or every committed checkpoint of a directory.
pub fn verify(path: Option<PathBuf>, json: bool) -> Result<Status, Failure> {
    let path = path_or_setting(path)?;
    let verdicts = if path.is_file() {
        vec![Verdict::new(
            &path,
            RankReader::open(&path).and_then(|reader| Ok(vec![reader.verify()?])),
        )]
    } else {
        checkpoints(&path)?
            .iter()
            .map(|one| Verdict::new(one.path(), verify_ranks(one)))
            .collect()
    };
    if json {
        print_json(&verdicts)?;
    } else {
        verdicts.iter().try_for_each(report)?;
    }
    Ok(if verdicts.iter().all(|verdict| verdict.good) {
        Status::Done
    } else {
        Status::BadImage
    })
}

/// The checkpoint that `path` is, or all committed ones in it.
fn checkpoints(path: &Path) -> Result<Vec<Checkpoint>, Failure> {
    let newest = locate(path)?;
    if path.canonicalize().is_ok_and(|path| path == newest.path()) {
        return Ok(vec![newest]);
    }
    let all = Store::open(path)?.list()?;
    Ok(all
        .into_iter()
        .filter(|checkpoint| checkpoint.state() == State::Committed)
        .collect())
}

/// Verifies file by file, so that the bar moves. It is drawn only on a terminal.
fn verify_ranks(checkpoint: &Checkpoint) -> Result<Vec<VerifyReport>, ImageError> {
    let manifest = checkpoint.check_files(None)?;
    let bytes = manifest.written().map(|file| file.file_bytes).sum();
    let style =
        ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec}");
    let bar = ProgressBar::new(bytes).with_message(checkpoint.path().display().to_string());
    if let Ok(style) = style {
        bar.set_style(style);
    }
    let reports = manifest.written().map(|file| {
        let reader = match file.child {
            Some(child) => checkpoint.open_child(file.rank, child)?,
            None => checkpoint.open_rank(file.rank)?,
        };
        let report = reader.verify()?;
        bar.inc(report.file_bytes);
        Ok(report)
    });
    let reports = reports.collect();
    bar.finish_and_clear();
    reports
}

fn report(verdict: &Verdict) -> Result<(), Failure> {
    let path = verdict.path.display();
    print(&match &verdict.problem {
        None => {
            let (bytes, duration) = (text::bytes(verdict.bytes), text::duration(verdict.wall_ns));
            format!(
                "{path}: good ({bytes} in {} chunks, {duration})\n",
                verdict.chunks
            )
        }
        Some(problem) => format!("{path}: NOT GOOD\n  {problem}\n"),
    })
}
