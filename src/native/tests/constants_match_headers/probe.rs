//! The tables as a list of C expressions with the values they ought to have, and the C compiler's word on them.

use mana_native::error_classes::ERROR_CLASSES;
use mana_native::predefined_datatypes::DATATYPES;
use mana_native::predefined_objects::OBJECTS;
use mana_native::{Addresses, Family, Mpich, MpichAge, ReceivedAt, status_layout, values};
use mana_suite::mpi::Mpi;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::process::Command;

/// One thing to compare: a C expression and the value that our tables give it.
#[derive(Debug, Clone)]
pub struct Fact {
    /// The name it is about; the header must know it.
    pub name: String,
    expression: String,
    /// The value as an unsigned 64-bit number.
    pub value: u64,
}

impl Fact {
    fn new(name: &str, expression: impl Into<String>, value: u64) -> Self {
        Self {
            name: name.to_owned(),
            expression: expression.into(),
            value,
        }
    }
}

/// All facts of a family.
pub fn facts(family: Family, age: MpichAge) -> Vec<Fact> {
    let mut facts = integers(family);
    facts.extend(handles(family, age));
    facts.extend(addresses(family));
    facts.extend(status(family));
    facts
}

fn integers(family: Family) -> Vec<Fact> {
    let sets = values::ALL.iter().copied().chain([&ERROR_CLASSES]);
    let rows = sets.flat_map(|set| set.rows);
    let fact = |row: &values::Row| {
        let value = i64::from(row.value(family)?).cast_unsigned();
        Some(Fact::new(
            row.name,
            format!("(long long)({})", row.name),
            value,
        ))
    };
    rows.filter_map(fact).collect()
}

/// A handle is compared by value, or in Open MPI with the address of the symbol we look up.
fn handles(family: Family, age: MpichAge) -> Vec<Fact> {
    let objects = OBJECTS
        .iter()
        .map(|row| (row.name, row.standard, row.mpich, row.open_mpi));
    let datatypes = DATATYPES
        .iter()
        .map(|row| (row.name, row.standard, row.mpich, row.open_mpi));
    let fact = |(name, standard, mpich, open_mpi): (&str, u16, Mpich, &str)| match family {
        Family::StandardAbi => Some(Fact::new(
            name,
            format!("HANDLE({name})"),
            u64::from(standard),
        )),
        Family::Mpich => Some(Fact::new(
            name,
            format!("HANDLE({name})"),
            mpich.handle(age)?,
        )),
        Family::OpenMpi if open_mpi.is_empty() => None,
        Family::OpenMpi => Some(Fact::new(
            name,
            format!("(void *){name} == dlsym(RTLD_DEFAULT, \"{open_mpi}\")"),
            1,
        )),
    };
    objects.chain(datatypes).filter_map(fact).collect()
}

fn addresses(family: Family) -> Vec<Fact> {
    let ours = Addresses::of(family, [0; 2]);
    let mut facts = vec![
        ("MPI_BOTTOM", ours.bottom),
        ("MPI_IN_PLACE", ours.in_place),
        ("MPI_STATUS_IGNORE", ours.status_ignore),
        ("MPI_STATUSES_IGNORE", ours.statuses_ignore),
        ("MPI_ERRCODES_IGNORE", ours.errcodes_ignore),
        ("MPI_ARGV_NULL", ours.argv_null),
        ("MPI_ARGVS_NULL", ours.argv_null),
    ];
    facts.extend(
        ours.buffer_automatic
            .map(|value| ("MPI_BUFFER_AUTOMATIC", value)),
    );
    if family != Family::Mpich {
        facts.extend([
            ("MPI_UNWEIGHTED", ours.unweighted),
            ("MPI_WEIGHTS_EMPTY", ours.weights_empty),
        ]);
    }
    facts
        .into_iter()
        .map(|(name, value)| Fact::new(name, format!("(uintptr_t)({name})"), value))
        .collect()
}

