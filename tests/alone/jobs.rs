//! Several jobs and one directory of checkpoints.

use std::process::{Command, Stdio};

use mana_suite::command::run;
use mana_suite::install;

use crate::{Life, Lives, open_gate};

/// Stands before the gate that it is told, and says that it has ended.
const WAITS: &str =
    r#"echo "ready $1"; while [ ! -e $0/$1 ]; do sleep 0.02; done; echo "$1 has ended""#;

fn start(lives: &Lives, number: u32) -> Life {
    let mut mana = Command::new(lives.install.mana());
    mana.args(["run", "bash", "-c", WAITS])
        .arg(lives.gates.path())
        .arg(number.to_string())
        .env("MANA_CKPT_KEEP", "1");
    let said = std::fs::File::create(said(lives, number)).unwrap();
    mana.stderr(said);
    let mut life = lives.spawn_with(mana, Stdio::null());
    lives.wait_until_ready(&mut life, number);
    life
}

fn said(lives: &Lives, number: u32) -> std::path::PathBuf {
    lives.gates.path().join(format!("said-{number}"))
}

/// The names of the checkpoints.
fn checkpoints(lives: &Lives) -> Vec<String> {
    let entries = std::fs::read_dir(lives.checkpoints.path()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.starts_with("ckpt-")).collect();
    names.sort();
    names
}

#[test]
fn jobs_that_share_a_directory_keep_their_own() {
    let lives = Lives::new(install().unwrap());
    let mut first = start(&lives, 1);
    run(&mut lives.checkpoint(&[])).unwrap();
    let mut second = start(&lives, 2);
    let said = std::fs::read_to_string(said(&lives, 2)).unwrap();
    assert!(said.contains("another job"), "{said}");
    // It is the second one that is asked, which would keep one alone.
    for _ in 0..3 {
        run(&mut lives.checkpoint(&[])).unwrap();
    }
    assert_eq!(checkpoints(&lives), ["ckpt-000001", "ckpt-000004"]);
    // The end of the first one does not take the second one's control file with it.
    open_gate(lives.gates.path(), 1);
    lives.wait_for_end(&mut first);
    run(&mut lives.checkpoint(&["--kill"])).unwrap();
    second.0.wait().unwrap();
    assert_eq!(checkpoints(&lives), ["ckpt-000001", "ckpt-000005"]);

    // One after the other, as far as a restart can see: it takes the last one. The first one is there by its name.
    open_gate(lives.gates.path(), 2);
    let named = lives.checkpoints.path().join("ckpt-000001");
    for (path, ended) in [(lives.checkpoints.path(), 2), (named.as_path(), 1)] {
        let before = lives
            .output()
            .matches(&format!("{ended} has ended"))
            .count();
        lives.wait_for_end(&mut lives.start(&["restart", path.to_str().unwrap()]));
        let after = lives
            .output()
            .matches(&format!("{ended} has ended"))
            .count();
        assert_eq!(after, before + 1, "{}", lives.output());
    }
}

#[test]
fn a_job_that_runs_is_not_restarted() {
    let lives = Lives::new(install().unwrap());
    let mut life = start(&lives, 1);
    run(&mut lives.checkpoint(&[])).unwrap();
    let mut restart = Command::new(lives.install.mana());
    restart.arg("restart").arg(lives.checkpoints.path());
    let refused = run(&mut restart).unwrap_err().to_string();
    assert!(refused.contains("still runs"), "{refused}");
    open_gate(lives.gates.path(), 1);
    lives.wait_for_end(&mut life);
    lives.wait_for_end(&mut lives.restart());
    assert_eq!(lives.output().matches("1 has ended").count(), 2);
}
