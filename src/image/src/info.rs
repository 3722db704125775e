//! Who wrote an image, and where: what `mana show` can say without understanding the engine's state.

use crate::cpu::cpu_features;
use serde::{Deserialize, Serialize};
use std::time::{SystemTime, UNIX_EPOCH};

/// A named part of a checkpoint and how long it took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// `converge`, `drain`, …
    pub name: String,
    /// Its duration on the wall, in nanoseconds.
    pub wall_ns: u64,
}

impl Phase {
    /// A phase.
    pub fn new(name: impl Into<String>, wall_ns: u64) -> Self {
        Self {
            name: name.into(),
            wall_ns,
        }
    }
}

/// The MPI below when the image was written.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MpiIdentity {
    /// The implementation's name and version.
    pub name: String,
    /// The path of its library.
    pub library: String,
    /// The ABI spoken with it.
    pub abi: String,
}

/// Who wrote an image. Stored as a msgpack map, so fields can be added within a format version; a field that an
/// older writer did not know reads as its default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct WriterInfo {
    /// The version of `mana`.
    pub mana_version: String,
    /// The node's name.
    pub host: String,
    /// The kernel: system, release and architecture.
    pub kernel: String,
    /// The processor features that the program may be using.
    pub cpu_features: Vec<String>,
    /// The rank in MPI_COMM_WORLD.
    pub rank: u32,
    /// The number of ranks in MPI_COMM_WORLD.
    pub ranks: u32,
    /// Which checkpoint of the run this is.
    pub epoch: u64,
    /// When the rank began to write, in nanoseconds since 1970.
    pub written_unix_ns: u64,
    /// The program's executable.
    pub program: String,
    /// Its arguments, the first one being its name.
    pub arguments: Vec<String>,
    /// The number of its threads.
    pub threads: u32,
    /// The MPI that it ran under.
    pub mpi: MpiIdentity,
    /// What came before the writing, by phase.
    pub phases: Vec<Phase>,
}

impl WriterInfo {
    /// What can be known here: version, host, kernel, processor and time. The caller fills in the rest.
    pub fn here() -> Self {
        let system = rustix::system::uname();
        Self {
            mana_version: env!("CARGO_PKG_VERSION").into(),
            host: system.nodename().to_string_lossy().into_owned(),
            kernel: kernel(),
            cpu_features: cpu_features(),
            written_unix_ns: unix_now_ns(),
            ..Self::default()
        }
    }
}

/// The time, in nanoseconds since 1970.
pub(crate) fn unix_now_ns() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos() as u64)
}

/// This machine's kernel, as [`WriterInfo::kernel`] has it.
#[must_use]
pub fn kernel() -> String {
    let system = rustix::system::uname();
    let words = [system.sysname(), system.release(), system.machine()];
    words.map(|word| word.to_string_lossy()).join(" ")
}

/// The first two numbers of a kernel's release, `6.1.0-18-amd64`; `None` if it begins with none.
#[must_use]
pub fn kernel_version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release
        .split(|letter: char| !letter.is_ascii_digit())
        .map_while(|word| word.parse().ok());
    Some((numbers.next()?, numbers.next().unwrap_or(0)))
}
