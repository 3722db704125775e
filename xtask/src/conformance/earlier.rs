//! What CONFORMANCE.md says of runs whose results are not here any more: another checkout has made them.
//!
//! ```text
//!   CONFORMANCE.md  --read--> a row: its counts, and the lines of its differences
//!                             kept where fewer cases of that row have results here; of those that it lists as different
//!                             and that were run again, the new results count
//! ```
//!
//! The counts alone do not tell which cases a row had, so nothing else of it can change.

use std::collections::BTreeMap;

/// Suite, MPI with the words about a restart, and ranks: as the table shows them.
pub(crate) type RowName = (String, String, String);

/// What follows the name in a row: cases, then how many of each [`Column`].
pub(crate) const COLUMNS: usize = 8;

/// A column of counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Pass = 1,
    More = 2,
    Skip = 3,
    Neither = 4,
    Unsupported = 5,
    Known = 6,
    Other = 7,
}

/// A row: its counts.
pub(crate) type Counts = [usize; COLUMNS];

/// A row as results here have it: the column of each case.
pub(crate) type Cases = BTreeMap<String, Column>;

/// The report as it stands.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Earlier {
    rows: BTreeMap<RowName, Counts>,
    lines: Vec<Line>,
}

/// A difference.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    /// The row that it belongs to.
    row: RowName,
    case: String,
    /// The suite with the known reason, as the report has them.
    reason: Option<String>,
    /// The line.
    text: String,
}

impl Line {
    /// From what a line says: "suite `case` over MPI on 2 ranks: native pass, restarted fail".
    fn parse(text: &str, reason: Option<&str>) -> Option<Self> {
        let (suite, rest) = text.split_once(" `")?;
        let (case, rest) = rest.split_once("` over ")?;
        let (place, verdicts) = rest.split_once(": ")?;
        let (mpi, ranks) = match place.split_once(" on ") {
            None => (place, "each its own"),
            Some((mpi, on)) => (mpi, on.split(' ').next()?),
        };
        let mpi = if verdicts.contains(", restarted ") {
            format!("{mpi}, restarted under the next")
        } else {
            mpi.to_owned()
        };
        Some(Self {
            row: (suite.to_owned(), mpi, ranks.to_owned()),
            case: case.to_owned(),
            reason: reason.map(str::to_owned),
            text: text.to_owned(),
        })
    }

    fn column(&self) -> Column {
        // Those have a reason, too, and a column of their own.
        if self.text.ends_with(" unsupported") {
            return Column::Unsupported;
        }
        match self.reason {
            Some(_) => Column::Known,
            None => Column::Other,
        }
    }
}

/// A row of the table.
fn row(line: &str) -> Option<(RowName, Counts)> {
    let columns: Vec<_> = line.split('|').map(str::trim).collect();
    let ["", suite, mpi, ranks, counts @ .., ""] = columns.as_slice() else {
        return None;
    };
    let counts: Vec<usize> = counts
        .iter()
        .map(|count| count.parse().ok())
        .collect::<Option<_>>()?;
    let name = [suite, mpi, ranks].map(|column| (*column).to_owned());
    Some((name.into(), counts.try_into().ok()?))
}

impl Earlier {
    /// Reads a report.
    pub fn parse(report: &str) -> Self {
        let mut earlier = Self::default();
        let mut reason = "";
        for line in report.lines() {
            if let Some((name, counts)) = row(line) {
                earlier.rows.insert(name, counts);
            } else if let Some(text) = line.strip_prefix("  - ") {
                earlier.lines.extend(Line::parse(text, Some(reason)));
            } else if let Some(text) = line.strip_prefix("- ") {
                reason = text;
                earlier.lines.extend(Line::parse(text, None));
            }
        }
        earlier
    }

