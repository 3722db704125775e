//! Differences whose reason is known: known.table, a line each.
//!
//! ```text
//!   suite | MPI | case | reason          MPI and case may hold `*` for any text
//! ```

use super::store::Key;

const TABLE: &str = include_str!("known.table");

/// The reason why a case differs, if the table has it.
pub(crate) fn reason(key: &Key) -> Option<&'static str> {
    rows(TABLE)
        .find(|row| is_about(row, key))
        .map(|[.., reason]| reason)
}

/// Lines of the table about cases that have been run, `ran`, none of which differs; as "suite case: reason".
pub(crate) fn unneeded<'k>(ran: impl Iterator<Item = (&'k Key, bool)>) -> Vec<String> {
    unneeded_of(TABLE, ran)
}

fn unneeded_of<'k>(table: &str, ran: impl Iterator<Item = (&'k Key, bool)>) -> Vec<String> {
    let ran: Vec<_> = ran.collect();
    rows(table)
        .filter(|row| {
            let mut about = ran.iter().filter(|(key, _)| is_about(row, key)).peekable();
            about.peek().is_some() && about.all(|(_, differs)| !differs)
        })
        .map(|[suite, _, case, reason]| format!("{suite} `{case}`: {reason}"))
        .collect()
}

fn is_about([suite, mpi, case, _]: &[&str; 4], key: &Key) -> bool {
    *suite == key.suite && matches(mpi, &key.mpi) && matches(case, &key.case)
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
    use super::{Key, TABLE, matches, rows, unneeded_of};

    #[test]
    fn stars_stand_for_any_text() {
        assert!(matches("mpich-*", "mpich-4.0.2") && matches("*", "") && matches("a*c*", "abcd"));
        assert!(!matches("a*d", "abc") && !matches("mpich", "mpich-4.0.2"));
    }

    #[test]
    fn a_line_is_not_needed_when_all_it_is_about_has_run_without_a_difference() {
        let key = |case: &str| Key {
            suite: "mpich".into(),
            mpi: "mpich-5.0.2".into(),
            ranks: 0,
            case: case.into(),
        };
        let table =
            "mpich | * | a* | because\nmpich | openmpi-* | a1 | because\nmpich | * | b | so";
        let (a1, a2) = (key("a1"), key("a2"));
        let unneeded = |differs| unneeded_of(table, [(&a1, differs), (&a2, false)].into_iter());
        assert!(unneeded(true).is_empty());
        assert_eq!(unneeded(false), ["mpich `a*`: because"]);
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
