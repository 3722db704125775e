//! A restart somewhere else: another working directory, host name, range of process numbers, with or without random addresses,
//! and from what another version of `mana` wrote.
//!
//! ```text
//!   unshare --uts … mana run ./anywhere       "ready 1" -> saved, killed
//!   mana restart                              "ready 2" -> saved, killed
//!   unshare --uts … mana restart              end
//! ```

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use mana_image::{Phase, RankWriter, Region, RegionSource, Run, Store, WriteOptions, WriterInfo};
use mana_suite::programs::{Toolchain, build_c};
use mana_suite::{install, places};

use crate::{Life, Lives, open_gate, programs};

/// Programs that set a place up and execute what follows.
const HOST: &[&str] = &[
    "unshare",
    "--uts",
    "sh",
    "-c",
    "echo elsewhere > /proc/sys/kernel/hostname && exec \"$@\"",
    "sh",
];
const PROCESSES: &[&str] = &["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
const SAME_ADDRESSES: &[&str] = &["setarch", "-R"];
const HERE: &[&str] = &[];

/// A program of the tests, built.
fn built(name: &str) -> String {
    let source = programs().join(name);
    let built = build_c(&source, Toolchain::Plain).unwrap();
    built.to_str().unwrap().to_owned()
}

/// Whether this machine lets such a place be set up; says so if not.
fn is_permitted(place: &[&str]) -> bool {
    let [program, arguments @ ..] = place else {
        return true;
    };
    let mut command = Command::new(program);
    let tried = command.args(arguments).arg("true").output();
    let is_permitted = tried.is_ok_and(|output| output.status.success());
    if !is_permitted {
        eprintln!(
            "NOT TESTED: this machine does not permit `{}`",
            place.join(" ")
        );
    }
    is_permitted
}

/// Lets `anywhere` have its three lives, each in another place; what it printed, unless a place is not permitted here.
fn through(places: [&[&str]; 3]) -> Option<String> {
    program_through("elsewhere/anywhere.c", places)
}

/// The same, of another program.
fn program_through(program: &str, places: [&[&str]; 3]) -> Option<String> {
    if !places.iter().all(|place| is_permitted(place)) {
        return None;
    }
    let lives = Lives::new(install().unwrap());
    let gates = lives.gates.path().to_str().unwrap();
    let mut life = lives.start_in(places[0], &["run", &built(program), gates]);
    let checkpoints = lives.checkpoints.path().to_str().unwrap();
    for number in 1..=2 {
        lives.save_and_kill(life, number);
        life = lives.start_in(places[number as usize], &["restart", checkpoints]);
        open_gate(lives.gates.path(), number);
    }
    let ended = life.0.wait().unwrap();
    assert!(ended.success(), "{ended}: {}", lives.output());
    assert!(lives.output().ends_with("ok\n"), "{}", lives.output());
    Some(lives.output())
}

/// The hosts on which a program was, in order.
fn hosts(output: &str) -> Vec<&str> {
    let lines = output.lines();
    lines
        .filter_map(|line| line.strip_prefix("host "))
        .collect()
}

#[test]
fn another_host_name() {
    let Some(output) = through([HERE, HOST, HERE]) else {
        return;
    };
    let hosts = hosts(&output);
    assert_eq!((hosts.len(), hosts[1]), (3, "elsewhere"), "{output}");
    assert!(hosts[0] == hosts[2] && hosts[0] != "elsewhere", "{output}");
}

#[test]
fn another_range_of_processes() {
    through([HERE, PROCESSES, HERE]);
    through([PROCESSES, HERE, PROCESSES]);
}

/// The numbers of threads from before are those of others, or of nobody, and new threads come by them.
#[test]
fn numbers_in_another_range_of_processes() {
    program_through("numbers.c", [HERE, PROCESSES, HERE]);
    program_through("numbers.c", [PROCESSES, HERE, PROCESSES]);
    program_through("numbers.c", [PROCESSES, PROCESSES, PROCESSES]);
}

#[test]
fn addresses_that_are_random_and_then_not() {
    through([HERE, SAME_ADDRESSES, HERE]);
}

#[test]
fn addresses_that_are_not_random_and_then_are() {
    through([SAME_ADDRESSES, HERE, SAME_ADDRESSES]);
}

/// `mana restart`, in `folder`; what it says on stderr, and whether it went well.
fn restart_in(lives: &Lives, folder: &Path, settings: &[(&str, &str)]) -> (String, bool) {
    let output = Command::new(lives.install.mana())
        .arg("restart")
        .arg(lives.checkpoints.path())
        .current_dir(folder)
        .envs(settings.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    (said + &printed, output.status.success())
}

/// `program` at its first gate, saved and killed; all gates are open for those who restart it.
fn saved(program: &str, start: impl FnOnce(&Lives, &[&str]) -> Life) -> Lives {
    let lives = Lives::new(install().unwrap());
    let gates = lives.gates.path().to_str().unwrap();
    let life = start(&lives, &["run", &built(program), gates]);
    lives.save_and_kill(life, 1);
    (1..=2).for_each(|number| open_gate(lives.gates.path(), number));
    lives
}

#[test]
fn another_working_directory() {
    let lives = saved("working_directory.c", Lives::start);
    let elsewhere = tempfile::tempdir_in(places::target()).unwrap();
    let (said, is_well) = restart_in(&lives, elsewhere.path(), &[]);
    assert!(is_well && said.ends_with("ok\n"), "{said}");
    let left = std::fs::read_dir(elsewhere.path()).unwrap().count();
    assert_eq!(left, 0, "it was written to the directory of the restart");
}

#[test]
fn a_working_directory_that_is_gone_is_named() {
    let lives = saved("working_directory.c", Lives::start);
    let work = lives.gates.path().canonicalize().unwrap().join("work");
    std::fs::remove_dir_all(&work).unwrap();
    let (said, is_well) = restart_in(&lives, Path::new("/"), &[]);
    assert!(!is_well, "{said}");
    let named = format!("working directory, {}, cannot be entered", work.display());
    assert!(
        said.contains(&named) && said.contains("MANA_FILES=accept"),
        "{said}"
    );
    std::fs::create_dir(&work).unwrap();
    let (said, is_well) = restart_in(&lives, Path::new("/"), &[]);
    assert!(is_well && said.ends_with("ok\n"), "{said}");
}

#[test]
fn a_working_directory_that_is_gone_can_be_done_without() {
    let gone = tempfile::tempdir_in(places::target()).unwrap();
    let lives = saved("elsewhere/anywhere.c", |lives, words| {
        let place = ["env", "-C", gone.path().to_str().unwrap()];
        lives.start_in(&place, words)
    });
    gone.close().unwrap();
    let (said, is_well) = restart_in(&lives, Path::new("/"), &[("MANA_FILES", "accept")]);
    assert!(is_well && said.ends_with("ok\n"), "{said}");
    assert!(said.contains("cannot be entered"), "{said}");
}

/// A program sees the variables of the launcher that it is with, and its own.
fn launchers_variables(program: &str) {
    let lives = Lives::new(install().unwrap());
    let gates = lives.gates.path().to_str().unwrap();
    let checkpoints = lives.checkpoints.path().to_str().unwrap();
    let program = built(program);
    let given: [&[(&str, &str)]; 3] = [
        &[
            ("PMI_TEST_CHANGES", "one"),
            ("PMI_TEST_GOES", "there"),
            ("TEST_OTHER", "first"),
        ],
        &[
            ("PMI_TEST_CHANGES", "two"),
            ("OMPI_TEST_COMES", "new"),
            ("TEST_OTHER", "no"),
            ("FI_TEST_OWN", "no"),
        ],
        &[("PMI_TEST_CHANGES", "three")],
    ];
    let mut life = lives.start_with(&["run", &program, gates], given[0]);
    for number in 1..=2 {
        lives.save_and_kill(life, number);
        life = lives.start_with(&["restart", checkpoints], given[number as usize]);
        open_gate(lives.gates.path(), number);
    }
    let ended = life.0.wait().unwrap();
    assert!(ended.success(), "{ended}: {}", lives.output());
    let wanted = "\
1 PMI_TEST_CHANGES=one
1 PMI_TEST_GOES=there
1 OMPI_TEST_COMES=
1 FI_TEST_OWN=own
1 TEST_OTHER=first
child one there own
ready 1
2 PMI_TEST_CHANGES=two
2 PMI_TEST_GOES=
2 OMPI_TEST_COMES=new
2 FI_TEST_OWN=own
2 TEST_OTHER=first
child two new own
ready 2
3 PMI_TEST_CHANGES=three
3 PMI_TEST_GOES=
3 OMPI_TEST_COMES=
3 FI_TEST_OWN=own
3 TEST_OTHER=
child three own
ok
";
    assert_eq!(lives.output(), wanted);
}

#[test]
fn variables_of_another_launcher() {
    launchers_variables("elsewhere/variables.c");
}

#[test]
fn variables_of_another_launcher_in_a_program_with_a_copy_of_them() {
    launchers_variables("elsewhere/variables_copied.c");
}

/// A checkpoint by a later `mana`, of whose state this one understands nothing but the version.
#[test]
fn a_state_of_a_later_version_is_refused_with_both_versions() {
    let lives = Lives::new(install().unwrap());
    let store = Store::create(lives.checkpoints.path(), None).unwrap();
    let made = store.begin().unwrap();
    let folder = lives
        .checkpoints
        .path()
        .join(mana_image::partial_name(made.number()));
    let mut writer = RankWriter::create(&folder, 0, WriteOptions::default()).unwrap();
    let memory = memmap2::MmapMut::map_anon(4096).unwrap();
    let region = Region {
        start: 0x2000_0000_0000,
        len_bytes: 4096,
        prot: 3,
        flags: 0x22,
        name: "[heap]".into(),
    };
    let run = Run {
        offset_bytes: 0,
        data: &memory,
    };
    let regions = [RegionSource {
        region,
        runs: vec![run],
    }];
    writer.write_regions(regions).unwrap();
    writer
        .write_metadata(&BTreeMap::from([("version", 99), ("other", 1)]))
        .unwrap();
    let info = WriterInfo {
        mana_version: "9.8.7".into(),
        ranks: 1,
        epoch: 1,
        ..WriterInfo::here()
    };
    let written = writer.finish(&info).unwrap();
    let phases: Vec<Phase> = Vec::new();
    store.commit(made, 1, 1, phases, vec![written]).unwrap();
    let (said, is_well) = restart_in(&lives, Path::new("/"), &[]);
    assert!(!is_well, "{said}");
    for part in ["version 99", "knows up to 1", "9.8.7", "newer mana"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}
