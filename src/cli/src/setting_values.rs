//! What the values of `MANA_` variables mean. Each function says why a value cannot be; [`crate::settings`] adds which
//! variable it is and what is allowed.

use mana_descriptors::FilePolicy;
use mana_engine::settings::SafePoint;
use mana_native::Choice;
use std::time::Duration;
use tracing_subscriber::EnvFilter;

/// The units of a time; `ms` before `s`, in which it ends, too.
const UNITS_S: [(&str, f64); 5] = [
    ("ms", 0.001),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3600.0),
    ("d", 86_400.0),
];

/// A positive time: a number of seconds, or a number and `ms`, `s`, `m`, `h` or `d`.
pub fn parse_interval(text: &str) -> Result<Duration, String> {
    let (digits, unit_s) = UNITS_S
        .iter()
        .find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, *seconds)))
        .unwrap_or((text, 1.0));
    let plain = digits
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let count: f64 = digits
        .parse()
        .ok()
        .filter(|_| plain)
        .ok_or("it is no time")?;
    if count <= 0.0 {
        return Err(
            "the time must be longer than nothing; to make checkpoints only when asked, unset it"
                .into(),
        );
    }
    Duration::try_from_secs_f64(count * unit_s).map_err(|error| error.to_string())
}

/// `NTH` or `NTH@RANK`.
pub fn parse_safe_point(text: &str) -> Result<SafePoint, String> {
    let (nth, rank) = text.split_once('@').unwrap_or((text, "0"));
    let nth = nth.parse().map_err(|error| format!("{error}"))?;
    let rank = rank.parse().map_err(|error| format!("{error}"))?;
    if nth == 0 {
        return Err("they are counted from 1".into());
    }
    Ok(SafePoint { nth, rank })
}

/// Names of signals, without `SIG`, and their numbers on Linux (signal(7)).
const SIGNALS: &[(&str, i32)] = &[
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("USR1", 10),
    ("USR2", 12),
    ("ALRM", 14),
    ("TERM", 15),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("PWR", 30),
];

/// Signals that cannot be caught (9, 19) or mean a fault, a child or job control, and the two that glibc keeps.
const IMPOSSIBLE_SIGNALS: &[i32] = &[4, 5, 6, 7, 8, 9, 11, 13, 17, 18, 19, 20, 21, 22, 31, 32, 33];

pub fn parse_signal(text: &str) -> Result<i32, String> {
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let number = match SIGNALS.iter().find(|(known, _)| *known == name) {
        Some((_, number)) => *number,
        None => name
            .parse()
            .map_err(|_| format!("no signal that can be used here is called {text}"))?,
    };
    if number == mana_engine::CHECKPOINT_SIGNAL {
        return Err("mana itself uses this signal".into());
    }
    if !(1..=64).contains(&number) || IMPOSSIBLE_SIGNALS.contains(&number) {
        return Err("this signal cannot ask for anything".into());
    }
    Ok(number)
}

/// The word or path as [`Choice`] takes it. `abi` is short for the standard ABI.
pub fn parse_mpi(text: &str) -> Result<String, String> {
    let text = if text == "abi" { "standard" } else { text };
    text.parse::<Choice>()
        .map(|_| text.to_owned())
        .map_err(|error| error.to_string())
}

/// On or off.
pub fn parse_switch(text: &str) -> Result<bool, String> {
    match text {
        "1" => Ok(true),
        "0" => Ok(false),
        _ => Err("it is neither".into()),
    }
}

/// Whether locks of windows go through shared memory where they can.
pub fn parse_window_locks(text: &str) -> Result<bool, String> {
    match text {
        "auto" => Ok(true),
        "network" => Ok(false),
        _ => Err("it is neither".into()),
    }
}

/// What happens at a restart with files that are not what they were.
pub fn parse_files(text: &str) -> Result<FilePolicy, String> {
    match text {
        "check" => Ok(FilePolicy::Check),
        "accept" => Ok(FilePolicy::Accept),
        "cut" => Ok(FilePolicy::Cut),
        _ => Err("it is none of them".into()),
    }
}

/// A level or a list of directives. A lone word must be a level: EnvFilter would take `degub` for a module.
pub fn parse_log(text: &str) -> Result<String, String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    if !text.contains('=') && !text.split(',').all(|word| LEVELS.contains(&word)) {
        return Err("it is no level".into());
    }
    EnvFilter::try_new(text)
        .map(|_| text.to_owned())
        .map_err(|error| error.to_string())
}
