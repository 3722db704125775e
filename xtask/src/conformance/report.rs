//! The table of all results, and the differences; on stdout, and as CONFORMANCE.md.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use mana_suite::{Result, places};

use super::compare::{Class, class, restarted_class};
use super::known;
use super::outcome::Verdict;
use super::run::file;
use super::store::{Entry, Key, Store};

/// A line of the table: suite, MPI, ranks (0: as each case wants), and whether through a restart.
type Row<'s> = (&'s str, &'s str, u32, bool);

/// A case that differs, and the two verdicts.
struct Difference<'s> {
    key: &'s Key,
    native: Verdict,
    mana: Verdict,
    restarted: bool,
}

/// All results, sorted for reading.
pub(crate) struct Report<'s> {
    rows: BTreeMap<Row<'s>, BTreeMap<Class, usize>>,
    unexplained: Vec<Difference<'s>>,
    known: BTreeMap<(&'s str, &'static str), Vec<Difference<'s>>>,
}

impl<'s> Report<'s> {
    /// Sorts them.
    pub fn new(store: &'s Store) -> Self {
        let mut report = Self {
            rows: BTreeMap::new(),
            unexplained: Vec::new(),
            known: BTreeMap::new(),
        };
        for (key, entry) in store.entries() {
            report.add(key, entry, false, class(entry));
            report.add(key, entry, true, restarted_class(entry));
        }
        report
    }

    fn add(&mut self, key: &'s Key, entry: &Entry, restarted: bool, class: Option<Class>) {
        let mana = if restarted {
            entry.restarted
        } else {
            entry.mana
        };
        let (Some(class), Some(native), Some(mana)) = (class, entry.native, mana) else {
            return;
        };
        let row = (key.suite.as_str(), key.mpi.as_str(), key.ranks, restarted);
        let known = known::reason(key);
        if class == Class::Differs || (class == Class::Unsupported && known.is_some()) {
            let difference = Difference {
                key,
                native,
                mana,
                restarted,
            };
            match known {
                Some(reason) => self
                    .known
                    .entry((key.suite.as_str(), reason))
                    .or_default()
                    .push(difference),
                None => self.unexplained.push(difference),
            }
        }
        *self.rows.entry(row).or_default().entry(class).or_default() += 1;
    }

    /// How many of a row's differences are explained.
    fn explained(&self, row: &Row<'_>) -> usize {
        let differences = self.known.values().flatten();
        differences
            .filter(|difference| {
                difference.row() == *row && difference.mana != Verdict::Unsupported
            })
            .count()
    }

    /// The table and the differences, as Markdown that reads well on a terminal too.
    pub fn text(&self) -> String {
        let mut text = String::new();
        self.table(&mut text);
        self.differences(&mut text);
        text
    }

    fn table(&self, text: &mut String) {
        *text += "| suite | MPI | ranks | cases | pass | pass under mana only | skipped | pass on neither | unsupported | known difference | other difference |\n";
        *text += "|---|---|---|---|---|---|---|---|---|---|---|\n";
        for (row, counts) in &self.rows {
            let (suite, mpi, ranks, restarted) = row;
            let count = |class| counts.get(&class).copied().unwrap_or(0);
            let ranks = match ranks {
                0 => "each its own".to_owned(),
                ranks => ranks.to_string(),
            };
            let mpi = if *restarted {
                format!("{mpi}, restarted under the next")
            } else {
                (*mpi).to_owned()
            };
            let explained = self.explained(row);
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "| {suite} | {mpi} | {ranks} | {} | {} | {} | {} | {} | {} | {explained} | {} |",
                counts.values().sum::<usize>(),
                count(Class::Pass),
                count(Class::More),
                count(Class::Skip),
                count(Class::Neither),
                count(Class::Unsupported),
                count(Class::Differs) - explained,
            );
        }
    }

    fn differences(&self, text: &mut String) {
        *text += "\n## Differences without a known reason\n\n";
        if self.unexplained.is_empty() {
            *text += "None.\n";
        }
        for difference in &self.unexplained {
            let _ = writeln!(text, "- {}", difference.shown());
        }
        *text += "\n## Differences with a known reason\n\n";
        if self.known.is_empty() {
            *text += "None.\n";
        }
        for ((suite, reason), differences) in &self.known {
            let _ = writeln!(text, "- {suite}: {reason}");
            for difference in differences {
                let _ = writeln!(text, "  - {}", difference.shown());
            }
        }
    }

    /// Writes CONFORMANCE.md.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self) -> Result<()> {
        let path = places::workspace().join("CONFORMANCE.md");
        file(
            "write",
            &path,
            std::fs::write(&path, format!("{HEAD}{}", self.text())),
        )
    }
}

impl Difference<'_> {
    fn row(&self) -> Row<'_> {
        (
            self.key.suite.as_str(),
            self.key.mpi.as_str(),
            self.key.ranks,
            self.restarted,
        )
    }

    fn shown(&self) -> String {
        let Key {
            suite,
            mpi,
            ranks,
            case,
        } = self.key;
        let on = match ranks {
            0 => String::new(),
            1 => " on 1 rank".to_owned(),
            ranks => format!(" on {ranks} ranks"),
        };
        let side = if self.restarted { "restarted" } else { "mana" };
        format!(
            "{suite} `{case}` over {mpi}{on}: native {}, {side} {}",
            self.native, self.mana
        )
    }
}

const HEAD: &str = "\
# Conformance

Foreign test suites, run natively and under `mana` over the same MPI. Written by `cargo xtask conformance` from what has been
run; combinations that are not in the table have not been run, and a row need not be the whole suite: its number of cases says
how much of it was run. The cases of a row may come from runs of several versions, the last run of each counts.

- mpi4py: the suite of mpi4py 4.1.2; a case is a test on so many ranks, its verdict the worst of all ranks.
- mpich: the C test programs of MPICH 4.0.2, on as many ranks as its lists say (or as the command was told at most); those
  that it expects to fail itself and those that want more than 2 GiB are left out.
- rsmpi: the examples of rsmpi 0.8.2.
- calls: `tests/programs/calls`, chapter by chapter.

*Pass under mana only*: the MPI skips it or gets it wrong, mana does not. *Unsupported*: mana said that it does not have a
function that the case needs. *Difference*: it passes natively or is skipped there, and does not pass under mana.

";
