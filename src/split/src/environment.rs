//! The environment of the upper half: where its libc keeps it, and how a restart changes it.
//!
//! ```text
//!   libc (or the program, to which it may have been copied)     environ ──► | ● | ● | ● | 0 |
//!                                                                             └─► "NAME=value"
//!   change():  environ ──► | ● | ● | new | 0 |     a new list in new memory; strings that stay are where they were, and what
//!                                                  the program holds of the old ones is still there
//! ```
//!
//! The place is found by symbols in the files that are mapped, which tell no more after a restart: so it goes into the image.
//!
//! A thread that was within setenv(3) or its kin goes on with the list that it knew. What it writes there would be lost; so no list
//! is changed while one is ([`is_being_changed`]).

#![expect(unsafe_code, reason = "reads and writes the upper half's environment")]
// # Safety
// Lower TLS live; all of the upper half is stopped, or does not run yet. What its pointers lead to is read only where the
// caller says that there is memory.

use std::ffi::CString;
use std::fs::File;
use std::ops::Range;
use std::path::Path;

use object::Endianness;
use object::elf::{self, FileHeader64};
use object::read::ReadCache;
use object::read::elf::{FileHeader, ProgramHeader, Sym};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::maps::{self, Backing, Region};
use crate::thread_image::{Resume, ThreadImage};
use crate::window::PAGE_BYTES;
use crate::{hooks, upper_memory};

/// What the variable is called.
const NAMES: [&str; 3] = ["environ", "__environ", "_environ"];
/// The functions that change the list.
const EDITORS: [&str; 4] = ["setenv", "unsetenv", "putenv", "clearenv"];
/// How far up a stack calls from the editors are looked for: they call no more than malloc(3).
const STACK_BYTES: usize = 2048;
/// More variables than this are taken for something else.
const MOST: usize = 1 << 16;

/// Where it is; part of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The address of the variable `environ`.
    pub variable: u64,
    /// The code of what changes it.
    pub editors: Vec<Range<u64>>,
}

/// Finds it; `None` where no symbol tells.
///
/// # Errors
/// As [`maps::all_regions`].
pub fn find() -> Result<Option<Place>> {
    let regions = maps::upper_regions()?;
    let Some(libc) = Symbols::of(&regions, is_libc) else {
        return Ok(None);
    };
    // A program that names the variable may have got a copy, which libc uses too.
    let own = hooks::program().and_then(|program| Symbols::of(&regions, |path| path == program));
    let variable = own
        .iter()
        .chain([&libc])
        .find_map(|symbols| NAMES.iter().find_map(|name| symbols.find(name)));
    Ok(variable.map(|variable| Place {
        variable: variable.start,
        editors: editors(&libc),
    }))
}

/// The code that changes the list. What setenv(3) and putenv(3) share has no symbol, and lies before the first of them.
fn editors(libc: &Symbols) -> Vec<Range<u64>> {
    let mut editors: Vec<_> = EDITORS.iter().filter_map(|name| libc.find(name)).collect();
    if let Some(setenv) = libc.find(EDITORS[0]) {
        let ends = libc.0.iter().map(|(_, place)| place.end);
        let before = ends.filter(|end| *end <= setenv.start).max();
        editors.extend(before.map(|end| end..setenv.start));
    }
    editors
}

fn is_libc(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "libc.so.6")
}

/// What a mapped file defines.
struct Symbols(Vec<(String, Range<u64>)>);

impl Symbols {
    /// Those of the first file that `is_wanted`, where its path still leads to it.
    fn of(regions: &[Region], is_wanted: impl Fn(&Path) -> bool) -> Option<Self> {
        regions.iter().find_map(|region| match &region.backing {
            Backing::File {
                path,
                offset: 0,
                deleted: false,
                ..
            } if is_wanted(path) => Self::read(path, region.start as u64),
            _ => None,
        })
    }

    fn read(path: &Path, start: u64) -> Option<Self> {
        let file = File::open(path).ok()?;
        let data = &ReadCache::new(&file);
        let header = FileHeader64::<Endianness>::parse(data).ok()?;
        let endian = header.endian().ok()?;
        let loads = header.program_headers(endian, data).ok()?.iter();
        let first = loads
            .filter(|load| load.p_type(endian) == elf::PT_LOAD)
            .map(|load| load.p_vaddr(endian))
            .min()?;
        let moved = start.wrapping_sub(first & !(PAGE_BYTES as u64 - 1));
        let sections = header.sections(endian, data).ok()?;
        let table = sections.symbols(endian, data, elf::SHT_DYNSYM).ok()?;
        let defined = table.iter().filter(|symbol| !symbol.is_undefined(endian));
        let found = defined.filter_map(|symbol| {
            let name = table.symbol_name(endian, symbol).ok()?;
            let name = String::from_utf8_lossy(name).into_owned();
            let start = symbol.st_value(endian).wrapping_add(moved);
            Some((name, start..start + symbol.st_size(endian)))
        });
        Some(Self(found.collect()))
    }

