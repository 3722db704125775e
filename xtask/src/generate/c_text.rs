//! How generated C looks.

/// Columns of a line.
const WIDTH: usize = 100;

/// A comment line that opens a section.
pub fn heading(title: &str) -> String {
    let line = format!("/* ---- {title} ");
    format!("\n{line:-<97} */\n\n")
}

/// A prototype and its semicolon, broken after commas where it is too long for a line.
pub fn wrapped(prototype: &str) -> String {
    let mut text = String::new();
    let mut column = 0;
    for part in format!("{prototype};").split_inclusive(", ") {
        if column + part.trim_end().len() > WIDTH {
            text.truncate(text.trim_end().len());
            text.push_str("\n    ");
            column = 4;
        }
        text.push_str(part);
        column += part.len();
    }
    text.push('\n');
    text
}
