//! The three native ABIs, and whose library a file is.
//!
//! A *family* is an ABI: what handles, statuses and constants look like. A *vendor* is whose implementation it is,
//! which decides what launcher can start it. Both are read from the library's ELF symbols, without loading it.

use crate::Error;
use object::read::elf::{Dyn, ElfFile64};
use object::{Object, ObjectSymbol, ReadCache};
use std::fmt;
use std::path::Path;

/// One of the ABIs `mana` speaks downwards.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// The MPI 5.0 standard ABI: `libmpi_abi.so.1`.
    StandardAbi,
    /// The MPICH ABI of 2013: `libmpi.so.12` or `libmpich.so.12` of MPICH 3–5, Intel MPI, MVAPICH, Cray.
    Mpich,
    /// Open MPI 4 and 5: `libmpi.so.40`.
    OpenMpi,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StandardAbi => "standard ABI",
            Self::Mpich => "MPICH ABI",
            Self::OpenMpi => "Open MPI ABI",
        })
    }
}

/// Whose implementation a library is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Vendor {
    /// MPICH, and those that follow it (MVAPICH, Cray).
    Mpich,
    /// Intel MPI.
    Intel,
    /// Open MPI.
    OpenMpi,
}

impl fmt::Display for Vendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mpich => "MPICH",
            Self::Intel => "Intel MPI",
            Self::OpenMpi => "Open MPI",
        })
    }
}

/// What a library file says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Its ABI.
    pub family: Family,
    /// Its maker.
    pub vendor: Vendor,
}

/// Reads from the ELF file at `path` which MPI it is, without loading it.
///
/// # Errors
/// [`Error::Unreadable`] if there is no such file; [`Error::NotAnMpi`] if it is no shared library of a supported
/// ABI. Intel's `libmpi_abi.so` is refused: its constants are those of a draft of the standard.
pub fn identify(path: &Path) -> Result<Identity, Error> {
    let file = std::fs::File::open(path).map_err(|source| Error::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let reason = |reason: &str| Error::NotAnMpi {
        path: path.to_owned(),
        reason: reason.to_owned(),
    };
    let cache = ReadCache::new(file);
    let elf = ElfFile64::<object::Endianness, _>::parse(&cache)
        .map_err(|error| reason(&format!("it is no 64-bit ELF file ({error})")))?;
    let symbols = exported(&elf);
    if !symbols.functions {
        return Err(reason(
            "it exports no MPI_Send (a linker script, or a part of an MPI?)",
        ));
    }
    if symbols.open_mpi {
        return Ok(Identity {
            family: Family::OpenMpi,
            vendor: Vendor::OpenMpi,
        });
    }
    if soname(&elf).is_some_and(|name| name.contains("ilp64")) {
        return Err(reason(
            "its default integers have 64 bits (ILP64), which is another ABI",
        ));
    }
    let vendor = if symbols.intel {
        Vendor::Intel
    } else {
        Vendor::Mpich
    };
    match (symbols.mpich, symbols.standard, vendor) {
        (true, _, vendor) => Ok(Identity {
            family: Family::Mpich,
            vendor,
        }),
        (false, true, Vendor::Intel) => Err(reason(
            "Intel's libmpi_abi has constants from before the standard; take the libmpi.so.12 beside it",
        )),
        (false, true, _) => {
            let vendor = if needs(&elf, "libopen-pal.so") {
                Vendor::OpenMpi
            } else {
                Vendor::Mpich
            };
            Ok(Identity {
                family: Family::StandardAbi,
                vendor,
            })
        }
        (false, false, _) => Err(reason("its ABI is none of standard, MPICH, Open MPI")),
    }
}

/// Exported names that tell the ABIs apart.
#[derive(Debug, Default)]
struct Marks {
    functions: bool,
    standard: bool,
    mpich: bool,
    open_mpi: bool,
    intel: bool,
}

fn exported<'data, R: object::ReadRef<'data>>(
    elf: &ElfFile64<'data, object::Endianness, R>,
) -> Marks {
    let mut marks = Marks::default();
    for symbol in elf
        .dynamic_symbols()
        .filter(|symbol| symbol.is_definition())
    {
        match symbol.name_bytes().unwrap_or_default() {
            b"MPI_Send" => marks.functions = true,
            b"MPI_Abi_get_version" => marks.standard = true,
            // The MPICH ABI has MPI_UNWEIGHTED as an object; in the other two it is a number in the header.
            b"MPI_UNWEIGHTED" => marks.mpich = true,
            b"ompi_mpi_comm_world" => marks.open_mpi = true,
            name if name.starts_with(b"I_MPI_") => marks.intel = true,
            _ => {}
        }
    }
    marks
}

fn dynamic_strings<'data, R: object::ReadRef<'data>>(
    elf: &ElfFile64<'data, object::Endianness, R>,
    tag: u32,
) -> Vec<String> {
    let (sections, endian, data) = (elf.elf_section_table(), elf.endian(), elf.data());
    let Ok(Some((entries, strings_index))) = sections.dynamic(endian, data) else {
        return Vec::new();
    };
    let Ok(strings) = sections.strings(endian, data, strings_index) else {
        return Vec::new();
    };
    entries
        .iter()
        .filter(|entry| entry.tag32(endian) == Some(tag))
        .filter_map(|entry| strings.get(entry.val32(endian)?).ok())
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect()
}

fn soname<'data, R: object::ReadRef<'data>>(
    elf: &ElfFile64<'data, object::Endianness, R>,
) -> Option<String> {
    dynamic_strings(elf, object::elf::DT_SONAME).pop()
}

fn needs<'data, R: object::ReadRef<'data>>(
    elf: &ElfFile64<'data, object::Endianness, R>,
    prefix: &str,
) -> bool {
    dynamic_strings(elf, object::elf::DT_NEEDED)
        .iter()
        .any(|name| name.starts_with(prefix))
}
