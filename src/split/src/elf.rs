//! What the loader needs to know of an ELF file: its program headers, boiled down.
//!
//! Parsing is the `object` crate's; this module says which files are programs mana can load, and why not.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use object::Endianness;
use object::elf;
use object::read::ReadCache;
use object::read::elf::{FileHeader, ProgramHeader};

use crate::error::{Error, Result};
use crate::window::{PAGE_BYTES, page_up};

/// The machine this build runs programs of.
const MACHINE: u16 = elf::EM_X86_64;
const MACHINE_NAME: &str = "64-bit x86-64";
/// Size of one program header in bytes.
pub(crate) const PHENT_BYTES: u64 = 56;

/// One PT_LOAD segment; addresses as in the file, before relocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    /// First address.
    pub(crate) vaddr: usize,
    /// Bytes that come from the file.
    pub(crate) file_bytes: usize,
    /// Bytes in memory; the rest is zero.
    pub(crate) mem_bytes: usize,
    /// Where in the file.
    pub(crate) offset: u64,
    /// PROT_* bits.
    pub(crate) prot: i32,
}

/// An ELF program, dynamic loader or library, as far as mapping it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Image {
    /// Linked to fixed addresses (ET_EXEC).
    pub(crate) fixed: bool,
    /// Entry point.
    pub(crate) entry: usize,
    /// Address of the program headers in the image.
    pub(crate) phdr: usize,
    /// Their number.
    pub(crate) phnum: usize,
    /// The PT_LOAD segments in ascending order, never empty.
    pub(crate) segments: Vec<Segment>,
    /// The largest alignment a segment asks for, in bytes.
    pub(crate) align: usize,
    /// PT_INTERP: the dynamic loader.
    pub(crate) interpreter: Option<PathBuf>,
    /// Whether the stack has to be executable (PT_GNU_STACK; its absence means yes, as for the kernel).
    pub(crate) executable_stack: bool,
}

impl Image {
    /// Reads the headers of `file`.
    pub(crate) fn read(path: &Path, file: &File) -> Result<Self> {
        Reader {
            path,
            data: &ReadCache::new(file),
        }
        .image()
    }

    /// The page-aligned range that all segments together cover, before relocation.
    pub(crate) fn span(&self) -> Range<usize> {
        let first = self
            .segments
            .first()
            .map_or(0, |s| s.vaddr & !(PAGE_BYTES - 1));
        let end = self
            .segments
            .iter()
            .map(|s| s.vaddr + s.mem_bytes)
            .max()
            .unwrap_or(first);
        first..page_up(end)
    }
}

/// Size limit of an address or length in a file that is not nonsense: user space has 47 bits.
const ADDRESS_LIMIT: u64 = 1 << 47;

struct Reader<'a> {
    path: &'a Path,
    data: &'a ReadCache<&'a File>,
}

