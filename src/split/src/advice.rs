//! What the program has told the kernel about its memory: locked (mlock(2)), growing downwards (`MAP_GROWSDOWN`), and the lasting
//! advice of madvise(2), as "not for children" or "in huge pages". It lives in the kernel's mappings, which a restart makes anew.
//!
//! ```text
//!   hook   madvise, mlock, mmap with such a flag  -> noted: there is some
//!   cut    VmFlags of /proc/self/smaps (proc(5))  -> Advised                only where noted: it takes a while
//!   restart                                       -> mmap, madvise, mlock
//! ```

#![expect(unsafe_code, reason = "madvise and mlock of the program's memory")]
// # Safety
// [`note`] may run with any TLS or none. The others run with the lower TLS live, while no upper code runs.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::{maps, window};

/// Advice that lasts, by the kernel's two letters.
const LASTING: [(&str, i32); 8] = [
    ("dc", libc::MADV_DONTFORK),
    ("wf", libc::MADV_WIPEONFORK),
    ("dd", libc::MADV_DONTDUMP),
    ("hg", libc::MADV_HUGEPAGE),
    ("nh", libc::MADV_NOHUGEPAGE),
    ("mg", libc::MADV_MERGEABLE),
    ("sr", libc::MADV_SEQUENTIAL),
    ("rr", libc::MADV_RANDOM),
];
/// Of these, what decides about the size of pages.
const PAGE_SIZES: [&str; 2] = ["hg", "nh"];
/// Memory that is locked.
const LOCKED: &str = "lo";
/// Memory that grows downwards when what lies before it is touched.
const GROWS_DOWN: &str = "gd";

/// Whether the program may have any.
static GIVEN: AtomicBool = AtomicBool::new(false);

/// Notes that there is some.
pub fn note() {
    GIVEN.store(true, Relaxed);
}

/// Whether this madvise(2) says something that lasts.
pub(crate) fn is_lasting(advice: i32) -> bool {
    LASTING.iter().any(|(_, lasting)| *lasting == advice)
}

/// A mapping of the program's that the kernel was told something about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advised {
    /// The address of the first byte.
    pub start: u64,
    /// Length in bytes, whole pages.
    pub len_bytes: u64,
    /// What, as /proc/self/smaps has it under `VmFlags`.
    pub flags: Vec<String>,
}

impl Advised {
    /// Whether it grows downwards.
    #[must_use]
    pub fn grows_down(&self) -> bool {
        self.flags.iter().any(|flag| flag == GROWS_DOWN)
    }
}

/// What the kernel was told of the upper half's memory, for the image.
///
/// # Errors
/// [`Error::Os`] when /proc/self/smaps cannot be read.
pub fn export() -> Result<Vec<Advised>> {
    if !GIVEN.load(Relaxed) {
        return Ok(Vec::new());
    }
    let text = std::fs::read("/proc/self/smaps").map_err(|source| Error::Os {
        what: "reading /proc/self/smaps".into(),
        source,
    })?;
    let all = parse(&String::from_utf8_lossy(&text)).into_iter();
    Ok(all
        .filter(|(range, _)| window::has_upper(range))
        .map(|(range, flags)| Advised {
            start: range.start as u64,
            len_bytes: range.len() as u64,
            flags,
        })
        .collect())
}

/// The mappings in a text like /proc/self/smaps with a flag that is known here.
fn parse(text: &str) -> Vec<(Range<usize>, Vec<String>)> {
    let known = |flag: &&str| {
        *flag == LOCKED || *flag == GROWS_DOWN || LASTING.iter().any(|(lasting, _)| lasting == flag)
    };
    let (mut found, mut region) = (Vec::new(), None);
    for line in text.lines() {
        let Some(flags) = line.strip_prefix("VmFlags:") else {
            // Each mapping begins with its line of /proc/self/maps.
            region = maps::parse(line.as_bytes()).or(region);
            continue;
        };
        let flags: Vec<String> = flags
            .split_whitespace()
            .filter(known)
            .map(str::to_owned)
            .collect();
        if let (Some(region), false) = (&region, flags.is_empty()) {
            found.push((region.range(), flags));
        }
    }
    found
}

