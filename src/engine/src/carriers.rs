//! What persistent collectives travel on: a duplicate of their communicator each, since its members may start them in
//! different orders (MPI-5.0 section 6.13), and nonblocking collectives on one communicator may not be.
//!
//! ```text
//!   MPI_Bcast_init on C   gate of C -> which of C's carriers are free on all members? -> the first of them, or a new one
//!   MPI_Request_free      local: the carrier is free here
//!   MPI_Comm_free of C    those that are free on all members are freed; one that is not stays for its request
//! ```
//!
//! Invariant: the list of C's carriers is the same on all its members, because it changes in collective steps on C only.
//! Which of them are free is each member's own knowledge, so it is asked for (an allreduce of bits).
//!
//! A carrier is a communicator like any other, with a clock and a descriptor; the application does not know its handle.
//! A communicator of one process needs none, and neither does one whose hint says that all members start in one order.

use std::collections::BTreeMap;

use mana_drain::Start;
use mana_native::Native;
use mana_table::constants as mpi;
use mana_table::fns;
use serde::{Deserialize, Serialize};

use crate::args::Args;
use crate::comms::{self, Inherit};
use crate::cut;
use crate::engine::{State, native, state};
use crate::error::{Call, MpiError};
use crate::native_call;
use crate::publish::CommSlot;

/// The hint by which the application says that all members start in one order.
const STRICT: &std::ffi::CStr = c"mpi_assert_strict_persistent_collective_ordering";

/// The carriers of each communicator, by its handle.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Carriers(BTreeMap<u32, Vec<Carrier>>);

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Carrier {
    /// Upper handle of the duplicate.
    comm: u64,
    /// Whether a request of this process has it.
    taken: bool,
}

impl State {
    /// Gives back the carrier of a request that is gone.
    pub fn free_carrier(&mut self, comm: u64) {
        let mut all = self.carriers.0.values_mut().flatten();
        if let Some(carrier) = all.find(|carrier| carrier.comm == comm) {
            carrier.taken = false;
        }
    }

    /// Whether the persistent collectives on a communicator may be started in different orders.
    fn needs_carriers(&self, comm: &CommSlot) -> Result<bool, MpiError> {
        let descriptor = self.comms.get(u64::from(comm.handle()))?;
        let alone = descriptor.size() == 1 && descriptor.remote.is_none();
        Ok(!alone
            && descriptor
                .info
                .get(STRICT)?
                .is_none_or(|said| said != c"true"))
    }
}

/// What a persistent collective on `comm` is to travel on; `None`: the communicator itself. Collective, within its
/// initialisation `a`, and a safe point: nothing may have been done that the application can see.
pub fn take(a: &mut Args<'_>, comm: &'static CommSlot) -> Result<Option<u64>, MpiError> {
    if !state().needs_carriers(comm)? {
        return Ok(None);
    }
    cut::enter_collective(a, comm, Start::Blocking)?;
    let library = native()?;
    let at = match free_everywhere(library, comm)?.first() {
        Some(at) => *at,
        None => make(library, comm)?,
    };
    let mut state = state();
    let carrier = state
        .carriers
        .0
        .get_mut(&comm.handle())
        .and_then(|list| list.get_mut(at));
    Ok(carrier.map(|carrier| {
        carrier.taken = true;
        carrier.comm
    }))
}

/// Makes another carrier; returns its place in the list.
fn make(library: &Native, comm: &CommSlot) -> Result<usize, MpiError> {
    let mut made = 0_u64;
    let words = [comm.native(), native_call::out(&mut made)];
    native_call::call(library, fns::MPI_COMM_DUP, &words).map_err(|error| {
        let advice = "each persistent collective takes a communicator of the MPI below unless the hint \
                      mpi_assert_strict_persistent_collective_ordering=true was given to its own";
        MpiError::new(error.class, format!("{}; {advice}", error.message))
    })?;
    let duplicate = comms::adopt(u64::from(comm.handle()), made, Inherit::Dup)?;
    let mut state = state();
    let list = state.carriers.0.entry(comm.handle()).or_default();
    list.push(Carrier {
        comm: duplicate,
        taken: false,
    });
    Ok(list.len() - 1)
}

/// Places of the carriers that are free on all members: collective over `comm`, past its gate.
fn free_everywhere(library: &Native, comm: &CommSlot) -> Result<Vec<usize>, MpiError> {
    let (len, mine, across) = {
        let state = state();
        let list = state.carriers.0.get(&comm.handle());
        let list = list.map(Vec::as_slice).unwrap_or_default();
        let mut bits = vec![0_u64; list.len().div_ceil(64)];
        for (at, carrier) in list.iter().enumerate() {
            bits[at / 64] |= u64::from(!carrier.taken) << (at % 64);
        }
        let descriptor = state.comms.get(u64::from(comm.handle()))?;
        (list.len(), bits, descriptor.remote.is_some())
    };
    if len == 0 {
        return Ok(Vec::new());
    }
    let mut all = common_bits(library, comm, &mine)?;
    if across {
        // What came is the other side's; so is ours to it, and what both have is what each gets of the second round.
        for (bits, own) in all.iter_mut().zip(&mine) {
            *bits &= own;
        }
        all = common_bits(library, comm, &all)?;
    }
    let is_set = |at: &usize| all[at / 64] >> (at % 64) & 1 == 1;
    Ok((0..len).filter(is_set).collect())
}

/// The bits that all members have set; on an intercommunicator all of the other side.
fn common_bits(library: &Native, comm: &CommSlot, mine: &[u64]) -> Result<Vec<u64>, MpiError> {
    let mut all = vec![0_u64; mine.len()];
    let below = library.predefined();
    let words = [
        mine.as_ptr() as u64,
        all.as_mut_ptr() as u64,
        mine.len() as u64,
        below
            .datatype(mpi::MPI_UINT64_T)
            .map_or(0, |word| word.raw()),
        below.op(mpi::MPI_BAND).map_or(0, |and| and.raw()),
        comm.native(),
    ];
    native_call::call(library, fns::MPI_ALLREDUCE, &words)?;
    Ok(all)
}

/// Frees the carriers of a communicator that is being freed: collective over it, past its gate.
pub fn comm_goes(comm: &CommSlot) -> Call {
    let idle = free_everywhere(native()?, comm)?;
    let list = state().carriers.0.remove(&comm.handle());
    let list = list.unwrap_or_default();
    idle.into_iter()
        .try_for_each(|at| comms::free(list[at].comm))
}
