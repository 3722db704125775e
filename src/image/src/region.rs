//! Regions of memory: what a writer is given and what a reader finds.
//!
//! ```text
//!   region   [start ............................................. start + len)      one mapping of the program
//!   runs        [data....]            [data.....................]                   what the caller says is touched
//!   chunks      [..][..][]            [..]      [..][..][..][..]                    what is stored: no zero pages
//! ```

use serde::{Deserialize, Serialize};

/// A contiguous mapping of the program, as recorded in an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    /// The address of the first byte.
    pub start: u64,
    /// The length in bytes, a multiple of [`crate::layout::PAGE_BYTES`].
    pub len_bytes: u64,
    /// Protection: the `PROT_*` bits of mmap(2).
    pub prot: u32,
    /// The `MAP_*` bits of mmap(2) with which to map it again.
    pub flags: u32,
    /// What `/proc/self/maps` calls it, for people.
    pub name: String,
}

impl Region {
    /// One past the last address.
    pub fn end(&self) -> u64 {
        self.start.saturating_add(self.len_bytes)
    }

    /// The protection as `/proc/self/maps` writes it: `rwxp`, `r--s`.
    pub fn permissions(&self) -> String {
        const MAP_SHARED: u32 = 1;
        let bit = |bit: u32, letter: char| if self.prot & bit != 0 { letter } else { '-' };
        let sharing = if self.flags & MAP_SHARED != 0 {
            's'
        } else {
            'p'
        };
        [bit(1, 'r'), bit(2, 'w'), bit(4, 'x'), sharing]
            .iter()
            .collect()
    }
}

/// Touched pages of a region.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// Where the run begins, in bytes from the region's start; a multiple of the page size.
    pub offset_bytes: u64,
    /// Its bytes; the length is a multiple of the page size. What is page aligned in memory is written from where it
    /// lies, without a copy.
    pub data: &'a [u8],
}

/// A region to be written, with its bytes. What no run covers reads as zeros.
#[derive(Debug, Clone)]
pub struct RegionSource<'a> {
    /// Where the region is and what it is called.
    pub region: Region,
    /// Its touched pages, in ascending order, without overlap.
    pub runs: Vec<Run<'a>>,
}

impl<'a> RegionSource<'a> {
    /// A region of which every page is to be looked at.
    pub fn whole(region: Region, data: &'a [u8]) -> Self {
        Self {
            region,
            runs: vec![Run {
                offset_bytes: 0,
                data,
            }],
        }
    }
}
