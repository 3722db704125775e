//! Rows of `functions.table`.

use super::{Line, ParseError, Problem, rows, syntax};
use crate::model::{Direction, FnId, Function, Kind, Length, Param, Policy};

/// Reads the text of a function table; the rows come back in slot order.
///
/// # Errors
/// The first line that is wrong, and how.
pub fn functions(text: &'static str) -> Result<Vec<Function>, ParseError> {
    let mut functions: Vec<Function> = Vec::new();
    for line in rows(text)? {
        let function = row(&line)
            .and_then(|function| unique(&functions, function))
            .map_err(|problem| ParseError {
                line: line.number,
                problem,
            })?;
        functions.push(function);
    }
    functions.sort_by_key(|f| f.id);
    Ok(functions)
}

fn unique(earlier: &[Function], function: Function) -> Result<Function, Problem> {
    if let Some(other) = earlier.iter().find(|f| f.id == function.id) {
        let owner = other.name.to_owned();
        return Err(Problem::SlotTaken {
            slot: function.id.0,
            owner,
        });
    }
    if earlier.iter().any(|f| f.name == function.name) {
        return Err(Problem::NameTaken {
            name: function.name.to_owned(),
        });
    }
    Ok(function)
}

fn row(line: &Line) -> Result<Function, Problem> {
    let (slot, rest) = word(line.text);
    let slot = slot.parse().map_err(|_| syntax("a slot number", slot))?;
    let (policy, rest) = policy(rest)?;
    let (name, rest) = rest
        .split_once('(')
        .ok_or_else(|| syntax("`NAME(`", rest))?;
    let (params, rest) = closing(rest).ok_or_else(|| syntax("`)` after the parameters", rest))?;
    Ok(Function {
        id: FnId(slot),
        name: identifier(name)?,
        chapter: line.heading,
        policy,
        returns: returns(rest)?,
        // The table lives as long as the program that parses it (the generator), so its parts may.
        params: Box::leak(parameters(name, params)?.into_boxed_slice()),
    })
}

fn policy(text: &'static str) -> Result<(Policy, &'static str), Problem> {
    let (name, rest) = word(text);
    let policy = match name {
        "local" => Policy::Local,
        "engine" => Policy::Engine,
        "collective" => Policy::Collective,
        "icollective" => Policy::Icollective,
        "pcollective" => Policy::Pcollective,
        "stub" => Policy::Stub,
        "unsupported" => {
            let (reason, rest) = rest
                .strip_prefix('"')
                .and_then(|rest| rest.split_once('"'))
                .filter(|(reason, _)| !reason.trim().is_empty())
                .ok_or_else(|| syntax("a reason in quotes after `unsupported`", rest))?;
            return Ok((Policy::Unsupported(reason), rest.trim_start()));
        }
        _ => {
            return Err(Problem::NoPolicy {
                found: name.to_owned(),
            });
        }
    };
    Ok((policy, rest))
}

fn returns(text: &'static str) -> Result<Kind, Problem> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(Kind::Error);
    }
    let name = text
        .strip_prefix("->")
        .ok_or_else(|| syntax("`-> kind`", text))?;
    kind(name.trim())
}

fn parameters(function: &str, text: &'static str) -> Result<Vec<Param>, Problem> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let parts: Vec<&'static str> = text.split(',').map(str::trim).collect();
    let names: Vec<&str> = parts.iter().map(|part| name_of(part)).collect();
    parts
        .iter()
        .map(|part| parameter(function, &names, part))
        .collect()
}

/// The name in `[direction] name: kind`.
fn name_of(part: &'static str) -> &'static str {
    let declared = part.split_once(':').map_or(part, |(name, _)| name);
    declared.rsplit(' ').next().unwrap_or(declared)
}

fn parameter(function: &str, names: &[&str], part: &'static str) -> Result<Param, Problem> {
    if part == "..." {
        let (direction, length) = (Direction::In, Length::Scalar);
        return Ok(Param {
            name: "...",
            kind: Kind::Varargs,
            direction,
            length,
            wide: false,
        });
    }
    let (declared, of) = part
        .split_once(':')
        .ok_or_else(|| syntax("`name: kind`", part))?;
    let (direction, name) = match word(declared) {
        ("out", name) => (Direction::Out, name),
        ("inout", name) => (Direction::InOut, name),
        (name, "") => (Direction::In, name),
        _ => return Err(syntax("`out`, `inout` or a name", declared)),
    };
    let of = of.trim();
    let (wide, of) = of
        .strip_prefix("wide ")
        .map_or((false, of), |of| (true, of));
    let (of, length) = match of.split_once('[') {
        None => (of, Length::Scalar),
        Some((of, length)) => {
            let length = length
                .strip_suffix(']')
                .ok_or_else(|| syntax("`]`", length))?;
            (of, array_length(function, names, length)?)
        }
    };
    Ok(Param {
        name: identifier(name)?,
        kind: kind(of)?,
        direction,
        length,
        wide,
    })
}

fn array_length(function: &str, names: &[&str], text: &'static str) -> Result<Length, Problem> {
    let by_name = names.iter().position(|name| *name == text);
    match (text, by_name.and_then(|index| u8::try_from(index).ok())) {
        ("peers", _) => Ok(Length::Peers),
        ("*", _) => Ok(Length::Implicit),
        (_, Some(index)) => Ok(Length::Param(index)),
        (name, None) if name.starts_with("MPI_") => Ok(Length::Constant(name)),
        _ => Err(Problem::UnknownLength {
            found: text.to_owned(),
            function: function.to_owned(),
        }),
    }
}

fn kind(text: &'static str) -> Result<Kind, Problem> {
    let callback = text
        .strip_prefix("function(")
        .and_then(|rest| rest.strip_suffix(')'));
    match callback {
        Some(name) => Ok(Kind::Function(identifier(name)?)),
        None => Kind::from_word(text).ok_or_else(|| Problem::UnknownKind {
            found: text.to_owned(),
        }),
    }
}

/// Splits at the parenthesis that closes the parameter list: `function(T)` nests.
fn closing(text: &'static str) -> Option<(&'static str, &'static str)> {
    let mut depth = 1_usize;
    for (index, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((&text[..index], &text[index + 1..]));
        }
    }
    None
}

fn word(text: &'static str) -> (&'static str, &'static str) {
    let text = text.trim();
    text.split_once(' ')
        .map_or((text, ""), |(word, rest)| (word, rest.trim_start()))
}

fn identifier(text: &'static str) -> Result<&'static str, Problem> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if text.is_empty() || !text.chars().all(fits) {
        return Err(syntax("a C name", text));
    }
    Ok(text)
}
