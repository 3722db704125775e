//! The processes of a job: found by a mark in their environment, killed with SIGKILL.
//!
//! A launcher starts ranks through proxies that make sessions of their own, so neither a process group nor the tree below
//! the launcher holds them all. What they do share is the environment they were started with: each job sets
//! `SUITE_JOB=<unique>` for its launcher, and `/proc/PID/environ` shows it for every process that came of it.
//!
//! Killed ranks cannot remove their shared-memory files; the paths are read from `/proc/PID/maps` before the kill and
//! deleted after it, otherwise a day of tests would fill /dev/shm.

use std::collections::BTreeSet;
use std::path::PathBuf;

use rustix::process::{Pid, Signal, kill_process};

/// The variable that marks a job's processes.
pub const MARK: &str = "SUITE_JOB";

/// A process of a job.
#[derive(Clone, Debug)]
pub struct Process {
    /// Its process id.
    pub pid: u32,
    /// Its command line.
    pub command: String,
}

/// The mark of the `nth` job that this process starts.
pub fn mark(nth: u32) -> String {
    format!("{}-{nth}", std::process::id())
}

/// All live processes started with `SUITE_JOB=<mark>`, zombies excepted.
pub fn marked(mark: &str) -> Vec<Process> {
    with_variable(|value| value == mark.as_bytes())
}

/// All live processes of the jobs that this process has started.
fn of_this_process() -> Vec<Process> {
    let begin = format!("{}-", std::process::id());
    with_variable(|value| value.starts_with(begin.as_bytes()))
}

/// All live processes with a mark that `is_wanted`.
fn with_variable(is_wanted: impl Fn(&[u8]) -> bool) -> Vec<Process> {
    let is_marked = |pid: &u32| {
        let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environ
            .split(|&byte| byte == 0)
            .filter_map(|variable| variable.strip_prefix(MARK.as_bytes())?.strip_prefix(b"="))
            .any(&is_wanted)
    };
    let command = |pid: u32| {
        let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&words)
            .replace('\0', " ")
            .trim_end()
            .to_owned()
    };
    all_pids()
        .filter(is_marked)
        .map(|pid| Process {
            pid,
            command: command(pid),
        })
        .collect()
}

fn all_pids() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// `kill -9` of every process marked `mark`.
pub fn kill9_marked(mark: &str) {
    kill9_until_gone(|| marked(mark));
}

/// `kill -9` of all jobs that this process has started, for one that is about to end early.
pub fn kill9_jobs() {
    kill9_until_gone(of_this_process);
}

/// `kill -9` of `those`, again and again until none is left: one may have been forking meanwhile.
fn kill9_until_gone(those: impl Fn() -> Vec<Process>) {
    let mut shared_memory = BTreeSet::new();
    loop {
        let processes = those();
        if processes.is_empty() {
            break;
        }
        for process in &processes {
            shared_memory.extend(shared_memory_files(process.pid));
        }
        for process in &processes {
            // One that ended by itself in between is as dead as the others.
            if let Some(pid) = i32::try_from(process.pid).ok().and_then(Pid::from_raw) {
                let _already_gone = kill_process(pid, Signal::KILL);
            }
        }
        std::thread::yield_now();
    }
    for file in shared_memory {
        // Another process of the job may have unlinked it.
        let _already_gone = std::fs::remove_file(file);
    }
}

/// The variables by which launchers tell a process its rank: MPICH's and Intel's, Open MPI's.
const RANK_VARIABLES: [&str; 2] = ["PMI_RANK", "OMPI_COMM_WORLD_RANK"];

/// `kill -9` of rank `rank` of the job marked `mark`; false where no process has that rank.
pub fn kill9_rank(mark: &str, rank: u32) -> bool {
    let is_rank = |process: &Process| {
        let environ = std::fs::read(format!("/proc/{}/environ", process.pid)).unwrap_or_default();
        let value = rank.to_string();
        environ.split(|&byte| byte == 0).any(|variable| {
            RANK_VARIABLES.iter().any(|name| {
                variable
                    .strip_prefix(name.as_bytes())
                    .and_then(|rest| rest.strip_prefix(b"="))
                    == Some(value.as_bytes())
            })
        })
    };
    let Some(process) = marked(mark).into_iter().find(is_rank) else {
        return false;
    };
    i32::try_from(process.pid)
        .ok()
        .and_then(Pid::from_raw)
        .is_some_and(|pid| kill_process(pid, Signal::KILL).is_ok())
}

/// The files below /dev/shm that a process has mapped.
fn shared_memory_files(pid: u32) -> Vec<PathBuf> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    let path = |line: &str| line.find("/dev/shm/").map(|at| line[at..].to_owned());
    maps.lines()
        .filter_map(path)
        .filter(|path| !path.ends_with(" (deleted)"))
        .map(PathBuf::from)
        .collect()
}

/// What the kernel counts of a thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadUse {
    /// Its number.
    pub tid: u32,
    /// Its name.
    pub name: String,
    /// Its time on a core, in clock ticks.
    pub ticks: u64,
    /// How often it went to sleep of its own accord.
    pub sleeps: u64,
    /// The system call that it sleeps in, if it does.
    pub sleeps_in: Option<u64>,
}

/// What the kernel counts of each thread of a process.
pub fn thread_uses(pid: u32) -> Vec<ThreadUse> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"));
    let of_task = |task: std::fs::DirEntry| {
        let read = |name: &str| std::fs::read_to_string(task.path().join(name)).ok();
        // proc(5): utime and stime are fields 14 and 15; the name before them may hold spaces.
        let stat = read("stat")?;
        let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
        let ticks = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        let status = read("status")?;
        let sleeps = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        let asleep = (fields[0] == "S").then(|| read("syscall")).flatten();
        Some(ThreadUse {
            tid: task.file_name().to_str()?.parse().ok()?,
            name: read("comm")?.trim().to_owned(),
            ticks: ticks(14)? + ticks(15)?,
            sleeps: sleeps.trim().parse().ok()?,
            sleeps_in: asleep.and_then(|call| call.split(' ').next()?.trim().parse().ok()),
        })
    };
    let tasks = tasks.into_iter().flatten().flatten();
    tasks.filter_map(of_task).collect()
}

/// A line per thread of a process, for the report of a job that is stuck: its state, its time on a core, and where in
/// the kernel it waits.
pub fn threads_of(pid: u32) -> String {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let mut report = String::new();
    for task in tasks {
        let read = |name: &str| std::fs::read_to_string(task.path().join(name)).unwrap_or_default();
        let stat = read("stat");
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let state = after_name.split_whitespace().next().unwrap_or("?");
        let user_ticks = after_name.split_whitespace().nth(11).unwrap_or("?");
        report += &format!(
            "    thread {} {:16} state {state} user_ticks {user_ticks} in {} syscall {}\n",
            task.file_name().to_string_lossy(),
            read("comm").trim(),
            read("wchan"),
            read("syscall").split(' ').next().unwrap_or_default().trim(),
        );
    }
    report
}
