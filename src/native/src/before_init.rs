//! What has to be said to a library in its environment before it is initialised.
//!
//! ```text
//!   Open MPI 4   OMPI_MCA_osc_rdma_priority=5   one-sided communication by osc/pt2pt where that may be used
//! ```
//!
//! osc/rdma of Open MPI 4.1.4 over btl/vader ends in a segmentation fault when windows come and go (in
//! `mca_btl_vader_send`; so it does without `mana`). osc/pt2pt works, but not with `MPI_THREAD_MULTIPLE`, and then says
//! no by itself: so osc/rdma is made the second choice, not excluded. A user's own choice stands.
//!
//! # Safety
//! Lower TLS live, before `MPI_Init`: no thread of the library or of ours reads the environment meanwhile.

use crate::{Native, Vendor};

/// Which component Open MPI prefers is a number; osc/pt2pt's is 10.
const SECOND_CHOICE: (&str, &str) = ("OMPI_MCA_osc_rdma_priority", "5");

impl Native {
    /// To be called once, right before `MPI_Init_thread`.
    pub fn settle_before_init(&self) {
        let is_4 = self.vendor() == Vendor::OpenMpi && self.version().contains(" v4.");
        let (name, value) = SECOND_CHOICE;
        let chosen = [name, "OMPI_MCA_osc"]
            .iter()
            .any(|name| std::env::var_os(name).is_some());
        if is_4 && !chosen {
            // SAFETY: nobody reads the environment meanwhile, see the module's Safety section.
            unsafe { std::env::set_var(name, value) };
        }
    }
}
