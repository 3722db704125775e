//! What a process had, from its image: threads, descriptors, memory by kind, and what could not be kept. For `mana show`.

use mana_descriptors::Lost;
use mana_image::{RankReader, Region};
use mana_split::thread_image::{Resume, ThreadImage};
use serde::Serialize;

use crate::error::EngineError;
use crate::restart;

/// What a process had.
#[derive(Debug, Clone, Serialize)]
pub struct Inventory {
    /// Its threads.
    pub threads: Vec<Thread>,
    /// What it had open, by number.
    pub descriptors: Vec<Descriptor>,
    /// Its memory.
    pub memory: Vec<Memory>,
    /// Other processes of the program, in the order of their files.
    pub children: Vec<Child>,
    /// What could not be kept.
    pub lost: Vec<Lost>,
}

/// Another process of the program.
#[derive(Debug, Clone, Serialize)]
pub struct Child {
    /// Its number.
    pub pid: i32,
    /// Its parent's.
    pub parent: i32,
    /// What it is called.
    pub name: String,
    /// The numbers of its descriptors.
    pub descriptors: Vec<i32>,
}

/// A thread.
#[derive(Debug, Clone, Serialize)]
pub struct Thread {
    /// Its number, as the program knows it.
    pub tid: i32,
    /// Its name.
    pub name: String,
    /// Where it was.
    pub place: String,
}

/// A descriptor.
#[derive(Debug, Clone, Serialize)]
pub struct Descriptor {
    /// Its number.
    pub number: i32,
    /// Of what kind it is.
    pub kind: &'static str,
    /// A path, an address, or what else there is to know.
    pub of: String,
    /// The position in it, in bytes, where it has one.
    pub position_bytes: Option<u64>,
}

/// All mappings of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// Which.
    pub kind: &'static str,
    /// How many mappings.
    pub mappings: usize,
    /// How long they are together, in bytes.
    pub bytes: u64,
}

/// Reads it from a rank's file.
///
/// # Errors
/// [`EngineError::Image`] and [`EngineError::State`] when the file, or the engine's part of it, cannot be read.
pub fn of(reader: &RankReader) -> Result<Inventory, EngineError> {
    let metadata = restart::metadata(reader)?;
    let family = metadata.surroundings.family;
    let descriptors = metadata.surroundings.descriptors;
    let children = family.into_iter().enumerate().map(|(index, member)| Child {
        pid: member.pid,
        parent: member.parent,
        name: member.name,
        descriptors: descriptors
            .members
            .get(index)
            .map(|numbers| numbers.iter().map(|number| number.number).collect())
            .unwrap_or_default(),
    });
    let children = children.collect();
    let each = descriptors.numbers.iter().filter_map(|number| {
        let what = &descriptors.files.get(number.file)?.what;
        Some(Descriptor {
            number: number.number,
            kind: what.kind(),
            of: descriptors.detail(number.file),
            position_bytes: what.position_bytes(),
        })
    });
    Ok(Inventory {
        threads: metadata.threads.iter().map(thread).collect(),
        descriptors: each.collect(),
        memory: memory(reader.regions()),
        children,
        lost: descriptors.lost,
    })
}

fn thread(thread: &ThreadImage) -> Thread {
    let place = match (thread.resume, thread.waits_in) {
        (Resume::Cross { .. }, _) => "in a call of MPI".to_owned(),
        (Resume::Signal { .. }, Some(call)) => call_name(call),
        (Resume::Signal { .. }, None) => "in the program".to_owned(),
    };
    Thread {
        tid: thread.tid,
        name: String::from_utf8_lossy(&thread.name).into_owned(),
        place,
    }
}

/// System calls in which threads wait.
const WAITS: [(i64, &str); 18] = [
    (libc::SYS_futex, "futex"),
    (libc::SYS_read, "read"),
    (libc::SYS_write, "write"),
    (libc::SYS_poll, "poll"),
    (libc::SYS_ppoll, "ppoll"),
    (libc::SYS_select, "select"),
    (libc::SYS_pselect6, "pselect6"),
    (libc::SYS_epoll_wait, "epoll_wait"),
    (libc::SYS_epoll_pwait, "epoll_pwait"),
    (libc::SYS_nanosleep, "nanosleep"),
    (libc::SYS_clock_nanosleep, "clock_nanosleep"),
    (libc::SYS_accept, "accept"),
    (libc::SYS_accept4, "accept4"),
    (libc::SYS_recvfrom, "recvfrom"),
    (libc::SYS_recvmsg, "recvmsg"),
    (libc::SYS_pause, "pause"),
    (libc::SYS_wait4, "wait4"),
    (libc::SYS_rt_sigtimedwait, "rt_sigtimedwait"),
];

fn call_name(call: i64) -> String {
    let known = WAITS.iter().find(|(number, _)| *number == call);
    known.map_or_else(
        || format!("system call {call}"),
        |(_, name)| (*name).to_owned(),
    )
}

/// The regions, by kind.
fn memory(regions: &[Region]) -> Vec<Memory> {
    let mut all: Vec<Memory> = Vec::new();
    for region in regions {
        let kind = kind(region);
        match all.iter_mut().find(|memory| memory.kind == kind) {
            Some(memory) => {
                memory.mappings += 1;
                memory.bytes += region.len_bytes;
            }
            None => all.push(Memory {
                kind,
                mappings: 1,
                bytes: region.len_bytes,
            }),
        }
    }
    all
}

fn kind(region: &Region) -> &'static str {
    let is = |flag: i32| region.flags & flag as u32 != 0;
    let is_of_system = ["/dev/zero", "/memfd:", "/SYSV", "/dev/shm/"]
        .iter()
        .any(|name| region.name.starts_with(name));
    match (is(libc::MAP_SHARED), is(libc::MAP_ANONYMOUS)) {
        (true, _) if is_of_system => "shared memory",
        (true, _) => "shared file",
        (false, true) if region.name == "[stack]" => "stack",
        (false, true) => "anonymous",
        (false, false) => "private copy of a file",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_counted_by_kind() {
        let region = |flags: i32, name: &str| Region {
            start: 0,
            len_bytes: 4096,
            prot: 3,
            flags: flags as u32,
            name: name.into(),
        };
        let private = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let regions = [
            region(private, "anonymous memory"),
            region(libc::MAP_SHARED, "/memfd:cache"),
            region(private, "anonymous memory"),
            region(libc::MAP_SHARED, "/data/table"),
        ];
        let kinds: Vec<_> = memory(&regions)
            .into_iter()
            .map(|memory| (memory.kind, memory.mappings, memory.bytes))
            .collect();
        let wanted = [
            ("anonymous", 2, 8192),
            ("shared memory", 1, 4096),
            ("shared file", 1, 4096),
        ];
        assert_eq!(kinds, wanted);
    }
}
