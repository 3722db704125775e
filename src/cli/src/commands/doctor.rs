//! `mana doctor`: what this machine has, what it lacks, and what to do about it.
//!
//! Each finding is a line; one that is bad says what to do. The status is 1 when anything is missing that `mana` cannot do
//! without.

use crate::commands::compiler::Parts;
use crate::commands::{print, print_json};
use crate::exit::{Failure, Status};
use crate::settings::{Settings, SettingsError};
use crate::text;
use mana_native::{Environment, detect_launcher, discover};
use rustix::process::{Resource, getrlimit};
use serde::Serialize;
use std::fs;
use std::process::Command;

/// How a finding is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Grade {
    Good,
    /// It works, but not as well as it could.
    Note,
    /// It does not work.
    Bad,
}

/// Something about this machine.
#[derive(Debug, Serialize)]
struct Finding {
    what: String,
    grade: Grade,
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Finding {
    fn good(what: &str, value: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            grade: Grade::Good,
            value: value.into(),
            advice: None,
        }
    }

    fn with(what: &str, grade: Grade, value: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            grade,
            value: value.into(),
            advice: Some(advice.into()),
        }
    }
}

/// Looks at everything and prints it.
pub fn examine(json: bool) -> Result<Status, Failure> {
    let mut findings = vec![fsgsbase(), kernel(), seccomp(), overcommit()];
    findings.extend(limits());
    findings.extend(mpis());
    findings.extend(["cc", "c++"].map(compiler));
    findings.extend([stub(), environment()]);
    if json {
        print_json(&findings)?;
    } else {
        print(&in_words(&findings))?;
    }
    let bad = findings.iter().any(|finding| finding.grade == Grade::Bad);
    Ok(if bad { Status::Failed } else { Status::Done })
}

fn in_words(findings: &[Finding]) -> String {
    let width = findings
        .iter()
        .map(|finding| finding.what.chars().count())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for Finding {
        what,
        grade,
        value,
        advice,
    } in findings
    {
        let mark = match grade {
            Grade::Good => "ok  ",
            Grade::Note => "note",
            Grade::Bad => "BAD ",
        };
        text.push_str(&format!("{mark}  {what:<width$}  {value}\n"));
        if let Some(advice) = advice {
            text.push_str(&format!("      {:<width$}  -> {advice}\n", ""));
        }
    }
    text
}

/// AT_HWCAP2, bit 1 (Linux, arch/x86/include/uapi/asm/hwcap2.h): user code may use wrfsbase.
fn fsgsbase() -> Finding {
    const AT_HWCAP2: u64 = 26;
    const HWCAP2_FSGSBASE: u64 = 1 << 1;
    let auxv = fs::read("/proc/self/auxv").unwrap_or_default();
    let (entries, _) = auxv.as_chunks::<16>();
    let word = |bytes: &[u8]| {
        bytes
            .iter()
            .rev()
            .fold(0, |value, &byte| value << 8 | u64::from(byte))
    };
    let entry = entries.iter().find(|entry| word(&entry[..8]) == AT_HWCAP2);
    if entry.is_some_and(|entry| word(&entry[8..]) & HWCAP2_FSGSBASE != 0) {
        return Finding::good(
            "FSGSBASE",
            "yes: a call crosses between the halves without a system call",
        );
    }
    let advice = "a call costs about 400 ns more; use Linux 5.9 or newer, without `nofsgsbase`, on a processor since Ivy Bridge";
    Finding::with(
        "FSGSBASE",
        Grade::Note,
        "no: each crossing makes two system calls",
        advice,
    )
}

fn kernel() -> Finding {
    const OLDEST: (u32, u32) = (4, 17); // MAP_FIXED_NOREPLACE, mmap(2)
    let system = rustix::system::uname();
    let release = system.release().to_string_lossy().into_owned();
    let version = mana_image::kernel_version(&release).unwrap_or_default();
    let machine = system.machine().to_string_lossy().into_owned();
    if machine != "x86_64" {
        let advice = "mana runs on x86-64 only, so far";
        return Finding::with(
            "kernel",
            Grade::Bad,
            format!("Linux {release} on {machine}"),
            advice,
        );
    }
    if version < OLDEST {
        let advice = "mana needs Linux 4.17 (MAP_FIXED_NOREPLACE)";
        return Finding::with("kernel", Grade::Bad, format!("Linux {release}"), advice);
    }
    Finding::good("kernel", format!("Linux {release} {machine}"))
}

