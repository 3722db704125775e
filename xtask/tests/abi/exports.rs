//! libmana_stub.so as a file: names, code, and what it does not need.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mana_split::gate;
use mana_table::{FUNCTIONS, FnId, Policy};
use object::read::elf::{Dyn as _, ElfFile64, FileHeader as _, ProgramHeader as _};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, elf};

use crate::tools::{foreign_prefix, stub};

/// Where the lower half puts function slot 0 of the gate.
const SLOTS: usize = gate::GATE_ADDR + gate::FUNCTIONS_OFFSET;

/// The dynamic symbols a library defines, with their addresses.
fn defined(path: &Path) -> BTreeMap<String, u64> {
    let data = std::fs::read(path).unwrap();
    let file = object::File::parse(&*data).unwrap();
    let symbols = file.dynamic_symbols().filter(|s| s.is_definition());
    symbols
        .map(|s| (s.name().unwrap().to_owned(), s.address()))
        .collect()
}

fn expected() -> BTreeSet<String> {
    let profiling = FUNCTIONS
        .iter()
        .filter(|f| f.is_mpi())
        .map(|f| format!("P{}", f.name));
    FUNCTIONS
        .iter()
        .map(|f| f.name.to_owned())
        .chain(profiling)
        .collect()
}

#[test]
fn exports_are_exactly_the_tables_functions() {
    let exports: BTreeSet<String> = defined(stub()).into_keys().collect();
    let lacking: Vec<_> = expected().difference(&exports).cloned().collect();
    assert!(lacking.is_empty(), "not exported: {lacking:?}");
    let unknown: Vec<_> = exports.difference(&expected()).cloned().collect();
    assert!(unknown.is_empty(), "exported by mistake: {unknown:?}");
}

/// Everything of the standard ABI that the foreign library exports, we export.
#[test]
fn exports_cover_the_foreign_librarys() {
    let ours = defined(stub());
    let foreign = defined(&foreign_prefix().join("lib/libmpi_abi.so.1"));
    let standard: Vec<&String> = foreign.keys().filter(|name| is_standard(name)).collect();
    assert!(
        standard.len() >= 2 * 662,
        "{} names: is this the standard ABI?",
        standard.len()
    );
    let lacking: Vec<_> = standard
        .into_iter()
        .filter(|name| !ours.contains_key(*name))
        .collect();
    assert!(lacking.is_empty(), "{lacking:?}");
}

/// MPICH keeps ten functions that MPI 3.0 removed; the standard ABI has none of them.
fn is_standard(name: &str) -> bool {
    let plain = name.strip_prefix('P').unwrap_or(name);
    let removed = [
        "MPI_Address",
        "MPI_Errhandler_create",
        "MPI_Errhandler_get",
        "MPI_Errhandler_set",
        "MPI_Type_extent",
        "MPI_Type_hindexed",
        "MPI_Type_hvector",
        "MPI_Type_lb",
        "MPI_Type_struct",
        "MPI_Type_ub",
    ];
    plain.starts_with("MPI_") && !removed.contains(&plain)
}

#[test]
fn every_crossing_function_is_one_jump_through_its_slot() {
    let data = std::fs::read(stub()).unwrap();
    let file = object::File::parse(&*data).unwrap();
    let text = file.section_by_name(".text").unwrap();
    let mut checked = 0;
    for symbol in file.dynamic_symbols().filter(|s| s.is_definition()) {
        let name = symbol.name().unwrap();
        let function = function_of(name);
        if function.policy == Policy::Stub {
            continue;
        }
        let code = text.data_range(symbol.address(), 7).unwrap().unwrap();
        let slot = u32::try_from(SLOTS + 8 * usize::from(function.id.0)).unwrap();
        let [a, b, c, d] = slot.to_le_bytes();
        assert_eq!(code, [0xff, 0x24, 0x25, a, b, c, d], "{name}");
        checked += 1;
    }
    assert_eq!(checked, 2 * (664 - 22) + 5);
}

fn function_of(name: &str) -> &'static mana_table::Function {
    let plain = name
        .strip_prefix('P')
        .filter(|plain| plain.starts_with("MPI_"))
        .unwrap_or(name);
    FnId::by_name(plain)
        .and_then(FnId::function)
        .unwrap_or_else(|| panic!("{name} has no row"))
}

#[test]
fn the_gate_has_room_for_every_slot() {
    const { assert!(mana_table::SLOT_COUNT <= gate::GATE_SLOTS) };
}

/// An image holds this library: it must need nothing that another machine may not have.
#[test]
fn the_stub_needs_no_library_and_no_symbol() {
    let data = std::fs::read(stub()).unwrap();
    let file = ElfFile64::<object::Endianness>::parse(&*data).unwrap();
    let undefined: Vec<&str> = file
        .dynamic_symbols()
        .filter(|s| s.is_undefined())
        .filter_map(|s| s.name().ok())
        .collect();
    assert!(
        undefined.iter().all(|name| name.is_empty()),
        "{undefined:?}"
    );
    assert_eq!(dynamic_values(&file, elf::DT_NEEDED), Vec::<u64>::new());
    assert_eq!(dynamic_values(&file, elf::DT_TEXTREL), Vec::<u64>::new());
}

#[test]
fn the_stub_has_its_name() {
    let data = std::fs::read(stub()).unwrap();
    let file = ElfFile64::<object::Endianness>::parse(&*data).unwrap();
    let offset = usize::try_from(dynamic_values(&file, elf::DT_SONAME)[0]).unwrap();
    let strings = file.section_by_name(".dynstr").unwrap().data().unwrap();
    let name = strings[offset..].split(|byte| *byte == 0).next().unwrap();
    assert_eq!(name, b"libmana_stub.so");
}

fn dynamic_values(file: &ElfFile64<'_>, tag: u32) -> Vec<u64> {
    let endian = file.endian();
    let header = file.elf_header();
    let programs = header.program_headers(endian, file.data()).unwrap();
    let entries = programs
        .iter()
        .find_map(|p| p.dynamic(endian, file.data()).unwrap())
        .unwrap();
    let of_tag = entries
        .iter()
        .filter(|entry| entry.tag32(endian) == Some(tag));
    of_tag.map(|entry| entry.d_val(endian)).collect()
}

/// The loader of a program tells a system call by the seven bytes `b8 NN NN NN NN 0f 05`; one it cannot tell would slow
/// down every program that has the stub.
#[test]
fn every_system_call_says_its_number() {
    let data = std::fs::read(stub()).unwrap();
    let file = object::File::parse(&*data).unwrap();
    let text = file.section_by_name(".text").unwrap().data().unwrap();
    let calls: Vec<usize> = (5..text.len() - 1)
        .filter(|i| text[*i..].starts_with(&[0x0f, 0x05]))
        .collect();
    assert!(
        calls.len() >= 8,
        "the initialiser makes eight different calls"
    );
    for call in calls {
        assert_eq!(text[call - 5], 0xb8, "at {call:#x} of .text");
    }
}
