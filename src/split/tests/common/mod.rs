//! Runs programs twice, as they are and in the window, for comparison.
//!
//! The tests need the interpreters they are about (Debian: apt install bash perl python3 nodejs git gcc
//! default-jre-headless); a test whose program is missing says so on stderr and passes.

#![expect(dead_code, reason = "every test file uses its own part")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The example that runs a program in the window.
pub fn runner() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let target = test
        .parent()
        .and_then(Path::parent)
        .expect("tests are in target/PROFILE/deps");
    let runner = target.join("examples/run_in_window");
    assert!(
        runner.is_file(),
        "{} is missing: cargo build --examples first",
        runner.display()
    );
    runner
}

/// Finds a program in PATH; says that the test is skipped if it is not there.
pub fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|file| file.is_file());
    if found.is_none() {
        eprintln!("SKIPPED: {name} is not installed");
    }
    found
}

/// Makes an executable file of a text. Another process writes it: if this one did, a child that another test forks just then
/// would have it open for writing, too, and executing it would end with ETXTBSY.
pub fn write_script(path: &Path, text: &str) {
    let source = path.with_extension("text");
    std::fs::write(&source, text).unwrap_or_else(|e| panic!("{}: {e}", source.display()));
    let mut install = Command::new("install");
    let status = install.args(["-m", "755"]).arg(&source).arg(path).status();
    assert!(status.is_ok_and(|status| status.success()), "{install:?}");
}

/// A command that runs `program` in the window.
pub fn in_window(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(runner());
    command.arg(program);
    command
}

/// Runs `program` as it is and in the window, prepared by `prepare` both times, and demands the same output, error output
/// and exit status.
pub fn same(program: impl AsRef<OsStr>, prepare: impl Fn(&mut Command)) -> Output {
    let run = |mut command: Command| {
        prepare(&mut command);
        command
            .output()
            .unwrap_or_else(|e| panic!("{command:?}: {e}"))
    };
    let plain = run(Command::new(program.as_ref()));
    let windowed = run(in_window(program.as_ref()));
    let show = |output: &Output| {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&output.stdout), text(&output.stderr), output.status)
    };
    assert_eq!(
        show(&windowed),
        show(&plain),
        "(left: in the window, right: as it is)"
    );
    windowed
}

/// [`same`] with arguments, for a program that may be missing.
pub fn same_if_installed(name: &str, args: &[&str]) -> Option<Output> {
    let program = installed(name)?;
    Some(same(program, |command| _ = command.args(args)))
}

/// Compiles a C program from `source` to `dir/name` with `flags`.
pub fn compile(dir: &Path, name: &str, source: &str, flags: &[&str]) -> Option<PathBuf> {
    let compiler = installed("gcc")?;
    let file = dir.join(format!("{name}.c"));
    let program = dir.join(name);
    std::fs::write(&file, source).expect("the test's directory is writable");
    let output = Command::new(compiler)
        .arg("-o")
        .arg(&program)
        .arg(&file)
        .args(flags)
        .output()
        .expect("gcc runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(program)
}

/// Standard output as text.
pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
