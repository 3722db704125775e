//! Describing the descriptors of a program that is stopped.

use std::os::fd::BorrowedFd;
use std::path::PathBuf;

use rustix::fs::{FileType, OFlags, Stat};

use crate::error::{DescriptorError, OF_THE_PROGRAM, os};
use crate::fdinfo::FdInfo;
use crate::number;
use crate::pipes;
use crate::regular;
use crate::saved::{Descriptors, FileId, Lost, Number, OpenFile, What};
use crate::sockets;
use crate::special;
use crate::standard::Standard;
use crate::stored;
use crate::terminals;
use crate::watches;

/// A descriptor as it is found.
pub(crate) struct Found {
    /// Its number.
    pub(crate) number: i32,
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
    fn look(number: i32) -> Result<Option<Self>, DescriptorError> {
        let Some(descriptor) = number::borrow(number) else {
            return Ok(None);
        };
        let io = |doing| {
            move |source| DescriptorError::Os {
                number,
                what: OF_THE_PROGRAM.into(),
                doing,
                source,
            }
        };
        Ok(Some(Self {
            number,
            descriptor,
            link: std::fs::read_link(format!("/proc/self/fd/{number}"))
                .map_err(io("reading its link in /proc/self/fd"))?,
            stat: rustix::fs::fstat(descriptor).map_err(os(number, OF_THE_PROGRAM, "fstat"))?,
            flags: rustix::fs::fcntl_getfl(descriptor).map_err(os(
                number,
                OF_THE_PROGRAM,
                "F_GETFL",
            ))?,
            info: FdInfo::read(number).map_err(io("reading /proc/self/fdinfo"))?,
        }))
    }

    /// The position in it, in bytes.
    pub(crate) fn offset_bytes(&self) -> u64 {
        self.info.decimal("pos").unwrap_or(0)
    }

    /// Which file it is.
    pub(crate) fn id(&self) -> FileId {
        (self.stat.st_dev, self.stat.st_ino)
    }

    fn is_same_open_file(&self, other: &Self) -> bool {
        let place = |found: &Self| (found.stat.st_dev, found.stat.st_ino, found.flags);
        place(self) == place(other)
            && number::share(self.number, other.number)
                .unwrap_or_else(|| self.offset_bytes() == other.offset_bytes())
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
    let mut saved = Descriptors::default();
    let mut firsts: Vec<Found> = Vec::new();
    for number in numbers {
        let Some(found) = Found::look(*number)? else {
            continue;
        };
        let close_on_exec = rustix::io::fcntl_getfd(found.descriptor)
            .is_ok_and(|flags| flags.contains(rustix::io::FdFlags::CLOEXEC));
        let known = firsts
            .iter()
            .position(|first| first.is_same_open_file(&found));
        let file = match known {
            Some(file) => file,
            None => {
                let file = describe(&found, standard, &mut saved, program)?;
                saved.files.push(file);
                firsts.push(found);
                firsts.len() - 1
            }
        };
        saved.numbers.push(Number {
            number: *number,
            file,
            close_on_exec,
        });
    }
    pipes::save(&firsts, &mut saved)?;
    sockets::find_pairs(&firsts, &mut saved);
    terminals::save(&firsts, &mut saved)?;
    Ok(saved)
}

/// What an open file is.
fn describe(
    found: &Found,
    standard: &Standard,
    saved: &mut Descriptors,
    program: &Program<'_>,
) -> Result<OpenFile, DescriptorError> {
    let what = match standard.which(found.number, &found.stat) {
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
        locks: found.info.locks(),
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
    lost.push(Lost::descriptor(found.number, &found.link, why));
    What::Lost
}
