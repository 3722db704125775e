//! What a request uses stays alive while the request is in the table, even if the application frees it meanwhile
//! (MPI-5.0 section 2.5.1).
//!
//! ```text
//!   MPI_Irecv(type)   MPI_Type_free(type)      cut, restart                          MPI_Wait
//!        hold              kept         receive posted again with the type      release: now it goes
//! ```
//!
//! Predefined datatypes and operations need no hold: for them this costs a comparison.

use mana_record_replay::handle::DatatypeHandle;

use crate::engine::State;
use crate::error::MpiError;
use crate::request::{Kind, Request, RequestId};
use crate::special::Special;
use crate::{datatypes, ops};

impl Kind {
    /// The derived datatype of the operation's buffer.
    fn derived_type(&self) -> Option<DatatypeHandle> {
        let word = match self {
            Self::Send(args) => args.datatype,
            Self::Receive(args) => args.datatype,
            Self::File(args) => args.datatype,
            _ => return None,
        };
        DatatypeHandle::from_word(word)
            .ok()
            .filter(|datatype| !datatype.is_predefined())
    }
}

/// The derived datatypes of a request that is more than one transfer.
fn special_types(request: &Request) -> Vec<DatatypeHandle> {
    request
        .special
        .as_ref()
        .map(|special| special.derived_types())
        .unwrap_or_default()
}

impl State {
    /// Puts a request into the table.
    ///
    /// # Errors
    /// The datatype or operation does not exist, or the table is full.
    pub fn insert_request(&mut self, request: Request) -> Result<RequestId, MpiError> {
        if let Some(datatype) = request.kind.derived_type() {
            self.objects.datatypes.hold(datatype)?;
        }
        for datatype in special_types(&request) {
            self.objects.datatypes.hold(datatype)?;
        }
        if let Some(op) = request.op {
            self.objects.ops.hold(op)?;
        }
        Ok(self.requests.insert(request)?)
    }

    /// Takes a request out of the table; what only it still used goes too.
    pub fn remove_request(&mut self, id: RequestId) {
        let Some(request) = self.requests.remove(id) else {
            return;
        };
        if let Some(datatype) = request.kind.derived_type() {
            datatypes::forget(&self.objects.datatypes.release(datatype));
        }
        if let Some(Special::PartitionedReceive(receive)) = request.special.as_deref() {
            receive.forget(self);
        }
        if let Some(Special::Collective(call)) = request.special.as_deref()
            && let Some(carrier) = call.carrier
        {
            self.free_carrier(carrier);
        }
        for datatype in special_types(&request) {
            datatypes::forget(&self.objects.datatypes.release(datatype));
        }
        if let Some(op) = request.op {
            ops::gone(op, self.objects.ops.release(op));
        }
    }
}
