//! Differences whose reason is known: known.table, a line each.
//!
//! ```text
//!   suite | MPI | case | reason          MPI and case may hold `*` for any text
//! ```

use super::store::Key;

const TABLE: &str = include_str!("known.table");

/// The reason why a case differs, if the table has it.
pub(crate) fn reason(key: &Key) -> Option<&'static str> {
    rows(TABLE).find_map(|[suite, mpi, case, reason]| {
        let same = suite == key.suite && matches(mpi, &key.mpi) && matches(case, &key.case);
        same.then_some(reason)
    })
}

fn rows(table: &str) -> impl Iterator<Item = [&str; 4]> {
    table
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let fields: Vec<_> = line.splitn(4, '|').map(str::trim).collect();
            fields.try_into().ok()
        })
}

/// Whether `text` is what `pattern` describes, in which `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len())
                .filter(|at| rest.is_char_boundary(*at))
                .any(|at| matches(after, &rest[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::{TABLE, matches, rows};

    #[test]
    fn stars_stand_for_any_text() {
        assert!(matches("mpich-*", "mpich-4.0.2") && matches("*", "") && matches("a*c*", "abcd"));
        assert!(!matches("a*d", "abc") && !matches("mpich", "mpich-4.0.2"));
    }

    #[test]
    fn every_line_of_the_table_has_a_reason() {
        let lines = TABLE
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty())
            .count();
        assert_eq!(rows(TABLE).filter(|row| !row[3].is_empty()).count(), lines);
    }
}
