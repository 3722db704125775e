//! Limits on resources that the program has set, getrlimit(2): a restart sets them again. Those it has inherited are the new
//! launcher's business.

use std::sync::OnceLock;

use rustix::process::{Resource, getrlimit, setrlimit};

/// Those that are looked at; an image has their places in this list.
const RESOURCES: [Resource; 14] = [
    Resource::Cpu,
    Resource::Fsize,
    Resource::Data,
    Resource::Stack,
    Resource::Core,
    Resource::Nproc,
    Resource::Nofile,
    Resource::Memlock,
    Resource::As,
    Resource::Sigpending,
    Resource::Msgqueue,
    Resource::Nice,
    Resource::Rtprio,
    Resource::Rttime,
];

/// Place in [`RESOURCES`], and the soft limit; none is unlimited.
pub type Limits = Vec<(usize, Option<u64>)>;

/// Soft limits as the launcher gave them.
static AT_START: OnceLock<Vec<Option<u64>>> = OnceLock::new();

fn now() -> Vec<Option<u64>> {
    RESOURCES
        .map(|resource| getrlimit(resource).current)
        .to_vec()
}

/// Looks at what the launcher gave.
pub fn start() {
    let _ = AT_START.set(now());
}

/// What the program has changed.
pub fn save() -> Limits {
    let at_start = AT_START.get_or_init(now);
    let all = now().into_iter().enumerate();
    all.filter(|(at, limit)| at_start[*at] != *limit).collect()
}

/// Sets all of them, before the program goes on.
pub fn restore(saved: &Limits) {
    saved.iter().for_each(|(at, limit)| set(*at, *limit));
}

/// Sets the one on descriptors if it is higher than now, before these are opened.
pub fn restore_room(saved: &Limits) {
    for (at, limit) in saved {
        let is_higher = match (limit, getrlimit(Resource::Nofile).current) {
            (Some(limit), Some(now)) => *limit > now,
            (limit, _) => limit.is_none(),
        };
        if RESOURCES.get(*at) == Some(&Resource::Nofile) && is_higher {
            set(*at, *limit);
        }
    }
}

fn set(at: usize, limit: Option<u64>) {
    let Some(resource) = RESOURCES.get(at) else {
        return;
    };
    let mut wanted = getrlimit(*resource);
    wanted.current = limit;
    if let Err(error) = setrlimit(*resource, wanted) {
        tracing::warn!("the limit {resource:?} cannot be {limit:?} again: {error}");
    }
}
