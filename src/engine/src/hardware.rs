//! The machine's parts that this process runs on, from /sys and the processors it may use.
//!
//! ```text
//!   sched_getaffinity: {4, 5}    /sys: 4 is in core 2, package 0;  5 is in core 2, package 0
//!     -> restricted to one Core (core 2 of package 0) and one Package, not to one PU
//! ```
//!
//! What is said holds at the moment of the question: a restart may find itself on another machine.

use std::fs;
use std::path::Path;

use rustix::thread::{CpuSet, sched_getaffinity};

/// A kind of part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The whole machine.
    Machine,
    /// A processor chip.
    Package,
    /// Memory with the processors that are near it.
    NumaNode,
    /// A core.
    Core,
    /// A hardware thread.
    ProcessingUnit,
}

impl Part {
    /// All kinds, from large to small.
    pub const ALL: [Self; 5] = [
        Self::Machine,
        Self::Package,
        Self::NumaNode,
        Self::Core,
        Self::ProcessingUnit,
    ];

    /// Its name for `MPI_Get_hw_resource_info` and the info key `mpi_hw_resource_type`.
    pub fn uri(self) -> &'static str {
        match self {
            Self::Machine => "mana://Machine",
            Self::Package => "mana://Package",
            Self::NumaNode => "mana://NUMANode",
            Self::Core => "mana://Core",
            Self::ProcessingUnit => "mana://PU",
        }
    }

    /// Which instance the processor `cpu` belongs to; `None` where the system does not tell.
    fn instance(self, cpu: usize) -> Option<String> {
        let cpu_folder = format!("/sys/devices/system/cpu/cpu{cpu}");
        let topology = |name: &str| read_word(&format!("{cpu_folder}/topology/{name}"));
        match self {
            Self::Machine => Some(String::new()),
            Self::Package => topology("physical_package_id"),
            Self::NumaNode => numa_node(Path::new(&cpu_folder)),
            Self::Core => Some(format!(
                "{}.{}",
                topology("physical_package_id")?,
                topology("core_id")?
            )),
            Self::ProcessingUnit => Some(cpu.to_string()),
        }
    }

    /// The one instance that the calling thread may run on, named uniquely in the job; `None` if it may run on several,
    /// or the system does not tell.
    pub fn only_instance(self) -> Option<String> {
        let mut instances = allowed_cpus().into_iter().map(|cpu| self.instance(cpu));
        let first = instances.next()??;
        let host = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned();
        instances
            .all(|other| other.as_ref() == Some(&first))
            .then(|| format!("{host} {} {first}", self.uri()))
    }

    /// Whether the system tells of such parts at all.
    pub fn is_known(self) -> bool {
        let cpus = allowed_cpus();
        !cpus.is_empty() && cpus.into_iter().all(|cpu| self.instance(cpu).is_some())
    }
}

fn read_word(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

/// The node of memory that a processor's folder links to.
fn numa_node(cpu_folder: &Path) -> Option<String> {
    fs::read_dir(cpu_folder).ok()?.find_map(|entry| {
        let name = entry.ok()?.file_name().into_string().ok()?;
        let number = name.strip_prefix("node")?;
        number.parse::<u32>().ok().map(|_| number.to_owned())
    })
}

/// The processors that the calling thread may run on.
fn allowed_cpus() -> Vec<usize> {
    match sched_getaffinity(None) {
        Ok(set) => (0..CpuSet::MAX_CPU)
            .filter(|cpu| set.is_set(*cpu))
            .collect(),
        Err(_) => Vec::new(),
    }
}
