//! Whose a file descriptor is: both halves open files in one table.
//!
//! ```text
//!   0 1 2 | 3 4 5 …  the upper half's, as without mana | 256 257 …  what the lower half opens when it starts
//!         |                                              \__ reserved while it does: see Reserved
//!   OWNED   made by a system call of the upper half, or inherited as 0, 1, 2         -> goes into an image
//!   LOWER   there when the lower half had started, and not owned                     -> the upper half cannot close it
//! ```
//!
//! The hooks keep OWNED (`hooks::descriptors`). A descriptor that came another way (by a message on a socket, say) is nobody's:
//! it works, but no image has it, unless it is claimed ([`unclaimed`]).

use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::fcntl_dupfd_cloexec;

use crate::error::{Error, Result};

/// Numbers below this are told apart.
const NUMBERS: usize = 1 << 16;

/// A set of descriptor numbers that the hooks may touch: no lock, no allocation.
struct Numbers([AtomicU64; NUMBERS / 64]);

impl Numbers {
    const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; NUMBERS / 64])
    }

    fn word(&self, number: RawFd) -> Option<(&AtomicU64, u64)> {
        let number = usize::try_from(number).ok()?;
        Some((self.0.get(number / 64)?, 1 << (number % 64)))
    }

    fn insert(&self, number: RawFd) {
        if let Some((word, bit)) = self.word(number) {
            word.fetch_or(bit, Ordering::Relaxed);
        }
    }

    fn remove(&self, number: RawFd) {
        if let Some((word, bit)) = self.word(number) {
            word.fetch_and(!bit, Ordering::Relaxed);
        }
    }

    fn contains(&self, number: RawFd) -> bool {
        self.word(number)
            .is_some_and(|(word, bit)| word.load(Ordering::Relaxed) & bit != 0)
    }

    /// Those from `from` on, in order. No allocation.
    fn all_from(&self, from: RawFd) -> impl Iterator<Item = RawFd> {
        let mut next = usize::try_from(from).unwrap_or(0);
        std::iter::from_fn(move || {
            let found = self.first_from(next)?;
            next = found + 1;
            Some(found as RawFd)
        })
    }

    fn first_from(&self, from: usize) -> Option<usize> {
        (from / 64..self.0.len()).find_map(|at| {
            let mut word = self.0[at].load(Ordering::Relaxed);
            if at == from / 64 {
                word &= u64::MAX << (from % 64);
            }
            (word != 0).then(|| at * 64 + word.trailing_zeros() as usize)
        })
    }
}

static OWNED: Numbers = Numbers::new();
static LOWER: Numbers = Numbers::new();

/// The process whose descriptors these are: a child has a table of its own, and may share this memory (vfork(2)).
static PROCESS: AtomicI32 = AtomicI32::new(0);

/// Begins to tell descriptors apart. Standard input, output and error are the upper half's.
pub fn start() {
    PROCESS.store(crate::sys::getpid(), Ordering::Relaxed);
    (0..3).for_each(adopt);
}

/// What is open and stays so when another program is executed, and not the upper half's.
///
/// # Errors
/// [`Error::Os`] when /proc/self/fd cannot be read.
pub fn given() -> Result<Vec<RawFd>> {
    let mut given = open_numbers()?;
    given.retain(|&number| number > 2 && !is_owned(number) && stays_open(number));
    Ok(given)
}

/// Whether execve(2) leaves a descriptor open.
pub(crate) fn stays_open(number: RawFd) -> bool {
    // proc_pid_fdinfo(5): flags are octal.
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap_or_default();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
    flags.is_some_and(|flags| !OFlags::from_bits_retain(flags).contains(OFlags::CLOEXEC))
}

/// The program before has executed this one, which has opened nothing yet: what is open is the upper half's, but for what had been
/// `given` to that program.
///
/// # Errors
/// [`Error::Os`] when /proc/self/fd cannot be read.
pub fn inherit(given: &[RawFd]) -> Result<()> {
    let open = open_numbers()?;
    let own = open.into_iter().filter(|number| !given.contains(number));
    own.for_each(adopt);
    Ok(())
}

/// The process has been forked: it has a table of its own from here on, with the same in it.
pub(crate) fn begin_in_child() {
    PROCESS.store(crate::sys::getpid(), Ordering::Relaxed);
}

/// The lower half's numbers, in order.
pub(crate) fn lower_halfs() -> Vec<RawFd> {
    LOWER.all_from(0).collect()
}

/// The lower half has closed `number`.
pub(crate) fn gone(number: RawFd) {
    LOWER.remove(number);
}

/// Whether the calling process is the one whose descriptors are told apart.
pub(crate) fn is_this_process() -> bool {
    crate::sys::getpid() == PROCESS.load(Ordering::Relaxed)
}

/// `number` is the upper half's.
pub fn adopt(number: RawFd) {
    OWNED.insert(number);
    LOWER.remove(number);
}

/// `number` is closed.
pub(crate) fn closed(number: RawFd) {
    OWNED.remove(number);
}

/// Whether the upper half has `number`.
pub(crate) fn is_owned(number: RawFd) -> bool {
    OWNED.contains(number)
}

