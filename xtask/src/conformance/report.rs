//! The table of all results, and the differences; on stdout, and as CONFORMANCE.md, where what stands already of other
//! combinations stays (`earlier`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;

use mana_suite::{Result, places};

use super::compare::{Class, pair};
use super::earlier::{COLUMNS, Cases, Column, Counts, Earlier, RowName};
use super::known;
use super::outcome::Verdict;
use super::store::{Entry, Key, Store};
use crate::sources::file;

/// What a row compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compared {
    /// Native programs with mana's.
    Plainly,
    /// Native programs of the standard ABI with mana's.
    InStandardAbi,
    /// Native programs with mana's through a restart.
    Restarted,
}

impl Compared {
    const ALL: [Self; 3] = [Self::Plainly, Self::InStandardAbi, Self::Restarted];

    /// The class of a case; `None` where mana's side has not run.
    fn class(self, entry: &Entry) -> Option<Class> {
        let (native, mana) = self.verdicts(entry);
        Some(pair(native, mana?))
    }

    /// The verdicts that are compared: the native one, and mana's.
    fn verdicts(self, entry: &Entry) -> (Option<Verdict>, Option<Verdict>) {
        match self {
            Self::Plainly => (entry.native, entry.mana),
            Self::InStandardAbi => (entry.standard_abi, entry.mana),
            Self::Restarted => (entry.native, entry.restarted),
        }
    }

    /// The MPI's name in the table.
    fn shown(self, mpi: &str) -> String {
        match self {
            Self::Plainly => mpi.to_owned(),
            Self::InStandardAbi => format!("{mpi}, native programs of the standard ABI"),
            Self::Restarted => format!("{mpi}, restarted under the next"),
        }
    }
}

/// A case that differs, and the two verdicts.
struct Difference<'s> {
    key: &'s Key,
    native: Option<Verdict>,
    mana: Verdict,
    compared: Compared,
}

/// All results, sorted for reading.
pub(crate) struct Report<'s> {
    rows: BTreeMap<RowName, Cases>,
    unexplained: Vec<Difference<'s>>,
    known: BTreeMap<(&'s str, &'static str), Vec<Difference<'s>>>,
    earlier: Earlier,
    /// Lines of known.table that nothing needs of what has results here.
    unneeded: Vec<String>,
}

impl<'s> Report<'s> {
    /// Sorts them; `stands` is the report as it stands.
    pub fn new(store: &'s Store, stands: &str) -> Self {
        let mut report = Self {
            rows: BTreeMap::new(),
            unexplained: Vec::new(),
            known: BTreeMap::new(),
            earlier: Earlier::default(),
            unneeded: known::unneeded(store.entries().filter_map(|(key, entry)| {
                let classes = Compared::ALL.map(|compared| compared.class(entry));
                let has_run = classes.iter().any(Option::is_some);
                let differs = |class| matches!(class, Some(Class::Differs | Class::Unsupported));
                has_run.then(|| (key, classes.into_iter().any(differs)))
            })),
        };
        let in_standard_abi: BTreeSet<_> = store
            .entries()
            .filter(|(_, entry)| entry.standard_abi.is_some())
            .map(|(key, _)| (&key.suite, &key.mpi))
            .collect();
        for (key, entry) in store.entries() {
            report.add(key, entry, Compared::Plainly);
            report.add(key, entry, Compared::Restarted);
            if in_standard_abi.contains(&(&key.suite, &key.mpi)) {
                report.add(key, entry, Compared::InStandardAbi);
            }
        }
        report.earlier = Earlier::parse(stands).with(&report.rows);
        report
    }

