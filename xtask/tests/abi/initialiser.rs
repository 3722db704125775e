//! What happens when a program that is linked with the stub starts.
//!
//! `mana` is played by a shell script that prints its arguments; the gate by a C program that maps one and announces it
//! in its own auxiliary vector before it loads the stub (`host.c`).

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use mana_table::{SLOT_COUNT, TABLE_HASH, fns};
use tempfile::TempDir;

use crate::tools::{include, run, stderr, stub, succeed, write};

/// An installation in a folder of its own: lib/libmana_stub.so, and a program linked with it.
struct Tree {
    root: TempDir,
}

impl Tree {
    fn new() -> Tree {
        let root = tempfile::Builder::new()
            .prefix("a tree ")
            .tempdir()
            .unwrap();
        for folder in ["lib", "bin", "elsewhere"] {
            std::fs::create_dir(root.path().join(folder)).unwrap();
        }
        std::fs::copy(stub(), root.path().join("lib/libmana_stub.so")).unwrap();
        let tree = Tree { root };
        tree.build_program();
        tree
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn build_program(&self) {
        let source = self.path("program.c");
        let text = "#include <mpi.h>\nint main(int argc, char **argv) { return MPI_Init(&argc, &argv); }\n";
        write(&source, text);
        let mut compiler = Command::new("cc");
        compiler
            .arg(source)
            .arg("-I")
            .arg(include())
            .arg("-o")
            .arg(self.path("program"));
        compiler.arg("-L").arg(self.path("lib")).arg("-lmana_stub");
        succeed(compiler.arg("-Wl,-rpath,$ORIGIN/lib"));
    }

    /// Puts a script there that says who it is, what it was given, and one variable.
    fn put_mana(&self, place: &str) {
        let script = format!(
            "#!/bin/sh\necho \"{place}\"\nfor a in \"$@\"; do echo \"[$a]\"; done\necho \"$SAID\"\n"
        );
        // Another process writes it: if this one did, a child that another test forks just then would have it open for writing,
        // too, and executing it would end with ETXTBSY.
        let source = self.path(place).with_extension("text");
        write(&source, &script);
        let mut install = Command::new("install");
        succeed(
            install
                .args(["-m", "755"])
                .arg(source)
                .arg(self.path(place)),
        );
    }

    /// Runs the program with `PATH` as given.
    fn start(&self, path: &str, arguments: &[&str]) -> Output {
        let mut program = Command::new(self.path("program"));
        run(program
            .args(arguments)
            .env_clear()
            .env("PATH", path)
            .env("SAID", "so"))
    }

    /// What the `mana` at `place` prints when it is given `arguments`.
    fn said_by(&self, place: &str, arguments: &[&str]) -> String {
        let program = self.path("program").canonicalize().unwrap();
        let program = program.to_str().unwrap();
        let mut text = format!("{place}\n[__exec]\n[{program}]\n[{program}]\n");
        for argument in arguments {
            text.push_str(&format!("[{argument}]\n"));
        }
        text + "so\n"
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_program_becomes_mana_with_its_arguments_and_environment() {
    let tree = Tree::new();
    tree.put_mana("bin/mana");
    let arguments = ["one", "", "three words here", "--four"];
    let output = tree.start("/usr/bin:/bin", &arguments);
    assert_eq!(
        stdout(&output),
        tree.said_by("bin/mana", &arguments),
        "{}",
        stderr(&output)
    );
    assert!(output.status.success());
}

#[test]
fn mana_is_looked_for_beside_the_library_first_and_in_path_last() {
    let tree = Tree::new();
    let elsewhere = tree.path("elsewhere");
    let path = format!("/nowhere::{}:/usr/bin:/bin", elsewhere.to_str().unwrap());
    for place in ["elsewhere/mana", "lib/mana", "bin/mana"] {
        tree.put_mana(place);
        assert_eq!(stdout(&tree.start(&path, &[])), tree.said_by(place, &[]));
    }
}

#[test]
fn without_mana_the_places_are_named() {
    let tree = Tree::new();
    let output = tree.start("/nowhere:/neither", &[]);
    assert_eq!(output.status.code(), Some(127));
    let library = tree.path("lib").canonicalize().unwrap();
    let library = library.to_str().unwrap();
    let places = [
        format!("  {library}/../bin/mana\n"),
        format!("  {library}/mana\n"),
        "  /nowhere/mana\n".to_owned(),
        "  /neither/mana\n".to_owned(),
    ];
    let message = stderr(&output);
    assert!(
        places.iter().all(|place| message.contains(place)),
        "{message}"
    );
    assert!(message.contains("PATH"), "{message}");
}

#[test]
fn a_mana_that_cannot_be_executed_is_an_error_with_its_place() {
    let tree = Tree::new();
    tree.put_mana("bin/mana");
    write(&tree.path("bin/mana"), "\u{1}\u{2}no program\n");
    let output = tree.start("/usr/bin:/bin", &[]);
    assert_eq!(output.status.code(), Some(127));
    let message = stderr(&output);
    assert!(
        message.contains("bin/mana: error 8 (not a program for this machine)"),
        "{message}"
    );
}

/// Compiles `host.c` and runs it on the stub with the arguments.
fn host(tree: &Tree, arguments: &[String]) -> Output {
    let program = tree.path("host");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/abi/host.c");
    let mut compiler = Command::new("cc");
    succeed(
        compiler
            .args(["-Wall", "-Wextra", "-Werror"])
            .arg(source)
            .arg("-o")
            .arg(&program)
            .arg("-ldl"),
    );
    let library = tree.path("lib/libmana_stub.so");
    run(Command::new(program)
        .arg(library)
        .args(arguments)
        .env("PATH", "/nowhere"))
}

/// A gate with this magic, version, slots and hash.
fn gate(magic: &str, version: u32, slots: usize, hash: u64) -> Output {
    let tree = Tree::new();
    let slot = fns::MPI_SEND.0;
    let arguments = [
        "gate".into(),
        magic.into(),
        version.to_string(),
        slots.to_string(),
    ];
    host(
        &tree,
        &[
            &arguments[..],
            &[format!("{hash:#x}"), slot.to_string(), "MPI_Send".into()],
        ]
        .concat(),
    )
}

#[test]
fn with_a_gate_calls_go_through_its_slots() {
    let output = gate("MANAGATE", 1, SLOT_COUNT, TABLE_HASH);
    assert!(output.status.success(), "{}", stderr(&output));
    // host.c's entry returns a digest of the six arguments it was given, the call prints it.
    // At the end the finaliser goes through its slot, before the program's output is flushed.
    assert_eq!(stdout(&output), "left\n654321\n");
}

#[test]
fn a_newer_mana_is_taken() {
    let output = gate("MANAGATE", 1, SLOT_COUNT + 1, TABLE_HASH ^ 1);
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn a_gate_that_does_not_fit_is_refused() {
    let refused = |output: Output, why: &str| {
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(127), "{message}");
        assert!(message.contains(why), "{message}");
    };
    refused(
        gate("MANAGATX", 1, SLOT_COUNT, TABLE_HASH),
        "there is no gate",
    );
    refused(
        gate("MANAGATE", 2, SLOT_COUNT, TABLE_HASH),
        "its gate has version 2",
    );
    refused(
        gate("MANAGATE", 1, SLOT_COUNT - 1, TABLE_HASH),
        "it is older",
    );
    refused(
        gate("MANAGATE", 1, SLOT_COUNT, TABLE_HASH ^ 1),
        "its function table is another",
    );
}

#[test]
fn a_set_user_id_program_is_refused() {
    let tree = Tree::new();
    tree.put_mana("bin/mana");
    let output = host(&tree, &["secure".into()]);
    assert_eq!(output.status.code(), Some(127));
    assert!(
        stderr(&output).contains("another user's privileges"),
        "{}",
        stderr(&output)
    );
}

/// A library loaded after `setenv`, which moves the environment: the auxiliary vector is still found.
#[test]
fn a_stub_loaded_late_becomes_mana_too() {
    let tree = Tree::new();
    tree.put_mana("bin/mana");
    let output = host(&tree, &["late".into()]);
    assert!(
        stdout(&output).starts_with("bin/mana\n[__exec]\n"),
        "{}",
        stderr(&output)
    );
    assert!(
        stdout(&output).ends_with("set late\n"),
        "{}",
        stdout(&output)
    );
}

/// The stub's own functions: no gate is needed to convert a handle.
#[test]
fn conversions_are_identities() {
    let tree = Tree::new();
    let arguments = [
        "gate",
        "MANAGATE",
        "1",
        &SLOT_COUNT.to_string(),
        &format!("{TABLE_HASH:#x}"),
        "0",
        "convert",
    ];
    let output = host(&tree, &arguments.map(str::to_owned));
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stdout(&output), "left\nconverted\n");
}
