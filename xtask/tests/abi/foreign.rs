//! Our mpi.h against a foreign header of the same ABI.
//!
//! *Prototypes*: C wants two declarations of one function to have compatible types. So one file that includes the
//! foreign header and then declares everything as our header does compiles exactly if all agree.
//!
//! *Constants and types*: one program, compiled once with each header, prints the type and value of every constant and
//! the layout of every type; the two outputs must be equal.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use crate::tools::{
    foreign_prefix, identifiers, include, our_header, read, run, stderr, succeed, without_comments,
    write,
};

/// The standard's, but not in the foreign header (see the function table).
const NOT_THERE: [&str; 2] = ["MPI_Psend_init_c", "MPI_Precv_init_c"];

/// Ends a type's list in `_Generic`: all types that a constant has.
const TYPES: &str = "int, MPI_Offset, void *, char **, char ***, int *, MPI_Status *, MPI_Comm, MPI_Datatype, \
    MPI_Errhandler, MPI_File, MPI_Group, MPI_Info, MPI_Message, MPI_Op, MPI_Request, MPI_Session, MPI_Win, \
    MPI_T_enum, MPI_T_cvar_handle, MPI_T_pvar_handle, MPI_T_pvar_session, MPI_Copy_function *, \
    MPI_Delete_function *, MPI_Type_copy_attr_function *, MPI_Type_delete_attr_function *, \
    MPI_Win_copy_attr_function *, MPI_Win_delete_attr_function *, MPI_Datarep_conversion_function *, \
    MPI_Datarep_conversion_function_c *, unsigned int";

fn foreign_header() -> String {
    read(&foreign_prefix().join("include/mpi_abi.h"))
}

/// The function declarations of a header, a line each.
fn prototypes(header: &str) -> Vec<String> {
    let code = without_comments(header);
    let code: Vec<&str> = code.lines().filter(|line| !line.starts_with('#')).collect();
    let statements = code.join(" ");
    let prototype = |statement: &str| {
        let words = statement.split_whitespace().collect::<Vec<_>>().join(" ");
        let (before, _) = words.split_once('(')?;
        let name = before.rsplit(' ').next()?;
        // The header has function bodies, in which functions are called.
        let is_call = words.starts_with("return ") || before.contains('=');
        let is_other = words.contains('{') || words.starts_with("typedef");
        (!is_call && !is_other && is_function(name)).then_some(words)
    };
    statements.split(';').filter_map(prototype).collect()
}

fn is_function(name: &str) -> bool {
    name.strip_prefix('P').unwrap_or(name).starts_with("MPI_")
}

fn name_of(prototype: &str) -> &str {
    let before = prototype.split('(').next().unwrap_or_default();
    before.rsplit(' ').next().unwrap_or_default()
}

fn names(prototypes: &[String]) -> BTreeSet<String> {
    prototypes.iter().map(|p| name_of(p).to_owned()).collect()
}

/// Declares what our header declares after what the foreign one does.
fn declare_after_foreign(folder: &Path, prototypes: &[String]) -> Output {
    let source = folder.join("both.c");
    let statements: Vec<String> = prototypes.iter().map(|p| format!("{p};")).collect();
    write(
        &source,
        &format!("#include <mpi_abi.h>\n{}\n", statements.join("\n")),
    );
    let mut compiler = Command::new("cc");
    compiler.env("LC_ALL", "C"); // messages with plain quotes
    compiler.args([
        "-std=c11",
        "-pedantic-errors",
        "-Wall",
        "-Werror",
        "-fsyntax-only",
        "-I",
    ]);
    run(compiler.arg(foreign_prefix().join("include")).arg(source))
}

/// Our prototypes of the functions the foreign header has.
fn common_prototypes() -> Vec<String> {
    let foreign = names(&prototypes(&foreign_header()));
    let ours = prototypes(&our_header("mpi.h"));
    ours.into_iter()
        .filter(|p| foreign.contains(name_of(p)))
        .collect()
}

