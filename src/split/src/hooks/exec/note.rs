//! What a program that executes another one tells `mana`, in the environment behind the program's own.
//!
//! ```text
//!   NAME=value …    MANA_EXEC=PROCESS:CHILD:FILTER:NUMBER:MONOTONIC:RAW:BOOT:PATH    MANA_NUMBERS=…    settings of the job …
//!   the program's   for this process, or it is somebody else's                       if there are any
//! ```

#![expect(unsafe_code, reason = "reads what the application executes")]
// # Safety
// `write_note` runs in hooks, also in a child of vfork(2), in its parent's memory: any TLS or none, no allocation, no panic. The rest with
// the lower TLS live, before any upper code.

use std::ffi::{OsStr, OsString};
use std::fmt::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::error::Result;
use crate::numbers::{Renumbered, tid_of_upper};
use crate::thread::Tid;
use crate::{clock, numbers, seccomp, sys};

/// The variable that tells `mana` what it is to run instead of what its arguments say.
pub const VARIABLE: &str = "MANA_EXEC";

/// Room for all of it: that of a path, with its NUL (`PATH_MAX`), and for what is before.
pub(super) const MOST_BYTES: usize = 4096 + 128;

/// What [`VARIABLE`] holds: `PROCESS:CHILD:FILTER:NUMBER:MONOTONIC:RAW:BOOT:PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Whether the program before was a child of the one that was started first, perhaps forked for this.
    pub is_child: bool,
    has_filter: bool,
    number: Tid,
    offsets_ns: [i64; 3],
    /// What the processes are called that a restart has made together with the one before, by their programs and by the kernel.
    family: Vec<Renumbered>,
    /// The program.
    pub path: PathBuf,
}

impl Note {
    /// Reads one that is for this process: a program that others start must not take it for its own.
    fn read(value: &[u8]) -> Option<Self> {
        let mut parts = value.splitn(8, |&byte| byte == b':');
        let mut text = || std::str::from_utf8(parts.next()?).ok();
        let process: Tid = text()?.parse().ok()?;
        let note = Self {
            is_child: text()? == "true",
            has_filter: text()? == "true",
            number: text()?.parse().ok()?,
            offsets_ns: [
                text()?.parse().ok()?,
                text()?.parse().ok()?,
                text()?.parse().ok()?,
            ],
            family: Vec::new(),
            path: OsStr::from_bytes(parts.next()?).into(),
        };
        (process == sys::getpid()).then_some(note)
    }

    /// Takes over what the process has from the program before.
    ///
    /// # Errors
    /// [`crate::Error::Os`] when the kernel refuses something.
    pub fn take_over(&self) -> Result<()> {
        if self.has_filter {
            seccomp::inherit()?;
        }
        Ok(())
    }

    /// The same, once the program is loaded: number and clocks are those that the one before has had.
    ///
    /// # Errors
    /// [`crate::Error::Os`] when the kernel refuses something.
    pub fn go_on(&self) -> Result<()> {
        if !self.family.is_empty() {
            numbers::set_family(&self.family);
        }
        if self.number != sys::getpid() || !self.family.is_empty() {
            numbers::set(&[(self.number, sys::getpid())]);
        }
        clock::set_offsets(self.offsets_ns)
    }
}

/// Variables, by name and value.
pub type Variables = Vec<(OsString, OsString)>;

/// What a process was started with.
#[derive(Debug)]
pub struct Given {
    /// What it is to run, where a program has executed that.
    pub note: Option<Note>,
    /// The program's environment.
    pub environment: Variables,
    /// Where settings are looked for: the program's environment, or what came with the note.
    pub settings: Variables,
}

impl Given {
    /// Looks at this process' environment.
    #[must_use]
    pub fn to_this_process() -> Self {
        Self::from_variables(std::env::vars_os().collect())
    }

    fn from_variables(mut all: Variables) -> Self {
        let note_in = |(name, value): &(OsString, OsString)| {
            let is_one = name == VARIABLE;
            is_one.then(|| Note::read(value.as_bytes())).flatten()
        };
        let found = all.iter().position(|variable| note_in(variable).is_some());
        let Some(at) = found else {
            // Perhaps there is one of a process that has started this one.
            all.retain(|(name, _)| name != VARIABLE);
            return Self {
                note: None,
                settings: all.clone(),
                environment: all,
            };
        };
        let mut settings = all.split_off(at + 1);
        let mut note = all.pop().as_ref().and_then(note_in);
        if let (Some(note), Some((name, value))) = (&mut note, settings.first())
            && name == numbers::VARIABLE
        {
            note.family = numbers::from_words(&value.to_string_lossy());
            settings.remove(0);
        }
        Self {
            note,
            settings,
            environment: all,
        }
    }
}

