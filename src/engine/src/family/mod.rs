//! A program of several processes: what it has started, and is part of its checkpoints.
//!
//! ```text
//!   root: the rank, or the program that `mana run` has started         members: what it and they have started
//!     listens at a name of the family  <──────────────── connect ──── a `mana` that finds itself a child
//!
//!     at the cut, all threads parked     Stop ─────────────────────>  a checkpoint of its own: threads park, then the leader
//!       waits for all that there are     <───────────────── Stopped   takes orders
//!     describes all descriptors together Lend ─────────────────────>
//!                                        <──── Lent, and duplicates
//!     writes its image                   Write ────────────────────>  writes its own beside it
//!       and puts their reports in its    <───────────────── Written
//!     after the commit                   GoOn or End ──────────────>
//! ```
//!
//! A restart ([`tree`]) forks the members before anything else, each from its parent; the root opens all descriptors and sends them theirs.
//!
//! Members have an agent, a cut and parked threads as a program without MPI ([`crate::alone`]), but no directory and no control file.

use std::os::fd::RawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::sync::OnceLock;

use mana_agent::Cookie;
use mana_split::numbers::{process_of_upper, tid_of_upper};
use mana_split::thread::Tid;
use rustix::process::{Pid, getpgid, getppid, getsid};
use serde::{Deserialize, Serialize};

use crate::error::EngineError;

pub mod forked;
pub mod member;
pub mod register;
pub mod root;
pub mod tree;
mod wire;

/// A member, as the program knows it; part of the root's image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its number.
    pub pid: Tid,
    /// Its parent's; 0 where that has ended, and it is now the child of whoever takes in such.
    pub parent: Tid,
    /// Its process group's, which is that of the group's leader.
    pub group: Tid,
    /// Its session's, likewise.
    pub session: Tid,
    /// What it is called.
    pub name: String,
}

impl Member {
    /// This process, as its program knows it.
    fn this() -> Self {
        let number = |pid: Option<Pid>| process_of_upper(Pid::as_raw(pid));
        let name = std::fs::read_to_string("/proc/self/comm").unwrap_or_default();
        Self {
            pid: tid_of_upper(std::process::id() as Tid),
            parent: process_of_upper(parent()),
            group: number(getpgid(None).ok()),
            session: number(getsid(None).ok()),
            name: name.trim_end().to_owned(),
        }
    }
}

/// What the kernel calls this process' parent.
fn parent() -> Tid {
    Pid::as_raw(getppid())
}

/// The name at which the root listens, in the system's namespace without files.
static NAME: OnceLock<String> = OnceLock::new();

/// States the family's name, as another program of it has told it.
pub fn set_name(name: &str) {
    let _ = NAME.set(name.to_owned());
}

/// The family's name; one of our own if nobody has told one.
pub fn name() -> &'static str {
    NAME.get_or_init(|| {
        // Nobody is to guess it. Where there is no randomness, a number tells families apart, and who connects is looked at.
        let bytes = Cookie::random().map_or_else(
            |_| std::process::id().to_ne_bytes().to_vec(),
            |it| it.0.to_vec(),
        );
        let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("mana-family-{}", digits.concat())
    })
}

fn address() -> Result<SocketAddr, EngineError> {
    SocketAddr::from_abstract_name(name())
        .map_err(|source| os("naming the family's socket", source))
}

fn os(doing: &str, source: std::io::Error) -> EngineError {
    EngineError::Os {
        doing: doing.into(),
        source,
    }
}

/// Something that another process of the family cannot do.
fn failed(member: &str, why: &str) -> EngineError {
    EngineError::Family {
        member: member.to_owned(),
        why: why.to_owned(),
    }
}

/// The same socket at a number from `above` on.
pub fn copy_above(socket: &UnixStream, above: RawFd) -> Result<UnixStream, EngineError> {
    let copy = rustix::io::fcntl_dupfd_cloexec(socket, above)
        .map_err(|errno| os("moving the family's socket", errno.into()))?;
    Ok(copy.into())
}
