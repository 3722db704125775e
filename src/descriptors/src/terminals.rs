//! Pseudoterminals (pty(7)) of which the program has the master: made again with their modes and their window's size.
//!
//! ```text
//!   /dev/ptmx   master of number 5   ->  a new pair, unlocked, modes and size set   ->  the master
//!   /dev/pts/5  slave                ->                                                its slave, whatever number it has now
//! ```
//!
//! Bytes that are on their way in one cannot be looked at without taking them out: they are named, and lost.

use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags};
use serde::{Deserialize, Serialize};

use crate::error::{DescriptorError, os};
use crate::number::terminal as raw;
use crate::save::Found;
use crate::saved::{Descriptors, Lost, What};

/// What is set of a terminal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terminal {
    /// Its number: N of /dev/pts/N.
    pub number: u32,
    /// `struct termios2`.
    #[serde(with = "serde_bytes")]
    pub modes: Vec<u8>,
    /// Rows, columns, and their sizes in pixels.
    pub window: [u16; 4],
    /// Whether the master is read in packets, TIOCPKT.
    pub packets: bool,
}

/// The major number of /dev/ptmx, and its minor one.
const PTMX: (u32, u32) = (5, 2);
/// The first major number of slaves.
const SLAVES: u32 = 136;

/// The number and the side of the terminal that this is an end of.
fn end(found: &Found) -> Option<(u32, bool)> {
    let is_device = FileType::from_raw_mode(found.stat.st_mode) == FileType::CharacterDevice;
    let device = (
        rustix::fs::major(found.stat.st_rdev),
        rustix::fs::minor(found.stat.st_rdev),
    );
    match device {
        _ if !is_device => None,
        PTMX => Some((raw::number(found.here).ok()?, true)),
        (major @ SLAVES..=143, minor) => Some((minor + (major - SLAVES) * 256, false)),
        _ => None,
    }
}

/// Describes the terminals among `found`, the first descriptor of each open file.
pub(crate) fn save(found: &[Found], saved: &mut Descriptors) -> Result<(), DescriptorError> {
    for (at, found) in found.iter().enumerate() {
        let (Some((number, true)), What::ByPath(_)) = (end(found), &saved.files[at].what) else {
            continue;
        };
        let failed = |doing| os(found.number, "terminal", doing);
        saved.terminals.push(Terminal {
            number,
            modes: raw::modes(found.here).map_err(failed("asking for its modes"))?,
            window: raw::window(found.here).map_err(failed("asking for its size"))?,
            packets: raw::has_packets(found.here).map_err(failed("TIOCGPKT"))?,
        });
    }
    for (at, found) in found.iter().enumerate() {
        let (Some((number, is_master)), What::ByPath(path)) = (end(found), &saved.files[at].what)
        else {
            continue;
        };
        if saved
            .terminals
            .iter()
            .any(|terminal| terminal.number == number)
        {
            saved.files[at].what = What::Terminal { number, is_master };
            let waiting = rustix::io::ioctl_fionread(found.descriptor).unwrap_or(0);
            if waiting > 0 {
                let why = format!("{waiting} bytes wait in it, which cannot be looked at");
                saved.lost.push(Lost {
                    then: "After a restart it is there without them".into(),
                    ..Lost::descriptor(found, &why)
                });
            }
        } else if !path.exists() {
            let why = "nobody has the other side of this terminal any more";
            saved.lost.push(Lost::descriptor(found, why));
            saved.files[at].what = What::Lost;
        }
    }
    Ok(())
}

/// The masters, by the numbers that the terminals had.
#[derive(Debug)]
pub(crate) struct Masters(BTreeMap<u32, OwnedFd>);

impl Masters {
    /// Makes all terminals.
    pub(crate) fn make(saved: &[Terminal]) -> Result<Self, DescriptorError> {
        let made = saved
            .iter()
            .map(|terminal| Ok((terminal.number, make(terminal)?)));
        made.collect::<Result<_, DescriptorError>>().map(Self)
    }

    /// Opens one side of a terminal.
    pub(crate) fn open(
        &self,
        number: i32,
        flags: u32,
        terminal: u32,
        is_master: bool,
    ) -> Result<OwnedFd, DescriptorError> {
        let master = self.0.get(&terminal).ok_or_else(|| {
            DescriptorError::Inconsistent(format!("descriptor {number}: no terminal {terminal}"))
        })?;
        let failed = |doing| os(number, "terminal", doing);
        let flags = OFlags::from_bits_retain(flags);
        if is_master {
            let kept = flags & OFlags::NONBLOCK;
            rustix::fs::fcntl_setfl(master, kept).map_err(failed("F_SETFL"))?;
            return rustix::io::fcntl_dupfd_cloexec(master, 3).map_err(failed("dup"));
        }
        let kept = flags & (OFlags::RWMODE | OFlags::NONBLOCK);
        let kept = kept | OFlags::NOCTTY | OFlags::CLOEXEC;
        raw::peer(master.as_raw_fd(), kept.bits()).map_err(failed("opening its slave"))
    }
}

fn make(terminal: &Terminal) -> Result<OwnedFd, DescriptorError> {
    let failed = |doing| os(-1, "terminal", doing);
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let master =
        rustix::fs::open("/dev/ptmx", flags, Mode::empty()).map_err(failed("opening /dev/ptmx"))?;
    let end = master.as_raw_fd();
    raw::unlock(end).map_err(failed("unlocking it"))?;
    raw::set_modes(end, &terminal.modes).map_err(failed("setting its modes"))?;
    raw::set_window(end, terminal.window).map_err(failed("setting its size"))?;
    raw::set_packets(end, terminal.packets).map_err(failed("TIOCPKT"))?;
    let now = raw::number(end).map_err(failed("TIOCGPTN"))?;
    if now != terminal.number {
        let before = terminal.number;
        tracing::warn!("the program's terminal /dev/pts/{before} is /dev/pts/{now} now");
    }
    Ok(master)
}