#[test]
fn both_headers_have_the_same_functions() {
    let foreign = names(&prototypes(&foreign_header()));
    let standard = mana_table::FUNCTIONS
        .iter()
        .filter(|f| f.is_standard())
        .map(|f| f.name);
    let expected = standard.filter(|name| !NOT_THERE.contains(name));
    let expected: BTreeSet<String> = expected
        .flat_map(|name| [name.to_owned(), format!("P{name}")])
        .collect();
    let lacking: Vec<_> = foreign.difference(&expected).collect();
    assert!(
        lacking.is_empty(),
        "only in the foreign header: {lacking:?}"
    );
    let invented: Vec<_> = expected.difference(&foreign).collect();
    assert!(invented.is_empty(), "only in the table: {invented:?}");
    let ours = names(&prototypes(&our_header("mpi.h")));
    assert!(expected.is_subset(&ours));
}

#[test]
fn prototypes_agree() {
    let folder = tempfile::tempdir().unwrap();
    let ours = common_prototypes();
    assert_eq!(ours.len(), 2 * (664 - NOT_THERE.len()));
    let output = declare_after_foreign(folder.path(), &ours);
    assert!(output.status.success(), "{}", stderr(&output));
}

/// The comparison is worth nothing unless a wrong prototype fails it.
#[test]
fn a_wrong_prototype_is_caught() {
    let folder = tempfile::tempdir().unwrap();
    let ours = common_prototypes();
    let mistakes = [
        ("int MPI_Send(const void *buf, ", "int MPI_Send(void *buf, "),
        (
            "int MPI_Send_c(const void *buf, MPI_Count count",
            "int MPI_Send_c(const void *buf, int count",
        ),
        (
            "MPI_Win_create(void *base, MPI_Aint size, ",
            "MPI_Win_create(void *base, int size, ",
        ),
        ("double PMPI_Wtime(void)", "int PMPI_Wtime(void)"),
        (
            "int MPI_Barrier(MPI_Comm comm)",
            "int MPI_Barrier(MPI_Group comm)",
        ),
        (
            "int MPI_Comm_rank(MPI_Comm comm, int *rank)",
            "int MPI_Comm_rank(MPI_Comm comm)",
        ),
        (
            "MPI_Testall(int count, MPI_Request array_of_requests[]",
            "MPI_Testall(int count, MPI_Request array_of_requests",
        ),
    ];
    for (right, wrong) in mistakes {
        let index = ours
            .iter()
            .position(|p| p.contains(right))
            .unwrap_or_else(|| panic!("{right}"));
        let mut changed = ours.clone();
        changed[index] = changed[index].replace(right, wrong);
        let output = declare_after_foreign(folder.path(), &changed);
        assert!(!output.status.success(), "{wrong} was taken");
        let message = format!("conflicting types for '{}'", name_of(&ours[index]));
        assert!(stderr(&output).contains(&message), "{}", stderr(&output));
    }
}

/// Our callback types in place of the foreign ones: C11 takes a second typedef only if it is the same type.
#[test]
fn callbacks_agree() {
    let folder = tempfile::tempdir().unwrap();
    let code = without_comments(&our_header("mpi.h"));
    let typedefs: Vec<&str> = code.split(';').filter(|s| is_callback(s)).collect();
    assert_eq!(typedefs.len(), 27);
    let mut typedefs: Vec<String> = typedefs.iter().map(|s| s.trim().to_owned()).collect();
    let output = declare_after_foreign(folder.path(), &typedefs);
    assert!(output.status.success(), "{}", stderr(&output));
    typedefs[0] = typedefs[0].replacen("int *", "MPI_Count *", 1);
    let output = declare_after_foreign(folder.path(), &typedefs);
    assert!(stderr(&output).contains("conflicting types for 'MPI_User_function'"));
}

fn is_callback(statement: &str) -> bool {
    let statement = statement.trim();
    let named = |ending: &str| statement.ends_with(ending);
    statement.starts_with("typedef ") && !statement.contains('{') && (named(")") || named("_fn"))
}

/// The names in capitals that the foreign header gives to values.
fn foreign_constants() -> BTreeSet<String> {
    let code = without_comments(&foreign_header());
    let capital =
        |name: &&str| name.starts_with("MPI_") && !name.chars().any(|c| c.is_ascii_lowercase());
    let names = identifiers(&code)
        .filter(capital)
        .filter(|name| *name != "MPI_H_ABI");
    let fields = ["MPI_SOURCE", "MPI_TAG", "MPI_ERROR"];
    names
        .filter(|name| !fields.contains(name))
        .map(str::to_owned)
        .collect()
}

