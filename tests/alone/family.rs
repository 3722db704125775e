//! Programs of several processes (`MANA_CHILDREN=1`): saved, killed and started again together.

use mana_suite::programs::{Toolchain, build_c};

use crate::{lives_with, programs};

/// Runs a script of the folder, which is given what it starts.
fn family(script: &str, program: &str) {
    let folder = programs().join("family");
    let built = build_c(&folder.join(program), Toolchain::Plain).unwrap();
    let script = folder.join(script);
    let words = [script.as_path(), built.as_path()].map(|path| path.to_str().unwrap());
    lives_with(&[&["bash"], &words[..]].concat(), &[("MANA_CHILDREN", "1")]);
}

#[test]
fn pipeline() {
    family("pipeline.sh", "relay.c");
}

#[test]
fn shells() {
    family("shells.sh", "relay.c");
}

#[test]
fn forks() {
    let built = build_c(&programs().join("family/forks.c"), Toolchain::Plain).unwrap();
    lives_with(&[built.to_str().unwrap()], &[("MANA_CHILDREN", "1")]);
}

#[test]
fn processes_of_python() {
    let script = programs().join("family/many.py");
    let words = ["python3", script.to_str().unwrap(), "-"];
    lives_with(&words, &[("MANA_CHILDREN", "1")]);
}
