//! What the program has told the kernel about its process: limits of resources, and what prctl(2) and personality(2) set.
//!
//! ```text
//!   start     what the launcher gave                                  given
//!   cut       what is otherwise than that: the program's own doing    -> image
//!   restart   what the new launcher gives, and on top of it           <- image
//! ```
//!
//! Only what the program has changed is kept, so that a restart gets the limits of the place where it is started.
//!
//! # Safety
//! Lower TLS live; no pointer but to locals is passed.
#![expect(unsafe_code, reason = "prctl(2) and personality(2)")]

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::error::EngineError;

/// Resources of getrlimit(2), by number, with their names.
const RESOURCES: [(u32, &str); 16] = [
    (libc::RLIMIT_CPU, "RLIMIT_CPU"),
    (libc::RLIMIT_FSIZE, "RLIMIT_FSIZE"),
    (libc::RLIMIT_DATA, "RLIMIT_DATA"),
    (libc::RLIMIT_STACK, "RLIMIT_STACK"),
    (libc::RLIMIT_CORE, "RLIMIT_CORE"),
    (libc::RLIMIT_RSS, "RLIMIT_RSS"),
    (libc::RLIMIT_NPROC, "RLIMIT_NPROC"),
    (libc::RLIMIT_NOFILE, "RLIMIT_NOFILE"),
    (libc::RLIMIT_MEMLOCK, "RLIMIT_MEMLOCK"),
    (libc::RLIMIT_AS, "RLIMIT_AS"),
    (libc::RLIMIT_LOCKS, "RLIMIT_LOCKS"),
    (libc::RLIMIT_SIGPENDING, "RLIMIT_SIGPENDING"),
    (libc::RLIMIT_MSGQUEUE, "RLIMIT_MSGQUEUE"),
    (libc::RLIMIT_NICE, "RLIMIT_NICE"),
    (libc::RLIMIT_RTPRIO, "RLIMIT_RTPRIO"),
    (libc::RLIMIT_RTTIME, "RLIMIT_RTTIME"),
];

/// As much address space a checkpoint takes for stacks and buffers, without those that it can do without.
const NEEDED_BYTES: u64 = 48 << 20;

/// Refuses a checkpoint for which RLIMIT_AS leaves no room: memory that cannot be had in the middle would be the program's end.
pub fn check_address_space() -> Result<(), EngineError> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::As);
    let Some(limit_bytes) = limit.current else {
        return Ok(());
    };
    // The first number of proc_pid_statm(5): the size in pages.
    let sizes = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = sizes.split(' ').next().and_then(|pages| pages.parse().ok());
    let used_bytes = pages.unwrap_or(0_u64) * rustix::param::page_size() as u64;
    let left_bytes = limit_bytes.saturating_sub(used_bytes);
    if left_bytes >= NEEDED_BYTES {
        return Ok(());
    }
    Err(EngineError::AddressSpace {
        needed_bytes: NEEDED_BYTES,
        limit_bytes,
        left_bytes,
    })
}

/// How prctl(2) tells a setting.
enum Told {
    /// As its result.
    Result,
    /// At the address that is its argument.
    Word,
}

/// Settings of prctl(2): name, the operations that get and set it, and how it is told.
const SETTINGS: [(&str, i32, i32, Told); 5] = [
    (
        "PR_SET_DUMPABLE",
        libc::PR_GET_DUMPABLE,
        libc::PR_SET_DUMPABLE,
        Told::Result,
    ),
    (
        "PR_SET_THP_DISABLE",
        libc::PR_GET_THP_DISABLE,
        libc::PR_SET_THP_DISABLE,
        Told::Result,
    ),
    (
        "PR_SET_NO_NEW_PRIVS",
        libc::PR_GET_NO_NEW_PRIVS,
        libc::PR_SET_NO_NEW_PRIVS,
        Told::Result,
    ),
    (
        "PR_SET_PDEATHSIG",
        libc::PR_GET_PDEATHSIG,
        libc::PR_SET_PDEATHSIG,
        Told::Word,
    ),
    (
        "PR_SET_CHILD_SUBREAPER",
        libc::PR_GET_CHILD_SUBREAPER,
        libc::PR_SET_CHILD_SUBREAPER,
        Told::Word,
    ),
];

/// personality(2) that changes nothing.
const NO_PERSONALITY: libc::c_ulong = 0xffff_ffff;

/// Soft limit and hard limit of a resource.
type Limit = (u64, u64);

/// What the program has changed; part of an image. Settings and resources are told by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    resources: Vec<(String, Limit)>,
    settings: Vec<(String, i32)>,
    personality: Option<i32>,
}

/// What the launcher gave.
static GIVEN: OnceLock<Limits> = OnceLock::new();

