//! Who started this process: the environment and the parents' executables tell.
//!
//! ```text
//!   PMI_RANK/PMI_SIZE            Hydra (MPICH), with I_MPI_HYDRA_UUID Intel's, with SLURM_STEP_ID Slurm's PMI-2
//!   OMPI_COMM_WORLD_RANK/SIZE    Open MPI
//!   PMIX_RANK, PRTE_LAUNCHED     PRRTE, Open MPI's since 5.0
//!   PMIX_RANK alone              some PMIx server (Slurm's plugin, for instance): any MPI may be meant
//!   /proc/<ancestor>/exe         PREFIX/bin/hydra_pmi_proxy, PREFIX/bin/prterun: the library is in PREFIX/lib
//! ```

use crate::{Environment, Vendor};
use std::fmt;
use std::path::{Path, PathBuf};

/// A kind of launcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LauncherKind {
    /// None: a process by itself.
    None,
    /// MPICH's Hydra.
    Hydra,
    /// Intel's Hydra.
    IntelHydra,
    /// Open MPI's `mpirun` (ORTE or PRRTE).
    OpenMpi,
    /// A resource manager that speaks PMI or PMIx to any MPI.
    ResourceManager,
}

impl LauncherKind {
    /// Whose libraries this launcher can start as one job. The Hydras speak PMI-1, which both MPICHs understand.
    #[must_use]
    pub fn vendors(self) -> &'static [Vendor] {
        match self {
            Self::Hydra => &[Vendor::Mpich, Vendor::Intel],
            Self::IntelHydra => &[Vendor::Intel, Vendor::Mpich],
            Self::OpenMpi => &[Vendor::OpenMpi],
            Self::None | Self::ResourceManager => &[Vendor::Mpich, Vendor::OpenMpi, Vendor::Intel],
        }
    }
}

impl fmt::Display for LauncherKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "no launcher",
            Self::Hydra => "MPICH's mpirun",
            Self::IntelHydra => "Intel MPI's mpirun",
            Self::OpenMpi => "Open MPI's mpirun",
            Self::ResourceManager => "the resource manager",
        })
    }
}

/// What started this process, and how we know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launcher {
    /// What it is.
    pub kind: LauncherKind,
    /// What told us, for messages.
    pub evidence: Vec<String>,
    /// Ranks in the job, if it says so.
    pub ranks: Option<u32>,
    /// This process's rank in the job, if it says so.
    pub rank: Option<u32>,
    /// The launcher's executable, the nearest one among the ancestors.
    pub executable: Option<PathBuf>,
}

impl Launcher {
    /// The evidence in one line.
    #[must_use]
    pub fn evidence_text(&self) -> String {
        if self.evidence.is_empty() {
            "no sign of one".to_owned()
        } else {
            self.evidence.join(", ")
        }
    }

    /// The installation prefix the launcher was started from: the directory above its `bin`.
    #[must_use]
    pub fn prefix(&self) -> Option<&Path> {
        self.executable.as_deref()?.parent()?.parent()
    }
}

/// Finds out who started this process.
#[must_use]
pub fn detect_launcher(environment: &Environment) -> Launcher {
    let ancestor = environment
        .ancestors()
        .iter()
        .find_map(|path| Some((kind_of_executable(path)?, path)));
    let mut launcher = from_variables(environment, ancestor.map(|(kind, _)| kind));
    if let Some((kind, path)) = ancestor.filter(|(kind, _)| agrees(*kind, launcher.kind)) {
        tracing::debug!(?kind, path = %path.display(), "launcher among the ancestors");
        launcher
            .evidence
            .push(format!("started by {}", path.display()));
        launcher.executable = Some(path.clone());
    }
    launcher
}

/// What the variables say. Where those of two launchers are set (one job inside another), the nearest ancestor decides.
fn from_variables(environment: &Environment, ancestor: Option<LauncherKind>) -> Launcher {
    let open_mpi = environment.get("OMPI_COMM_WORLD_SIZE").is_some();
    let pmi = environment.get("PMI_RANK").is_some() && environment.get("PMI_SIZE").is_some();
    if open_mpi && !(pmi && ancestor == Some(LauncherKind::Hydra)) {
        numbered(
            environment,
            LauncherKind::OpenMpi,
            "OMPI_COMM_WORLD_SIZE",
            "OMPI_COMM_WORLD_RANK",
        )
    } else if pmi {
        numbered(
            environment,
            pmi_kind(environment, ancestor),
            "PMI_SIZE",
            "PMI_RANK",
        )
    } else if environment.get("PMIX_RANK").is_some() {
        let kind = if environment.get("PRTE_LAUNCHED").is_some() {
            LauncherKind::OpenMpi
        } else {
            LauncherKind::ResourceManager
        };
        numbered(environment, kind, "SLURM_STEP_NUM_TASKS", "PMIX_RANK")
    } else {
        Launcher {
            kind: LauncherKind::None,
            evidence: Vec::new(),
            ranks: None,
            rank: None,
            executable: None,
        }
    }
}