fn status(family: Family) -> Vec<Fact> {
    let layout = status_layout(family);
    let offset = |field: &str, at: usize| {
        Fact::new(field, format!("offsetof(MPI_Status, {field})"), at as u64)
    };
    let mut facts = vec![
        Fact::new("MPI_Status", "sizeof(MPI_Status)", layout.size_bytes as u64),
        offset("MPI_SOURCE", layout.source_at),
        offset("MPI_TAG", layout.tag_at),
        offset("MPI_ERROR", layout.error_at),
    ];
    match layout.received_at {
        None => {}
        Some(ReceivedAt::Packed {
            low_at,
            high_and_cancelled_at,
        }) => {
            facts.extend([
                offset("count_lo", low_at),
                offset("count_hi_and_cancelled", high_and_cancelled_at),
            ]);
        }
        Some(ReceivedAt::Plain {
            cancelled_at,
            count_at,
        }) => {
            facts.extend([
                offset("_cancelled", cancelled_at),
                offset("_ucount", count_at),
            ]);
        }
    }
    facts
}

/// What differs between the tables and the program's output, a line each.
pub fn differences(facts: &[Fact], printed: &str) -> Vec<String> {
    let printed: HashMap<&str, &str> = printed
        .lines()
        .filter_map(|line| line.split_once(' '))
        .collect();
    let differs =
        |fact: &&Fact| printed.get(fact.name.as_str()) != Some(&fact.value.to_string().as_str());
    let show = |fact: &Fact| {
        let header = printed
            .get(fact.name.as_str())
            .copied()
            .unwrap_or("nothing");
        format!("{}: table {}, header {header}", fact.name, fact.value)
    };
    facts.iter().filter(differs).map(show).collect()
}

/// The header of one MPI, through its compiler wrapper.
pub struct Header<'a> {
    mpi: &'a Mpi,
    compiler: PathBuf,
    words: HashSet<String>,
    scratch: tempfile::TempDir,
}

const INCLUDES: &str = "#define _GNU_SOURCE\n#include <dlfcn.h>\n#include <stddef.h>\n#include <stdint.h>\n\
                        #include <stdio.h>\n#include <mpi.h>\n";

/// A handle is an int or a pointer; an int is not sign-extended.
const HANDLE: &str = "#define HANDLE(h) (sizeof(h) == 4 ? (unsigned long long)(unsigned)(uintptr_t)(h) \
                      : (unsigned long long)(uintptr_t)(h))\n";

impl<'a> Header<'a> {
    /// Preprocesses the header: macros and enumerators both show in what is left.
    pub fn of(mpi: &'a Mpi, family: Family) -> Self {
        let compiler = match family {
            Family::StandardAbi => mpi.prefix().join("bin/mpicc_abi"),
            Family::Mpich | Family::OpenMpi => mpi.mpicc(),
        };
        let mut header = Self {
            mpi,
            compiler,
            words: HashSet::new(),
            scratch: tempfile::tempdir().unwrap(),
        };
        let text = header.compile(INCLUDES, &["-E", "-dD"]);
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        header.words = text.split(|c| !is_name(c)).map(str::to_owned).collect();
        header
    }

    /// Whether the header has the fact's name. Intel's has names of types it does not support, as the null type.
    pub fn knows(&self, fact: &Fact) -> bool {
        self.words.contains(&fact.name)
    }

    /// Compiles and runs a program that prints every fact's name and value.
    pub fn evaluate(&self, facts: &[Fact]) -> String {
        let print = |fact: &Fact| {
            format!(
                "  printf(\"{} %llu\\n\", (unsigned long long)({}));\n",
                fact.name, fact.expression
            )
        };
        let lines: String = facts.iter().map(print).collect();
        let program = self.scratch.path().join("program");
        let source = format!("{INCLUDES}{HANDLE}int main(void) {{\n{lines}  return 0;\n}}\n");
        self.compile(&source, &["-w", "-o", program.to_str().unwrap()]);
        let mut command = Command::new(program);
        command.env("LD_LIBRARY_PATH", self.mpi.prefix().join("lib"));
        stdout_of(command)
    }

    fn compile(&self, source: &str, arguments: &[&str]) -> String {
        let file = self.scratch.path().join("program.c");
        std::fs::write(&file, source).unwrap();
        let mut command = Command::new(&self.compiler);
        command
            .args(arguments)
            .arg(file)
            .arg("-ldl")
            .envs(self.mpi.compiler_env());
        stdout_of(command)
    }
}

fn stdout_of(mut command: Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