    /// Leaves out the rows of which there is as much here, and counts what was run again of the others.
    pub fn with(mut self, here: &BTreeMap<RowName, Cases>) -> Self {
        self.rows
            .retain(|name, counts| here.get(name).is_none_or(|cases| cases.len() < counts[0]));
        let rows = &mut self.rows;
        self.lines.retain(|line| {
            let Some(counts) = rows.get_mut(&line.row) else {
                return false;
            };
            match here.get(&line.row).and_then(|cases| cases.get(&line.case)) {
                None => true,
                Some(now) => {
                    let before = line.column() as usize;
                    counts[before] = counts[before].saturating_sub(1);
                    counts[*now as usize] += 1;
                    // If it differs still, the results here say how.
                    false
                }
            }
        });
        self
    }

    /// Rows.
    pub fn rows(&self) -> &BTreeMap<RowName, Counts> {
        &self.rows
    }

    /// Lines of differences, those with a known reason with it.
    pub fn lines(&self) -> impl Iterator<Item = (Option<&str>, &str)> {
        let lines = self.lines.iter();
        lines.map(|line| (line.reason.as_deref(), line.text.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Cases, Column, Earlier, RowName};

    const REPORT: &str = "\
| suite | MPI | ranks | cases | pass | more | skipped | neither | unsupported | known | other |
|---|---|---|---|---|---|---|---|---|---|---|
| mpi4py | mpich-5.0.2 | 1 | 642 | 641 | 0 | 0 | 0 | 0 | 1 | 0 |
| mpich | mpich-4.0.2 | each its own | 3 | 1 | 0 | 0 | 0 | 0 | 1 | 1 |

## Differences without a known reason

- mpich `topo/a 2` over mpich-4.0.2: native pass, mana fail

## Differences with a known reason

- mpi4py: it asks: for more
  - mpi4py `test_a.B.c` over mpich-5.0.2 on 1 rank: native pass, mana fail
- mpich: another reason
  - mpich `coll/b 4` over mpich-4.0.2: native pass, mana hang
";

    fn mpich() -> RowName {
        let name = ["mpich", "mpich-4.0.2", "each its own"];
        name.map(str::to_owned).into()
    }

    fn run(cases: &[(&str, Column)]) -> Cases {
        let cases = cases.iter();
        cases
            .map(|(case, column)| ((*case).to_owned(), *column))
            .collect()
    }

    #[test]
    fn a_row_that_was_run_again_goes_with_its_differences() {
        let all = Earlier::parse(REPORT);
        assert_eq!((all.rows().len(), all.lines().count()), (2, 3));
        let cases = run(&[
            ("coll/b 4", Column::Pass),
            ("coll/c 4", Column::Pass),
            ("topo/a 2", Column::Pass),
        ]);
        let kept = all.with(&[(mpich(), cases)].into());
        assert_eq!(kept.rows().len(), 1);
        let lines: Vec<_> = kept.lines().collect();
        assert_eq!(
            lines,
            [(
                Some("mpi4py: it asks: for more"),
                "mpi4py `test_a.B.c` over mpich-5.0.2 on 1 rank: native pass, mana fail"
            )]
        );
    }

    #[test]
    fn what_is_unsupported_with_a_reason_is_counted_once_however_often_it_is_run() {
        let report = "\
| mpi4py | openmpi-4.1.4 | 2 | 10 | 9 | 0 | 0 | 0 | 1 | 0 | 0 |

- mpi4py: so it is
  - mpi4py `a` over openmpi-4.1.4 on 2 ranks: native skip, mana unsupported
";
        let name: RowName = ["mpi4py", "openmpi-4.1.4", "2"].map(str::to_owned).into();
        let here = [(name.clone(), run(&[("a", Column::Unsupported)]))].into();
        let kept = Earlier::parse(report).with(&here);
        assert_eq!(kept.rows()[&name], [10, 9, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn of_a_row_of_which_less_was_run_the_differences_change() {
        let cases = run(&[("coll/b 4", Column::Pass), ("topo/a 2", Column::Known)]);
        let kept = Earlier::parse(REPORT).with(&[(mpich(), cases)].into());
        assert_eq!(kept.rows()[&mpich()], [3, 2, 0, 0, 0, 0, 1, 0]);
        assert_eq!(kept.lines().count(), 1);
    }
}