/// Filters are needed for programs with system calls that the loader cannot steer.
fn seccomp() -> Finding {
    let actions = fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail").unwrap_or_default();
    if actions.split_whitespace().any(|action| action == "trap") {
        return Finding::good("seccomp", "filters with traps");
    }
    let advice = "programs that make system calls of their own (Go, some JITs) will be refused; enable CONFIG_SECCOMP_FILTER";
    Finding::with("seccomp", Grade::Note, "no filters with traps", advice)
}

fn overcommit() -> Finding {
    let mode = fs::read_to_string("/proc/sys/vm/overcommit_memory").unwrap_or_default();
    match mode.trim() {
        "2" => {
            let advice = "a restart maps all of a program's memory before it fills it; if that fails: sysctl vm.overcommit_memory=0";
            Finding::with(
                "vm.overcommit_memory",
                Grade::Note,
                "2: strict accounting",
                advice,
            )
        }
        mode => Finding::good("vm.overcommit_memory", mode),
    }
}

fn limits() -> Vec<Finding> {
    let limit = |name: &str, resource, least: u64, advice: &str| {
        let value = getrlimit(resource).current;
        let shown = value.map_or("unlimited".into(), |value| value.to_string());
        match value {
            Some(value) if value < least => Finding::with(name, Grade::Note, shown, advice),
            _ => Finding::good(name, shown),
        }
    };
    vec![
        limit(
            "ulimit -v (memory)",
            Resource::As,
            u64::MAX,
            "the lower half and restarts need address space: ulimit -v unlimited",
        ),
        limit(
            "ulimit -f (file size)",
            Resource::Fsize,
            u64::MAX,
            "an image is one file per rank, as large as its memory: ulimit -f unlimited",
        ),
        limit(
            "ulimit -n (open files)",
            Resource::Nofile,
            256,
            "MPI libraries and agents need descriptors: ulimit -n 1024",
        ),
        limit(
            "ulimit -u (processes)",
            Resource::Nproc,
            256,
            "each thread of the program gets a second one: ulimit -u 4096",
        ),
    ]
}

fn mpis() -> Vec<Finding> {
    let environment = Environment::current();
    let (found, rejected) = discover(&environment);
    let mut findings = vec![Finding::good(
        "launcher",
        detect_launcher(&environment).kind.to_string(),
    )];
    for mpi in &found {
        findings.push(match &mpi.version {
            Ok(version) => Finding::good("MPI", format!("{version}: {}", mpi.path.display())),
            Err(why) => {
                let advice = "its own programs would fail as well: look at LD_LIBRARY_PATH, or install it again";
                Finding::with("MPI", Grade::Note, format!("{} does not load: {why}", mpi.path.display()), advice)
            }
        });
    }
    for mpi in rejected {
        findings.push(Finding::with(
            "MPI",
            Grade::Note,
            mpi.reason,
            "nothing, unless this is the one you want",
        ));
    }
    if !found.iter().any(|mpi| mpi.version.is_ok()) {
        let advice = "apt install mpich (or libopenmpi3), pip install mpich, load your site's module, or set MANA_MPI to a library";
        findings.push(Finding::with("MPI", Grade::Bad, "none found", advice));
    }
    findings
}

fn compiler(name: &str) -> Finding {
    let output = Command::new(name).arg("--version").output();
    match output {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout);
            Finding::good(
                &format!("compiler {name}"),
                text.lines().next().unwrap_or_default(),
            )
        }
        _ => {
            let advice =
                "only needed to build programs: apt install gcc g++, or set MANA_CC and MANA_CXX";
            Finding::with(
                &format!("compiler {name}"),
                Grade::Note,
                "not found",
                advice,
            )
        }
    }
}

fn stub() -> Finding {
    match Parts::find() {
        Ok(parts) => Finding::good("libmana_stub", parts.library.display().to_string()),
        Err(failure) => {
            let advice = "only needed to build programs: cargo build --release -p mana_stub, or install mana as a whole";
            Finding::with("libmana_stub", Grade::Note, failure.to_string(), advice)
        }
    }
}

fn environment() -> Finding {
    match Settings::of_this_process() {
        Ok(settings) => {
            let interval = settings
                .interval
                .map_or("only when asked".into(), |interval| {
                    format!("every {}", text::duration(interval.as_nanos() as u64))
                });
            let value = format!(
                "checkpoints {interval}, to {}, {} stay",
                settings.directory().display(),
                settings.keep
            );
            Finding::good("MANA_ variables", value)
        }
        Err(error @ SettingsError::Unknown { .. }) => Finding::with(
            "MANA_ variables",
            Grade::Bad,
            error.to_string(),
            "unset it, or correct its name",
        ),
        Err(error) => Finding::with(
            "MANA_ variables",
            Grade::Bad,
            error.to_string(),
            "unset it, or correct its value",
        ),
    }
}
