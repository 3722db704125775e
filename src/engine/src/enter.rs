//! Where every call that crosses arrives: finds the function, runs it, raises its error, and is a safe point on both
//! sides.
//!
//! ```text
//!   crossing entry -> enter(frame) -> safe point -> HANDLERS[slot](args) -> Ok: 0 | Err: error handler -> safe point
//! ```
//!
//! # Safety
//! Runs with the lower TLS live on the upper stack. No unwinding can leave it: panics abort.
#![expect(
    unsafe_code,
    reason = "the handler's type is an unsafe extern fn, called by the crossing's assembly"
)]

use mana_split::crossing::Handler;
use mana_split::frame::CrossFrame;
use mana_table::{FUNCTIONS, Function, Policy, SLOT_COUNT, fns};

use crate::args::Args;
use crate::error::{Call, MpiError};
use crate::generated::dispatch::SERVERS;
use crate::tools::deliver;
use crate::{cut, forward, leave, outputs, persistent, raise, restarts};

/// A function of the engine that serves calls.
pub type Server = fn(&mut Args<'_>) -> Call;

/// The slot, below those of `mana.h`, that is no function of the table: the program is exiting. Frozen.
const EXIT_SLOT: usize = 767;

/// Rows by slot.
static ROWS: [Option<&'static Function>; SLOT_COUNT] = rows();

const fn rows() -> [Option<&'static Function>; SLOT_COUNT] {
    let mut by_slot = [None; SLOT_COUNT];
    let mut at = 0;
    while at < FUNCTIONS.len() {
        by_slot[FUNCTIONS[at].id.0 as usize] = Some(&FUNCTIONS[at]);
        at += 1;
    }
    by_slot
}

/// The crossing's handlers by slot: [`enter`] for all, since the frame says which function was called, but for those
/// that programs call all the time.
pub static HANDLERS: [Handler; SLOT_COUNT] = handlers();

const fn handlers() -> [Handler; SLOT_COUNT] {
    let mut by_slot: [Handler; SLOT_COUNT] = [enter; SLOT_COUNT];
    macro_rules! busy {
        ($($function:ident)*) => {
            $(by_slot[fns::$function.0 as usize] = enter_slot::<{ fns::$function.0 as usize }>;)*
        };
    }
    busy! {
        MPI_SEND MPI_RECV MPI_ISEND MPI_IRECV MPI_SENDRECV MPI_IPROBE MPI_PROBE
        MPI_WAIT MPI_WAITALL MPI_WAITANY MPI_TEST MPI_TESTALL
    }
    by_slot
}

/// Serves one call.
unsafe extern "C" fn enter(frame: &mut CrossFrame) -> u64 {
    let slot = usize::from(frame.slot());
    if slot == EXIT_SLOT {
        leave::leave();
        return 0;
    }
    serve_slot(frame, slot)
}

/// Serves one call of the function in `SLOT`: its row and its server are known when this is compiled.
unsafe extern "C" fn enter_slot<const SLOT: usize>(frame: &mut CrossFrame) -> u64 {
    serve_slot(frame, SLOT)
}

/// A call between its safe points.
#[inline(always)]
fn serve_slot(frame: &mut CrossFrame, slot: usize) -> u64 {
    let Some(row) = ROWS[slot] else {
        return mana_table::constants::MPI_ERR_UNSUPPORTED_OPERATION as u64;
    };
    // mana_checkpoint has its own: one that parked it here would not be known to be the one it asks for.
    if row.id != fns::MANA_CHECKPOINT {
        cut::call_boundary(frame, row.name);
    }
    restarts::call_functions();
    let result = serve(frame, row, SERVERS[slot]) as u64;
    deliver::deliver();
    if cut::has_attention() {
        // From here on the call has happened: a restart returns its result.
        frame.complete(result);
        cut::call_boundary(frame, row.name);
    }
    result
}

/// Runs the function that `row` describes and returns its error code.
#[inline(always)]
fn serve(frame: &mut CrossFrame, row: &'static Function, server: Option<Server>) -> i32 {
    let mut args = Args::new(frame, row);
    let outcome = outputs::check(&args, usize::from(row.id.0)).and_then(|()| match row.policy {
        Policy::Unsupported(reason) => Err(MpiError::unsupported(row.name, reason)),
        Policy::Collective => forward::collective(&mut args),
        Policy::Icollective => forward::icollective(&mut args),
        Policy::Pcollective => persistent::pcollective(&mut args),
        Policy::Local | Policy::Engine | Policy::Stub => match server {
            Some(server) => server(&mut args),
            None => Err(MpiError::unsupported(
                row.name,
                "the engine has no function for it",
            )),
        },
    });
    match outcome {
        Ok(()) => args.result(),
        Err(error) => {
            outputs::clear(&mut args);
            raise::raise(&args, &error)
        }
    }
}
