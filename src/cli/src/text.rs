//! Numbers and tables for people.

use std::fmt::Write;

/// A number of bytes: `1.50 GiB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{count} B")
    } else {
        format!("{value:.2} {}", UNITS[unit])
    }
}

/// A duration: `1.50 ms`.
pub fn duration(ns: u64) -> String {
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{:.1} µs", ns as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} ms", ns as f64 / 1e6),
        _ => format!("{:.2} s", ns as f64 / 1e9),
    }
}

/// A time since 1970, in UTC: `2026-11-22 17:05:09`.
pub fn time(unix_ns: u64) -> String {
    let seconds = unix_ns / 1_000_000_000;
    let (day, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(day);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// Year, month and day of the `days`th day after 1970-01-01 (H. Hinnant, "chrono-compatible low-level date algorithms").
fn date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468; // days since 0000-03-01
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted_month + 2) / 5 + 1)
}

/// Rows under a heading, in columns as wide as they need to be. Columns of numbers are aligned to the right.
pub fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let cells = |column: usize| {
        rows.iter()
            .map(move |row| row.get(column).map_or("", String::as_str))
    };
    let widths: Vec<usize> = (0..heading.len())
        .map(|column| {
            cells(column)
                .chain([heading[column]])
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let is_number = |cell: &str| {
        cell.is_empty() || cell == "-" || cell.starts_with(|letter: char| letter.is_ascii_digit())
    };
    let right: Vec<bool> = (0..heading.len())
        .map(|column| cells(column).all(is_number) && !rows.is_empty())
        .collect();
    let mut text = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::new();
        for (column, cell) in cells.enumerate() {
            let gap = if column == 0 { "" } else { "  " };
            let width = widths[column];
            let _ = if right[column] {
                write!(line, "{gap}{cell:>width$}")
            } else {
                write!(line, "{gap}{cell:<width$}")
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    };
    line(&mut heading.iter().copied());
    for row in rows {
        line(&mut row.iter().map(String::as_str));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(
            [bytes(0), bytes(1023), bytes(1536), bytes(3 << 30)],
            ["0 B", "1023 B", "1.50 KiB", "3.00 GiB"]
        );
        assert_eq!(duration(1_500_000), "1.5 ms");
        assert_eq!(duration(61_000_000_000), "61.00 s");
    }

    #[test]
    fn times() {
        assert_eq!(time(0), "1970-01-01 00:00:00");
        assert_eq!(time(951_782_399 * 1_000_000_000), "2000-02-28 23:59:59");
        assert_eq!(time(951_782_400 * 1_000_000_000), "2000-02-29 00:00:00");
        assert_eq!(time(1_700_000_000 * 1_000_000_000), "2023-11-14 22:13:20");
    }

    #[test]
    fn tables() {
        let rows = [
            vec!["ring".to_owned(), "7".to_owned()],
            vec!["a".to_owned(), "1234".to_owned()],
        ];
        assert_eq!(
            table(&["NAME", "SIZE"], &rows),
            "NAME  SIZE\nring     7\na     1234\n"
        );
    }
}
