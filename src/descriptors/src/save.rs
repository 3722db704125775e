//! Describing the descriptors of a program that is stopped: of its process, or of all its processes together.
//!
//! ```text
//!   numbers of the root      1 2 5 6     each looked at   \
//!   lent by its first child  1 2 5 6  ->  where they are   ->  is it the same open file as one before?  ->  its number
//!   by its second ...        1 2 4       in this process  /    no: describe it                              there
//! ```

use std::os::fd::{BorrowedFd, RawFd};
use std::path::PathBuf;

use rustix::fs::{FileType, OFlags, Stat};

use crate::error::{DescriptorError, OF_THE_PROGRAM, os};
use crate::fdinfo::FdInfo;
use crate::locks::{Lock, LockKind};
use crate::members::{Lent, NumbersLocks};
use crate::number;
use crate::pipes;
use crate::regular;
use crate::saved::{Descriptors, FileId, Lost, Number, OpenFile, What};
use crate::sockets;
use crate::special;
use crate::standard::Standard;
use crate::stored;
use crate::table::Table;
use crate::terminals;
use crate::watches;

/// A descriptor as it is found.
pub(crate) struct Found {
    /// The number by which its process, and people, know it.
    pub(crate) number: i32,
    /// Which member's it is; `None` for the root's own.
    member: Option<usize>,
    /// The number by which the system is asked: of a member's, that of the duplicate.
    pub(crate) here: RawFd,
    /// Itself.
    pub(crate) descriptor: BorrowedFd<'static>,
    /// What /proc/self/fd says it leads to.
    pub(crate) link: PathBuf,
    /// What fstat(2) says.
    pub(crate) stat: Stat,
    /// What F_GETFL says.
    pub(crate) flags: OFlags,
    /// What /proc/self/fdinfo says.
    pub(crate) info: FdInfo,
}

impl Found {
    /// One of the root's own; `None` if it is closed.
    fn own(number: i32) -> Result<Option<Self>, DescriptorError> {
        Self::look(number, None, number)
    }

    /// One of a member's; `None` if the duplicate is closed.
    fn lent(member: usize, lent: &Lent) -> Result<Option<Self>, DescriptorError> {
        Self::look(lent.number, Some(member), lent.here)
    }

    fn look(
        number: i32,
        member: Option<usize>,
        here: RawFd,
    ) -> Result<Option<Self>, DescriptorError> {
        let Some(descriptor) = number::borrow(here) else {
            return Ok(None);
        };
        let failed = |doing| os(number, OF_THE_PROGRAM, doing);
        let io = |doing| {
            move |source| DescriptorError::Os {
                number,
                what: OF_THE_PROGRAM.into(),
                doing,
                source,
            }
        };
        let table = table_of(member);
        Ok(Some(Self {
            number,
            member,
            here,
            descriptor,
            link: std::fs::read_link(table.path("fd", here))
                .map_err(io("reading its link in /proc/self/fd"))?,
            stat: rustix::fs::fstat(descriptor).map_err(failed("fstat"))?,
            flags: rustix::fs::fcntl_getfl(descriptor).map_err(failed("F_GETFL"))?,
            info: FdInfo::read(table, here).map_err(io("reading /proc/self/fdinfo"))?,
        }))
    }

    /// Of which process it is, behind its number, for people, who count from 1: nothing where that is the root.
    pub(crate) fn of_whom(&self) -> String {
        self.member
            .map_or_else(String::new, |member| format!(" of child {}", member + 1))
    }

    /// The position in it, in bytes.
    pub(crate) fn offset_bytes(&self) -> u64 {
        self.info.decimal("pos").unwrap_or(0)
    }

    /// Which file it is.
    pub(crate) fn id(&self) -> FileId {
        (self.stat.st_dev, self.stat.st_ino)
    }

    /// The locks on it. A process' own (fcntl(2) F_SETLK) are told of to that process only: members have told theirs.
    fn locks(&self) -> Vec<Lock> {
        let mut locks = self.info.locks();
        locks.retain(|lock| self.member.is_none() || lock.kind != LockKind::Process);
        locks
    }

    fn is_same_open_file(&self, other: &Self) -> bool {
        let place = |found: &Self| (found.stat.st_dev, found.stat.st_ino, found.flags);
        let number = |found: &Self| (table_of(found.member), found.here);
        place(self) == place(other)
            && number::share(number(self), number(other))
                .unwrap_or_else(|| self.offset_bytes() == other.offset_bytes())
    }
}

/// In which table a descriptor is found. The thread that saves may have one of its own, for duplicates: closing them there
/// leaves the locks of the process alone.
fn table_of(member: Option<usize>) -> Table {
    match member {
        None => Table::Process,
        Some(_) => Table::Thread,
    }
}

/// What the caller knows of the program besides its descriptors.
pub struct Program<'a> {
    /// Whether memory that is saved anyway maps a file, of that many bytes, shared and from one end to the other.
    pub is_mapped_whole: &'a dyn Fn(FileId, u64) -> bool,
    /// By which path a file is watched.
    pub path_of_watched: &'a dyn Fn(FileId) -> Option<PathBuf>,
}

impl Default for Program<'_> {
    /// Nothing is known.
    fn default() -> Self {
        Self {
            is_mapped_whole: &|_, _| false,
            path_of_watched: &|_| None,
        }
    }
}

/// Describes the open ones of `numbers`, which are in order. The program must be stopped: nothing may move meanwhile.
///
/// # Errors
/// [`DescriptorError::Os`] when the system does not tell something that is needed.
pub fn save(
    numbers: &[i32],
    standard: &Standard,
    program: &Program<'_>,
) -> Result<Descriptors, DescriptorError> {
    save_all(numbers, &[], standard, program)
}

