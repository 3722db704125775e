//! `src/stub_abi/src/exports.rs`: every function that libmana_stub.so exports, a line each.

use std::fmt::Write as _;

use mana_table::{Function, Kind, Policy, hash_rows};

use super::{MARK, Tables};

/// The file's text.
pub fn emit(tables: &Tables) -> String {
    let slots = tables.slot_count();
    let hash = hash_rows(&tables.functions, slots);
    let mut text = format!(
        "// {MARK}
//! Every function of libmana_stub.so, in slot order; an MPI function also by its profiling name.
//!
//! In a shared library a tool's `MPI_Send` takes the place of this one because the dynamic linker
//! finds it first, and reaches the real one by the name `PMPI_Send`: both are functions of their own.

use crate::arch::forward;
use crate::convert::{{copy_status, from_integer, to_integer}};

/// One more than the highest slot this stub knows.
pub const SLOT_COUNT: u32 = {slots};

/// Hash of the function table this stub was made from.
pub const TABLE_HASH: u64 = {hash:#018x};

"
    );
    for function in &tables.functions {
        let (name, define) = (function.name, define(function));
        let _ = writeln!(text, "{define}{name});");
        if function.is_mpi() {
            let _ = writeln!(text, "{define}P{name});");
        }
    }
    text
}

/// The macro call that defines the function, up to its name.
fn define(function: &Function) -> String {
    if function.policy != Policy::Stub {
        return format!("forward!({} ", function.id.0);
    }
    match function.returns {
        Kind::Error => "copy_status!(",
        Kind::Int | Kind::Fint => "to_integer!(",
        _ => "from_integer!(",
    }
    .to_owned()
}