    fn add(&mut self, key: &'s Key, entry: &Entry, compared: Compared) {
        let (native, mana) = compared.verdicts(entry);
        let Some(mana) = mana else {
            return;
        };
        let class = pair(native, mana);
        let known = known::reason(key);
        if class == Class::Differs || (class == Class::Unsupported && known.is_some()) {
            let difference = Difference {
                key,
                native,
                mana,
                compared,
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
        let column = match class {
            Class::Pass => Column::Pass,
            Class::More => Column::More,
            Class::Skip => Column::Skip,
            Class::Neither => Column::Neither,
            Class::Unsupported => Column::Unsupported,
            Class::Differs if known.is_some() => Column::Known,
            Class::Differs => Column::Other,
        };
        let cases = self.rows.entry(shown_name(key, compared)).or_default();
        cases.insert(key.case.clone(), column);
    }

    /// The table and the differences, as Markdown that reads well on a terminal too.
    pub fn text(&self) -> String {
        let mut text = String::new();
        self.table(&mut text);
        self.differences(&mut text);
        if !self.unneeded.is_empty() {
            text += "\n## Reasons in known.table that no case of these runs needed\n\n";
            for line in &self.unneeded {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "- {line}");
            }
        }
        text
    }

    fn table(&self, text: &mut String) {
        *text += "| suite | MPI | ranks | cases | pass | pass under mana only | skipped | pass on neither | unsupported | known difference | other difference |\n";
        *text += "|---|---|---|---|---|---|---|---|---|---|---|\n";
        let mut rows: BTreeMap<&RowName, Counts> = BTreeMap::new();
        for (name, cases) in &self.rows {
            rows.insert(name, counted(cases));
        }
        rows.extend(
            self.earlier
                .rows()
                .iter()
                .map(|(name, counts)| (name, *counts)),
        );
        for ((suite, mpi, ranks), counts) in rows {
            let counts = counts.map(|count| count.to_string()).join(" | ");
            // Writing to a string cannot fail.
            let _ = writeln!(text, "| {suite} | {mpi} | {ranks} | {counts} |");
        }
    }

    fn differences(&self, text: &mut String) {
        *text += "\n## Differences without a known reason\n\n";
        let mut lines: Vec<_> = self.unexplained.iter().map(Difference::shown).collect();
        let earlier = self.earlier.lines();
        lines.extend(
            earlier
                .filter(|(reason, _)| reason.is_none())
                .map(|(_, line)| line.to_owned()),
        );
        lines.sort();
        if lines.is_empty() {
            *text += "None.\n";
        }
        for line in lines {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "- {line}");
        }
        *text += "\n## Differences with a known reason\n\n";
        let mut known: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for ((suite, reason), differences) in &self.known {
            let lines = known.entry(format!("{suite}: {reason}")).or_default();
            lines.extend(differences.iter().map(Difference::shown));
        }
        for (reason, line) in self.earlier.lines() {
            if let Some(reason) = reason {
                known
                    .entry(reason.to_owned())
                    .or_default()
                    .push(line.to_owned());
            }
        }
        if known.is_empty() {
            *text += "None.\n";
        }
        for (reason, mut lines) in known {
            lines.sort();
            let _ = writeln!(text, "- {reason}");
            for line in lines {
                let _ = writeln!(text, "  - {line}");
            }
        }
    }

    /// Writes CONFORMANCE.md.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self) -> Result<()> {
        let path = path();
        file(
            "write",
            &path,
            std::fs::write(&path, format!("{HEAD}{}", self.text())),
        )
    }
}

fn path() -> PathBuf {
    places::workspace().join("CONFORMANCE.md")
}

/// CONFORMANCE.md as it stands; nothing if there is none.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn standing() -> Result<String> {
    let path = path();
    if !path.exists() {
        return Ok(String::new());
    }
    file("read", &path, std::fs::read_to_string(&path))
}

/// The counts of a row.
fn counted(cases: &Cases) -> Counts {
    let mut counts = [0; COLUMNS];
    counts[0] = cases.len();
    for column in cases.values() {
        counts[*column as usize] += 1;
    }
    counts
}

/// The first three columns of a row.
fn shown_name(key: &Key, compared: Compared) -> RowName {
    let ranks = match key.ranks {
        0 => "each its own".to_owned(),
        ranks => ranks.to_string(),
    };
    (key.suite.clone(), compared.shown(&key.mpi), ranks)
}

impl Difference<'_> {
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
        // The words about a restart are the verdict's in these lines.
        let (mpi, side) = match self.compared {
            Compared::Restarted => (mpi.clone(), "restarted"),
            compared => (compared.shown(mpi), "mana"),
        };
        let native = self
            .native
            .map_or("not run".to_owned(), |verdict| verdict.to_string());
        format!(
            "{suite} `{case}` over {mpi}{on}: native {native}, {side} {}",
            self.mana
        )
    }
}

const HEAD: &str = "\
# Conformance

Foreign test suites, run natively and under `mana` over the same MPI. Written by `cargo xtask conformance` from what has been
run; combinations that are not in the table have not been run, and a row need not be the whole suite: its number of cases says
how much of it was run. The cases of a row may come from runs of several versions, the last run of each counts. Where a row
comes from a longer run elsewhere, only those cases have new results that it lists, and a difference may be listed that its
numbers have as a pass.

- mpi4py: the suite of mpi4py 4.1.2; a case is a test on so many ranks, its verdict the worst of all ranks.
- mpich: the C test programs of MPICH 4.0.2, on as many ranks as its lists say (or as the command was told at most); those
  that it expects to fail itself and those that want more than 2 GiB are left out.
- rsmpi: the examples of rsmpi 0.8.2.
- calls: `tests/programs/calls`, chapter by chapter.

Over Open MPI 4 all sides have `EVENT_NOEPOLL=1`, without which its launcher loses spawned processes (README, limits).

*Pass*: on both sides, or under mana where natively nothing was asked for (`--native-if-needed`). *Pass under mana only*: the MPI
skips it or gets it wrong, mana does not. *Unsupported*: mana said that it does not have a function that the case needs.
*Difference*: it passes natively or is skipped there, or has not run natively, and does not pass under mana.
*Native programs of the standard ABI*: the same results of mana, compared with those of programs that MPICH's own `mpicc_abi`
built and that ran with the MPI's `libmpi_abi.so` (`--side standard-abi`, which runs what does not pass under mana). What goes
wrong there, too, counts on the handles of another ABI.

";
