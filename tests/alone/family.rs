//! Programs of several processes: saved, killed and started again together.

use std::process::Command;

use mana_suite::command::run;
use mana_suite::install;
use mana_suite::programs::{Toolchain, build_c};

use crate::{Lives, lives, open_gate, programs, undisturbed};

/// Runs a script of the folder, which is given what it starts.
fn family(script: &str, program: &str) {
    let folder = programs().join("family");
    let built = build_c(&folder.join(program), Toolchain::Plain).unwrap();
    let script = folder.join(script);
    let words = [script.as_path(), built.as_path()].map(|path| path.to_str().unwrap());
    lives(&[&["bash"], &words[..]].concat());
}

#[test]
fn pipeline() {
    family("pipeline.sh", "relay.c");
}

#[test]
fn shells() {
    family("shells.sh", "relay.c");
}

/// Runs a program of the folder.
fn program(name: &str) {
    let built = build_c(&programs().join("family").join(name), Toolchain::Plain).unwrap();
    lives(&[built.to_str().unwrap()]);
}

#[test]
fn forks() {
    program("forks.c");
}

#[test]
fn shared_memory() {
    program("shared.c");
}

#[test]
fn children_waited_for_by_number() {
    program("waited_for.c");
}

#[test]
fn processes_whose_parent_has_ended() {
    program("orphans.c");
}

#[test]
fn locks_of_several_processes() {
    program("locks.c");
}

#[test]
fn numbers_that_come_again() {
    program("taken_numbers.c");
}

#[test]
fn segments_of_several_processes() {
    program("segments.c");
}

#[test]
fn processes_of_python() {
    let script = programs().join("family/many.py");
    let words = ["python3", script.to_str().unwrap(), "-"];
    lives(&words);
}

/// Programs come and go while checkpoints are made all the time: none is disturbed, and none is named as lost.
#[test]
fn a_script_that_is_saved_often() {
    let script = programs().join("family/churn.sh");
    let lives = Lives::new(install().unwrap());
    let said = undisturbed(&lives, &["bash".as_ref(), script.as_os_str()], "50ms");
    assert!(!said.contains("cannot be kept"), "{said}");
}

/// No checkpoint is made without a child that a signal has stopped, and it is named; once it goes on, there is one.
#[test]
fn a_stopped_child_is_named() {
    let lives = Lives::new(install().unwrap());
    let gates = lives.gates.path();
    let script = r#"sleep 1000 & child=$!; kill -STOP $child; echo $child; echo "ready 1"
        while [ ! -e $0/1 ]; do sleep 0.02; done; kill -CONT $child; echo "ready 2"
        while [ ! -e $0/2 ]; do sleep 0.02; done; kill $child"#;
    let words = ["run", "bash", "-c", script, gates.to_str().unwrap()];
    let mut life = lives.start(&words);
    lives.wait_until_ready(&mut life, 1);
    let checkpoint = || lives.checkpoint(&[]).output().unwrap();
    let refused = checkpoint();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    let child = lives.output().lines().next().unwrap_or_default().to_owned();
    assert!(!refused.status.success());
    assert!(said.contains(&format!("kill -CONT {child}")), "{said}");
    open_gate(gates, 1);
    lives.wait_until_ready(&mut life, 2);
    assert!(checkpoint().status.success());
    open_gate(gates, 2);
    lives.wait_for_end(&mut life);
}

/// What a debugger starts is the program, and not `mana`.
#[test]
fn a_debugger_finds_the_program() {
    let built = build_c(&programs().join("family/debugged.c"), Toolchain::Plain).unwrap();
    let lives = Lives::new(install().unwrap());
    let mut mana = Command::new(lives.install.mana());
    let under_mana = run(mana
        .args(["run".as_ref(), built.as_os_str()])
        .env("MANA_CKPT_DIR", lives.checkpoints.path()))
    .unwrap();
    assert_eq!(under_mana, run(&mut Command::new(built)).unwrap());
}

#[test]
fn children_are_listed() {
    let built = build_c(&programs().join("family/forks.c"), Toolchain::Plain).unwrap();
    let lives = Lives::new(install().unwrap());
    let gates = lives.gates.path().to_str().unwrap();
    let life = lives.start(&["run", built.to_str().unwrap(), gates]);
    lives.save_and_kill(life, 1);
    let mana = |words: &[&str]| {
        let mut command = Command::new(lives.install.mana());
        run(command.args(words).arg(lives.checkpoints.path())).unwrap()
    };
    let shown = mana(&["show", "--rank", "0"]);
    assert!(shown.contains("CHILD  PROCESS"), "{shown}");
    assert!(!shown.contains("not kept"), "{shown}");
    mana(&["verify"]);
    // A child's file that is damaged is found, and named.
    let checkpoint = lives.checkpoints.path().join("ckpt-000001");
    let file = checkpoint.join("rank-00000.child-00002.mana");
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let mut verify = Command::new(lives.install.mana());
    let refused = run(verify.arg("verify").arg(lives.checkpoints.path())).unwrap_err();
    assert!(refused.to_string().contains("child-00002"), "{refused}");
    open_gate(lives.gates.path(), 1);
    let mut life = lives.restart();
    assert!(!life.0.wait().unwrap().success(), "{}", lives.output());
}