/// Looks at what the launcher gave, before any of the program runs.
pub fn start() {
    let _ = GIVEN.set(now());
}

/// What the program has changed.
pub fn save() -> Limits {
    let now = now();
    let Some(given) = GIVEN.get() else {
        return Limits::default();
    };
    Limits {
        resources: other(now.resources, &given.resources),
        settings: other(now.settings, &given.settings),
        personality: now
            .personality
            .filter(|_| now.personality != given.personality),
    }
}

fn other<T: PartialEq>(now: Vec<T>, given: &[T]) -> Vec<T> {
    now.into_iter().filter(|it| !given.contains(it)).collect()
}

/// All of it, as it is.
fn now() -> Limits {
    let resources = RESOURCES.iter().filter_map(|&(number, name)| {
        let mut limit = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: writes one structure.
        let found = unsafe { libc::getrlimit(number, &raw mut limit) } == 0;
        found.then(|| (name.to_owned(), (limit.rlim_cur, limit.rlim_max)))
    });
    let settings = SETTINGS.iter().filter_map(|(name, get, _, told)| {
        let mut word = 0_i32;
        let argument = match told {
            Told::Result => 0,
            Told::Word => (&raw mut word) as libc::c_ulong,
        };
        // SAFETY: writes one int, where it writes.
        let result = unsafe { libc::prctl(*get, argument, 0, 0, 0) };
        let value = match told {
            Told::Result => result,
            Told::Word => word,
        };
        (result >= 0).then(|| (name.to_string(), value))
    });
    Limits {
        resources: resources.collect(),
        settings: settings.collect(),
        // SAFETY: takes no pointer.
        personality: Some(unsafe { libc::personality(NO_PERSONALITY) }),
    }
}

/// Puts all of it back. A limit that this user may not have again is as near as it can be, with a warning.
pub fn restore(saved: &Limits) -> Result<(), EngineError> {
    for (name, limit) in &saved.resources {
        let number = RESOURCES.iter().find(|(_, known)| known == name);
        let (number, _) = number.ok_or_else(|| unknown(name))?;
        set_limit(*number, name, *limit);
    }
    for (name, value) in &saved.settings {
        let setting = SETTINGS.iter().find(|(known, ..)| known == name);
        let (_, _, set, _) = setting.ok_or_else(|| unknown(name))?;
        // SAFETY: takes no pointer.
        if unsafe { libc::prctl(*set, *value as libc::c_ulong, 0, 0, 0) } < 0 {
            warn(&format!("prctl({name}, {value})"));
        }
    }
    if let Some(personality) = saved.personality {
        // SAFETY: takes no pointer.
        unsafe { libc::personality(personality as u32 as libc::c_ulong) };
    }
    Ok(())
}

/// Limits that must be wide enough while descriptors are opened and memory is locked again.
const ROOM: [(&str, u32); 2] = [
    ("RLIMIT_NOFILE", libc::RLIMIT_NOFILE),
    ("RLIMIT_MEMLOCK", libc::RLIMIT_MEMLOCK),
];

/// Makes room for as many descriptors and as much locked memory as the program may have, before there are any.
pub fn restore_room(saved: &Limits) {
    let now = now().resources;
    for (name, resource) in ROOM {
        let of = |resources: &[(String, Limit)]| {
            let found = resources.iter().find(|(known, _)| known == name);
            found.map(|(_, limits)| *limits)
        };
        let Some((soft, hard)) = of(&saved.resources) else {
            continue;
        };
        if of(&now).is_some_and(|(now, _)| now < soft) {
            set_limit(resource, name, (soft, hard));
        }
    }
}

fn unknown(name: &str) -> EngineError {
    EngineError::State(format!(
        "the process has {name}, which this mana does not know"
    ))
}

fn warn(what: &str) {
    tracing::warn!(
        "{what}, which the program had set, cannot be set again ({}): it is as the launcher gave it",
        std::io::Error::last_os_error()
    );
}

fn set_limit(number: u32, name: &str, (soft, hard): Limit) {
    let set = |rlim_cur, rlim_max| {
        let limit = libc::rlimit { rlim_cur, rlim_max };
        // SAFETY: reads one structure.
        unsafe { libc::setrlimit(number, &raw const limit) == 0 }
    };
    if set(soft, hard) {
        return;
    }
    let given = GIVEN.get().and_then(|given| {
        let found = given.resources.iter().find(|(known, _)| known == name);
        found.map(|(_, limit)| *limit)
    });
    let highest = given.map_or(hard, |(_, highest)| highest.min(hard));
    if !set(soft.min(highest), highest) || soft > highest {
        warn(&format!("{name} {soft}"));
    }
}
