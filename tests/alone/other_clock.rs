//! A restart on a machine whose clocks say another time, booted later or earlier: a time namespace stands for it.
//!
//! ```text
//!   first life     this machine's clocks
//!   second life    unshare --time ... mana restart DIR      one machine
//!   third life     unshare --time ... mana restart DIR      another, and saved again and again
//! ```
//!
//! The programs check that their clocks only go on, and that waits end when they should by these.

use std::process::{Command, Stdio};

use mana_suite::install;
use mana_suite::programs::{Toolchain, build_c};

use crate::{GATES, Life, Lives, open_gate, programs};

/// How long ago the machine that was booted later was booted, in seconds.
const YOUNG_S: i64 = 10;
/// How much longer ago than this one the older machine was booted, in seconds.
const OLDER_S: i64 = 10_000_000;

/// What makes `CLOCK_MONOTONIC` and `CLOCK_BOOTTIME` those of a machine that was booted just now.
fn younger() -> i64 {
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    let seconds = uptime.split('.').next().unwrap();
    YOUNG_S - seconds.parse::<i64>().unwrap()
}

/// unshare(1), with clocks that are ahead by `seconds`.
fn with_clocks(seconds: i64) -> Command {
    let seconds = seconds.to_string();
    let mut command = Command::new("unshare");
    command.args(["--time", "--fork", "--kill-child"]);
    command.args(["--monotonic", &seconds, "--boottime", &seconds]);
    command
}

/// Whether time namespaces can be made here; says so if not.
fn can_change_clocks() -> bool {
    let mut command = with_clocks(1);
    command.arg("true").stderr(Stdio::piped());
    let refused = match command.output() {
        Ok(output) if output.status.success() => return true,
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    eprintln!(
        "SKIPPED, nothing was tested: no time namespace can be made here: {}",
        refused.trim()
    );
    false
}

fn restart(lives: &Lives, ahead_s: i64, is_last: bool) -> Life {
    let mut command = with_clocks(ahead_s);
    command.arg(lives.install.mana()).arg("restart");
    command.arg(lives.checkpoints.path());
    if is_last {
        command.env("MANA_CKPT_INTERVAL", "20ms");
    }
    lives.spawn(command)
}

/// Runs the program in the file `name`, the second and third life on machines that are ahead of this one.
fn lives_on(name: &str, ahead_s: [i64; GATES as usize]) {
    if !can_change_clocks() {
        return;
    }
    let built = build_c(&programs().join(name), Toolchain::Plain).unwrap();
    let lives = Lives::new(install().unwrap());
    let gates = lives.gates.path().to_str().unwrap();
    let mut life = lives.start(&["run", built.to_str().unwrap(), gates]);
    for (number, ahead_s) in (1..).zip(ahead_s) {
        lives.save_and_kill(life, number);
        life = restart(&lives, ahead_s, number == GATES);
        open_gate(lives.gates.path(), number);
    }
    lives.wait_for_end(&mut life);
    assert!(lives.output().ends_with("ok\n"), "{}", lives.output());
}

#[test]
fn clocks_that_are_behind_and_then_ahead() {
    lives_on("steady_clocks.c", [younger(), OLDER_S]);
}

#[test]
fn clocks_that_are_ahead_and_then_behind() {
    lives_on("steady_clocks.c", [OLDER_S, younger()]);
}

#[test]
fn instants_on_other_machines() {
    lives_on("instants.rs", [younger(), OLDER_S]);
    lives_on("instants.rs", [OLDER_S, younger()]);
}
