//! Persistent collectives (MPI-5.0 section 6.13): never persistent below, so nothing native lives between starts and
//! libraries without them will do.
//!
//! ```text
//!   MPI_Bcast_init(…)  -> RecordedCall { MPI_Ibcast, arguments, arrays copied }    saved; holds datatypes and operation
//!                         and a communicator of its own, so that starts need no order (`carriers`)
//!   MPI_Start          -> a fresh MPI_Ibcast of those arguments on it: gate, native call; completes like any request
//! ```

use mana_record_replay::handle::DatatypeHandle;
use mana_record_replay::request::{RecordedArgument, RecordedCall};
use mana_table::constants as mpi;
use mana_table::{FnId, Function, Kind};

use crate::args::Args;
use crate::collective_arrays::{array_elements, lay_out};
use crate::engine::state;
use crate::error::{Call, MpiError};
use crate::request::{Kind as RequestKind, Request};
use crate::special::Special;
use crate::words::Words;
use crate::{carriers, forward, publish, translate};

/// The initialisation of a persistent collective.
pub fn pcollective(a: &mut Args<'_>) -> Call {
    let words = a.words();
    let call = Words::new(a.row(), &words);
    let comm = forward::comm_of(call)?;
    let started = a
        .row()
        .started_by()
        .and_then(FnId::function)
        .ok_or_else(|| {
            MpiError::unsupported(a.row().name, "the nonblocking collective is missing")
        })?;
    let mut request = Request::persistent(RequestKind::Collective);
    request.op = forward::op_of(call);
    let mut recorded = record(call, started)?;
    recorded.carrier = carriers::take(a, comm)?;
    request.special = Some(Box::new(Special::Collective(recorded)));
    let id = state().insert_request(request)?;
    if let Some(at) = a.row().param_index("request") {
        a.set_handle(at, u64::from(id.word()));
    }
    Ok(())
}

/// The arguments of `call` as a call to the function of `started`, which has the same parameters.
fn record(call: Words<'_>, started: &Function) -> Result<RecordedCall, MpiError> {
    let argument = |name: &str| {
        let Some(at) = call.row().param_index(name) else {
            return Ok(RecordedArgument::Word(0));
        };
        Ok::<_, MpiError>(match array_elements(call, at)? {
            Some(elements) => RecordedArgument::Array(elements),
            None if call.row().params[at].kind == Kind::Datatype => {
                RecordedArgument::Word(live_type(call.raw(at)))
            }
            None => RecordedArgument::Word(call.raw(at)),
        })
    };
    let arguments = started.params.iter().map(|param| match param.kind {
        Kind::Request => Ok(RecordedArgument::Word(0)),
        _ => argument(param.name),
    });
    Ok(RecordedCall {
        slot: started.id.0,
        arguments: arguments.collect::<Result<_, _>>()?,
        carrier: None,
    })
}

/// The datatype, or `MPI_DATATYPE_NULL` for one that is none: it may mean nothing on this rank.
fn live_type(word: u64) -> u64 {
    publish::datatype(word).map_or(mpi::MPI_DATATYPE_NULL, |_| word)
}

/// Starts a recorded collective from within `a`, an `MPI_Start`. As [`forward::start`], a safe point.
pub fn start(a: &mut Args<'_>, call: &RecordedCall) -> Result<Request, MpiError> {
    let row = FnId(call.slot).function().ok_or_else(|| {
        MpiError::new(
            mpi::MPI_ERR_INTERN,
            "a recorded collective that this mana does not know",
        )
    })?;
    let mut arrays = Vec::new();
    let mut words = Vec::with_capacity(call.arguments.len());
    for (param, argument) in row.params.iter().zip(&call.arguments) {
        words.push(match argument {
            RecordedArgument::Word(word) if param.kind == Kind::Comm => {
                call.carrier.unwrap_or(*word)
            }
            RecordedArgument::Word(word) => *word,
            RecordedArgument::Array(elements) if elements.is_empty() => 0,
            RecordedArgument::Array(elements) => {
                translate::kept(&mut arrays, lay_out(param, elements))
            }
        });
    }
    let mut request = forward::start(a, Words::new(row, &words))?;
    request.keep.append(&mut arrays);
    Ok(request)
}

/// The communicator that the application gave a recorded collective.
pub fn comm(call: &RecordedCall) -> Option<u64> {
    let row = FnId(call.slot).function()?;
    let at = row.params.iter().position(|p| p.kind == Kind::Comm)?;
    match call.arguments.get(at)? {
        RecordedArgument::Word(word) => Some(*word),
        RecordedArgument::Array(_) => None,
    }
}

/// The derived datatypes that a recorded collective uses.
pub fn derived_types(call: &RecordedCall) -> Vec<DatatypeHandle> {
    let Some(row) = FnId(call.slot).function() else {
        return Vec::new();
    };
    let types = row.params.iter().zip(&call.arguments);
    types
        .filter(|(param, _)| param.kind == Kind::Datatype)
        .flat_map(|(_, argument)| match argument {
            RecordedArgument::Word(word) => vec![*word],
            RecordedArgument::Array(elements) => elements.iter().map(|word| *word as u64).collect(),
        })
        .filter_map(|word| DatatypeHandle::from_word(word).ok())
        .filter(|datatype| !datatype.is_predefined())
        .collect()
}
