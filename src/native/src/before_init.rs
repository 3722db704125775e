//! What has to be said to a library in its environment before it is initialised.
//!
//! ```text
//!   Open MPI 4, not MPI_THREAD_MULTIPLE     OMPI_MCA_osc=^rdma,ucx     one-sided communication by osc/pt2pt
//! ```
//!
//! osc/rdma of Open MPI 4.1.4 over btl/vader ends in a segmentation fault in `mca_btl_vader_send` (programs that do
//! nothing but one-sided communication show it without `mana`, too). osc/pt2pt works, but not with
//! `MPI_THREAD_MULTIPLE`: there osc/rdma is all that this library has. A user's own choice stands; that of a
//! configuration file does not (Debian's leaves osc/pt2pt out).
//!
//! # Safety
//! Lower TLS live, before `MPI_Init`: no thread of the library or of ours reads the environment meanwhile.

use crate::{Native, Vendor};

/// Which components for one-sided communication Open MPI may use.
const COMPONENTS: &str = "OMPI_MCA_osc";
/// All but these.
const BAD_COMPONENTS: &str = "^rdma,ucx";
/// The standard's `MPI_THREAD_MULTIPLE`.
const THREAD_MULTIPLE: i32 = 4096;

impl Native {
    /// To be called once, right before `MPI_Init_thread` with thread level `required` (the standard's constant).
    pub fn settle_before_init(&self, required: i32) {
        let is_open_mpi_4 = self.vendor() == Vendor::OpenMpi && self.version().contains(" v4.");
        if is_open_mpi_4 && required != THREAD_MULTIPLE && std::env::var_os(COMPONENTS).is_none() {
            // SAFETY: nobody reads the environment meanwhile, see the module's Safety section.
            unsafe { std::env::set_var(COMPONENTS, BAD_COMPONENTS) };
        }
    }
}