/// Tells the kernel of an image's memory, mapped and still empty, what decides about the size of its pages.
pub fn import_page_sizes(advised: &[Advised]) {
    for one in advised {
        for (flag, advice) in LASTING {
            if PAGE_SIZES.contains(&flag) && one.flags.iter().any(|given| given == flag) {
                // What it refuses, `import` will say.
                let _ = advise(one, advice);
            }
        }
    }
}

/// Tells the kernel the same of an image's memory, which is as it was; says what it refuses (no huge pages here, a lower limit
/// for locked memory). What grows downwards was mapped so.
#[must_use]
pub fn import(advised: &[Advised]) -> Vec<String> {
    let mut refused: BTreeMap<&str, (io::Error, u64)> = BTreeMap::new();
    for one in advised {
        note();
        for flag in &one.flags {
            let lasting = LASTING.iter().find(|(lasting, _)| lasting == flag);
            let told = match lasting {
                Some((_, advice)) => advise(one, *advice),
                None if flag == LOCKED => lock(one),
                None => Ok(()),
            };
            if let Err(error) = told {
                refused.entry(flag).or_insert((error, 0)).1 += one.len_bytes;
            }
        }
    }
    let each = refused.into_iter();
    each.map(|(flag, (error, bytes))| format!("{flag}, of {bytes} bytes: {error}"))
        .collect()
}

/// madvise(2).
fn advise(one: &Advised, advice: i32) -> io::Result<()> {
    // SAFETY: the program's memory, which stays what it is: no advice in the table changes contents.
    checked(unsafe { libc::madvise(one.start as *mut _, one.len_bytes as usize, advice) })
}

/// mlock2(2): what has been in memory is there again, and the rest is not fetched for it.
fn lock(one: &Advised) -> io::Result<()> {
    // SAFETY: changes nothing but where the kernel keeps it.
    checked(unsafe {
        libc::mlock2(
            one.start as *const _,
            one.len_bytes as usize,
            libc::MLOCK_ONFAULT as _,
        )
    })
}

/// The result of a call that is 0 if it has done it.
fn checked(result: libc::c_int) -> io::Result<()> {
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_with_a_flag_of_ours_are_found() {
        let text = "200000001000-200000003000 rw-p 00000000 00:00 0 \n\
                    Size:                  8 kB\nVmFlags: rd wr mr mw me ac sd \n\
                    200000003000-200000004000 rw-p 00000000 00:00 0          [anon:a-b c]\n\
                    VmFlags: rd wr mr mw me gd lo ac dc \n";
        let found = parse(text);
        assert_eq!(found.len(), 1, "{found:?}");
        let (range, flags) = &found[0];
        assert_eq!((range.start, range.len()), (0x2000_0000_3000, 4096));
        assert_eq!(flags, &["gd", "lo", "dc"]);
        let advised = Advised {
            start: 0,
            len_bytes: 0,
            flags: flags.clone(),
        };
        assert!(advised.grows_down());
    }

    #[test]
    fn what_is_told_can_be_asked_for() {
        let len = 4096;
        let request = window::Request::anonymous(len, libc::PROT_READ | libc::PROT_WRITE);
        let start = window::map(&request).unwrap();
        let told = Advised {
            start: start as u64,
            len_bytes: len as u64,
            flags: vec!["dc".into(), "dd".into()],
        };
        assert_eq!(import(std::slice::from_ref(&told)), [] as [String; 0]);
        let mut found = export().unwrap();
        found.retain(|found| found.start == told.start);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(told.flags.iter().all(|flag| found[0].flags.contains(flag)));
    }
}
