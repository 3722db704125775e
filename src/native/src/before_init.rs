//! What has to be said to a library in its environment before it is initialised.
//!
//! ```text
//!   Open MPI 4, not MPI_THREAD_MULTIPLE     OMPI_MCA_osc=^rdma,ucx     one-sided communication by osc/pt2pt
//!   Open MPI                                OMPI_MCA_topo=basic        topologies without topo/treematch
//!   Open MPI                                …osc_rdma_max_attach       more pieces of memory in a dynamic window
//! ```
//!
//! topo/treematch places ranks anew, which is never asked of the library below: ranks are the program's. With it
//! `MPI_Dist_graph_create` of Open MPI 4.1.4 under `mana` did not end in one of three runs, all ranks waiting in the
//! library's `ompi_comm_nextcid`; with topo/basic it did in 40 of 40. Why is not known: without `mana` it always ended.
//!
//! osc/rdma of Open MPI 4.1.4 over btl/vader ends in a segmentation fault in `mca_btl_vader_send`: for the calling process
//! itself there is no endpoint, and `MPI_Compare_and_swap` of eight bytes goes there without looking. osc/pt2pt works, but
//! not with `MPI_THREAD_MULTIPLE`: there osc/rdma is what this library takes, and [`Native::crashes_in_own_swap`]. A user's
//! own choice stands, but for one in a configuration file, which nobody sees here (Debian's leaves osc/pt2pt out).
//!
//! # Safety
//! Lower TLS live, before `MPI_Init`: no thread of the library or of ours reads the environment meanwhile.

use crate::{Native, Vendor};

/// The standard's `MPI_THREAD_MULTIPLE`.
const THREAD_MULTIPLE: i32 = 4096;

/// The variable with Open MPI's components for one-sided communication.
const ONE_SIDED: &str = "OMPI_MCA_osc";

impl Native {
    /// To be called once, right before `MPI_Init_thread` with thread level `level` (the standard's constant).
    pub fn settle_before_init(&mut self, level: i32) {
        if self.vendor() != Vendor::OpenMpi {
            return;
        }
        unless_chosen("OMPI_MCA_topo", "basic");
        // Pieces of memory attached to a window: 64 by default, and here each of MPI_Alloc_mem's has pages of its own.
        unless_chosen("OMPI_MCA_osc_rdma_max_attach", "4096");
        if self.version().contains(" v4.") {
            if level != THREAD_MULTIPLE {
                unless_chosen(ONE_SIDED, "^rdma,ucx");
            }
            let chosen = std::env::var(ONE_SIDED).unwrap_or_else(|_| "rdma".into());
            self.crashes_in_own_swap = chooses(&chosen, "rdma");
        }
    }

    /// Whether `MPI_Compare_and_swap` of eight bytes in the memory of the calling process itself ends it: see above.
    #[must_use]
    pub fn crashes_in_own_swap(&self) -> bool {
        self.crashes_in_own_swap
    }
}

/// Moves the connection to the launcher that a process inherits by number (PMI-1 and -2: `PMI_FD`) to a number not below
/// `above`, where it is in nobody's way. To be called before any MPI is started.
pub fn move_launcher_connection(above: i32) {
    let Some(number) = std::env::var("PMI_FD")
        .ok()
        .and_then(|number| number.parse::<i32>().ok())
        .filter(|number| (3..above).contains(number))
    else {
        return;
    };
    // SAFETY: duplicates a descriptor of this process and closes the old one, which only the variable knows of.
    let moved = unsafe { libc::fcntl(number, libc::F_DUPFD, above) };
    if moved >= 0 {
        // SAFETY: nobody reads the environment meanwhile, see the module's Safety section.
        unsafe {
            libc::close(number);
            std::env::set_var("PMI_FD", moved.to_string());
        }
    }
}

/// Whether a choice of components, `a,b` or all but `^a,b`, has this one among them.
fn chooses(choice: &str, component: &str) -> bool {
    let (all_but, named) = match choice.strip_prefix('^') {
        Some(named) => (true, named),
        None => (false, choice),
    };
    named.split(',').any(|name| name == component) != all_but
}

/// Sets a variable that the user has not set.
fn unless_chosen(name: &str, value: &str) {
    if std::env::var_os(name).is_none() {
        // SAFETY: nobody reads the environment meanwhile, see the module's Safety section.
        unsafe { std::env::set_var(name, value) };
    }
}

#[cfg(test)]
mod tests {
    use super::chooses;

    #[test]
    fn a_choice_names_components_or_leaves_some_out() {
        assert!(chooses("rdma", "rdma") && chooses("ucx,rdma", "rdma") && chooses("^ucx", "rdma"));
        assert!(!chooses("ucx", "rdma") && !chooses("^rdma,ucx", "rdma"));
    }
}
