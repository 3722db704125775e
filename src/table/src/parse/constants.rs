//! Rows of `constants.table`.

use super::{Line, ParseError, Problem, rows, syntax};
use crate::constant::Constant;

/// Reads the text of a constants table, in its order.
///
/// # Errors
/// The first line that is wrong, and how.
pub fn constants(text: &'static str) -> Result<Vec<Constant>, ParseError> {
    let mut constants: Vec<Constant> = Vec::new();
    for line in rows(text)? {
        let constant = row(&constants, &line).map_err(|problem| ParseError {
            line: line.number,
            problem,
        })?;
        constants.push(constant);
    }
    Ok(constants)
}

fn row(earlier: &[Constant], line: &Line) -> Result<Constant, Problem> {
    let split = line
        .text
        .split_once(':')
        .and_then(|(name, rest)| Some((name, rest.split_once('=')?)));
    let (name, (c_type, value)) = split.ok_or_else(|| syntax("`NAME: type = value`", line.text))?;
    if earlier.iter().any(|c| c.name == name) {
        return Err(Problem::NameTaken {
            name: name.to_owned(),
        });
    }
    let (value, alias_of) = value_of(earlier, value.trim())?;
    Ok(Constant {
        name,
        group: line.heading,
        c_type: c_type.trim(),
        value,
        alias_of,
    })
}

fn value_of(
    earlier: &[Constant],
    text: &'static str,
) -> Result<(i64, Option<&'static str>), Problem> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    if let Ok(value) = parsed {
        return Ok((value, None));
    }
    let original = earlier.iter().find(|c| c.name == text);
    let original = original.ok_or_else(|| Problem::UnknownValue {
        found: text.to_owned(),
    })?;
    Ok((original.value, Some(original.name)))
}