impl Reader<'_> {
    fn bad(&self, why: impl Into<String>) -> Error {
        Error::NotAProgram {
            path: self.path.to_owned(),
            why: why.into(),
        }
    }

    fn image(&self) -> Result<Image> {
        self.check_ident()?;
        let header = elf::FileHeader64::<Endianness>::parse(self.data)
            .map_err(|e| self.bad(format!("its ELF header cannot be read ({e})")))?;
        let endian = header.endian().map_err(|e| self.bad(e.to_string()))?;
        let machine = header.e_machine(endian);
        if machine != MACHINE {
            return Err(self.wrong_machine(&format!("ELF machine {machine}")));
        }
        let kind = header.e_type(endian);
        if kind != elf::ET_EXEC && kind != elf::ET_DYN {
            return Err(self.bad(format!(
                "its ELF type is {kind}, neither an executable nor a shared object"
            )));
        }
        let headers = header
            .program_headers(endian, self.data)
            .map_err(|e| self.bad(format!("its program headers cannot be read ({e})")))?;
        self.assemble(
            kind == elf::ET_EXEC,
            header.e_entry(endian),
            header.e_phoff(endian),
            headers,
            endian,
        )
    }

    fn check_ident(&self) -> Result<()> {
        use object::read::ReadRef;
        let ident = self
            .data
            .read_bytes_at(0, 16)
            .map_err(|()| self.bad("it is shorter than an ELF header"))?;
        if ident[..4] != elf::ELFMAG {
            return Err(self.bad("it begins neither with an ELF header nor with #!"));
        }
        if ident[4] != elf::ELFCLASS64 {
            return Err(self.wrong_machine("a 32-bit system"));
        }
        if ident[5] != elf::ELFDATA2LSB {
            return Err(self.wrong_machine("a big-endian system"));
        }
        Ok(())
    }

    fn wrong_machine(&self, found: &str) -> Error {
        Error::WrongMachine {
            path: self.path.to_owned(),
            found: found.into(),
            wanted: MACHINE_NAME,
        }
    }

    fn assemble(
        &self,
        fixed: bool,
        entry: u64,
        phoff: u64,
        headers: &[elf::ProgramHeader64<Endianness>],
        endian: Endianness,
    ) -> Result<Image> {
        let mut image = Image {
            fixed,
            entry: self.address("entry point", entry)?,
            phdr: 0,
            phnum: headers.len(),
            segments: Vec::new(),
            align: PAGE_BYTES,
            interpreter: None,
            executable_stack: true,
        };
        for header in headers {
            match header.p_type(endian) {
                elf::PT_LOAD => {
                    image.align = image.align.max(header.p_align(endian) as usize);
                    image.segments.push(self.segment(header, endian)?);
                }
                elf::PT_INTERP => image.interpreter = Some(self.interpreter(header, endian)?),
                elf::PT_GNU_STACK => {
                    image.executable_stack = header.p_flags(endian) & elf::PF_X != 0
                }
                _ => {}
            }
        }
        image.segments.sort_by_key(|s| s.vaddr);
        if image.segments.is_empty() {
            return Err(self.bad("it has nothing to load (no PT_LOAD)"));
        }
        if !image.align.is_power_of_two() {
            return Err(self.bad(format!(
                "a segment asks for an alignment of {} bytes",
                image.align
            )));
        }
        // Like the kernel: the segment that holds the headers' place in the file gives their address.
        let holder = image
            .segments
            .iter()
            .find(|s| (s.offset..s.offset + s.file_bytes as u64).contains(&phoff));
        image.phdr = holder.map_or(0, |s| s.vaddr + (phoff - s.offset) as usize);
        Ok(image)
    }

    fn segment(
        &self,
        header: &elf::ProgramHeader64<Endianness>,
        endian: Endianness,
    ) -> Result<Segment> {
        let segment = Segment {
            vaddr: self.address("segment address", header.p_vaddr(endian))?,
            file_bytes: self.address("segment size", header.p_filesz(endian))?,
            mem_bytes: self.address("segment size", header.p_memsz(endian))?,
            offset: self.address("file offset", header.p_offset(endian))? as u64,
            prot: protection(header.p_flags(endian)),
        };
        let page_mask = PAGE_BYTES - 1;
        if segment.file_bytes > segment.mem_bytes
            || (segment.vaddr ^ segment.offset as usize) & page_mask != 0
        {
            return Err(self.bad(format!(
                "its segment at {:#x} contradicts itself",
                segment.vaddr
            )));
        }
        Ok(segment)
    }

    fn address(&self, what: &str, value: u64) -> Result<usize> {
        if value < ADDRESS_LIMIT {
            Ok(value as usize)
        } else {
            Err(self.bad(format!("its {what} is {value:#x}")))
        }
    }

    fn interpreter(
        &self,
        header: &elf::ProgramHeader64<Endianness>,
        endian: Endianness,
    ) -> Result<PathBuf> {
        use std::os::unix::ffi::OsStrExt;
        let name = header
            .data(endian, self.data)
            .map_err(|()| self.bad("its PT_INTERP lies outside the file"))?;
        let name = name.strip_suffix(b"\0").unwrap_or(name);
        if name.is_empty() || name.contains(&0) {
            return Err(self.bad("its PT_INTERP is not a path"));
        }
        Ok(PathBuf::from(std::ffi::OsStr::from_bytes(name)))
    }
}

fn protection(flags: u32) -> i32 {
    let pairs = [
        (elf::PF_R, libc::PROT_READ),
        (elf::PF_W, libc::PROT_WRITE),
        (elf::PF_X, libc::PROT_EXEC),
    ];
    pairs
        .iter()
        .filter(|(flag, _)| flags & flag != 0)
        .fold(0, |prot, (_, bit)| prot | bit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_this_test_program() {
        let path = std::env::current_exe().unwrap();
        let image = Image::read(&path, &File::open(&path).unwrap()).unwrap();
        assert!(!image.fixed && image.interpreter.is_some() && !image.executable_stack);
        assert_eq!(
            image.phdr as u64,
            PHENT_BYTES + 8,
            "program headers follow the ELF header"
        );
        let span = image.span();
        assert!(span.contains(&image.entry) && span.end.is_multiple_of(PAGE_BYTES));
        let text = image
            .segments
            .iter()
            .find(|s| s.prot & libc::PROT_EXEC != 0)
            .unwrap();
        assert!((text.vaddr..text.vaddr + text.mem_bytes).contains(&image.entry));
    }

    #[test]
    fn refuses_what_is_no_program() {
        let mut header = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        header.truncate(4096);
        let check = |bytes: &[u8]| {
            let mut file = tempfile::tempfile().unwrap();
            std::io::Write::write_all(&mut file, bytes).unwrap();
            Image::read(Path::new("prog"), &file)
                .unwrap_err()
                .to_string()
        };
        let with = |at: usize, value: u8| {
            let mut bytes = header.clone();
            bytes[at] = value;
            bytes
        };
        assert!(check(b"").contains("shorter than"));
        assert!(
            check(b"hello, this is a text file").contains("neither with an ELF header nor with #!")
        );
        assert!(check(&with(4, 1)).contains("32-bit"));
        assert!(check(&with(5, 2)).contains("big-endian"));
        assert!(check(&with(18, 183)).contains("ELF machine 183"));
        assert!(check(&with(16, 1)).contains("ELF type is 1"));
        assert!(check(&header[..80]).contains("program headers cannot be read"));
    }
}
