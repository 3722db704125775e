//! A checkpoint without MPI, end to end: a program in the window is saved in the middle, killed, and restarted in a fresh
//! process; its output must be that of a run nobody disturbed. The example `ckpt_roundtrip` is the lower half.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};

use tempfile::TempDir;

/// The example's binary, which Cargo builds beside the tests.
fn roundtrip() -> PathBuf {
    let deps = std::env::current_exe().expect("this test's path");
    let target = deps
        .parent()
        .and_then(Path::parent)
        .expect("target/PROFILE/deps/TEST");
    target.join("examples/ckpt_roundtrip")
}

fn compile(dir: &TempDir, name: &str, flags: &[&str]) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/programs")
        .join(name)
        .with_extension("c");
    let program = dir.path().join(name);
    let status = Command::new("cc")
        .args([
            "-O2",
            "-Wall",
            "-Wextra",
            "-Wno-deprecated-non-prototype",
            "-pthread",
            "-o",
        ])
        .arg(&program)
        .arg(source)
        .args(flags)
        .status()
        .expect("a C compiler");
    assert!(status.success(), "cc {name}: {status}");
    program
}

/// Standard output of a program that runs undisturbed, outside the window.
fn undisturbed(program: &Path, args: &[&str]) -> String {
    let output = Command::new(program)
        .args(args)
        .stderr(Stdio::null())
        .output()
        .expect("the program runs");
    assert!(
        output.status.success(),
        "{}: {}",
        program.display(),
        output.status
    );
    String::from_utf8(output.stdout).expect("text")
}

struct Run {
    child: Child,
    stderr: BufReader<ChildStderr>,
}

impl Run {
    fn start(args: &[&str]) -> Self {
        let mut child = Command::new(roundtrip())
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "{error}: cargo build -p mana_split --examples makes {}",
                    roundtrip().display()
                )
            });
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        Self { child, stderr }
    }

    fn expect_line(&mut self, expected: &str) {
        let mut line = String::new();
        self.stderr.read_line(&mut line).expect("standard error");
        assert_eq!(line.trim_end(), expected);
    }

    fn checkpoint(&mut self) {
        self.child
            .stdin
            .as_mut()
            .expect("piped")
            .write_all(b"checkpoint\n")
            .expect("the agent reads");
        self.expect_line("saved");
    }

    fn kill(mut self) {
        self.child.kill().expect("still running");
        let status = self.child.wait().expect("a child");
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&status),
            Some(libc::SIGKILL),
            "{status}"
        );
    }

    fn finish(mut self) -> String {
        let output = self.child.wait_with_output().expect("a child");
        let mut errors = String::new();
        self.stderr.read_to_string(&mut errors).expect("text");
        assert!(output.status.success(), "{}: {errors}", output.status);
        String::from_utf8(output.stdout).expect("text")
    }
}

/// Runs `program`, saves and kills it, restarts it; twice, the second time from a checkpoint of the restarted process.
fn save_kill_restart_twice(dir: &TempDir, program: &Path, args: &[&str]) -> String {
    let image = dir.path().join("image").to_str().expect("text").to_owned();
    let command: Vec<&str> = ["run", &image, program.to_str().expect("text")]
        .iter()
        .chain(args)
        .copied()
        .collect();
    let mut first = Run::start(&command);
    first.expect_line("ready");
    first.checkpoint();
    first.kill();
    let mut second = Run::start(&["restart", &image]);
    second.checkpoint();
    second.kill();
    Run::start(&["restart", &image]).finish()
}

#[test]
fn a_loop_in_vector_registers_goes_on_bit_for_bit() {
    let dir = TempDir::new().expect("a directory");
    let program = compile(&dir, "avx_loop", &["-mavx"]);
    let steps = ["400000000"];
    assert_eq!(
        save_kill_restart_twice(&dir, &program, &steps),
        undisturbed(&program, &steps)
    );
}

#[test]
fn a_program_at_fixed_addresses_goes_on() {
    let dir = TempDir::new().expect("a directory");
    let program = compile(&dir, "avx_loop", &["-mavx", "-no-pie"]);
    let steps = ["400000000"];
    assert_eq!(
        save_kill_restart_twice(&dir, &program, &steps),
        undisturbed(&program, &steps)
    );
}

#[test]
fn threads_with_locks_conditions_and_sleeps_go_on() {
    let dir = TempDir::new().expect("a directory");
    let program = compile(&dir, "threads", &[]);
    let rounds = ["40000"];
    assert_eq!(
        save_kill_restart_twice(&dir, &program, &rounds),
        undisturbed(&program, &rounds)
    );
}

#[test]
fn a_program_that_is_not_killed_runs_on() {
    let dir = TempDir::new().expect("a directory");
    let program = compile(&dir, "threads", &[]);
    let image = dir.path().join("image").to_str().expect("text").to_owned();
    let mut run = Run::start(&["run", &image, program.to_str().expect("text"), "40000"]);
    run.expect_line("ready");
    run.checkpoint();
    run.checkpoint();
    assert_eq!(run.finish(), undisturbed(&program, &["40000"]));
}

#[test]
fn threads_that_come_and_go_are_all_found() {
    let dir = TempDir::new().expect("a directory");
    let program = compile(&dir, "churn", &[]);
    let image = dir.path().join("image").to_str().expect("text").to_owned();
    let rounds = "6000";
    let mut run = Run::start(&["run", &image, program.to_str().expect("text"), rounds]);
    run.expect_line("ready");
    for _ in 0..5 {
        run.checkpoint();
    }
    run.kill();
    let output = Run::start(&["restart", &image]).finish();
    assert_eq!(output, undisturbed(&program, &[rounds]));
}

#[test]
fn calls_under_way_are_made_again_or_return_their_result() {
    let dir = TempDir::new().expect("a directory");
    let program = compile(&dir, "crossings", &[]);
    let image = dir.path().join("image").to_str().expect("text").to_owned();
    let mut run = Run::start(&["run", &image, program.to_str().expect("text")]);
    // One from each of the two calls.
    run.expect_line("waiting");
    run.expect_line("waiting");
    run.checkpoint();
    run.kill();
    let output = Run::start(&["restart", &image]).finish();
    // 2 * 10 + 5 + 1 in the first process, 2 * 20 + 5 + 1 in the second; (40 + 1) * 100 + 6 from the thread.
    assert_eq!(
        output,
        "callback: 26\nmade again: 87654321\ncompleted: 4106\ncallback: 46\n"
    );
}
