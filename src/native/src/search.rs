//! Where MPI libraries may lie, in the order they are tried.
//!
//! ```text
//!   beside the launcher   PREFIX/bin/prterun -> PREFIX/lib          surest: it is the same installation
//!   the MPI's own hints   OMPI_LIBDIR_LOC, OPAL_PREFIX, I_MPI_ROOT
//!   the user's paths      LD_LIBRARY_PATH, mpiexec in PATH, VIRTUAL_ENV, CONDA_PREFIX
//!   the system's          /etc/ld.so.conf, usual prefixes
//! ```

use crate::{Environment, Launcher};
use std::path::{Path, PathBuf};

/// A directory to look in, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub directory: PathBuf,
    pub why: String,
}

/// Directories of libraries below an installation prefix.
const BELOW_PREFIX: [&str; 7] = [
    "lib",
    "lib64",
    "lib/release",
    "lib/x86_64-linux-gnu",
    "lib/x86_64-linux-gnu/openmpi/lib",
    "lib/mpich/lib",
    "lib/openmpi/lib",
];

/// Where distributions and vendors put MPI libraries.
const USUAL_DIRECTORIES: [&str; 9] = [
    "/usr/lib/x86_64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/usr/lib64/mpich/lib",
    "/usr/lib64/openmpi/lib",
    "/usr/lib/x86_64-linux-gnu/openmpi/lib",
    "/usr/local/lib",
    "/opt/intel/oneapi/mpi/latest/lib",
    "/opt/cray/pe/lib64",
];

/// All existing places, each once.
pub(crate) fn places(environment: &Environment, launcher: &Launcher) -> Vec<Place> {
    let mut places = Places::default();
    if let (Some(prefix), Some(executable)) = (launcher.prefix(), &launcher.executable) {
        places.add_prefix(
            prefix,
            &format!("beside the launcher {}", executable.display()),
        );
    }
    add_hints(&mut places, environment);
    for directory in environment.directories("LD_LIBRARY_PATH") {
        places.add(directory, "LD_LIBRARY_PATH");
    }
    for executable in launchers_in_path(environment) {
        if let Some(prefix) = executable.parent().and_then(Path::parent) {
            places.add_prefix(prefix, &format!("beside {} in PATH", executable.display()));
        }
    }
    for name in ["VIRTUAL_ENV", "CONDA_PREFIX"] {
        environment
            .directories(name)
            .for_each(|prefix| places.add_prefix(&prefix, name));
    }
    for directory in linker_directories(Path::new("/etc/ld.so.conf")) {
        places.add(directory, "/etc/ld.so.conf");
    }
    for directory in USUAL_DIRECTORIES {
        places.add(PathBuf::from(directory), "a usual place");
    }
    places.found
}

/// What the MPIs' own variables say.
fn add_hints(places: &mut Places, environment: &Environment) {
    for directory in environment.directories("OMPI_LIBDIR_LOC") {
        places.add(directory, "OMPI_LIBDIR_LOC");
    }
    for name in ["OPAL_PREFIX", "I_MPI_ROOT"] {
        environment
            .directories(name)
            .for_each(|prefix| places.add_prefix(&prefix, name));
    }
}

#[derive(Debug, Default)]
struct Places {
    found: Vec<Place>,
    seen: Vec<PathBuf>,
}

impl Places {
    fn add(&mut self, directory: PathBuf, why: &str) {
        let Ok(real) = directory.canonicalize() else {
            return;
        };
        if real.is_dir() && !self.seen.contains(&real) {
            self.seen.push(real);
            self.found.push(Place {
                directory,
                why: why.to_owned(),
            });
        }
    }

    fn add_prefix(&mut self, prefix: &Path, why: &str) {
        for below in BELOW_PREFIX {
            self.add(prefix.join(below), why);
        }
    }
}

/// The real files behind `mpiexec` and `mpirun` in PATH (Debian's are links to alternatives).
fn launchers_in_path(environment: &Environment) -> Vec<PathBuf> {
    environment
        .directories("PATH")
        .flat_map(|directory| ["mpiexec", "mpirun"].map(|name| directory.join(name)))
        .filter_map(|path| path.canonicalize().ok())
        .collect()
}

/// Directories named in the dynamic linker's configuration, `include` lines followed.
fn linker_directories(configuration: &Path) -> Vec<PathBuf> {
    let Ok(text) = std::fs::read_to_string(configuration) else {
        return Vec::new();
    };
    let lines = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim());
    lines
        .filter(|line| !line.is_empty())
        .flat_map(|line| match line.strip_prefix("include ") {
            Some(pattern) => included(pattern.trim())
                .iter()
                .flat_map(|file| linker_directories(file))
                .collect(),
            None => vec![PathBuf::from(line)],
        })
        .collect()
}

/// The files of an include pattern; distributions only write `DIRECTORY/*.conf`.
fn included(pattern: &str) -> Vec<PathBuf> {
    let Some(directory) = pattern.strip_suffix("/*.conf") else {
        return vec![PathBuf::from(pattern)];
    };
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut files: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "conf"))
        .collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn include_lines_of_the_linker_configuration_are_followed() {
        let directory = tempfile::tempdir().unwrap();
        let conf_d = directory.path().join("conf.d");
        std::fs::create_dir(&conf_d).unwrap();
        std::fs::write(conf_d.join("mpi.conf"), "# MPI\n/opt/mpi/lib\n").unwrap();
        let main = directory.path().join("ld.so.conf");
        std::fs::write(
            &main,
            format!("include {}/*.conf\n/usr/local/lib\n", conf_d.display()),
        )
        .unwrap();
        assert_eq!(
            linker_directories(&main),
            [
                PathBuf::from("/opt/mpi/lib"),
                PathBuf::from("/usr/local/lib")
            ]
        );
    }
}