    fn find(&self, name: &str) -> Option<Range<u64>> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, place)| place.clone())
    }
}

/// Memory that may be read: a restart knows the image's.
pub type Readable<'a> = &'a dyn Fn(u64) -> Option<Range<u64>>;

/// The bytes at `start`, up to `most` of them, as far as there is memory.
fn bytes<'a>(start: u64, most: usize, readable: Readable<'_>) -> Option<&'a [u8]> {
    let range = readable(start)?;
    let length = usize::try_from(range.end - start).ok()?.min(most);
    // SAFETY: the caller says that there is memory; nothing writes to it meanwhile (see # Safety above).
    Some(unsafe { std::slice::from_raw_parts(start as *const u8, length) })
}

fn word(address: u64, readable: Readable<'_>) -> Option<u64> {
    let bytes = bytes(address, size_of::<u64>(), readable)?;
    Some(u64::from_ne_bytes(bytes.try_into().ok()?))
}

/// The list: where each string is, and what it says. `None` where it is no list.
#[must_use]
pub fn read(place: &Place, readable: Readable<'_>) -> Option<Vec<(u64, Vec<u8>)>> {
    let list = word(place.variable, readable)?;
    let mut all = Vec::new();
    // clearenv(3) leaves none.
    if list == 0 {
        return Some(all);
    }
    loop {
        let string = word(list + 8 * all.len() as u64, readable)?;
        if string == 0 {
            return Some(all);
        }
        let text = bytes(string, usize::MAX, readable)?;
        let end = text.iter().position(|byte| *byte == 0)?;
        all.push((string, text[..end].to_vec()));
        if all.len() > MOST {
            return None;
        }
    }
}

/// Whether a thread is within what changes the list, or looks so: what a call has left on its stack passes for one.
#[must_use]
pub fn is_being_changed(place: &Place, threads: &[ThreadImage], readable: Readable<'_>) -> bool {
    /// Bytes of `struct ucontext` before its general registers.
    const REGISTERS: u64 = 40;
    let register =
        |ucontext: u64, number: i32| word(ucontext + REGISTERS + 8 * number as u64, readable);
    let is_editor = |address: &u64| place.editors.iter().any(|code| code.contains(address));
    // They wait for locks only.
    let waits_elsewhere =
        |thread: &ThreadImage| thread.waits_in.is_some_and(|it| it != libc::SYS_futex);
    threads.iter().any(|thread| {
        let ucontext = match thread.resume {
            Resume::Signal { ucontext } if !waits_elsewhere(thread) => ucontext,
            // They make no call into the lower half either.
            _ => return false,
        };
        let (Some(at), Some(stack)) = (
            register(ucontext, libc::REG_RIP),
            register(ucontext, libc::REG_RSP),
        ) else {
            return true;
        };
        let stack = bytes(stack, STACK_BYTES, readable).unwrap_or(&[]);
        let words = stack.as_chunks().0.iter();
        let mut returns = words.map(|word| u64::from_ne_bytes(*word));
        is_editor(&at) || returns.any(|address| is_editor(&address))
    })
}

/// A string of the list that [`change`] makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// One that is there.
    Kept(u64),
    /// A new one.
    New(CString),
}

