//! `src/stub_abi/include/mpi.h`: the C header of the MPI 5.0 standard ABI.
//!
//! ```text
//!   mpi_types.h (text) ─ enumerations (table) ─ mpi_callbacks.h (text) ─ constants (table)
//!                                                                      ─ prototypes (table)
//!   mpi_removed.h (text): names that are older than the ABI
//! ```
//!
//! Types come before what uses them; everything the tables have comes from the tables.

use std::fmt::Write as _;

use mana_table::{Constant, ConstantType, Function, c_type};

use super::{MARK, Tables, c_text};

const TYPES: &str = include_str!("mpi_types.h");
const CALLBACKS: &str = include_str!("mpi_callbacks.h");
const REMOVED: &str = include_str!("mpi_removed.h");

/// The file's text.
pub fn emit(tables: &Tables) -> String {
    let mut text = format!(
        "/* {MARK} */

/* mpi.h of libmana_stub: the MPI 5.0 standard ABI for C99, C11 and C++.
 *
 * A program compiled with it runs with any library that has this ABI, and with libmana_stub on any
 * MPI at all. Beyond the ABI it declares MPI_Fint and the Fortran handle conversions, which the ABI
 * leaves to each implementation and real programs call, and names that MPI-3 removed. */

#ifndef MANA_MPI_H
#define MANA_MPI_H

#include <stdint.h>

#ifdef __cplusplus
extern \"C\" {{
#endif

{TYPES}
"
    );
    for name in ["MPI_T_cb_safety", "MPI_T_source_order"] {
        text.push_str(&enumeration(&tables.constants, name));
    }
    text.push_str(CALLBACKS);
    text.push_str(&constants(&tables.constants));
    text.push_str(&prototypes(&tables.functions, ""));
    text.push_str(&prototypes(&tables.functions, "P"));
    text.push_str(REMOVED);
    text.push_str("\n#ifdef __cplusplus\n}\n#endif\n\n#endif /* MANA_MPI_H */\n");
    text
}

/// The C enumeration `name` with its constants.
fn enumeration(constants: &[Constant], name: &str) -> String {
    let members: Vec<String> = constants
        .iter()
        .filter(|c| c.c_type == name)
        .map(|c| format!("    {} = {:#x}", c.name, c.value))
        .collect();
    format!(
        "typedef enum {name} {{\n{}\n}} {name};\n\n",
        members.join(",\n")
    )
}

/// Every other constant, a macro each: so they work in `#if` and `#ifdef` too.
fn constants(constants: &[Constant]) -> String {
    let mut text = String::new();
    let mut group = "";
    for c in constants
        .iter()
        .filter(|c| c.sort() != ConstantType::Enumeration)
    {
        if c.group != group {
            group = c.group;
            text.push_str(&c_text::heading(group));
        }
        let _ = writeln!(text, "#define {:<30} {}", c.name, value(c));
    }
    text
}

fn value(c: &Constant) -> String {
    match (c.alias_of, c.sort()) {
        (Some(original), _) => original.to_owned(),
        (None, ConstantType::Int) if c.value < 0 => format!("({})", c.value),
        (None, ConstantType::Int) => c.value.to_string(),
        (None, ConstantType::Offset) => format!("(({})({}))", c.c_type, c.value),
        (None, _) => format!("(({}){:#x})", c.c_type, c.value),
    }
}

/// The prototypes of all MPI functions, by chapter.
fn prototypes(functions: &[Function], prefix: &str) -> String {
    let mut text = String::new();
    let mut chapter = "";
    for function in functions.iter().filter(|f| f.is_mpi()) {
        if function.chapter != chapter {
            chapter = function.chapter;
            let profiling = if prefix.is_empty() {
                ""
            } else {
                " (profiling names)"
            };
            text.push_str(&c_text::heading(&format!("{chapter}{profiling}")));
        }
        text.push_str(&c_text::wrapped(&c_type::prototype(function, prefix)));
    }
    text
}