/// Writes the variable with the note for the program at `path`, which [`Note::is_child`] if so; `None` if the path is too long.
pub(super) fn write_note(room: &mut [u8], path: u64, is_child: bool) -> Option<()> {
    let mut room = Room { room, used: 0 };
    let process = sys::getpid();
    let (filter, number) = (seccomp::is_armed(), tid_of_upper(process));
    let [monotonic, raw, boot] = clock::offsets();
    write!(
        room,
        "{VARIABLE}={process}:{is_child}:{filter}:{number}:{monotonic}:{raw}:{boot}:"
    )
    .ok()?;
    let path = path as *const u8;
    for index in 0.. {
        // SAFETY: the application's path, which the kernel has read, up to its NUL.
        let byte = unsafe { path.add(index).read() };
        room.put(&[byte])?;
        if byte == 0 {
            break;
        }
    }
    Some(())
}

/// Room that text is written to, without allocation.
struct Room<'a> {
    room: &'a mut [u8],
    used: usize,
}

impl Room<'_> {
    fn put(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.used + bytes.len();
        self.room.get_mut(self.used..end)?.copy_from_slice(bytes);
        self.used = end;
        Some(())
    }
}

impl Write for Room<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.as_bytes()).ok_or(fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn what_comes_behind_the_note_is_not_the_programs() {
        let note = format!("{0}:false:true:{0}:1:-2:3:/bin/app", sys::getpid());
        let variables = |all: &[(&str, &str)]| -> Variables {
            let pair = |(name, value): &(&str, &str)| (OsString::from(name), OsString::from(value));
            all.iter().map(pair).collect()
        };
        let own = [("HOME", "/root"), ("MANA_CKPT_KEEP", "3")];
        let with = |note: &str| {
            let numbers = (numbers::VARIABLE, "7:210:0,8:211:210");
            let rest = [(VARIABLE, note), numbers, ("MANA_CKPT_DIR", "/scratch")];
            Given::from_variables(variables(&[&own[..], &rest].concat()))
        };
        let given = with(&note);
        let expected = Note {
            is_child: false,
            has_filter: true,
            number: sys::getpid(),
            offsets_ns: [1, -2, 3],
            family: vec![
                Renumbered {
                    upper: 7,
                    kernel: 210,
                    parent: 0,
                },
                Renumbered {
                    upper: 8,
                    kernel: 211,
                    parent: 210,
                },
            ],
            path: "/bin/app".into(),
        };
        assert_eq!(given.note, Some(expected));
        assert_eq!(given.environment, variables(&own));
        assert_eq!(given.settings, variables(&[("MANA_CKPT_DIR", "/scratch")]));
        let given = with("1:true:true:1:0:0:0:/bin/other");
        assert_eq!(given.note, None);
        let numbers = (numbers::VARIABLE, "7:210:0,8:211:210");
        let all = variables(&[own[0], own[1], numbers, ("MANA_CKPT_DIR", "/scratch")]);
        assert_eq!((given.environment, given.settings), (all.clone(), all));
    }

    #[test]
    fn a_note_is_for_one_process() {
        let path = c"./a:b";
        let mut room = [0_u8; MOST_BYTES];
        write_note(&mut room, path.as_ptr() as u64, false).unwrap();
        let text = room.split(|&byte| byte == 0).next().unwrap();
        let value = text.strip_prefix(b"MANA_EXEC=").unwrap();
        let note = Note::read(value).unwrap();
        assert_eq!(note.path, Path::new("./a:b"));
        assert_eq!(Note::read(b"1:true:true:1:0:0:0:/bin/sh"), None);
        assert_eq!(Note::read(b"/bin/sh"), None);
        assert!(write_note(&mut room[..100], path.as_ptr() as u64, false).is_some());
        assert!(write_note(&mut room[..16], path.as_ptr() as u64, false).is_none());
    }
}
