//! Big programs nobody prepared for mana: they behave in the window as they do outside.

mod common;

use common::{same, same_if_installed, stdout};

#[test]
fn bash_with_pipes_forks_and_substitutions() {
    let script = r#"
        echo hi | tr a-z A-Z
        x=$(printf '%s' one two | wc -c); echo "$x"
        for i in 1 2 3; do (exit $i) & done; wait; echo waited
        trap 'echo trapped' USR1; kill -USR1 $$; 
        cat <(echo a) <(echo b)
        echo "$0 $#" "$@"
        exit 7
    "#;
    if let Some(output) = same_if_installed("bash", &["-c", script, "zero", "one", "two"]) {
        assert_eq!(output.status.code(), Some(7));
        assert!(
            stdout(&output).starts_with("HI\n6\nwaited\ntrapped\n"),
            "{}",
            stdout(&output)
        );
    }
}

#[test]
fn perl() {
    let script = r#"print "$^X\n"; my %h = map { $_ => $_ ** 2 } 1 .. 9; print join(",", map { $h{$_} } sort keys %h), "\n";
        print `echo sub`; exit 4"#;
    same_if_installed("perl", &["-e", script]);
}

#[test]
fn python_with_threads_and_subprocesses() {
    let script = r#"
import sys, threading, subprocess, ctypes, mmap, os
squares = []
threads = [threading.Thread(target=lambda i=i: squares.append(i * i)) for i in range(16)]
for t in threads: t.start()
for t in threads: t.join()
print(sorted(squares), sys.executable, os.readlink("/proc/self/exe"))
print(subprocess.check_output(["echo", "sub"]), len(bytearray(64 << 20)), len(mmap.mmap(-1, 1 << 20)))
print(os.environ.get("MANA_TEST"), sys.argv)
sys.exit(5)
"#;
    if let Some(python) = common::installed("python3.11").or_else(|| common::installed("python3")) {
        let output = same(python, |c| {
            _ = c.args(["-c", script, "a b"]).env("MANA_TEST", "x=y")
        });
        assert_eq!(output.status.code(), Some(5));
    }
}

#[test]
fn node_with_its_jit() {
    let script = "let s = 0; for (let i = 0; i < 3e6; i++) s += i % 7; console.log(s, process.execPath, process.argv.length);
        process.exitCode = 3";
    same_if_installed("node", &["-e", script, "a"]);
}

#[test]
fn git() {
    let dir = tempfile::tempdir().unwrap();
    let script = "git init -q . && echo text > f && git add f && git -c user.name=n -c user.email=e commit -q -m m && \
        git log --format=%s && git fsck";
    for attempt in ["plain", "window"] {
        std::fs::create_dir(dir.path().join(attempt)).unwrap();
    }
    let Some(bash) = common::installed("git").and_then(|_| common::installed("bash")) else {
        return;
    };
    let git = std::sync::atomic::AtomicUsize::new(0);
    same(bash, |c| {
        let runs_before = git.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        c.args(["-c", script])
            .current_dir(dir.path().join(["plain", "window"][runs_before]));
    });
    same_if_installed("git", &["--version"]);
}

#[test]
fn java() {
    same_if_installed("java", &["-version"]);
}
