//! What is mapped in this process and whose it is, from /proc/self/maps and /proc/self/pagemap.
//!
//! ```text
//!   in the window or an extra range       upper half's: goes into an image        upper_regions
//!   elsewhere, known to the lower half    thrown away                             -
//!   elsewhere, anybody's guess            an error with its address and name      stray_mappings
//! ```
//!
//! Nothing is remembered: the kernel's list is read when it is needed and so is always right.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::window::{self, PAGE_BYTES};

/// One line of /proc/self/maps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// First address.
    pub start: usize,
    /// Length in bytes, whole pages.
    pub len_bytes: usize,
    /// PROT_READ, PROT_WRITE and PROT_EXEC bits.
    pub prot: i32,
    /// MAP_SHARED rather than MAP_PRIVATE.
    pub shared: bool,
    /// What is behind it.
    pub backing: Backing,
}

/// What a region's contents come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backing {
    /// Anonymous memory; a name like `[stack]` or `[anon:…]` if the kernel knows one.
    Anonymous(Option<String>),
    /// A file.
    File {
        /// Its path when it was mapped; for shared anonymous memory and memfds a name that is no path.
        path: PathBuf,
        /// Offset of the region's first byte in it, in bytes.
        offset: u64,
        /// Device and inode number: which file the path named.
        id: (u64, u64),
        /// The path does not lead to it any more.
        deleted: bool,
    },
}

impl Region {
    /// The addresses.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.start..self.start + self.len_bytes
    }

    /// The part before the end of the file, beyond which an access ends in SIGBUS; nothing if no byte is left. `None` if the
    /// file's name does not lead to it any more.
    fn range_in_file(&self) -> Option<Range<usize>> {
        use std::os::unix::fs::MetadataExt;
        let Backing::File {
            path,
            offset,
            id,
            deleted: false,
        } = &self.backing
        else {
            return None;
        };
        let metadata = path.metadata().ok()?;
        if (metadata.dev(), metadata.ino()) != *id {
            return None;
        }
        let mut range = self.range();
        let left = window::page_up(metadata.len().saturating_sub(*offset) as usize);
        range.end = range.end.min(range.start + left);
        Some(range)
    }

    /// Anonymous and private: a page that was never touched reads as zero.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        matches!(self.backing, Backing::Anonymous(_))
    }

    /// The path or name, for messages.
    #[must_use]
    pub fn name(&self) -> &Path {
        match &self.backing {
            Backing::Anonymous(name) => Path::new(name.as_deref().unwrap_or("anonymous memory")),
            Backing::File { path, .. } => path,
        }
    }
}

/// All regions of this process, ascending.
///
/// # Errors
/// [`Error::Os`] when /proc/self/maps cannot be read or has another format than proc(5) says.
pub fn all_regions() -> Result<Vec<Region>> {
    let text = fs::read("/proc/self/maps").map_err(|e| failed("reading /proc/self/maps", e))?;
    let lines = text
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty());
    lines
        .map(|line| parse(line).ok_or_else(|| bad_line(line)))
        .collect()
}

/// The upper half's regions, ascending: what an image consists of.
///
/// # Errors
/// As [`all_regions`].
pub fn upper_regions() -> Result<Vec<Region>> {
    let mut regions = all_regions()?;
    regions.retain(|region| window::has_upper(&region.range()));
    Ok(regions)
}

/// Regions outside the window that the lower half cannot account for, though the upper half could: executable ones, and
/// those of files the upper half has mapped too, that the lower half's dynamic loader did not map. Each is memory of the
/// upper half that escaped the hooks, and that an image would lack.
///
/// # Errors
/// As [`all_regions`].
pub fn stray_mappings() -> Result<Vec<Region>> {
    let (upper, mut rest): (Vec<_>, Vec<_>) = all_regions()?
        .into_iter()
        .partition(|region| window::has_upper(&region.range()));
    let upper_files: HashSet<_> = upper.iter().filter_map(file_id).collect();
    let own_files = lower_libraries();
    rest.retain(|region| match file_id(region) {
        Some(id) if own_files.contains(&id) => false,
        Some(id) => region.prot & libc::PROT_EXEC != 0 || upper_files.contains(&id),
        None => false,
    });
    Ok(rest)
}

fn file_id(region: &Region) -> Option<(u64, u64)> {
    match &region.backing {
        Backing::File { path, id, .. } if path.is_absolute() && !path.starts_with("/dev") => {
            Some(*id)
        }
        _ => None,
    }
}

/// The files in the lower half's link map, and its executable.
fn lower_libraries() -> HashSet<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let mut paths = crate::link_map::library_paths();
    paths.push(PathBuf::from("/proc/self/exe"));
    paths
        .iter()
        .filter_map(|path| path.metadata().ok())
        .map(|m| (m.dev(), m.ino()))
        .collect()
}

fn failed(what: &str, source: io::Error) -> Error {
    Error::Os {
        what: what.into(),
        source,
    }
}

