//! Programs without MPI, saved twice in the middle of what they do, killed, and started again from what was saved: a catalogue,
//! one small program for each thing that a process can have or do. A new one is a file in `tests/programs/alone` and a name below.
//!
//! ```text
//!   undisturbed      ./program GATES (all open)                                    -> output
//!   first life       mana run ./program GATES     ... "ready 1" mana checkpoint --kill
//!   second life      mana restart DIR             gate 1 opens ... "ready 2" mana checkpoint --kill
//!   third life       mana restart DIR             gate 2 opens ... end             -> the three outputs together
//! ```
#![deny(unsafe_code)]

mod elsewhere;
mod family;
mod golden;
mod jobs;
mod lost;
mod newer_libc;
mod other_clock;

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mana_suite::checkpoints::Checkpoints;
use mana_suite::command::{run, shown};
use mana_suite::mpi::provision_interpreters;
use mana_suite::programs::{Toolchain, build_c};
use mana_suite::{Install, install, places, polling};

/// How many gates a program has.
const GATES: u32 = 2;

/// After this long a program that does not get on is reported as stuck.
const WATCHDOG: Duration = Duration::from_secs(180);

/// The folder of the programs.
fn programs() -> PathBuf {
    places::workspace().join("tests/programs/alone")
}

/// A process that does not outlive the test.
struct Life(Child);

impl Drop for Life {
    fn drop(&mut self) {
        // It may have ended: then there is nothing to kill.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One program's way through its lives.
struct Lives {
    install: Install,
    checkpoints: Checkpoints,
    gates: tempfile::TempDir,
    output: PathBuf,
}

impl Lives {
    fn new(install: Install) -> Self {
        let checkpoints = Checkpoints::new().unwrap();
        let gates = tempfile::tempdir_in(places::target()).unwrap();
        let output = gates.path().join("output");
        File::create(&output).unwrap();
        Self {
            install,
            checkpoints,
            gates,
            output,
        }
    }

    /// Starts `mana WORDS`, which appends to the output.
    fn start(&self, words: &[&str]) -> Life {
        self.start_in(&[], words)
    }

    /// The same, by way of `place`: a command that executes what follows it.
    fn start_in(&self, place: &[&str], words: &[&str]) -> Life {
        let mana = self.install.mana();
        let line = [place, &[mana.to_str().unwrap()], words].concat();
        self.start_by(&line, &[])
    }

    /// The same, with more settings.
    fn start_with(&self, words: &[&str], settings: &[(&str, &str)]) -> Life {
        let mana = self.install.mana();
        self.start_by(&[&[mana.to_str().unwrap()], words].concat(), settings)
    }

    /// Starts a whole command line.
    fn start_by(&self, line: &[&str], settings: &[(&str, &str)]) -> Life {
        let mut command = Command::new(line[0]);
        command.args(&line[1..]).envs(settings.iter().copied());
        self.spawn(command)
    }

    /// Starts `command`, which appends to the output.
    fn spawn(&self, command: Command) -> Life {
        self.spawn_with(command, Stdio::null())
    }

    /// The same, with that standard input.
    fn spawn_with(&self, mut command: Command, input: Stdio) -> Life {
        let output = OpenOptions::new().append(true).open(&self.output).unwrap();
        command
            .env("MANA_CKPT_DIR", self.checkpoints.path())
            .stdin(input)
            .stdout(output);
        match command.spawn() {
            Ok(child) => Life(child),
            Err(error) => panic!("{}: {error}", shown(&command)),
        }
    }

    fn output(&self) -> String {
        std::fs::read_to_string(&self.output).unwrap()
    }

    /// Waits for the end of the program's last life.
    fn wait_for_end(&self, life: &mut Life) {
        let ended = polling::until(WATCHDOG, || Ok(life.0.try_wait().unwrap())).unwrap();
        let ended = ended.unwrap_or_else(|| panic!("stuck: {}", self.output()));
        assert!(ended.success(), "{ended}: {}", self.output());
    }

    /// Waits until the program stands before gate `number`.
    fn wait_until_ready(&self, life: &mut Life, number: u32) {
        let marker = format!("ready {number}\n");
        let ready = polling::until(WATCHDOG, || {
            if self.output().contains(&marker) {
                return Ok(Some(()));
            }
            let ended = life.0.try_wait().unwrap();
            assert!(
                ended.is_none(),
                "it ended early, {ended:?}: {}",
                self.output()
            );
            Ok(None)
        });
        assert!(ready.unwrap().is_some(), "stuck: {}", self.output());
    }

    /// Waits until the program stands before gate `number`, then saves and kills it.
    fn save_and_kill(&self, mut life: Life, number: u32) {
        self.wait_until_ready(&mut life, number);
        run(&mut self.checkpoint(&["--kill"])).unwrap();
        life.0.wait().unwrap();
    }

    /// `mana checkpoint WORDS` of the job.
    fn checkpoint(&self, words: &[&str]) -> Command {
        let mut command = Command::new(self.install.mana());
        command.arg("checkpoint").args(words);
        command.arg(self.checkpoints.path());
        command
    }

    fn restart(&self) -> Life {
        self.start(&["restart", self.checkpoints.path().to_str().unwrap()])
    }
}

fn open_gate(folder: &Path, number: u32) {
    File::create(folder.join(number.to_string())).unwrap();
}

/// Runs `program` (and its arguments) undisturbed and in three lives, and compares what it printed.
fn lives(program: &[&str]) {
    let install = install().unwrap();
    let lives = Lives::new(install);
    let gates = lives.gates.path().to_str().unwrap();

    let undisturbed = tempfile::tempdir_in(places::target()).unwrap();
    (1..=GATES).for_each(|number| open_gate(undisturbed.path(), number));
    let wanted = run(Command::new(program[0])
        .args(&program[1..])
        .arg(undisturbed.path()))
    .unwrap();

    let mut life = lives.start(&[&["run"], program, &[gates]].concat());
    for number in 1..=GATES {
        lives.save_and_kill(life, number);
        life = lives.restart();
        open_gate(lives.gates.path(), number);
    }
    let ended = life.0.wait().unwrap();
    assert!(ended.success(), "{ended}: {}", lives.output());
    assert_eq!(lives.output(), wanted);
}

/// A program of the folder, named by its file.
fn program(name: &str) {
    let source = sources().find(|path| path.file_stem().is_some_and(|stem| stem == name));
    let source = source.unwrap_or_else(|| panic!("no program {name} in {}", programs().display()));
    let built = build_c(&source, Toolchain::Plain).unwrap();
    lives(&[built.to_str().unwrap()]);
}

/// The C, C++ and Rust files of the folder.
fn sources() -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(programs()).unwrap();
    entries.map(|entry| entry.unwrap().path()).filter(|path| {
        path.extension()
            .is_some_and(|it| ["c", "cpp", "rs"].map(OsStr::new).contains(&it))
    })
}

/// Each name is a test, and a file of the folder.
macro_rules! catalogue {
    ($list:ident: $($name:ident)*) => {
        const $list: &[&str] = &[$(stringify!($name)),*];
        $(
            #[test]
            fn $name() {
                program(stringify!($name));
            }
        )*
    };
}

// Threads, signals, time, memory.
catalogue! { PROCESS:
    advice
    all_blocked
    alternate_stacks
    barriers_and_semaphores
    c11_threads
    cancellation
    children
    children_between
    clocks
    conditions
    contexts
    cpp_threads
    deep_stack
    environment
    exceptions
    executed
    exit_handlers
    floats
    grows_down
    heap
    instants
    interrupted_calls
    interval_timers
    joins
    jumps
    libraries
    limits
    locales
    machine_code
    mappings
    mutex_kinds
    numbers
    once_and_keys
    openmp
    pending_signals
    posix_timers
    private_files
    program_break
    protections
    random_states
    restartable_sequences
    robust_mutexes
    rust_threads
    rwlocks
    scheduling
    signal_waits
    signals
    spans_of_time
    steady_clocks
    threads
    untold_calls
}

// What the program has open, and what it shares.
catalogue! { OPEN:
    devices
    directory_stream
    epoll_sets
    eventfds
    fifos
    file_locks
    file_positions
    inotify
    locked_contents
    many_descriptors
    memfds
    named_semaphores
    open_flags
    pipes
    posix_shm
    proc_files
    removed_directory
    removed_files
    server
    shared_anonymous
    shared_file
    signalfds
    socket_oddities
    socket_pairs
    splices
    stdio_buffers
    streams_in_memory
    sysv_shm
    tcp_sockets
    terminals
    timerfds
    udp_sockets
    unix_sockets
    working_directory
}

#[test]
fn every_program_is_in_a_list() {
    for source in sources() {
        let name = source.file_stem().unwrap().to_str().unwrap();
        let listed = PROCESS.contains(&name) || OPEN.contains(&name);
        assert!(listed, "{} is in no catalogue", source.display());
    }
}

/// Runs `name` while it is saved again and again.
fn saved_often(name: &str) {
    let install = install().unwrap();
    let lives = Lives::new(install);
    (1..=GATES).for_each(|number| open_gate(lives.gates.path(), number));
    let source = programs().join(name).with_extension("c");
    let built = build_c(&source, Toolchain::Plain).unwrap();
    undisturbed(
        &lives,
        &[built.as_os_str(), lives.gates.path().as_os_str()],
        "20ms",
    );
}

/// Runs a command line with a checkpoint each `interval`: it does not notice, and no checkpoint fails. What `mana` has said.
fn undisturbed(lives: &Lives, line: &[&OsStr], interval: &str) -> String {
    let mut command = Command::new(lives.install.mana());
    command
        .arg("run")
        .args(line)
        .env("MANA_CKPT_DIR", lives.checkpoints.path())
        .env("MANA_CKPT_INTERVAL", interval);
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("is written"), "no checkpoint: {said}");
    assert!(!said.contains("no checkpoint this time"), "{said}");
    let wanted = run(Command::new(line[0]).args(&line[1..])).unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), wanted);
    said
}