/// Whether `number` is the lower half's.
pub(crate) fn is_lower(number: RawFd) -> bool {
    LOWER.contains(number)
}

/// The upper half's numbers from `from` on, in order. No allocation.
pub(crate) fn owned_from(from: RawFd) -> impl Iterator<Item = RawFd> {
    OWNED.all_from(from)
}

/// The upper half's descriptors, in order. Some may be closed by now, in ways that no hook sees.
pub fn owned() -> Vec<RawFd> {
    owned_from(0).collect()
}

/// Everything open that the upper half does not own is the lower half's from here on.
///
/// # Errors
/// [`Error::Os`] when /proc/self/fd cannot be read.
pub fn note_lower_half() -> Result<()> {
    for number in open_numbers()? {
        if !is_owned(number) {
            LOWER.insert(number);
        }
    }
    Ok(())
}

/// FIFOs with a path are opened by the upper half only, in a way that no hook sees: they become its own.
///
/// # Errors
/// [`Error::Os`] when /proc/self/fd cannot be read.
pub fn claim_fifos() -> Result<()> {
    for number in open_numbers()?.into_iter().filter(|n| !is_owned(*n)) {
        let link = format!("/proc/self/fd/{number}");
        let is_fifo = rustix::fs::stat(&link)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo);
        if is_fifo && std::fs::read_link(&link).is_ok_and(|path| path.is_absolute()) {
            adopt(number);
        }
    }
    Ok(())
}

/// What is open and nobody's.
///
/// # Errors
/// [`Error::Os`] when /proc/self/fd cannot be read.
pub fn unclaimed() -> Result<Vec<RawFd>> {
    let mut numbers = open_numbers()?;
    numbers.retain(|number| !is_owned(*number) && !is_lower(*number));
    Ok(numbers)
}

/// All descriptor numbers in use.
fn open_numbers() -> Result<Vec<RawFd>> {
    let os = |source| Error::Os {
        what: "listing the open descriptors in /proc/self/fd".into(),
        source,
    };
    let entries = std::fs::read_dir("/proc/self/fd").map_err(os)?;
    let mut numbers: Vec<RawFd> = entries
        .filter_map(std::result::Result::ok)
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    // But for the one that the list was read from.
    numbers.retain(|number| std::fs::symlink_metadata(format!("/proc/self/fd/{number}")).is_ok());
    Ok(numbers)
}

/// Numbers that are kept for the upper half while the lower half starts, so that what that opens lies above them and the
/// upper half finds the numbers it would find without mana. Free again when dropped.
#[derive(Debug)]
pub struct Reserved {
    places: Vec<OwnedFd>,
}

/// How many numbers stay free for the upper half, if the limit on descriptors allows it.
const ROOM: RawFd = 256;

impl Drop for Reserved {
    fn drop(&mut self) {
        for place in self.places.drain(..) {
            if is_owned(place.as_raw_fd()) {
                // The program's own has taken its place.
                let _ = place.into_raw_fd();
            }
        }
    }
}

impl Reserved {
    /// Reserves what is free below [`ROOM`] and at least up to `highest`, the highest number that an image has.
    ///
    /// # Errors
    /// [`Error::Os`] when so many descriptors cannot be opened: the limit (`ulimit -n`) is too low.
    pub fn below(highest: Option<RawFd>) -> Result<Self> {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let quarter = limit.map_or(ROOM, |limit| (limit / 4).min(ROOM as u64) as RawFd);
        let end = quarter.max(highest.map_or(0, |highest| highest + 1));
        let os = |source: rustix::io::Errno| Error::Os {
            what: format!(
                "reserving the descriptors below {end} for the program (see `ulimit -n`)"
            ),
            source: source.into(),
        };
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let mut places = vec![rustix::fs::open("/dev/null", flags, Mode::empty()).map_err(os)?];
        while places.last().is_some_and(|last| last.as_raw_fd() < end) {
            places.push(fcntl_dupfd_cloexec(&places[0], 3).map_err(os)?);
        }
        // The last one lies above what was asked for.
        places.pop();
        Ok(Self { places })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_in_order() {
        let numbers = Numbers::new();
        for number in [3, 63, 64, 200, 65_535] {
            numbers.insert(number);
        }
        numbers.insert(1 << 20);
        numbers.insert(-1);
        numbers.remove(64);
        let mut found = Vec::new();
        let mut next = 0;
        while let Some(number) = numbers.first_from(next) {
            found.push(number);
            next = number + 1;
        }
        assert_eq!(found, [3, 63, 200, 65_535]);
        assert!(numbers.contains(63) && !numbers.contains(64) && !numbers.contains(-1));
    }

    #[test]
    fn what_is_opened_meanwhile_lies_above_the_reserve() {
        let _reserved = Reserved::below(Some(40)).unwrap();
        let opened = rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC).unwrap();
        assert!(opened.as_raw_fd() > 40);
        let open = open_numbers().unwrap();
        assert!(open.contains(&40));
        let is_open =
            |number: &RawFd| std::fs::read_link(format!("/proc/self/fd/{number}")).is_ok();
        assert!(open.iter().all(is_open), "{open:?}");
    }
}