/// PMI variables come from a Hydra, or from Slurm, whose tasks carry SLURM_STEP_ID. (A Hydra inside a Slurm
/// allocation has that too, but a Hydra among the ancestors.)
fn pmi_kind(environment: &Environment, ancestor: Option<LauncherKind>) -> LauncherKind {
    if environment.get("I_MPI_HYDRA_UUID").is_some() {
        LauncherKind::IntelHydra
    } else if environment.get("SLURM_STEP_ID").is_some()
        && environment.get("HYDI_CONTROL_FD").is_none()
        && ancestor != Some(LauncherKind::Hydra)
    {
        LauncherKind::ResourceManager
    } else {
        LauncherKind::Hydra
    }
}

fn numbered(environment: &Environment, kind: LauncherKind, size: &str, rank: &str) -> Launcher {
    let evidence = [size, rank]
        .into_iter()
        .filter_map(|name| Some(format!("{name}={}", environment.get(name)?)))
        .collect();
    Launcher {
        kind,
        evidence,
        ranks: environment.number(size),
        rank: environment.number(rank),
        executable: None,
    }
}

/// The kind of launcher with this executable; both Hydras are called the same.
fn kind_of_executable(path: &Path) -> Option<LauncherKind> {
    match path.file_name()?.to_str()? {
        "hydra_pmi_proxy" | "pmi_proxy" | "mpiexec.hydra" | "mpirun.mpich" | "mpiexec.mpich" => {
            Some(LauncherKind::Hydra)
        }
        "orterun" | "orted" | "prterun" | "prted" | "prte" | "mpirun.openmpi" => {
            Some(LauncherKind::OpenMpi)
        }
        _ => None,
    }
}

fn agrees(ancestor: LauncherKind, variables: LauncherKind) -> bool {
    ancestor == variables
        || (ancestor, variables) == (LauncherKind::Hydra, LauncherKind::IntelHydra)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect<const N: usize>(variables: [(&str, &str); N], ancestors: &[&str]) -> Launcher {
        detect_launcher(&Environment::new(
            variables,
            ancestors.iter().map(PathBuf::from),
        ))
    }

    #[test]
    fn hydra_is_found_behind_a_shell() {
        let launcher = detect(
            [("PMI_RANK", "3"), ("PMI_SIZE", "4")],
            &["/bin/bash", "/opt/m/bin/hydra_pmi_proxy", "/bin/sh"],
        );
        assert_eq!(
            (launcher.kind, launcher.ranks, launcher.rank),
            (LauncherKind::Hydra, Some(4), Some(3))
        );
        assert_eq!(launcher.prefix(), Some(Path::new("/opt/m")));
    }

    #[test]
    fn intels_hydra_differs_by_its_variables() {
        let launcher = detect(
            [
                ("PMI_RANK", "0"),
                ("PMI_SIZE", "2"),
                ("I_MPI_HYDRA_UUID", "x"),
            ],
            &["/opt/intel/bin/hydra_pmi_proxy"],
        );
        assert_eq!(launcher.kind, LauncherKind::IntelHydra);
        assert_eq!(launcher.prefix(), Some(Path::new("/opt/intel")));
    }

    #[test]
    fn slurm_may_mean_any_mpi() {
        let pmi2 = detect(
            [("PMI_RANK", "0"), ("PMI_SIZE", "2"), ("SLURM_STEP_ID", "0")],
            &[],
        );
        assert_eq!(pmi2.kind, LauncherKind::ResourceManager);
        let pmix = detect([("PMIX_RANK", "1"), ("SLURM_STEP_NUM_TASKS", "8")], &[]);
        assert_eq!(
            (pmix.kind, pmix.ranks),
            (LauncherKind::ResourceManager, Some(8))
        );
    }

    /// `prterun` itself, rather than as Open MPI's `mpirun`, sets no variable of Open MPI's.
    #[test]
    fn prrte_is_open_mpis() {
        let prrte = detect(
            [("PMIX_RANK", "1"), ("PRTE_LAUNCHED", "1")],
            &["/o/bin/prterun"],
        );
        assert_eq!((prrte.kind, prrte.rank), (LauncherKind::OpenMpi, Some(1)));
        assert_eq!(prrte.prefix(), Some(Path::new("/o")));
    }

    #[test]
    fn the_nearer_of_two_launchers_counts() {
        let both = [
            ("OMPI_COMM_WORLD_SIZE", "2"),
            ("PMI_RANK", "0"),
            ("PMI_SIZE", "4"),
        ];
        let hydra_inside = detect(both, &["/m/bin/hydra_pmi_proxy", "/o/bin/prterun"]);
        assert_eq!(
            (hydra_inside.kind, hydra_inside.ranks),
            (LauncherKind::Hydra, Some(4))
        );
        let open_mpi_inside = detect(both, &["/o/bin/prterun", "/m/bin/hydra_pmi_proxy"]);
        assert_eq!(
            (open_mpi_inside.kind, open_mpi_inside.ranks),
            (LauncherKind::OpenMpi, Some(2))
        );
    }

    #[test]
    fn a_launcher_above_an_unlaunched_process_is_no_launcher() {
        let launcher = detect([], &["/bin/bash", "/m/bin/hydra_pmi_proxy"]);
        assert_eq!(
            (launcher.kind, launcher.executable),
            (LauncherKind::None, None)
        );
    }
}
