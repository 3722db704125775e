//! What the threads of a job that hangs are doing.

use std::process::{Command, Stdio};

use mana_suite::{Job, processes};

/// A report of every process of `job`: the stacks of its threads by gdb, and what the kernel knows of them.
pub(crate) fn of(job: &Job) -> String {
    let mut report = String::new();
    for process in job.processes() {
        report += &format!("\n  {} {}\n", process.pid, process.command);
        report += &processes::threads_of(process.pid);
        report += &backtraces(process.pid);
    }
    report
}

/// Backtraces of all threads; gdb's complaint, or nothing, where it cannot say.
fn backtraces(pid: u32) -> String {
    let shown = Command::new("gdb")
        .args(["-p", &pid.to_string(), "-batch", "-nx"])
        .args(["-ex", "set pagination off", "-ex", "thread apply all bt 40"])
        .stdin(Stdio::null())
        .output();
    match shown {
        Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned(),
        Err(error) => format!("    no stacks: gdb cannot be started: {error}\n"),
    }
}