fn bad_line(line: &[u8]) -> Error {
    let text = String::from_utf8_lossy(line).into_owned();
    failed(
        "parsing /proc/self/maps",
        io::Error::new(io::ErrorKind::InvalidData, text),
    )
}

/// `start-end perms offset major:minor inode   name` (proc_pid_maps(5)).
pub(crate) fn parse(line: &[u8]) -> Option<Region> {
    let mut fields = line.splitn(6, |&byte| byte == b' ');
    let mut field = || std::str::from_utf8(fields.next()?).ok();
    let (start, end) = field()?.split_once('-')?;
    let start = usize::from_str_radix(start, 16).ok()?;
    let end = usize::from_str_radix(end, 16).ok()?;
    let perms = field()?.as_bytes();
    let offset = u64::from_str_radix(field()?, 16).ok()?;
    let (major, minor) = field()?.split_once(':')?;
    let (major, minor) = (
        u32::from_str_radix(major, 16).ok()?,
        u32::from_str_radix(minor, 16).ok()?,
    );
    let inode: u64 = field()?.parse().ok()?;
    let name = fields.next().unwrap_or_default().trim_ascii_start();
    let bits = [
        (b'r', libc::PROT_READ),
        (b'w', libc::PROT_WRITE),
        (b'x', libc::PROT_EXEC),
    ];
    let prot = bits
        .iter()
        .filter(|(letter, _)| perms.contains(letter))
        .fold(0, |prot, (_, bit)| prot | bit);
    let backing = if inode == 0 {
        Backing::Anonymous((!name.is_empty()).then(|| String::from_utf8_lossy(name).into_owned()))
    } else {
        file(name, offset, (libc::makedev(major, minor), inode))
    };
    Some(Region {
        start,
        len_bytes: end.checked_sub(start)?,
        prot,
        shared: perms.get(3) == Some(&b's'),
        backing,
    })
}

fn file(name: &[u8], offset: u64, id: (u64, u64)) -> Backing {
    let live = name.strip_suffix(b" (deleted)");
    let path = PathBuf::from(std::ffi::OsString::from_vec(unescape(live.unwrap_or(name))));
    Backing::File {
        path,
        offset,
        id,
        deleted: live.is_some(),
    }
}

/// A newline in a path is shown as `\012`.
fn unescape(name: &[u8]) -> Vec<u8> {
    let mut rest = name;
    let mut out = Vec::with_capacity(name.len());
    while let Some((&first, after)) = rest.split_first() {
        match rest.strip_prefix(b"\\012") {
            Some(tail) => (out.push(b'\n'), rest = tail).0,
            None => (out.push(first), rest = after).0,
        }
    }
    out
}

/// Where the pages with contents are.
#[derive(Debug)]
pub struct PageMap {
    pages: File,
    memory: File,
}

/// A pagemap entry's bits (Linux's Documentation/admin-guide/mm/pagemap.rst): present, swapped.
const PRESENT_OR_SWAPPED: u64 = 1 << 63 | 1 << 62;
/// Entries read at a time.
const BATCH: usize = 4096;

impl PageMap {
    /// Opens /proc/self/pagemap and /proc/self/mem.
    ///
    /// # Errors
    /// [`Error::Os`] when one cannot be opened.
    pub fn open() -> Result<Self> {
        let open = |path: &str| File::open(path).map_err(|e| failed(&format!("opening {path}"), e));
        Ok(Self {
            pages: open("/proc/self/pagemap")?,
            memory: open("/proc/self/mem")?,
        })
    }

    /// The pages of a file's mapping that can be read. Those behind its end cannot, and these are the last ones.
    fn readable(&self, region: &Region) -> Range<usize> {
        let range = region.range_in_file().unwrap_or(region.range());
        let is_readable = |page: usize| self.memory.read_exact_at(&mut [0], page as u64).is_ok();
        if range.is_empty() || is_readable(range.end - PAGE_BYTES) {
            return range;
        }
        let (mut good, mut bad) = (0, range.len() / PAGE_BYTES - 1);
        while good < bad {
            let middle = good.midpoint(bad);
            if is_readable(range.start + middle * PAGE_BYTES) {
                good = middle + 1;
            } else {
                bad = middle;
            }
        }
        range.start..range.start + good * PAGE_BYTES
    }

    /// The ranges of `region` whose contents have to be saved, ascending, whole pages. For private anonymous memory those
    /// are the pages that were ever touched; the rest is zero. Of anything else all pages count, up to the end of the
    /// file: what is not in memory is there. Pages of a region without PROT_READ are to be read through /proc/self/mem.
    ///
    /// # Errors
    /// [`Error::Os`] when the pagemap cannot be read.
    pub fn resident(&self, region: &Region) -> Result<Vec<Range<usize>>> {
        if !region.is_anonymous() || region.shared {
            let readable = self.readable(region);
            return Ok((!readable.is_empty())
                .then_some(readable)
                .into_iter()
                .collect());
        }
        let mut ranges: Vec<Range<usize>> = Vec::new();
        let mut entries = vec![0; BATCH * size_of::<u64>()];
        let mut at = region.start;
        while at < region.range().end {
            let pages = ((region.range().end - at) / PAGE_BYTES).min(BATCH);
            let bytes = &mut entries[..pages * size_of::<u64>()];
            let offset = (at / PAGE_BYTES * size_of::<u64>()) as u64;
            self.pages
                .read_exact_at(bytes, offset)
                .map_err(|e| failed("reading /proc/self/pagemap", e))?;
            for entry in bytes.chunks_exact(size_of::<u64>()) {
                let word = entry
                    .iter()
                    .rev()
                    .fold(0, |word, &byte| word << 8 | u64::from(byte));
                if word & PRESENT_OR_SWAPPED != 0 {
                    push_page(&mut ranges, at);
                }
                at += PAGE_BYTES;
            }
        }
        Ok(ranges)
    }
}

