//! Children of the program, over a restart: those that have ended and that it has not waited for yet.
//!
//! ```text
//!   cut       child 31 has ended (status 7)      kept as it is
//!             child 32 lives                     kept as one that has been killed: it runs outside, and is in no image
//!   restart   wait4(31), waitid(…)               told by the hook, once each
//!             wait4(-1)                          these first, then the kernel's
//! ```
//!
//! So a program whose children could not be saved finds what it would find had somebody killed them. What the lower half starts
//! is none of its children ([`note_lower_half`]).

#![expect(
    unsafe_code,
    reason = "waitid(2) and its kin, for the application's pointers too"
)]
// # Safety
// `wait`, `is_kept` and what they call run in hooks, with any TLS or none: no allocation, no lock, no panic. All else with the
// lower TLS live, while no upper code runs. Pointers come from the application, and are written through by the kernel.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::numbers::{child_of_upper, process_of_upper};
use crate::proc_status::Status;
use crate::thread::Tid;
use crate::{hooks, sys};

/// `struct rusage` in words.
type Usage = [i64; 18];

/// A child that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// What the program calls it, as the group.
    pid: Tid,
    /// Its process group, and whether that was the program's own.
    group: Tid,
    is_in_own_group: bool,
    user: u32,
    /// `CLD_EXITED` and the like, and the exit status or signal.
    code: i32,
    status: i32,
    usage: Usage,
    /// Whether SIGCHLD has been sent.
    is_told: bool,
}

/// A child that lives: it cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Living {
    /// Its number, as the kernel has it.
    pub pid: Tid,
    /// What it is called in /proc.
    pub name: String,
}

/// The program's children.
#[derive(Debug, Default)]
pub struct Children {
    /// What is told of them after a restart.
    pub ended: Vec<Ended>,
    /// Those of these that live.
    pub living: Vec<Living>,
}

// ---- The cut ---------------------------------------------------------------------------------------------------------

/// Those that the lower half has started.
static LOWER: Mutex<Vec<Tid>> = Mutex::new(Vec::new());

/// All children there are, for [`note_lower_half`]; none on a kernel without CONFIG_PROC_CHILDREN.
#[must_use]
pub fn all() -> Vec<Tid> {
    all_of(sys::getpid())
}

/// The children of a process.
#[must_use]
pub fn all_of(pid: Tid) -> Vec<Tid> {
    let threads = fs::read_dir(format!("/proc/{pid}/task"));
    let threads = threads.into_iter().flatten();
    let lists = threads.flatten().map(|thread| {
        // A thread that has ended has left its children to another one.
        fs::read_to_string(thread.path().join("children")).unwrap_or_default()
    });
    let mut all = Vec::new();
    for list in lists {
        all.extend(
            list.split_whitespace()
                .filter_map(|pid| pid.parse::<Tid>().ok()),
        );
    }
    all
}

/// Whether a process, if there is one, has not ended: not its main thread alone, but all, so that it can be waited for.
#[must_use]
pub fn lives(pid: Tid) -> bool {
    let status = Status::of(pid);
    let threads = status.field("Threads:");
    let threads = threads.and_then(|count| count.parse().ok());
    status.is_alive() || threads.unwrap_or(0) > 1
}

/// Whether a process is stopped by a signal, or by a debugger.
#[must_use]
pub fn is_stopped(pid: Tid) -> bool {
    Status::of(pid).is_stopped()
}