/// As [`save`], for all processes of a program, which share open files: this one is its root and has the numbers `own`, each
/// of its `members` has lent it duplicates. These are not among `own`. They may be in a table of the calling thread
/// ([`with_table_of_its_own`](crate::with_table_of_its_own)): where the process has a lock of its own on a file, it loses it
/// when it closes a duplicate.
///
/// # Errors
/// As for [`save`].
pub fn save_all(
    own: &[i32],
    members: &[Vec<Lent>],
    standard: &Standard,
    program: &Program<'_>,
) -> Result<Descriptors, DescriptorError> {
    let mut seen = Seen::default();
    for number in own {
        let Some(found) = Found::own(*number)? else {
            continue;
        };
        let close_on_exec = rustix::io::fcntl_getfd(found.descriptor)
            .is_ok_and(|flags| flags.contains(rustix::io::FdFlags::CLOEXEC));
        let number = seen.add(found, close_on_exec, standard, program)?;
        seen.saved.numbers.push(number);
    }
    for (member, lent) in members.iter().enumerate() {
        let mut numbers = Vec::with_capacity(lent.len());
        for lent in lent {
            if let Some(found) = Found::lent(member, lent)? {
                numbers.push(seen.add(found, lent.close_on_exec, standard, program)?);
            }
        }
        seen.saved.members.push(numbers);
        seen.saved.member_locks.push(locks_of(lent));
    }
    if seen.saved.member_locks.iter().all(Vec::is_empty) {
        seen.saved.member_locks.clear();
    }
    let Seen { mut saved, firsts } = seen;
    pipes::save(&firsts, &mut saved)?;
    sockets::find_pairs(&firsts, &mut saved);
    terminals::save(&firsts, &mut saved)?;
    Ok(saved)
}

/// The locks that a member has told of.
fn locks_of(lent: &[Lent]) -> NumbersLocks {
    let locking = lent.iter().filter(|lent| !lent.locks.is_empty());
    locking
        .map(|lent| (lent.number, lent.locks.clone()))
        .collect()
}

/// What has been seen so far.
#[derive(Default)]
struct Seen {
    saved: Descriptors,
    /// The first descriptor of each open file.
    firsts: Vec<Found>,
}

impl Seen {
    /// Adds a descriptor, and the file that it leads to if that is new.
    fn add(
        &mut self,
        found: Found,
        close_on_exec: bool,
        standard: &Standard,
        program: &Program<'_>,
    ) -> Result<Number, DescriptorError> {
        let number = found.number;
        let known = self
            .firsts
            .iter()
            .position(|first| first.is_same_open_file(&found));
        let file = match known {
            Some(file) => file,
            None => {
                let file = describe(&found, standard, &mut self.saved, program)?;
                self.saved.files.push(file);
                self.firsts.push(found);
                self.firsts.len() - 1
            }
        };
        Ok(Number {
            number,
            file,
            close_on_exec,
        })
    }
}

/// What an open file is.
fn describe(
    found: &Found,
    standard: &Standard,
    saved: &mut Descriptors,
    program: &Program<'_>,
) -> Result<OpenFile, DescriptorError> {
    let what = match standard.which(found.number, found.descriptor, &found.stat) {
        Some(which) => What::Standard(which),
        None => match FileType::from_raw_mode(found.stat.st_mode) {
            FileType::RegularFile => file(found, saved, program)?,
            FileType::Directory => What::Directory {
                path: regular::of_this_process(&found.link),
                offset_bytes: found.offset_bytes(),
            },
            FileType::CharacterDevice | FileType::BlockDevice => What::ByPath(found.link.clone()),
            FileType::Fifo => What::Pipe {
                pipe: found.stat.st_ino,
            },
            FileType::Socket => match sockets::save(found)? {
                Ok(socket) => What::Socket(socket),
                Err(why) => unkept(found, &mut saved.lost, why),
            },
            _ if found.link.as_os_str() == "anon_inode:inotify" => {
                watches::save(found, &mut saved.lost, program.path_of_watched)
            }
            _ => special::save(found)
                .unwrap_or_else(|| unkept(found, &mut saved.lost, "its kind is not known")),
        },
    };
    Ok(OpenFile {
        flags: found.flags.bits(),
        what,
        locks: found.locks(),
    })
}

/// A regular file; its contents are saved where no name leads to them.
fn file(
    found: &Found,
    saved: &mut Descriptors,
    program: &Program<'_>,
) -> Result<What, DescriptorError> {
    /// MQUEUE_MAGIC of the kernel's ipc/mqueue.c.
    const MESSAGE_QUEUES: i64 = 0x1980_0202;
    if rustix::fs::fstatfs(found.descriptor).is_ok_and(|system| system.f_type == MESSAGE_QUEUES) {
        return Ok(unkept(
            found,
            &mut saved.lost,
            "message queues are not saved",
        ));
    }
    let id = found.id();
    if !saved.stored.iter().any(|stored| stored.id == id) {
        match stored::save(found, program.is_mapped_whole)? {
            Some(file) => saved.stored.push(file),
            None => return Ok(regular::save(found)),
        }
    }
    Ok(What::Stored {
        id,
        offset_bytes: found.offset_bytes(),
    })
}

/// Something that is reported, and closed on the other side after a restart.
fn unkept(found: &Found, lost: &mut Vec<Lost>, why: &str) -> What {
    lost.push(Lost::descriptor(found, why));
    What::Lost
}
