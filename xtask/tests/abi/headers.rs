//! Our headers compile without a warning in every language they are for.

use crate::tools::{LANGUAGES, compile, our_header, stderr, write};

/// Uses something of each sort the header has: a handle, a status, constants in `#if`, a callback, an array size.
const PROGRAM: &str = r#"
#include <mpi.h>
#include <mana.h>
#if !defined(MPI_ERR_ABI) || MPI_VERSION < 5 || MPI_ANY_TAG >= 0
#error "constants work in the preprocessor"
#endif
static char name[MPI_MAX_OBJECT_NAME];
static void add(void *in, void *inout, int *length, MPI_Datatype *datatype) {
    (void)in; (void)inout; (void)length; (void)datatype;
}
static void restarted(void *state) { (void)state; }
int main(int argc, char **argv) {
    MPI_Status status;
    MPI_Op op = MPI_OP_NULL;
    MPI_Comm comm = MPI_COMM_WORLD;
    int keyval, length, *weights = MPI_UNWEIGHTED;
    MPI_Init(&argc, &argv);
    MPI_Op_create(add, 1, &op);
    MPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, MPI_COMM_NULL_DELETE_FN, &keyval, 0);
    MPI_Recv(MPI_BOTTOM, 0, MPI_INT, MPI_ANY_SOURCE, MPI_ANY_TAG, comm, &status);
    PMPI_Comm_get_name(MPI_Comm_f2c(MPI_Comm_c2f(comm)), name, &length);
    mana_on_restart(restarted, 0);
    return mana_checkpoint() + status.MPI_SOURCE + (weights == MPI_WEIGHTS_EMPTY);
}
"#;

#[test]
fn headers_compile_without_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let (source, object) = (
        folder.path().join("program.c"),
        folder.path().join("program.o"),
    );
    write(&source, PROGRAM);
    for language in LANGUAGES {
        let output = compile(language, &source, &object);
        assert!(output.status.success(), "{language:?}: {}", stderr(&output));
    }
}

/// A header that includes what it needs can be the only one.
#[test]
fn each_header_stands_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (source, object) = (folder.path().join("alone.c"), folder.path().join("alone.o"));
    for header in ["mpi.h", "mana.h"] {
        write(
            &source,
            &format!("#include <{header}>\n#include <{header}>\nint main(void) {{ return 0; }}\n"),
        );
        for language in LANGUAGES {
            let output = compile(language, &source, &object);
            assert!(
                output.status.success(),
                "{header}, {language:?}: {}",
                stderr(&output)
            );
        }
    }
}

#[test]
fn the_header_has_every_function_by_both_names() {
    let text = our_header("mpi.h");
    let declared = |name: &str| text.contains(&format!(" {name}("));
    for function in mana_table::FUNCTIONS.iter().filter(|f| f.is_mpi()) {
        assert!(declared(function.name), "{}", function.name);
        assert!(
            declared(&format!("P{}", function.name)),
            "P{}",
            function.name
        );
    }
}