#[test]
fn waits_of_a_program_that_is_saved_often() {
    saved_often("spans_of_time");
}

#[test]
fn locks_of_a_program_that_is_saved_often() {
    saved_often("locked_contents");
}

#[test]
fn waits_until_points_in_time_of_a_program_that_is_saved_often() {
    saved_often("steady_clocks");
}

/// A script of the folder.
fn script(interpreter: &str, name: &str) {
    let path = programs().join(name);
    lives(&[interpreter, path.to_str().unwrap()]);
}

#[test]
fn python() {
    script("python3", "script.py");
}

#[test]
fn perl() {
    script("perl", "script.pl");
}

#[test]
fn bash() {
    script("bash", "script.sh");
}

#[test]
fn what_a_script_executes_in_its_place() {
    let executed = build_c(&programs().join("executed.c"), Toolchain::Plain).unwrap();
    let wrapper = programs().join("wrapper.sh");
    let words = [wrapper.as_path(), executed.as_path()].map(|path| path.to_str().unwrap());
    lives(&[&["bash"], &words[..]].concat());
    lives(
        &[
            &["env", "-i", "PATH=/usr/bin:/bin", "nice", "bash"],
            &words[..],
        ]
        .concat(),
    );
}

#[test]
fn node() {
    provision_interpreters().unwrap();
    script("node", "script.js");
}

#[test]
fn java() {
    provision_interpreters().unwrap();
    script("java", "script.java");
}
