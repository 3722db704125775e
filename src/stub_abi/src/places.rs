//! Where things are: the running program, this library, and the places where `mana` may be.
//!
//! In order: `../bin/mana` and `mana` beside this library, so that an installation works wherever it
//! lies, then `mana` in each directory of `$PATH`.

use core::ffi::{CStr, c_char};

use crate::system::{self, File, memory};
use crate::text::{directory, find, parse_hexadecimal};

/// Longest path that Linux takes, with the NUL (`PATH_MAX`).
const PATH_BYTES: usize = 4096;
/// Longest line of `/proc/self/maps`: addresses and permissions, and a path.
const LINE_BYTES: usize = PATH_BYTES + 128;

/// Calls `visit` with each place where `mana` may be, in order; `library` is this library's directory.
pub fn for_each(library: &[u8], path: &[u8], place: &mut Path, visit: &mut dyn FnMut(&CStr)) {
    let beside: &[&[u8]] = &[b"/../bin/mana", b"/mana"];
    for name in beside.iter().filter(|_| !library.is_empty()) {
        place.set(&[library, name], visit);
    }
    let mut rest = path;
    while !rest.is_empty() {
        let end = find(rest, b':').unwrap_or(rest.len());
        let (folder, tail) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        if !folder.is_empty() {
            place.set(&[folder, b"/mana"], visit);
        }
        rest = tail.get(1..).unwrap_or(&[]);
    }
}

/// Room for one path.
pub struct Path(&'static mut [u8]);

impl Path {
    /// Room, with nothing in it.
    pub fn new() -> Path {
        Path(memory(PATH_BYTES))
    }

    /// Puts the parts together and visits the path, unless it is too long to be one.
    fn set(&mut self, parts: &[&[u8]], visit: &mut dyn FnMut(&CStr)) {
        let mut used = 0;
        for byte in parts.iter().flat_map(|part| part.iter()) {
            let Some(to) = self.0.get_mut(used) else {
                return;
            };
            *to = *byte;
            used += 1;
        }
        let Some(end) = self.0.get_mut(used) else {
            return;
        };
        *end = 0;
        if let Ok(path) = CStr::from_bytes_until_nul(self.0) {
            visit(path);
        }
    }
}

/// Absolute path of the running executable.
pub fn own_program() -> *const c_char {
    let buffer = memory(PATH_BYTES);
    match system::read_link(c"/proc/self/exe", buffer) {
        // A full buffer has no room for the NUL: the path was cut.
        Ok(length) if length < PATH_BYTES => buffer.as_ptr().cast(),
        _ => system::fail(&[
            b"libmana_stub: cannot tell this program's path: /proc/self/exe is not readable\n",
        ]),
    }
}

/// Directory of the file this library was loaded from: `/proc/self/maps` names it in the line whose
/// addresses hold this code. Empty if that cannot be told.
pub fn own_directory() -> &'static [u8] {
    let code = own_directory as fn() -> &'static [u8] as usize;
    let Ok(file) = File::open(c"/proc/self/maps") else {
        return b"";
    };
    let mut lines = Lines::of(file);
    while lines.advance() {
        if holds(lines.line(), code) {
            return directory(path_of(lines.into_line()));
        }
    }
    b""
}

/// A file's lines, one at a time: the current one lies at the front of the buffer.
struct Lines {
    file: File,
    buffer: &'static mut [u8],
    filled: usize,
    line_size: usize,
    line_and_end_size: usize,
}

impl Lines {
    fn of(file: File) -> Lines {
        let buffer = memory(LINE_BYTES);
        Lines {
            file,
            buffer,
            filled: 0,
            line_size: 0,
            line_and_end_size: 0,
        }
    }

    /// Goes on to the next line; false at the end of the file.
    fn advance(&mut self) -> bool {
        self.buffer
            .copy_within(self.line_and_end_size..self.filled, 0);
        self.filled -= self.line_and_end_size;
        loop {
            let have = self.buffer.get(..self.filled).unwrap_or(&[]);
            if let Some(end) = find(have, b'\n') {
                (self.line_size, self.line_and_end_size) = (end, end + 1);
                return true;
            }
            let room = self.buffer.get_mut(self.filled..).unwrap_or(&mut []);
            match self.file.read(room) {
                Ok(0) | Err(_) => return false,
                Ok(count) => self.filled += count,
            }
        }
    }

    fn line(&self) -> &[u8] {
        self.buffer.get(..self.line_size).unwrap_or(&[])
    }

    fn into_line(self) -> &'static [u8] {
        let buffer: &'static [u8] = self.buffer;
        buffer.get(..self.line_size).unwrap_or(&[])
    }
}

/// Whether `address` lies in the range `start-end` that the line begins with.
fn holds(line: &[u8], address: usize) -> bool {
    let start = parse_hexadecimal(line);
    let end = find(line, b'-')
        .and_then(|dash| line.get(dash + 1..))
        .map_or(0, parse_hexadecimal);
    (start..end).contains(&address)
}

/// The path at the end of a line of maps; it is the only part that has a slash before it.
fn path_of(line: &[u8]) -> &[u8] {
    find(line, b'/')
        .and_then(|start| line.get(start..))
        .unwrap_or(b"")
}
