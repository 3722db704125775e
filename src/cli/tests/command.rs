//! The command as a user meets it: what it prints, and the status it ends with.

use mana_image::{Phase, RankWriter, Region, RegionSource, Store, WriteOptions, WriterInfo};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::{TempDir, tempdir};

/// What a run printed and how it ended.
struct Ended {
    status: i32,
    out: String,
    err: String,
}

impl Ended {
    #[track_caller]
    fn expect(self, status: i32) -> Self {
        assert_eq!(
            self.status, status,
            "stdout: {}\nstderr: {}",
            self.out, self.err
        );
        self
    }

    #[track_caller]
    fn says(self, facts: &[&str]) -> Self {
        for fact in facts {
            assert!(self.err.contains(fact), "{fact:?} is not in {}", self.err);
        }
        self
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

fn ended(command: &mut Command) -> Ended {
    let output = command.output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    Ended {
        status: output.status.code().expect("it exits"),
        out,
        err,
    }
}

fn command(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new(program.as_ref());
    for (name, _) in
        std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"MANA_"))
    {
        command.env_remove(name);
    }
    command
}

fn mana(words: &[&str]) -> Ended {
    ended(command(env!("CARGO_BIN_EXE_mana")).args(words))
}

fn mana_with(variable: (&str, &str), words: &[&str]) -> Ended {
    ended(
        command(env!("CARGO_BIN_EXE_mana"))
            .env(variable.0, variable.1)
            .args(words),
    )
}

