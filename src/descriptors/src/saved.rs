//! What an image holds of descriptors.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::locks::Lock;
use crate::members::NumbersLocks;
use crate::save::Found;
use crate::sockets::Socket;
use crate::terminals::Terminal;
use crate::watches::Watch;

/// All descriptors of a program.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Descriptors {
    /// Open files, each once however many numbers it has.
    pub files: Vec<OpenFile>,
    /// The numbers of the program's process, or of the root of several, ascending.
    pub numbers: Vec<Number>,
    /// Files that are made again, each once however often it is open or mapped.
    #[serde(default)]
    pub stored: Vec<StoredFile>,
    /// Terminals of which the program has the master.
    #[serde(default)]
    pub terminals: Vec<Terminal>,
    /// What is in pipes.
    pub pipes: Vec<PipeContent>,
    /// What cannot be kept.
    pub lost: Vec<Lost>,
    /// The numbers of the program's other processes, each with a list of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<Vec<Number>>,
    /// Their own locks, likewise; none where no process but the root has any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub member_locks: Vec<NumbersLocks>,
}

impl Descriptors {
    /// By which number a file was found first, and which member's that is; `None` for the root's. To that process belongs what
    /// the open file has from one process: numbers in an epoll set, locks.
    pub(crate) fn owner(&self, file: usize) -> Option<(Option<usize>, i32)> {
        let members = self.members.iter().enumerate();
        let members = members.map(|(member, numbers)| (Some(member), numbers));
        std::iter::once((None, &self.numbers))
            .chain(members)
            .find_map(|(member, numbers)| {
                let number = numbers.iter().find(|number| number.file == file)?;
                Some((member, number.number))
            })
    }

    /// The highest number of the root.
    #[must_use]
    pub fn highest(&self) -> Option<i32> {
        self.numbers.last().map(|number| number.number)
    }
}

/// A number and what it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Number {
    /// The number.
    pub number: i32,
    /// Index into [`Descriptors::files`].
    pub file: usize,
    /// Whether execve(2) closes it.
    pub close_on_exec: bool,
}

/// An open file description (open(2)): what dup(2) shares.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenFile {
    /// Access mode and status flags, as F_GETFL gives them.
    pub flags: u32,
    /// What it is.
    pub what: What,
    /// Locks on it.
    #[serde(default)]
    pub locks: Vec<Lock>,
}

/// What an open file is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum What {
    /// Standard input, output or error (0, 1, 2), as the launcher gave it.
    Standard(i32),
    /// A regular file.
    File {
        /// Its path.
        path: PathBuf,
        /// The position in it, in bytes.
        offset_bytes: u64,
        /// Its length at the checkpoint, in bytes.
        length_bytes: u64,
    },
    /// A file that is made again with its contents: one of [`Descriptors::stored`].
    Stored {
        /// Which.
        id: FileId,
        /// The position in it, in bytes.
        offset_bytes: u64,
    },
    /// A directory.
    Directory {
        /// Its path.
        path: PathBuf,
        /// How far it has been read.
        offset_bytes: u64,
    },
    /// A device such as /dev/null, or a FIFO with a name: opened again by its path.
    ByPath(PathBuf),
    /// One end of a pipe, or both of a FIFO.
    Pipe {
        /// Which pipe: its inode at the checkpoint.
        pipe: u64,
    },
    /// eventfd(2).
    Event {
        /// Its counter.
        count: u64,
        /// Whether it is a semaphore.
        semaphore: bool,
    },
    /// timerfd_create(2).
    Timer {
        /// Its clock.
        clock: i32,
        /// Time until it expires next, in nanoseconds; 0: it does not.
        remaining_ns: u64,
        /// Its period, in nanoseconds; 0: it has none.
        interval_ns: u64,
        /// Expirations that have not been read.
        ticks: u64,
    },
    /// signalfd(2).
    Signal {
        /// The kernel's signal set.
        mask: u64,
    },
    /// epoll_create(2).
    Poll {
        /// What is watched.
        watched: Vec<Watched>,
    },
    /// inotify_init(2).
    Watches(Vec<Watch>),
    /// A socket.
    Socket(Socket),
    /// An end of one of [`Descriptors::terminals`].
    Terminal {
        /// Which.
        number: u32,
        /// The master's side.
        is_master: bool,
    },
    /// Something that cannot be kept.
    Lost,
}

impl What {
    /// The socket that it is, if it is one.
    #[must_use]
    pub fn socket(&self) -> Option<&Socket> {
        match self {
            What::Socket(socket) => Some(socket),
            _ => None,
        }
    }
}

/// Which file: device and inode at the checkpoint.
pub type FileId = (u64, u64);

/// A file that no name leads to after a restart, with its contents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredFile {
    /// Which file.
    pub id: FileId,
    /// How it is made.
    pub kind: StoredKind,
    /// Its length, in bytes.
    pub length_bytes: u64,
    /// Its permissions.
    pub mode: u32,
    /// What is in it; what is missing at the end is zero, or comes from memory that maps it.
    #[serde(with = "serde_bytes")]
    pub content: Vec<u8>,
}

/// How a [`StoredFile`] is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoredKind {
    /// memfd_create(2).
    Memory {
        /// The name it was made with.
        name: String,
        /// Its seals.
        seals: u32,
    },
    /// A file that has no name any more (or never had one).
    Nameless {
        /// Where it was.
        path: PathBuf,
    },
    /// Shared memory with a name, shm_open(3): a file that does not outlive the machine.
    Shared {
        /// Its path.
        path: PathBuf,
    },
}

/// An entry of an epoll set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    /// The descriptor.
    pub number: i32,
    /// The events, as epoll_ctl(2) takes them.
    pub events: u32,
    /// What epoll_wait(2) returns.
    pub data: u64,
}

/// The bytes in a pipe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PipeContent {
    /// Which pipe: its inode at the checkpoint.
    pub pipe: u64,
    /// The path of a FIFO with a name.
    #[serde(default)]
    pub path: Option<PathBuf>,
    /// Its permissions.
    #[serde(default)]
    pub mode: u32,
    /// How many bytes it can hold.
    pub capacity_bytes: usize,
    /// The bytes in it.
    #[serde(with = "serde_bytes")]
    pub content: Vec<u8>,
}

/// Something that cannot be kept, for people to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// The program's name for it: "descriptor 5", "descriptor 5 of child 1", "memory at 0x…".
    #[serde(default)]
    pub object: String,
    /// What it is.
    pub what: String,
    /// Why it cannot be kept.
    pub why: String,
    /// What the program finds after a restart.
    #[serde(default)]
    pub then: String,
}

impl Lost {
    /// A descriptor, which is like one whose other side has gone.
    pub(crate) fn descriptor(found: &Found, why: &str) -> Self {
        Self {
            object: format!("descriptor {}{}", found.number, found.of_whom()),
            what: found.link.display().to_string(),
            why: why.to_owned(),
            then: "After a restart reading it ends at once, as if the other side had closed it"
                .into(),
        }
    }
}
