//! Whether the ranks of this node have a core each: what decides how a rank waits.
//!
//! ```text
//!   launcher's daemon    may use {0 1 2 3}     <- the job's cores here: 4
//!     wrapper script     may use {2}
//!       this rank        may use {2}              bound by the launcher, which gives each rank a core of its own
//! ```
//!
//! Launchers that bind (Open MPI, Intel MPI, Slurm) leave a rank one core to see. That says nothing about how many the job
//! has, so the first ancestor that may use more is asked. Without one nothing is bound, and what this rank sees is
//! what all of them share.

use mana_native::ancestor_processes;
use rustix::process::Pid;
use rustix::thread::sched_getaffinity;

use crate::init::World;

/// Whether more ranks share this node than the job has cores here. Called with all threads of the process bound alike.
pub fn are_shared(world: World) -> bool {
    let own = cores_of(None);
    let job = bound_by_launcher(own, cores_of_ancestors()).unwrap_or(own);
    tracing::debug!(own, job, "cores that this rank and its job may use");
    local_ranks(world) > job
}

/// The cores of the first ancestor that may use more than the `own` ones.
fn bound_by_launcher(own: usize, mut ancestors: impl Iterator<Item = usize>) -> Option<usize> {
    ancestors.find(|cores| *cores > own)
}

/// How many cores each ancestor may use, the parent first.
fn cores_of_ancestors() -> impl Iterator<Item = usize> {
    ancestor_processes().map(|process| cores_of(Pid::from_raw(process as i32)))
}

/// How many cores a process may use; 1 where the system does not tell.
fn cores_of(process: Option<Pid>) -> usize {
    sched_getaffinity(process).map_or(1, |cores| cores.count() as usize)
}

/// How many ranks share this node: from the launcher if it says so, else all.
fn local_ranks(world: World) -> usize {
    [
        "MPI_LOCALNRANKS",
        "OMPI_COMM_WORLD_LOCAL_SIZE",
        "PALS_LOCAL_SIZE",
        "SLURM_NTASKS_PER_NODE",
    ]
    .iter()
    .find_map(|name| std::env::var(name).ok()?.parse().ok())
    .unwrap_or(world.size as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cores_of_a_bound_rank_are_those_of_its_launcher() {
        assert_eq!(bound_by_launcher(1, [1, 1, 4, 64].into_iter()), Some(4));
        assert_eq!(bound_by_launcher(4, [4, 4, 4].into_iter()), None);
    }

    #[test]
    fn this_process_and_its_parent_have_cores() {
        assert!(cores_of(Some(rustix::process::getpid())) >= 1);
        assert!(cores_of_ancestors().next().is_some_and(|cores| cores >= 1));
    }
}
