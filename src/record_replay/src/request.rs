//! Calls that are kept to be made again: the initialisation of a persistent collective.

use serde::{Deserialize, Serialize};

/// A call of a persistent collective: its slot in the function table and its arguments, arrays copied, because the application
/// may change its arrays after the call (MPI 4.1 section 6.13).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RecordedCall {
    /// The function's slot.
    pub slot: u16,
    /// Its arguments in order.
    pub arguments: Vec<RecordedArgument>,
    /// The communicator that it travels on, where that is not the one among its arguments: virtual handle.
    #[serde(default)]
    pub carrier: Option<u64>,
}

/// An argument of a recorded call.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum RecordedArgument {
    /// By value: an integer, an address, or a virtual handle.
    Word(u64),
    /// An array of counts, displacements or virtual handles.
    Array(Vec<i64>),
}
