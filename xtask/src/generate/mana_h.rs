//! `src/stub_abi/include/mana.h`: what an application may say to mana.

use mana_table::{Function, c_type};

use super::{MARK, Tables, c_text};

const BEGINNING: &str = "
/* mana.h: what a program may say to mana. Using it is optional: programs are checkpointed without.
 *
 * The functions are in libmana_stub, like MPI's, and may be called in programs without MPI. None of
 * them is collective, unless its comment says so. */

#ifndef MANA_H
#define MANA_H

#ifdef __cplusplus
extern \"C\" {
#endif

/* Called in each process after a restart; see mana_on_restart. */
typedef void mana_restart_function(void *state);
";

const END: &str = "
#ifdef __cplusplus
}
#endif

#endif /* MANA_H */
";

/// What each function promises, in C comments.
const PROMISES: &[(&str, &str)] = &[
    (
        "mana_checkpoint",
        "Takes a checkpoint of the whole job and returns when it is there. One process calling is\n\
         \x20* enough. Not to be called in a critical part, nor in a function that MPI calls back.\n\
         \x20* Returns 0 when the job runs on, 1 when this is the job restarted from that checkpoint,\n\
         \x20* 2 when the checkpoint is taken a little later, since other processes are in a collective\n\
         \x20* operation that this one has yet to join, and a negative number when there is no\n\
         \x20* checkpoint (mana's messages say why).",
    ),
    (
        "mana_critical_begin",
        "Begins a part of the program in which no checkpoint of this process is taken: requests wait\n\
         \x20* until mana_critical_end. Parts nest. Returns the depth of nesting, 1 for the outermost.\n\
         \x20* Within, MPI calls that wait for a process that is waiting to checkpoint wait for ever.",
    ),
    (
        "mana_critical_end",
        "Ends the innermost critical part. Returns the depth that is left, 0 outside of all, and a\n\
         \x20* negative number if there was none to end.",
    ),
    (
        "mana_on_restart",
        "Has `function` called with `state` after each restart: to open what a checkpoint cannot hold.\n\
         \x20* The thread that initialised MPI calls it when it next calls MPI or mana, before that call does\n\
         \x20* anything; a call in which it was at the checkpoint (mana_checkpoint, MPI_Recv) counts. It is\n\
         \x20* not called at once, since the checkpoint may have found the program within malloc. Queries\n\
         \x20* that mana answers in passing (MPI_Comm_rank, MPI_Comm_size, MPI_Type_size, MPI_Get_count,\n\
         \x20* MPI_Wtime) do not count. Callbacks run in the order in which they were named. They may not\n\
         \x20* call MPI. Returns 0, or a negative number if `function` is null.",
    ),
    (
        "mana_restart_count",
        "How many restarts lie between the start of the job and now: 0 in a job never restarted.",
    ),
];

/// The file's text.
///
/// # Panics
/// When a `mana_` row has no entry in [`PROMISES`]: a function without documentation is a mistake.
pub fn emit(tables: &Tables) -> String {
    let mut text = format!("/* {MARK} */\n{BEGINNING}");
    for function in tables.functions.iter().filter(|f| !f.is_mpi()) {
        text.push_str(&format!("\n/* {} */\n", promise(function)));
        text.push_str(&c_text::wrapped(&c_type::prototype(function, "")));
    }
    text.push_str(END);
    text
}

fn promise(function: &Function) -> &'static str {
    let found = PROMISES.iter().find(|(name, _)| *name == function.name);
    let Some((_, promise)) = found else {
        panic!(
            "{} has no promise in xtask/src/generate/mana_h.rs",
            function.name
        )
    };
    promise
}