/// Gives the upper half a list of `entries`.
///
/// # Safety
/// No thread of the upper half runs yet, and `place` is of its libc: [`read`] understands it.
///
/// # Errors
/// [`crate::Error::Os`] when there is no room.
pub unsafe fn change(place: &Place, entries: &[Entry]) -> Result<()> {
    let list_bytes = (entries.len() + 1) * size_of::<u64>();
    let text_bytes: usize = entries
        .iter()
        .map(|entry| match entry {
            Entry::Kept(_) => 0,
            Entry::New(text) => text.as_bytes_with_nul().len(),
        })
        .sum();
    let list = upper_memory::allocate(list_bytes + text_bytes)?;
    let mut text_at = list + list_bytes;
    for (at, entry) in entries.iter().enumerate() {
        let string = match entry {
            Entry::Kept(string) => *string,
            Entry::New(text) => {
                let text = text.as_bytes_with_nul();
                let start = text_at;
                text_at += text.len();
                // SAFETY: within the new memory, which has room for all texts behind the list.
                unsafe {
                    std::ptr::copy_nonoverlapping(text.as_ptr(), start as *mut u8, text.len())
                };
                start as u64
            }
        };
        // SAFETY: within the new memory, which is zeroed: so the list ends with 0.
        unsafe { (list as *mut u64).add(at).write(string) };
    }
    // SAFETY: the caller's promise: the variable, which nobody reads now.
    unsafe { (place.variable as *mut u64).write(list as u64) };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::thread_image::AlternateStack;

    /// A list as libc has it, in memory of this test.
    fn list(texts: &[&CString]) -> (Place, Vec<u64>, Box<u64>) {
        let mut strings: Vec<u64> = texts.iter().map(|text| text.as_ptr() as u64).collect();
        strings.push(0);
        let variable = Box::new(strings.as_ptr() as u64);
        let place = Place {
            variable: (&raw const *variable) as u64,
            editors: Vec::new(),
        };
        (place, strings, variable)
    }

    fn anywhere(start: u64) -> Option<Range<u64>> {
        (start != 0).then_some(start..start + 64)
    }

    #[test]
    fn a_list_is_read_and_changed() {
        let (one, two) = (c"A=1".to_owned(), c"B=2".to_owned());
        let (place, strings, variable) = list(&[&one, &two]);
        let read_now = || read(&place, &anywhere).unwrap();
        let found = read_now();
        assert_eq!(
            found,
            [(strings[0], b"A=1".to_vec()), (strings[1], b"B=2".to_vec())]
        );
        let entries = [Entry::Kept(strings[1]), Entry::New(c"C=3".to_owned())];
        // SAFETY: the list is this test's.
        unsafe { change(&place, &entries).unwrap() };
        let changed = read_now();
        assert_eq!(changed[0], (strings[1], b"B=2".to_vec()));
        assert_eq!((changed.len(), &changed[1].1[..]), (2, &b"C=3"[..]));
        assert_ne!(*variable, strings.as_ptr() as u64);
    }

    #[test]
    fn what_leads_nowhere_is_no_list() {
        let (place, _strings, _variable) = list(&[&c"A=1".to_owned()]);
        assert_eq!(read(&place, &|_| None), None);
        let nowhere = Place::default();
        assert_eq!(read(&nowhere, &anywhere), None);
    }

    #[test]
    fn libc_has_the_variable_and_what_changes_it() {
        let regions = maps::all_regions().unwrap();
        let symbols = Symbols::of(&regions, is_libc).unwrap();
        let variable = symbols.find("environ").unwrap();
        assert_eq!(symbols.find("__environ"), Some(variable.clone()));
        let place = Place {
            variable: variable.start,
            editors: Vec::new(),
        };
        let readable = |start: u64| {
            let region = regions
                .iter()
                .find(|it| it.range().contains(&(start as usize)))?;
            Some(start..region.range().end as u64)
        };
        let found = read(&place, &readable).unwrap();
        assert_eq!(found.len(), std::env::vars_os().count());
        assert!(EDITORS.iter().all(|name| symbols.find(name).is_some()));
        // And what they share.
        assert_eq!(editors(&symbols).len(), EDITORS.len() + 1);
    }

    /// A thread that a signal has taken at `code`, with `stack`.
    fn thread(
        code: u64,
        stack: &[u64],
        ucontext: &mut [u64; 40],
        waits_in: Option<i64>,
    ) -> ThreadImage {
        ucontext[5 + libc::REG_RIP as usize] = code;
        ucontext[5 + libc::REG_RSP as usize] = stack.as_ptr() as u64;
        ThreadImage {
            tid: 1,
            is_main: true,
            upper_fs: 0,
            clear_tid_address: 0,
            robust_list: (0, 0),
            alternate_stack: AlternateStack {
                start: 0,
                bytes: 0,
                flags: 0,
            },
            name: Vec::new(),
            xsave_components: 0,
            waits_in,
            waits_for_heir: false,
            resume: Resume::Signal {
                ucontext: ucontext.as_ptr() as u64,
            },
            pending: Vec::new(),
            scheduling: None,
            timers: None,
        }
    }

    #[test]
    fn a_thread_within_an_editor_is_seen() {
        let place = Place {
            variable: 0,
            editors: vec![1000..1100, 2000..2100],
        };
        let is_changing = |code: u64, on_stack: u64, waits_in: Option<i64>| {
            let stack = [0, on_stack, 0, 0, 0, 0, 0, 0];
            let mut ucontext = [0; 40];
            let thread = thread(code, &stack, &mut ucontext, waits_in);
            let whole =
                |start: u64| Some(start..start + 320 - (start - (&raw const ucontext) as u64));
            let readable = |start: u64| match start == stack.as_ptr() as u64 {
                true => Some(start..start + 64),
                false => whole(start),
            };
            is_being_changed(&place, &[thread], &readable)
        };
        assert!(is_changing(1050, 0, None) && is_changing(5, 2050, None));
        assert!(is_changing(5, 1050, Some(libc::SYS_futex)));
        assert!(!is_changing(5, 1100, None) && !is_changing(999, 7, None));
        assert!(!is_changing(5, 1050, Some(libc::SYS_clock_nanosleep)));
    }
}