/// A store with a committed checkpoint of two ranks, and the remains of another.
fn store() -> (TempDir, PathBuf) {
    let dir = tempdir().unwrap();
    let store = Store::create(dir.path(), None).unwrap();
    let pending = store.begin().unwrap();
    let memory: Vec<u8> = (0..16_384_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8 | 1)
        .collect();
    let write = |rank| {
        let mut writer = RankWriter::create(pending.path(), rank, WriteOptions::default()).unwrap();
        let region = Region {
            start: 0x2000_0000_0000,
            len_bytes: 16_384,
            prot: 3,
            flags: 0x22,
            name: "[heap]".into(),
        };
        writer
            .write_regions([RegionSource::whole(region, &memory)])
            .unwrap();
        writer.write_metadata(&"state").unwrap();
        let info = WriterInfo {
            rank,
            ranks: 2,
            program: "/home/me/ring".into(),
            ..WriterInfo::here()
        };
        writer.finish(&info).unwrap()
    };
    let written = vec![write(0), write(1)];
    let phases = vec![
        Phase::new("converge", 1_000_000),
        Phase::new("stop and drain", 2_500_000),
    ];
    let checkpoint = store.commit(pending, 2, 1, phases, written).unwrap();
    fs::create_dir(dir.path().join("ckpt-000002.partial")).unwrap();
    let path = checkpoint.path().to_owned();
    (dir, path)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn help_documents_statuses_and_variables() {
    let help = mana(&["--help"]).expect(0).out;
    for word in ["Exit status:", "restart", "checkpoint", "doctor", "c++"] {
        assert!(help.contains(word), "{word}");
    }
    assert!(!help.contains("__exec"));
    let help = mana(&["run", "--help"]).expect(0).out;
    for name in [
        "MANA_CKPT_INTERVAL",
        "MANA_CKPT_DIR",
        "MANA_CKPT_KEEP",
        "MANA_CKPT_SIGNAL",
        "MANA_MPI",
        "MANA_COMPRESS",
        "MANA_LOG",
    ] {
        assert!(help.contains(name), "{name}");
    }
    assert!(mana(&["--version"]).expect(0).out.starts_with("mana "));
}

#[test]
fn a_wrong_command_line_or_variable_is_status_2() {
    mana(&["restrat"]).expect(2).says(&["restrat", "restart"]);
    mana(&[]).expect(2);
    mana_with(("MANA_CKPT_KEPT", "1"), &["run", "true"])
        .expect(2)
        .says(&["did you mean MANA_CKPT_KEEP?"]);
    mana_with(("MANA_COMPRESS", "lzma"), &["ls"])
        .expect(2)
        .says(&["MANA_COMPRESS=lzma", "auto, raw, zstd"]);
}

#[test]
fn ls_tells_the_committed_from_the_others() {
    let (dir, _) = store();
    let out = mana(&["ls", text(dir.path())]).expect(0).out;
    let lines: Vec<&str> = out.lines().collect();
    assert!(
        ["ckpt-000001", "good", "3.5 ms"]
            .iter()
            .all(|fact| lines[1].contains(fact)),
        "{out}"
    );
    assert!(
        lines[2].starts_with("ckpt-000002.partial") && lines[2].contains("not committed"),
        "{out}"
    );
    let json = mana_with(("MANA_CKPT_DIR", text(dir.path())), &["ls", "--json"])
        .expect(0)
        .json();
    assert_eq!(json[0]["ranks"], 2);
    assert_eq!(json[0]["state"], "committed");
    assert_eq!(json[0]["memory_bytes"], 2 * 16_384);
    assert_eq!(json[0]["until_cut_ns"], 3_500_000);
    assert_eq!(json[1]["state"], "partial");
}

#[test]
fn ls_names_what_is_damaged() {
    let (dir, checkpoint) = store();
    fs::remove_file(checkpoint.join("rank-00001.mana")).unwrap();
    let out = mana(&["ls", text(dir.path())]).expect(0).out;
    assert!(
        out.contains("damaged") && out.contains("rank-00001.mana is missing"),
        "{out}"
    );
}

#[test]
fn an_empty_directory_is_status_4() {
    let dir = tempdir().unwrap();
    for name in ["ls", "show", "verify", "restart"] {
        mana(&[name, text(dir.path())])
            .expect(4)
            .says(&["no checkpoint in", text(dir.path())]);
    }
    fs::create_dir(dir.path().join("ckpt-000001.partial")).unwrap();
    mana(&["restart", text(dir.path())])
        .expect(4)
        .says(&["ckpt-000001.partial", "was ever committed"]);
    mana(&["restart", text(&dir.path().join("ckpt-000001.partial"))])
        .expect(3)
        .says(&["was never committed"]);
    mana(&["ls", text(&dir.path().join("absent"))])
        .expect(1)
        .says(&["No such file or directory"]);
}

#[test]
fn show_says_who_wrote_what() {
    let (dir, checkpoint) = store();
    let out = mana(&["show", text(dir.path())]).expect(0).out;
    for fact in [
        "ranks       2",
        "/home/me/ring",
        "cut         3.5 ms after the request",
        "write memory",
        "fsync",
        "codecs",
    ] {
        assert!(out.contains(fact), "{fact:?} is not in {out}");
    }
    let out = mana(&["show", "--rank", "1", text(dir.path())])
        .expect(0)
        .out;
    assert!(
        out.contains("200000000000-200000004000  rw-p  16.00 KiB") && out.contains("[heap]"),
        "{out}"
    );
    mana(&["show", "--rank", "2", text(dir.path())])
        .expect(2)
        .says(&["there is no rank 2", "has 2 ranks"]);
    let json = mana(&["show", "--json", text(dir.path())]).expect(0).json();
    assert_eq!(json["ranks"][1]["regions"][0]["name"], "[heap]");
    assert!(
        json["checkpoint"]["phases"]
            .as_array()
            .unwrap()
            .iter()
            .any(|phase| phase["name"] == "fsync")
    );
    assert_eq!(json["checkpoint"]["until_cut_ns"], 3_500_000);
    let file = checkpoint.join("rank-00000.mana");
    assert_eq!(
        mana(&["show", "--json", text(&file)]).expect(0).json()["ranks"][0]["info"]["rank"],
        0
    );
}

#[test]
fn verify_finds_a_flipped_byte_and_says_where() {
    let (dir, checkpoint) = store();
    mana(&["verify", text(dir.path())]).expect(0);
    let file = checkpoint.join("rank-00001.mana");
    let mut bytes = fs::read(&file).unwrap();
    bytes[5000] ^= 0x10;
    fs::write(&file, bytes).unwrap();
    let ended = mana(&["verify", text(&checkpoint)]).expect(3);
    for fact in [
        "NOT GOOD",
        "rank-00001.mana is damaged",
        "at offset 4096",
        "[heap]",
    ] {
        assert!(ended.out.contains(fact), "{fact:?} is not in {}", ended.out);
    }
    let json = mana(&["verify", "--json", text(dir.path())])
        .expect(3)
        .json();
    assert_eq!(json[0]["good"], false);
    mana(&["verify", text(&checkpoint.join("rank-00000.mana"))]).expect(0);
    mana(&["verify", text(&file)]).expect(3);
}

#[test]
fn functions_agree_with_the_table() {
    let json = mana(&["functions", "--json"]).expect(0).json();
    let all = json.as_array().unwrap();
    assert_eq!(all.len(), mana_table::FUNCTIONS.len());
    for one in all {
        let function = mana_table::FnId::by_name(one["name"].as_str().unwrap())
            .unwrap()
            .function()
            .unwrap();
        let state = if function.policy.is_implemented() {
            "implemented"
        } else {
            "unsupported"
        };
        assert_eq!(one["state"], state, "{}", function.name);
        assert_eq!(
            one["reason"].is_string(),
            !function.policy.is_implemented(),
            "{}",
            function.name
        );
    }
    let unsupported = mana(&["functions", "--unsupported", "--json"])
        .expect(0)
        .json();
    assert!(
        unsupported
            .as_array()
            .unwrap()
            .iter()
            .all(|one| one["state"] == "unsupported")
    );
    assert!(mana(&["functions"]).expect(0).out.contains("MPI_Send "));
}

#[test]
fn doctor_looks_at_everything() {
    let ended = mana(&["doctor", "--json"]);
    let json = ended.json();
    let found = |what: &str| {
        json.as_array()
            .unwrap()
            .iter()
            .find(|one| one["what"] == what)
            .unwrap()
            .clone()
    };
    for what in [
        "FSGSBASE",
        "kernel",
        "seccomp",
        "vm.overcommit_memory",
        "ulimit -n (open files)",
        "MPI",
        "compiler cc",
    ] {
        found(what);
    }
    let bad = json
        .as_array()
        .unwrap()
        .iter()
        .any(|one| one["grade"] == "bad");
    assert_eq!(ended.status, i32::from(bad));
    let ended = mana_with(("MANA_CKPT_DIRECTORY", "/x"), &["doctor"]).expect(1);
    assert!(
        ended.out.contains("BAD   MANA_ variables") && ended.out.contains("MANA_CKPT_DIR"),
        "{}",
        ended.out
    );
}

/// A tree as it is installed; the library and the header are there in name.
fn installed() -> TempDir {
    let root = tempdir().unwrap();
    for (directory, file) in [("lib", "libmana_stub.so"), ("include", "mpi.h")] {
        fs::create_dir(root.path().join(directory)).unwrap();
        fs::write(root.path().join(directory).join(file), "").unwrap();
    }
    fs::create_dir(root.path().join("bin")).unwrap();
    // Not fs::copy: a test that starts a program meanwhile would hand the open file on to it, and a file that is open for
    // writing cannot be run.
    let copied = Command::new("cp")
        .arg(env!("CARGO_BIN_EXE_mana"))
        .arg(root.path().join("bin/mana"))
        .status();
    assert!(copied.unwrap().success());
    for name in ["mana-mpicc", "mana-mpicxx"] {
        symlink("mana", root.path().join("bin").join(name)).unwrap();
    }
    root
}

#[test]
fn the_compiler_wrappers_add_what_is_needed() {
    let root = installed();
    let path = root.path().canonicalize().unwrap();
    let (include, lib) = (path.join("include"), path.join("lib"));
    let (include, lib) = (text(&include), text(&lib));
    let run = |name: &str, words: &[&str]| {
        ended(
            command(path.join("bin").join(name))
                .env("MANA_CC", "echo CC")
                .env("MANA_CXX", "echo CXX")
                .args(words),
        )
        .expect(0)
        .out
    };
    let compile = format!("CC -I{include} -O2 a.c -o a -L{lib} -Wl,-rpath,{lib} -lmana_stub\n");
    assert_eq!(run("mana-mpicc", &["-O2", "a.c", "-o", "a"]), compile);
    assert_eq!(run("mana", &["cc", "-O2", "a.c", "-o", "a"]), compile);
    assert_eq!(
        run("mana-mpicxx", &["-c", "a.cpp"]),
        format!("CXX -I{include} -c a.cpp\n")
    );
    assert_eq!(
        run("mana", &["c++", "-c", "a.cpp"]),
        format!("CXX -I{include} -c a.cpp\n")
    );
    assert_eq!(
        run("mana-mpicc", &["-show"]),
        format!("echo CC -I{include} -L{lib} -Wl,-rpath,{lib} -lmana_stub\n")
    );
    assert_eq!(
        run("mana-mpicc", &["-compile-info"]),
        format!("echo CC -c -I{include}\n")
    );
    assert_eq!(
        run("mana-mpicc", &["-link-info"]),
        format!("echo CC -L{lib} -Wl,-rpath,{lib} -lmana_stub\n")
    );
    assert_eq!(
        run("mana-mpicxx", &["-showme:compile"]),
        format!("-I{include}\n")
    );
    let missing = ended(
        command(path.join("bin/mana-mpicc"))
            .env("MANA_CC", "no-such-cc")
            .arg("a.c"),
    );
    missing
        .expect(1)
        .says(&["could not run the compiler no-such-cc", "MANA_CC"]);
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let script = mana(&["completions", shell]).expect(0).out;
        assert!(
            script.contains("doctor") && script.contains("restart"),
            "{shell}"
        );
    }
}

#[test]
fn a_program_runs_and_its_status_is_the_commands() {
    // A program without MPI is a job, which leaves word of where to reach it.
    let folder = tempdir().unwrap();
    let run = ["run", "sh", "-c", "echo one two; exit 7"];
    let ended = mana_with(("MANA_CKPT_DIR", folder.path().to_str().unwrap()), &run).expect(7);
    assert_eq!(ended.out, "one two\n");
    mana(&["run", "./no-such-program"])
        .expect(1)
        .says(&["no-such-program"]);
    mana(&["run", "no-such-program"])
        .expect(1)
        .says(&["is in no directory of PATH", "./no-such-program"]);
}

#[test]
fn a_checkpoint_needs_a_job() {
    let dir = tempdir().unwrap();
    mana(&["checkpoint", text(dir.path())])
        .expect(1)
        .says(&[text(dir.path()), "try: is a job running"]);
}
