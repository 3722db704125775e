//! execve(2): what the program becomes runs under `mana`, too.
//!
//! ```text
//!   execve(PATH, argv, environment)   a program that `mana` can load      ->  execve(mana, argv, environment + note + settings)
//!                                     anything else, also nothing at all  ->  the kernel's
//! ```
//!
//! /proc/self/exe is the program's file there, not `mana`. So `mana run ./wrapper.sh` stays a job when the script ends in
//! `exec ./solver`. The arguments stay where they are; what `mana` has to know is in the environment behind the program's own: the
//! [`Note`], and the settings as they were when the job was started, whatever the program has done to its variables since.
//!
//! Left to the kernel are programs that are linked statically or for another machine, that change user or have capabilities, that cannot be
//! read, `mana` itself, and the launchers of MPI, whose ranks are a job of their own; and what a debugger has its child execute.

#![expect(unsafe_code, reason = "reads what the application executes")]
// # Safety
// As for all hooks; also in a child of vfork(2), in its parent's memory: nothing is left behind there. The application's path is
// followed once the kernel has opened it, its environment as the kernel would.

use std::ffi::CString;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::paths::program_at;
use super::{Outcome, SystemCall, pass};
use crate::{descriptors, forked, numbers, signals, sys};

mod note;
mod program;

pub use note::{Given, Note, Variables};
use note::{MOST_BYTES as NOTE_BYTES, write_note};
use program::{is_debugged, is_followed};

/// The settings of the job, `NAME=value` each, stated before any hook runs.
static SETTINGS: OnceLock<Vec<CString>> = OnceLock::new();
/// Whether what children execute runs under `mana`, too.
static CHILDREN: AtomicBool = AtomicBool::new(false);

/// Has what the program executes in its own place run under `mana`, with these settings (`NAME=value` each), and what its `children`
/// execute, too. Only the first statement counts.
pub fn follow_exec(settings: Vec<CString>, children: bool) {
    let _ = SETTINGS.set(settings);
    CHILDREN.store(children, Relaxed);
}

/// Whether the process is a child of the program that was started first, also by fork(2) alone.
static IS_CHILD: AtomicBool = AtomicBool::new(false);

/// This process is, or is no more, a child of the program that was started first: so is what it executes.
pub fn count_as_child(is_child: bool) {
    IS_CHILD.store(is_child, Relaxed);
}

fn is_child() -> bool {
    IS_CHILD.load(Relaxed) || !descriptors::is_this_process()
}

/// How many variables are rearranged on the stack; an environment of more gets a mapping.
const ON_STACK: usize = 256;

/// execve(2).
pub(super) fn execve(call: &SystemCall) -> Outcome {
    let [path, arguments, environment, ..] = call.args;
    if !is_read(path) {
        return Outcome::unchanged(call);
    }
    execute(
        libc::SYS_execve,
        [program_at(path), arguments, environment, 0, 0, 0],
    )
}

/// execveat(2): a path that it does not look up elsewhere is as execve(2)'s.
pub(super) fn execveat(call: &SystemCall) -> Outcome {
    let [directory, path, arguments, environment, flags, _] = call.args;
    if !is_read(path) {
        return Outcome::unchanged(call);
    }
    if directory as i32 != libc::AT_FDCWD || flags != 0 {
        return execute(call.number, call.args);
    }
    execute(
        libc::SYS_execve,
        [program_at(path), arguments, environment, 0, 0, 0],
    )
}

/// Executes what is at a path that can be read, by this call. Returns if that fails.
///
/// No checkpoint signal reaches the program while it has no handler for it, also when this process' parent ends: to such a one it would
/// be the end.
fn execute(number: i64, args: [u64; 6]) -> Outcome {
    let mask = signals::change_mask(libc::SIG_BLOCK, signals::checkpoint_bit());
    let is_watching = forked::is_watching();
    if is_watching {
        forked::watch_parent(false);
    }
    let followed = match (number, args) {
        (libc::SYS_execve, [path, arguments, environment, ..]) => {
            follow(path, arguments, environment)
        }
        _ => None,
    };
    let failed = followed.unwrap_or_else(|| pass(number, args));
    if is_watching {
        forked::watch_parent(true);
    }
    signals::change_mask(libc::SIG_SETMASK, mask);
    Outcome::done(failed)
}

/// Whether the kernel can read a path, wherever that leads.
fn is_read(path: u64) -> bool {
    let mut scratch = 0_u8;
    let as_link = [path, (&raw mut scratch) as u64, 1, 0, 0, 0];
    pass(libc::SYS_readlink, as_link) != -i64::from(libc::EFAULT)
}

/// Executes `mana` for the program at `path`, which can be read; the error, if that fails. `None`: it is the kernel's.
fn follow(path: u64, arguments: u64, environment: u64) -> Option<i64> {
    let settings = SETTINGS.get()?;
    let may_follow = descriptors::is_this_process() || CHILDREN.load(Relaxed);
    if !may_follow || !is_followed(path) || is_child() && is_debugged() {
        return None;
    }
    let mut note = [0_u8; NOTE_BYTES];
    write_note(&mut note, path, is_child())?;
    let has = environment as *const u64;
    // SAFETY: an array that ends with a null pointer, or none, by the contract of execve(2).
    let count = |n: &usize| has.is_null() || unsafe { has.add(*n).read() } == 0;
    let own = (0..).find(count)?;
    let words = numbers::in_words();
    let all = own + 1 + usize::from(words.is_some()) + settings.len() + 1;
    let mut on_stack = [0_u64; ON_STACK];
    let room: &mut [u64] = if all <= ON_STACK {
        &mut on_stack[..all]
    } else {
        // SAFETY: a fresh mapping of that size, zeroed, which goes with this program.
        unsafe {
            let writable = libc::PROT_READ | libc::PROT_WRITE;
            let private = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let mapped = sys::mmap(0, all * 8, writable, private, -1, 0).ok()?;
            std::slice::from_raw_parts_mut(mapped as *mut u64, all)
        }
    };
    for (index, place) in room.iter_mut().enumerate().take(own) {
        // SAFETY: below the null pointer found above.
        *place = unsafe { has.add(index).read() };
    }
    room[own] = note.as_ptr() as u64;
    let behind = words
        .into_iter()
        .chain(settings.iter().map(|it| it.as_ptr()));
    for (place, variable) in room[own + 1..].iter_mut().zip(behind) {
        *place = variable as u64;
    }
    let mana = c"/proc/self/exe".as_ptr() as u64;
    let result = pass(
        libc::SYS_execve,
        [mana, arguments, room.as_ptr() as u64, 0, 0, 0],
    );
    if all > ON_STACK {
        // SAFETY: mapped above, and not used any more.
        let _ = unsafe { sys::munmap(room.as_ptr() as usize, all * 8) };
    }
    Some(result)
}
