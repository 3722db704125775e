//! `src/table/src/generated/functions.rs`: the rows as Rust constants, a line each.

use std::fmt::Write as _;

use mana_table::{Direction, Function, Kind, Length, Param, Policy, hash_rows};

use super::{MARK, Tables};

/// The file's text.
pub fn emit(tables: &Tables) -> String {
    let functions = &tables.functions;
    let slots = tables.slot_count();
    let hash = hash_rows(functions, slots);
    let mut text = format!(
        "// {MARK}
//! The rows of `functions.table`, in slot order.

use crate::model::{{Direction as D, FnId, Function, Kind as K, Length as L, Param, Policy as P}};

/// One more than the highest slot: the length of a table indexed by slot.
pub const SLOT_COUNT: usize = {slots};

/// Hash over slots, names and prototypes of all rows: [`crate::slots_hash`] of [`SLOT_COUNT`].
pub const TABLE_HASH: u64 = {hash:#018x};

const fn row(id: FnId, name: &'static str, chapter: &'static str, policy: P, returns: K, params: &'static [Param]) -> Function {{
    Function {{ id, name, chapter, policy, returns, params }}
}}

const fn p(name: &'static str, kind: K, direction: D, length: L) -> Param {{
    Param {{ name, kind, direction, length, wide: false }}
}}

const fn wide(name: &'static str, kind: K, direction: D, length: L) -> Param {{
    Param {{ name, kind, direction, length, wide: true }}
}}

/// Every row, in slot order.
pub static FUNCTIONS: &[Function] = &[
"
    );
    for function in functions {
        let _ = writeln!(text, "    {},", row(function));
    }
    text.push_str("];\n\n/// The slot of each function, by its name in capitals.\npub mod fns {\n    use super::FnId;\n");
    for function in functions {
        let (name, slot) = (function.name, function.id.0);
        let _ = writeln!(
            text,
            "    /// `{name}`\n    pub const {}: FnId = FnId({slot});",
            name.to_uppercase()
        );
    }
    text.push_str("}\n");
    text
}

fn row(function: &Function) -> String {
    let params: Vec<String> = function.params.iter().map(param).collect();
    format!(
        "row(fns::{}, {:?}, {:?}, {}, {}, &[{}])",
        function.name.to_uppercase(),
        function.name,
        function.chapter,
        policy(function.policy),
        kind(function.returns),
        params.join(", ")
    )
}

fn param(param: &Param) -> String {
    let maker = if param.wide { "wide" } else { "p" };
    let direction = match param.direction {
        Direction::In => "In",
        Direction::Out => "Out",
        Direction::InOut => "InOut",
    };
    let length = match param.length {
        Length::Scalar => "Scalar".to_owned(),
        Length::Param(index) => format!("Param({index})"),
        Length::Constant(name) => format!("Constant({name:?})"),
        Length::Peers => "Peers".to_owned(),
        Length::Implicit => "Implicit".to_owned(),
    };
    format!(
        "{maker}({:?}, {}, D::{direction}, L::{length})",
        param.name,
        kind(param.kind)
    )
}

/// The `Debug` form of these two enumerations is the Rust that makes them.
fn kind(kind: Kind) -> String {
    format!("K::{kind:?}")
}

fn policy(policy: Policy) -> String {
    format!("P::{policy:?}")
}
