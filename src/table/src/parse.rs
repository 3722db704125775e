//! Reads the two tables' texts. Only the generator and the tests parse; the crate's own rows are
//! generated Rust, so nothing is parsed at run time.
//!
//! ```text
//!   17 engine MPI_Waitall(count: int, inout array_of_requests: request[count]) -> error
//!   ── ────── ─────────── ───────────────────────────────────────────────────   ─────
//!   slot policy  name      parameters                                          return kind
//! ```
//!
//! Every mistake is an error that names the line: a row without a policy, an unknown kind, a slot or
//! name used twice.

mod constants;
mod functions;

pub use constants::constants;
pub use functions::functions;

/// Why a table's text was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct ParseError {
    /// Line of the text, the first is 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The line does not have the form of a row.
    #[error("expected {expected}, found `{found}`")]
    Syntax {
        /// What should be there.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// The word where the policy belongs is none.
    #[error(
        "row has no policy: `{found}` is none of local, engine, collective, icollective, pcollective, stub, unsupported \"reason\""
    )]
    NoPolicy {
        /// The word in the policy's place.
        found: String,
    },
    /// A kind that the table does not know.
    #[error("unknown kind `{found}` (the kinds are listed in src/table/src/model.rs)")]
    UnknownKind {
        /// The word in the kind's place.
        found: String,
    },
    /// An array length that is no parameter of the function.
    #[error(
        "array length `{found}` is no parameter of {function}, no MPI_ constant, not `peers`, not `*`"
    )]
    UnknownLength {
        /// The word in the length's place.
        found: String,
        /// The function.
        function: String,
    },
    /// Two rows have one slot.
    #[error(
        "slot {slot} already belongs to {owner}; a new row takes the number after the highest in use"
    )]
    SlotTaken {
        /// The slot.
        slot: u16,
        /// The function of the earlier row.
        owner: String,
    },
    /// Two rows have one name.
    #[error("`{name}` has a row already")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// A row before the first `== heading`.
    #[error("a row before the first `== heading`")]
    NoHeading,
    /// A constant whose value is neither an integer nor an earlier constant.
    #[error("`{found}` is neither an integer nor a constant above this line")]
    UnknownValue {
        /// The word in the value's place.
        found: String,
    },
}

/// A row of text with its line number and the heading it stands under.
struct Line {
    number: usize,
    heading: &'static str,
    text: &'static str,
}

/// The rows of a table: skips comments and empty lines, keeps track of headings.
fn rows(text: &'static str) -> Result<Vec<Line>, ParseError> {
    let mut heading = None;
    let mut rows = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let (number, text) = (index + 1, line.trim());
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        if let Some(title) = text.strip_prefix("== ") {
            heading = Some(title.trim());
            continue;
        }
        let Some(heading) = heading else {
            return Err(ParseError {
                line: number,
                problem: Problem::NoHeading,
            });
        };
        rows.push(Line {
            number,
            heading,
            text,
        });
    }
    Ok(rows)
}

/// A [`Problem::Syntax`].
fn syntax(expected: &'static str, found: &str) -> Problem {
    Problem::Syntax {
        expected,
        found: found.to_owned(),
    }
}
