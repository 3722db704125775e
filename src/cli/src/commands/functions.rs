//! `mana functions`: which functions work, straight from the function table.

use crate::commands::{print, print_json};
use crate::exit::{Failure, Status};
use crate::text;
use mana_table::{FUNCTIONS, Function, Policy};
use serde::Serialize;

/// One function, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Line {
    name: &'static str,
    /// `implemented` or `unsupported`.
    state: &'static str,
    /// Why it is unsupported.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// The subject under which the table has it.
    chapter: &'static str,
}

impl Line {
    fn new(function: &Function) -> Self {
        let (state, reason) = match function.policy {
            Policy::Unsupported(reason) => ("unsupported", Some(reason)),
            _ => ("implemented", None),
        };
        Self {
            name: function.name,
            state,
            reason,
            chapter: function.chapter,
        }
    }
}

/// Lists all functions, or only those that do not work.
pub fn list(only_unsupported: bool, json: bool) -> Result<Status, Failure> {
    let wanted = |function: &&Function| !only_unsupported || !function.policy.is_implemented();
    let mut lines: Vec<_> = FUNCTIONS.iter().filter(wanted).map(Line::new).collect();
    lines.sort_by_key(|line| line.name);
    if json {
        print_json(&lines)?;
        return Ok(Status::Done);
    }
    let row = |line: &Line| {
        vec![
            line.name.to_owned(),
            line.state.to_owned(),
            line.reason.unwrap_or("").to_owned(),
        ]
    };
    let rows: Vec<_> = lines.iter().map(row).collect();
    print(&text::table(&["FUNCTION", "STATE", "REASON"], &rows))?;
    let implemented = FUNCTIONS
        .iter()
        .filter(|function| function.policy.is_implemented())
        .count();
    print(&format!(
        "\n{implemented} of {} functions are implemented.\n",
        FUNCTIONS.len()
    ))?;
    Ok(Status::Done)
}
