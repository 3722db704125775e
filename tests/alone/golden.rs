//! Images that older manas wrote, taken up by this one: what somebody has who updated `mana` while a job waited for its next
//! turn.
//!
//! ```text
//!   tests/programs/alone/golden/format-N     committed, never changed; a new format adds a folder (2: with a child)
//!   mana restart                             saved again, killed
//!   mana restart                             "go" -> "ok"
//! ```
//!
//! `golden/kept.c` is what they are of, and says how it was built. How one was made: in an empty environment,
//! `MANA_COMPRESS=zstd mana run /tmp/golden/kept [child]`, with `/` as working directory; `mana checkpoint --kill`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mana_suite::{install, polling};

use crate::{Life, Lives, WATCHDOG, programs};

/// The folders of golden images.
fn golden() -> Vec<PathBuf> {
    let entries = fs::read_dir(programs().join("golden")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_dir()).collect()
}

/// What of the processor that the images need this one has not.
fn missing_features(checkpoint: &Path) -> Vec<String> {
    let file = fs::read_dir(checkpoint).unwrap().find_map(|entry| {
        let path = entry.unwrap().path();
        path.extension()
            .is_some_and(|it| it == "mana")
            .then_some(path)
    });
    let reader = mana_image::RankReader::open(&file.unwrap()).unwrap();
    mana_image::missing_cpu_features(&reader.info().cpu_features)
}

/// A restart with something to say to the program.
fn restarted(lives: &Lives) -> Life {
    let mut command = Command::new(lives.install.mana());
    command.arg("restart").arg(lives.checkpoints.path());
    lives.spawn_with(command, Stdio::piped())
}

/// Saves and kills the job, once it answers.
fn save_and_kill(lives: &Lives) {
    let saved = polling::until(WATCHDOG, || {
        let output = lives.checkpoint(&["--kill"]).output().unwrap();
        Ok(output.status.success().then_some(()))
    });
    assert!(saved.unwrap().is_some(), "stuck: {}", lives.output());
}

/// Copies a checkpoint, which a restart's job writes beside.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let copied = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &copied);
        } else {
            fs::copy(&path, &copied).unwrap();
        }
    }
}

#[test]
fn an_older_manas_image_goes_on() {
    let images = golden();
    assert!(!images.is_empty());
    for image in images {
        let missing = missing_features(&image.join("ckpt-000001"));
        if !missing.is_empty() {
            eprintln!("NOT TESTED: {} needs {missing:?}", image.display());
            continue;
        }
        let lives = Lives::new(install().unwrap());
        copy(&image, lives.checkpoints.path());
        // It waits for its standard input: saved there, by this mana.
        let mut life = restarted(&lives);
        save_and_kill(&lives);
        life.0.wait().unwrap();
        let mut life = restarted(&lives);
        life.0.stdin.take().unwrap().write_all(b"go").unwrap();
        lives.wait_for_end(&mut life);
        assert_eq!(lives.output(), "ok\n", "{}", image.display());
    }
}