/// A program that says, for the header it is compiled with, all constants and layouts.
fn description(header: &str, constants: &BTreeSet<String>) -> String {
    let cases: Vec<String> = TYPES
        .split(", ")
        .map(|t| format!("{}: \"{}\"", t.trim(), t.trim()))
        .collect();
    let mut program = format!(
        "#include \"{header}\"\n#include <stdio.h>\n#include <stddef.h>\n\
         #define TYPE(x) _Generic((x), {})\n\
         #define SAY(x) printf(\"%s: %s = %lld\\n\", #x, TYPE(x), (long long)(x))\n\
         #define SIZE(t) printf(\"sizeof(%s) = %zu\\n\", #t, sizeof(t))\n\
         #define FIELD(f) printf(\"%s at %zu\\n\", #f, offsetof(MPI_Status, f))\n\
         int main(void) {{\n",
        cases.join(", ")
    );
    for name in constants {
        let _ = writeln!(program, "SAY({name});");
    }
    for name in [
        "MPI_Status",
        "MPI_Aint",
        "MPI_Offset",
        "MPI_Count",
        "MPI_Comm",
        "MPI_T_cb_safety",
    ] {
        let _ = writeln!(program, "SIZE({name});");
    }
    program.push_str(
        "FIELD(MPI_SOURCE); FIELD(MPI_TAG); FIELD(MPI_ERROR); FIELD(MPI_internal);\nreturn 0; }\n",
    );
    program
}

fn describe(folder: &Path, header: &str, constants: &BTreeSet<String>) -> String {
    let (source, program) = (folder.join("describe.c"), folder.join("describe"));
    write(&source, &description(header, constants));
    let mut compiler = Command::new("cc");
    compiler
        .arg("-I")
        .arg(include())
        .arg("-I")
        .arg(foreign_prefix().join("include"));
    succeed(compiler.arg("-std=c11").arg(source).arg("-o").arg(&program));
    succeed(&mut Command::new(program))
}

#[test]
fn constants_and_types_agree() {
    let foreign = foreign_constants();
    let ours: BTreeSet<String> = mana_table::constants::CONSTANTS
        .iter()
        .map(|c| c.name.to_owned())
        .collect();
    assert_eq!(foreign, ours, "the headers name other constants");
    let folder = tempfile::tempdir().unwrap();
    let theirs = describe(folder.path(), "mpi_abi.h", &foreign);
    let ours = describe(folder.path(), "mpi.h", &foreign);
    for (ours, theirs) in ours.lines().zip(theirs.lines()) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(ours, theirs);
}

/// A constant of another value, or of another type, fails the comparison above.
#[test]
fn a_wrong_constant_is_caught() {
    let folder = tempfile::tempdir().unwrap();
    let foreign = foreign_constants();
    let theirs = describe(folder.path(), "mpi_abi.h", &foreign);
    let right = our_header("mpi.h");
    for (constant, wrong) in [("501", "0"), ("((MPI_Op)0x21)", "((MPI_Comm)0x21)")] {
        let header = folder.path().join("wrong.h");
        write(
            &header,
            &right.replace(&format!(" {constant}\n"), &format!(" {wrong}\n")),
        );
        let said = describe(folder.path(), header.to_str().unwrap(), &foreign);
        let differing = said
            .lines()
            .zip(theirs.lines())
            .filter(|(ours, theirs)| ours != theirs);
        assert_eq!(differing.count(), 1, "{constant} -> {wrong}");
    }
}

/// The Rust constants are those of the header.
#[test]
fn rust_constants_are_the_headers() {
    let folder = tempfile::tempdir().unwrap();
    let constants = foreign_constants();
    let said = describe(folder.path(), "mpi_abi.h", &constants);
    for constant in mana_table::constants::CONSTANTS {
        let value = format!(" = {}", constant.value);
        let line = said
            .lines()
            .find(|line| line.starts_with(&format!("{}: ", constant.name)));
        assert!(
            line.is_some_and(|line| line.ends_with(&value)),
            "{constant:?}: {line:?}"
        );
    }
}
