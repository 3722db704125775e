//! `src/table/src/generated/constants.rs`: the constants with Rust types.

use std::fmt::Write as _;

use mana_table::{Constant, ConstantType};

use super::{MARK, Tables};

/// The file's text.
pub fn emit(tables: &Tables) -> String {
    let mut text = format!(
        "// {MARK}
//! The constants of the MPI 5.0 standard ABI, by their C names.
//!
//! An `int` is an `i32`; a handle or an address is a `u64`, its bit pattern in a register.

use crate::constant::Constant;

const fn row(name: &'static str, group: &'static str, c_type: &'static str, value: i64, alias_of: Option<&'static str>) -> Constant {{
    Constant {{ name, group, c_type, value, alias_of }}
}}

/// Every constant with its C type, in the table's order.
pub static CONSTANTS: &[Constant] = &[
"
    );
    for c in &tables.constants {
        let row = format!(
            "row({:?}, {:?}, {:?}, {}, {:?})",
            c.name, c.group, c.c_type, c.value, c.alias_of
        );
        let _ = writeln!(text, "    {row},");
    }
    text.push_str(
        "];\n\n/// The error classes of MPI calls, `MPI_SUCCESS` first, with their names.\n",
    );
    text.push_str("pub static ERROR_CLASSES: &[(i32, &str)] = &[\n");
    for c in tables.constants.iter().filter(|c| is_error_class(c)) {
        let _ = writeln!(text, "    ({}, {:?}),", c.name, c.name);
    }
    text.push_str("];\n\n");
    for c in &tables.constants {
        text.push_str(&constant(c));
    }
    text
}

/// `MPI_ERR_LASTCODE` is a bound, no class; `MPI_T_` functions return codes of their own.
fn is_error_class(c: &Constant) -> bool {
    c.group == "Error classes" && c.name != "MPI_ERR_LASTCODE"
}

fn constant(c: &Constant) -> String {
    let (of, value) = match c.sort() {
        ConstantType::Int | ConstantType::Enumeration => ("i32", c.value.to_string()),
        ConstantType::Offset => ("i64", c.value.to_string()),
        ConstantType::Address => ("u64", format!("{:#x}", c.value)),
    };
    format!(
        "/// {}: `{}`\npub const {}: {of} = {value};\n",
        c.group, c.c_type, c.name
    )
}
