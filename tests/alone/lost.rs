//! What cannot be kept is named when a checkpoint is made, listed in the image, and a reason to refuse it with `MANA_STRICT`.

use std::process::Command;

use mana_suite::command::run;
use mana_suite::install;
use mana_suite::programs::{Toolchain, build_c};

use crate::{Lives, open_gate, programs};

/// The program whose child has the other end of a pipe.
fn outside() -> String {
    built("outside.c")
}

/// A program of the folder.
fn built(name: &str) -> String {
    let source = programs().join("lost").join(name);
    let built = build_c(&source, Toolchain::Plain).unwrap();
    built.to_str().unwrap().to_owned()
}

#[test]
fn it_is_named_and_ends() {
    let lives = Lives::new(install().unwrap());
    let gates = lives.gates.path().to_str().unwrap();
    let life = lives.start_with(&["run", &outside(), gates], &[("MANA_CHILDREN", "0")]);
    lives.save_and_kill(life, 1);
    let shown = run(Command::new(lives.install.mana())
        .args(["show", "--rank", "0"])
        .arg(lives.checkpoints.path()))
    .unwrap();
    assert!(shown.contains("not kept: descriptor "), "{shown}");
    assert!(
        shown.contains("its other end is in another process"),
        "{shown}"
    );
    assert!(shown.contains("not kept: child "), "{shown}");
    for part in ["THREAD", "DESCRIPTOR", "stdout", "MEMORY", "anonymous"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let mut life = lives.restart();
    open_gate(lives.gates.path(), 1);
    let ended = life.0.wait().unwrap();
    assert!(ended.success(), "{ended}: {}", lives.output());
}

#[test]
fn all_or_nothing_is_nothing() {
    let lives = Lives::new(install().unwrap());
    let gates = lives.gates.path().to_str().unwrap();
    let mut life = lives.start_with(
        &["run", &outside(), gates],
        &[("MANA_STRICT", "1"), ("MANA_CHILDREN", "0")],
    );
    lives.wait_until_ready(&mut life, 1);
    let refused = run(Command::new(lives.install.mana())
        .arg("checkpoint")
        .arg(lives.checkpoints.path()))
    .unwrap_err()
    .to_string();
    assert!(refused.contains("MANA_STRICT"), "{refused}");
    assert!(
        refused.contains("its other end is in another process"),
        "{refused}"
    );
    assert!(life.0.try_wait().unwrap().is_none(), "it runs on");
}

#[test]
fn a_lock_that_cannot_be_given_on_is_named() {
    let lives = Lives::new(install().unwrap());
    let gates = lives.gates.path().to_str().unwrap();
    let life = lives.start(&["run", &built("heir.c"), gates]);
    lives.save_and_kill(life, 1);
    let shown = run(Command::new(lives.install.mana())
        .args(["show", "--rank", "0"])
        .arg(lives.checkpoints.path()))
    .unwrap();
    assert!(
        shown.contains("waits for a mutex with priority inheritance"),
        "{shown}"
    );
}

/// Also in a life in which the library is memory like any other.
#[test]
fn an_mpi_of_its_own_is_named() {
    let lives = Lives::new(install().unwrap());
    let gates = lives.gates.path().to_str().unwrap();
    let mut life = lives.start(&["run", &built("own_mpi.c"), gates]);
    for gate in 1..=2 {
        lives.save_and_kill(life, gate);
        let shown = run(Command::new(lives.install.mana())
            .args(["show", "--rank", "0"])
            .arg(lives.checkpoints.path()))
        .unwrap();
        let named = "not kept: libmpi.so.40 (an MPI that the program has loaded itself)";
        assert!(shown.contains(named), "{shown}");
        life = lives.restart();
        open_gate(lives.gates.path(), gate);
    }
    let ended = life.0.wait().unwrap();
    assert!(ended.success(), "{ended}: {}", lives.output());
}
