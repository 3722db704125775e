//! What cannot be kept is named when a checkpoint is made, listed in the image, and a reason to refuse it with `MANA_STRICT`.

use std::process::Command;

use mana_suite::command::run;
use mana_suite::install;
use mana_suite::programs::{Toolchain, build_c};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

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
    let refused = run(&mut lives.checkpoint(&[])).unwrap_err().to_string();
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

/// Without address space for a checkpoint there is none, and the program runs on; with a greater limit there is one.
#[test]
fn a_checkpoint_without_address_space_is_refused() {
    let lives = Lives::new(install().unwrap());
    let gates = lives.gates.path().to_str().unwrap();
    let source = programs().join("heap.c");
    let heap = build_c(&source, Toolchain::Plain).unwrap();
    let mut life = lives.start(&["run", heap.to_str().unwrap(), gates]);
    lives.wait_until_ready(&mut life, 1);
    let process = Pid::from_child(&life.0);
    let sizes = std::fs::read_to_string(format!("/proc/{}/statm", life.0.id())).unwrap();
    let pages: u64 = sizes.split(' ').next().unwrap().parse().unwrap();
    let used_bytes = pages * rustix::param::page_size() as u64;
    let limit = |current| {
        let new = Rlimit {
            current: Some(current),
            maximum: None,
        };
        prlimit(Some(process), Resource::As, new).unwrap();
    };
    limit(used_bytes + (20 << 20));
    let refused = run(&mut lives.checkpoint(&[])).unwrap_err().to_string();
    assert!(refused.contains("of address space"), "{refused}");
    limit(used_bytes + (1 << 30));
    lives.save_and_kill(life, 1);
    let mut life = lives.restart();
    (1..=2).for_each(|number| open_gate(lives.gates.path(), number));
    lives.wait_for_end(&mut life);
}
