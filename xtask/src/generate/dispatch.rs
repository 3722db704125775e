//! `src/engine/src/generated/dispatch.rs`: which function of the engine serves which slot.
//!
//! A row with policy `engine` or `local` is served by the function of `calls` whose name is the row's without `MPI_`,
//! in lower case; a `_c` form shares the function of the plain form. So a row whose function is missing does not
//! compile.

use std::fmt::Write as _;

use mana_table::{Function, Policy};

use super::{MARK, Tables};

/// The file's text.
pub fn emit(tables: &Tables) -> String {
    let mut text = format!(
        "// {MARK}
//! The engine's functions by slot.

use mana_table::{{SLOT_COUNT, fns}};

use crate::calls;
use crate::enter::Server;

/// The function that serves each slot; none for slots whose policy needs none.
pub static SERVERS: [Option<Server>; SLOT_COUNT] = {{
    let mut by_slot: [Option<Server>; SLOT_COUNT] = [None; SLOT_COUNT];
"
    );
    for function in tables
        .functions
        .iter()
        .filter(|f| matches!(f.policy, Policy::Engine | Policy::Local))
    {
        let _ = writeln!(
            text,
            "    by_slot[fns::{}.0 as usize] = Some(calls::{});",
            function.name.to_uppercase(),
            server(function, tables)
        );
    }
    text.push_str("    by_slot\n};\n");
    text
}

/// The name of the function that serves `function`.
fn server(function: &Function, tables: &Tables) -> String {
    let plain = function
        .name
        .strip_suffix("_c")
        .filter(|plain| tables.functions.iter().any(|f| f.name == *plain));
    let name = plain.unwrap_or(function.name);
    name.strip_prefix("MPI_").unwrap_or(name).to_lowercase()
}
