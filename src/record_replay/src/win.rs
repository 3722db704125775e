//! Live windows: what a rebuilt one must have again (MPI-5.0 chapter 12).

use std::ffi::CString;

use serde::{Deserialize, Serialize};

use crate::attr::Attributes;
use crate::handle::{ErrhandlerHandle, kind};
use crate::info::Info;
use crate::table::Table;

/// A window.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Window {
    /// `MPI_Win_set_name`.
    pub name: CString,
    /// `MPI_Win_set_errhandler`; the window holds it.
    pub errhandler: ErrhandlerHandle,
    /// Cached values.
    pub attributes: Attributes,
    /// `MPI_Win_set_info`: the hints given.
    pub info: Info,
}

/// The windows of a rank.
pub type Windows = Table<kind::Win, Window>;