fn push_page(ranges: &mut Vec<Range<usize>>, page: usize) {
    match ranges.last_mut() {
        Some(last) if last.end == page => last.end += PAGE_BYTES,
        _ => ranges.push(page..page + PAGE_BYTES),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::Request;

    #[test]
    fn parses_files_names_and_odd_characters() {
        let region =
            parse(b"200000001000-200000003000 r-xp 00002000 08:10 77    /lib/a b\\012c (deleted)")
                .unwrap();
        assert_eq!(region.range(), 0x2000_0000_1000..0x2000_0000_3000);
        assert_eq!(region.prot, libc::PROT_READ | libc::PROT_EXEC);
        assert!(!region.shared && !region.is_anonymous());
        let expected = Backing::File {
            path: PathBuf::from("/lib/a b\nc"),
            offset: 0x2000,
            id: (libc::makedev(8, 16), 77),
            deleted: true,
        };
        assert_eq!(region.backing, expected);

        let stack = parse(b"7ffc000000-7ffc001000 rw-p 00000000 00:00 0      [stack]").unwrap();
        assert_eq!(stack.backing, Backing::Anonymous(Some("[stack]".into())));
        let plain = parse(b"7ffc000000-7ffc001000 ---s 00000000 00:00 0 ").unwrap();
        assert_eq!(
            (plain.prot, plain.shared, plain.backing),
            (0, true, Backing::Anonymous(None))
        );
        assert_eq!(parse(b"nonsense"), None);
    }

    #[test]
    fn this_process_has_no_strays() {
        assert!(
            all_regions()
                .unwrap()
                .iter()
                .any(|r| r.name() == Path::new("[stack]"))
        );
        assert_eq!(stray_mappings().unwrap(), []);
    }

    #[test]
    fn pages_behind_the_end_of_a_file_are_not_saved() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        end_is_found(file.as_file_mut());
        // One that has no name cannot be asked for its length.
        end_is_found(&mut tempfile::tempfile().unwrap());
    }

    /// Maps more than there is of `file`, and sees how much of it would be saved.
    fn end_is_found(file: &mut File) {
        use std::io::Write;
        use std::os::fd::AsRawFd;
        file.write_all(&[1; PAGE_BYTES + 1]).unwrap();
        let request = Request {
            len: 4 * PAGE_BYTES,
            prot: libc::PROT_READ,
            flags: libc::MAP_PRIVATE,
            fd: file.as_raw_fd(),
            offset: 0,
        };
        let start = window::map(&request).unwrap();
        let region = upper_regions()
            .unwrap()
            .into_iter()
            .find(|r| r.start == start)
            .unwrap();
        assert_eq!(region.len_bytes, request.len);
        let saved = PageMap::open().unwrap().resident(&region).unwrap();
        let in_file = start..start + 2 * PAGE_BYTES;
        assert_eq!(saved, std::slice::from_ref(&in_file));
    }

    #[test]
    #[expect(unsafe_code, reason = "touches a page of a mapping made for the test")]
    fn untouched_pages_are_not_resident() {
        let pages = 3 * BATCH;
        let prot = libc::PROT_READ | libc::PROT_WRITE;
        let start =
            window::map_aligned(&Request::anonymous(pages * PAGE_BYTES, prot), PAGE_BYTES).unwrap();
        // SAFETY: mapped above.
        unsafe { libc::madvise(start as *mut _, pages * PAGE_BYTES, libc::MADV_NOHUGEPAGE) };
        let touched = [1, 2, BATCH - 1, BATCH, pages - 1];
        for page in touched {
            // SAFETY: inside the mapping, writable.
            unsafe { ((start + page * PAGE_BYTES) as *mut u8).write(1) };
        }
        let region = upper_regions()
            .unwrap()
            .into_iter()
            .find(|r| r.range().contains(&start))
            .unwrap();
        let whole = Region {
            start,
            len_bytes: pages * PAGE_BYTES,
            ..region
        };
        let resident = PageMap::open().unwrap().resident(&whole).unwrap();
        let page_range =
            |first: usize, end: usize| start + first * PAGE_BYTES..start + end * PAGE_BYTES;
        assert_eq!(
            resident,
            [
                page_range(1, 3),
                page_range(BATCH - 1, BATCH + 1),
                page_range(pages - 1, pages)
            ]
        );
    }
}
