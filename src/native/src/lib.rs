//! The real MPI below: one of three ABIs, opened at run time.
//!
//! `mana` links no MPI. It finds the one that the launcher belongs to, opens it, and calls it through this crate,
//! which knows what the ABIs do not agree on:
//!
//! ```text
//!                      engine (speaks the MPI 5.0 standard ABI upwards)
//!                         │  native handles, native values, statuses
//!   ┌─────────────────────┴────────────────────────────────────────────────────────┐
//!   │ Native       call by function number     handle, handle_array   4 or 8 bytes │
//!   │ predefined*  MPI_COMM_WORLD, MPI_INT …   status*                3 layouts    │
//!   │ values       MPI_ANY_SOURCE, combiners … error_classes          codes        │
//!   ├──────────────────────────────────────────────────────────────────────────────┤
//!   │ Choice + Environment -> launcher -> search, choose -> family (ELF) -> open   │
//!   └───────┬──────────────────────────┬──────────────────────────┬────────────────┘
//!     libmpi_abi.so.1             libmpi.so.12               libmpi.so.40
//!     standard ABI (MPICH 5)      MPICH ABI (3–5, Intel)     Open MPI 4, 5
//! ```
//!
//! What is a fact of an ABI stands in a table, a row a name and a column an ABI: [`values`], [`error_classes`],
//! [`predefined_objects`], [`predefined_datatypes`]. Nothing native may reach the application; nothing of the
//! standard's may reach the library: handles have types of their own, everything else goes through a conversion.

#![deny(unsafe_code)]

mod addresses;
mod arguments;
#[expect(
    unsafe_code,
    reason = "changes the environment; see the module's Safety section"
)]
mod before_init;
mod choice;
mod choose;
#[expect(
    unsafe_code,
    reason = "forks a child that loads a library; see the module's Safety section"
)]
mod discover;
mod environment;
mod error;
pub mod error_classes;
mod family;
pub mod handle;
mod handle_array;
mod launcher;
#[expect(
    unsafe_code,
    reason = "dlopen and dlsym; see the module's Safety section"
)]
mod library;
#[expect(
    unsafe_code,
    reason = "calls into the native library; see the module's Safety section"
)]
mod native;
#[expect(
    unsafe_code,
    reason = "reads the library's constants; see the module's Safety section"
)]
mod open;
mod predefined;
pub mod predefined_datatypes;
pub mod predefined_objects;
mod search;
#[expect(
    unsafe_code,
    reason = "calls functions by address; see the module's Safety section"
)]
mod shape;
mod status;
#[expect(
    unsafe_code,
    reason = "asks the native library; see the module's Safety section"
)]
mod status_decode;
#[expect(
    unsafe_code,
    reason = "reads what a callback's arguments point to; see the module's Safety section"
)]
mod user_op;
pub mod values;

pub use addresses::Addresses;
pub use arguments::{ANY_SOURCE, ANY_TAG, PROC_NULL, ROOT, UNDEFINED};
pub use before_init::move_launcher_connection;
pub use choice::Choice;
pub use discover::{FoundMpi, RejectedMpi, discover, version_in_child};
pub use environment::{Environment, ancestor_processes};
pub use error::Error;
pub use family::{Family, Identity, Vendor, identify};
pub use handle::{
    NativeComm, NativeDatatype, NativeErrhandler, NativeFile, NativeGroup, NativeHandle,
    NativeInfo, NativeMessage, NativeOp, NativeRequest, NativeSession, NativeWin, Out,
};
pub use handle_array::HandleArray;
pub use launcher::{Launcher, LauncherKind, detect_launcher};
pub use native::{Native, NativeCode, int};
pub use predefined::{Mpich, MpichAge, Predefined, datatype_row, datatype_size_bytes};
pub use status::{ReceivedAt, StatusArray, StatusBuf, StatusFields, StatusLayout, status_layout};
pub use user_op::OperationArguments;