/// Whether a process has given back its memory: one that is about to be none.
#[must_use]
pub fn has_no_memory(pid: Tid) -> bool {
    let program = fs::read_link(format!("/proc/{pid}/exe"));
    program.is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

/// The lower half's own.
#[must_use]
pub fn of_lower_half() -> Vec<Tid> {
    LOWER.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Those that there are now, and that there were not `before`, are the lower half's.
pub fn note_lower_half(before: &[Tid]) {
    let mut lower = LOWER.lock().unwrap_or_else(PoisonError::into_inner);
    lower.extend(all().into_iter().filter(|pid| !before.contains(pid)));
}

/// The program's children, while it is stopped, but for those that have images of their own, `kept_alive`.
///
/// # Errors
/// [`Error::Os`] when the kernel does not tell.
pub fn export(kept_alive: &[Tid]) -> Result<Children> {
    // Of these SIGCHLD has been sent since.
    let told = |ended: &Ended| Ended {
        is_told: true,
        ..ended.clone()
    };
    let mut found = Children {
        ended: kept().into_iter().flat_map(Kept::left).map(told).collect(),
        living: Vec::new(),
    };
    let lower = LOWER.lock().unwrap_or_else(PoisonError::into_inner);
    let is_left = |pid: &Tid| !lower.contains(pid) && !kept_alive.contains(pid);
    for pid in all().into_iter().filter(is_left) {
        let Some(ended) = look(pid)? else {
            continue;
        };
        if !ended.is_told {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            let name = name.trim_end().to_owned();
            found.living.push(Living { pid, name });
        }
        found.ended.push(ended);
    }
    Ok(found)
}

/// How the child that the kernel calls `pid` has ended, or will have when it is gone. `None`: it is no child any more.
fn look(pid: Tid) -> Result<Option<Ended>> {
    let mut info: Info = [0; 32];
    let mut usage: Usage = [0; 18];
    let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT | libc::__WALL;
    let args = [
        u64::from(libc::P_PID),
        pid as u64,
        info.as_mut_ptr() as u64,
        options as u64,
        usage.as_mut_ptr() as u64,
        0,
    ];
    // SAFETY: writes a siginfo_t and a rusage.
    match unsafe { sys::call(libc::SYS_waitid, args) } {
        Err(sys::Errno(libc::ECHILD)) => return Ok(None),
        Err(errno) => return Err(Error::raw(&format!("waitid of child {pid}"), errno)),
        Ok(_) => {}
    }
    let has_ended = info[PID] == pid;
    let group = |pid: Tid| {
        // SAFETY: takes no pointer.
        unsafe { sys::raw(libc::SYS_getpgid, [pid as u64, 0, 0, 0, 0, 0]) as Tid }
    };
    Ok(Some(Ended {
        pid: child_of_upper(pid),
        group: process_of_upper(group(pid)),
        is_in_own_group: group(pid) == group(0),
        user: info[USER] as u32,
        code: if has_ended {
            info[CODE]
        } else {
            libc::CLD_KILLED
        },
        status: if has_ended {
            info[STATUS]
        } else {
            libc::SIGKILL
        },
        usage,
        is_told: has_ended,
    }))
}

/// The kernel's siginfo_t of SIGCHLD in words, and what is where.
type Info = [i32; 32];
const SIGNAL: usize = 0;
const CODE: usize = 2;
const PID: usize = 4;
const USER: usize = 5;
const STATUS: usize = 6;

// ---- After a restart -------------------------------------------------------------------------------------------------

/// What has been kept.
struct Kept {
    /// The restored process: a forked child has children of its own.
    process: Tid,
    children: Vec<Child>,
}

struct Child {
    ended: Ended,
    /// Whether the program has waited for it since.
    is_over: AtomicBool,
}

/// Null until a restart of a program that had any.
static KEPT: AtomicPtr<Kept> = AtomicPtr::new(std::ptr::null_mut());

fn kept() -> Option<&'static Kept> {
    // SAFETY: null or a leaked box.
    let kept = unsafe { KEPT.load(Ordering::Acquire).as_ref() };
    kept.filter(|kept| kept.process == sys::getpid())
}

impl Kept {
    fn left(&self) -> impl Iterator<Item = &Ended> {
        let left = self.children.iter();
        left.filter(|child| !child.is_over.load(Ordering::Acquire))
            .map(|child| &child.ended)
    }
}

/// Gives the program the children of an image.
pub fn import(ended: Vec<Ended>) {
    if ended.is_empty() {
        return;
    }
    let children = ended.into_iter().map(|ended| Child {
        ended,
        is_over: AtomicBool::new(false),
    });
    let kept = Kept {
        process: sys::getpid(),
        children: children.collect(),
    };
    KEPT.store(Box::into_raw(Box::new(kept)), Ordering::Release);
    hooks::children_are_kept();
}

/// Sends the signals of those that have not ended in the process that was saved. On the main thread, with all signals blocked.
pub(crate) fn tell() -> Result<()> {
    let untold = kept().into_iter().flat_map(Kept::left);
    for ended in untold.filter(|ended| !ended.is_told) {
        let info = ended.info();
        let pid = sys::getpid() as u64;
        let args = [pid, libc::SIGCHLD as u64, info.as_ptr() as u64, 0, 0, 0];
        // SAFETY: reads a siginfo_t.
        unsafe { sys::call(libc::SYS_rt_sigqueueinfo, args) }
            .map_err(|errno| Error::raw("sending SIGCHLD", errno))?;
    }
    Ok(())
}

impl Ended {
    fn info(&self) -> Info {
        let mut info: Info = [0; 32];
        info[SIGNAL] = libc::SIGCHLD;
        info[CODE] = self.code;
        info[PID] = self.pid;
        info[USER] = self.user as i32;
        info[STATUS] = self.status;
        info
    }

    /// The status word of wait4(2).
    fn status_word(&self) -> i32 {
        const DUMPED: i32 = 0x80;
        match self.code {
            libc::CLD_EXITED => (self.status & 0xff) << 8,
            libc::CLD_DUMPED => self.status | DUMPED,
            _ => self.status,
        }
    }

    fn is_in_group(&self, group: Tid) -> bool {
        // SAFETY: takes no pointer.
        let own = || process_of_upper(unsafe { sys::raw(libc::SYS_getpgid, [0; 6]) as Tid });
        self.group == group || self.is_in_own_group && (group == 0 || group == own())
    }
}

/// Which children a call waits for.
enum Which {
    Any,
    One(Tid),
    Group(Tid),
}

/// wait4(2) or waitid(2) of a child that has ended before a restart: what the call returns. `None`: it is the kernel's.
pub(crate) fn wait(number: i64, args: [u64; 6], write: fn(&[u8], u64) -> i64) -> Option<i64> {
    let kept = kept()?;
    let [first, second, third, options, usage, _] = args;
    let (which, options, usage) = if number == libc::SYS_wait4 {
        let which = match first as i32 {
            -1 => Which::Any,
            pid @ 1.. => Which::One(pid),
            group => Which::Group(group.checked_neg()?),
        };
        (which, third as i32 | libc::WEXITED, options)
    } else {
        let which = match first as u32 {
            libc::P_ALL => Which::Any,
            libc::P_PID => Which::One(second as i32),
            libc::P_PGID => Which::Group(second as i32),
            _ => return None,
        };
        (which, options as i32, usage)
    };
    // Of such that send another signal than SIGCHLD only.
    let is_for_clones = options & (libc::__WCLONE | libc::__WALL) == libc::__WCLONE;
    if options & libc::WEXITED == 0 || is_for_clones {
        return None;
    }
    let stays = options & libc::WNOWAIT != 0;
    let child = kept.children.iter().find(|child| {
        let is_meant = match which {
            Which::Any => true,
            Which::One(pid) => child.ended.pid == pid,
            Which::Group(group) => child.ended.is_in_group(group),
        };
        is_meant && child.is_left(stays)
    })?;
    let Child { ended, .. } = child;
    let words = |words: &[i32]| {
        let mut bytes = [0; size_of::<Info>()];
        for (room, word) in bytes.chunks_exact_mut(4).zip(words) {
            room.copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    };
    if number == libc::SYS_wait4 {
        if second != 0 {
            write(&words(&[ended.status_word()])[..4], second);
        }
    } else if third != 0 {
        write(&words(&ended.info()), third);
    }
    if usage != 0 {
        for (index, word) in ended.usage.iter().enumerate() {
            write(&word.to_ne_bytes(), usage.wrapping_add(8 * index as u64));
        }
    }
    Some(if number == libc::SYS_wait4 {
        i64::from(ended.pid)
    } else {
        0
    })
}

impl Child {
    /// Whether nobody has waited for it yet. From here on somebody has, unless it `stays`.
    fn is_left(&self, stays: bool) -> bool {
        if stays {
            return !self.is_over.load(Ordering::Acquire);
        }
        !self.is_over.swap(true, Ordering::AcqRel)
    }
}

/// Whether `pid` is a kept child: one that has ended, and that signals can be sent to.
pub(crate) fn is_kept(pid: Tid) -> bool {
    kept().is_some_and(|kept| kept.left().any(|ended| ended.pid == pid))
}
