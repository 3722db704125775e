//! Live windows: what a rebuilt one must have again (MPI-5.0 chapter 12).
//!
//! ```text
//!   Window ──> comm      the internal communicator: its members, its id, tokens and barriers
//!          ──> memory    base, size, unit; pieces attached; the whole shared mapping of a shared window
//!          ──> page      lock words and attribute values, in the memory that the image holds
//!          ──> epoch     what the application has opened: fence, access, exposure, locks
//! ```
//!
//! Nothing here is native: at a restart a new native window is made over the same memory.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};

use serde::{Deserialize, Serialize};

use crate::attr::Attributes;
use crate::comm::cut_name;
use crate::handle::{ErrhandlerHandle, kind};
use crate::info::Info;
use crate::table::Table;
use crate::win_epoch::Epoch;

/// A window.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Window {
    /// `MPI_Win_set_name`.
    pub name: CString,
    /// `MPI_Win_set_errhandler`; the window holds it.
    pub errhandler: ErrhandlerHandle,
    /// Cached values.
    pub attributes: Attributes,
    /// `MPI_Win_set_info`: the hints given.
    pub info: Info,
    /// Handle of the internal communicator, a duplicate of the one the window was made on.
    pub comm: u32,
    /// What it is made of.
    pub memory: WindowMemory,
    /// Address of the page with its lock words and the values of its attributes.
    pub page: u64,
    /// What the application has opened.
    pub epoch: Epoch,
}

/// The memory of this rank in a window.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WindowMemory {
    /// `MPI_WIN_FLAVOR_*`, in the standard's numbering.
    pub flavor: i32,
    /// First address; 0 for a dynamic window.
    pub base: u64,
    /// Bytes from there.
    pub size_bytes: u64,
    /// Bytes of one unit of displacement.
    pub disp_unit: i32,
    /// Memory attached to a dynamic window: bytes by address.
    pub attached: BTreeMap<u64, u64>,
    /// Of a shared window.
    pub shared: Option<SharedMemory>,
}

/// The memory that the ranks of a shared window have in common.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SharedMemory {
    /// Where this rank has mapped it.
    pub start: u64,
    /// Bytes mapped, whole pages.
    pub len_bytes: u64,
    /// The parts of the ranks, in their order.
    pub segments: Vec<Segment>,
}

/// A rank's part of shared memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Segment {
    /// Bytes before it.
    pub offset: u64,
    /// Its bytes.
    pub size_bytes: u64,
    /// Its unit of displacement.
    pub disp_unit: i32,
}

impl Window {
    /// `MPI_Win_set_name`: cut to what MPI_MAX_OBJECT_NAME leaves.
    pub fn set_name(&mut self, name: &CStr) {
        self.name = cut_name(name);
    }
}

impl WindowMemory {
    /// Attaches memory to a dynamic window; `false` if some of it is attached already.
    pub fn attach(&mut self, base: u64, size_bytes: u64) -> bool {
        let end = base.saturating_add(size_bytes);
        let below = self.attached.range(..end).next_back();
        if below.is_some_and(|(start, len)| start + len > base || *start == base) {
            return false;
        }
        self.attached.insert(base, size_bytes);
        true
    }

    /// Detaches memory; `false` if none that begins there is attached.
    pub fn detach(&mut self, base: u64) -> bool {
        self.attached.remove(&base).is_some()
    }
}

impl SharedMemory {
    /// Lays the ranks' parts out: one after the other without a gap, or each on pages of its own. `parts` are bytes and
    /// unit of displacement, in the order of the ranks. `None` if that is more than an address can name.
    #[must_use]
    pub fn lay_out(parts: &[(u64, i32)], page_bytes: Option<u64>) -> Option<(u64, Vec<Segment>)> {
        let mut end = 0_u64;
        let mut segments = Vec::with_capacity(parts.len());
        for &(size_bytes, disp_unit) in parts {
            let offset = match page_bytes {
                Some(page_bytes) => end.checked_next_multiple_of(page_bytes)?,
                None => end,
            };
            end = offset.checked_add(size_bytes)?;
            segments.push(Segment {
                offset,
                size_bytes,
                disp_unit,
            });
        }
        Some((end, segments))
    }
}

/// The windows of a rank.
pub type Windows = Table<kind::Win, Window>;

#[cfg(test)]
mod tests {
    use super::*;

    fn dynamic() -> WindowMemory {
        WindowMemory {
            flavor: 313,
            base: 0,
            size_bytes: 0,
            disp_unit: 1,
            attached: BTreeMap::new(),
            shared: None,
        }
    }

    #[test]
    fn attached_memory_does_not_overlap() {
        let mut memory = dynamic();
        assert!(memory.attach(100, 50) && memory.attach(150, 10) && memory.attach(50, 50));
        assert!(!memory.attach(100, 1) && !memory.attach(149, 1) && !memory.attach(10, 200));
        assert!(!memory.attach(159, 100) && memory.attach(160, 100));
        assert!(memory.detach(100) && !memory.detach(100) && memory.attach(100, 50));
    }

    #[test]
    fn shared_parts_follow_each_other() {
        let parts = [(10, 1), (0, 4), (20, 8)];
        let (bytes, segments) = SharedMemory::lay_out(&parts, None).unwrap();
        let offsets: Vec<_> = segments.iter().map(|segment| segment.offset).collect();
        assert_eq!((bytes, offsets), (30, vec![0, 10, 10]));
        let (bytes, segments) = SharedMemory::lay_out(&parts, Some(4096)).unwrap();
        let offsets: Vec<_> = segments.iter().map(|segment| segment.offset).collect();
        assert_eq!((bytes, offsets), (4116, vec![0, 4096, 4096]));
        assert_eq!(SharedMemory::lay_out(&[(u64::MAX, 1), (1, 1)], None), None);
    }
}
