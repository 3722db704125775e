//! Python environments with mpi4py and NumPy, installed by pip.
//!
//! ```text
//!   native   mpi4py's wheel, which loads whichever MPI MPI4PY_LIBMPI names          (one for all MPIs)
//!   mana     mpi4py from its source, built for the standard ABI with mana-mpicc
//! ```

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::run;
use crate::error::{Context, Result};
use crate::lock::FileLock;
use crate::mpi::{Family, Mpi};
use crate::places;
use crate::programs::Toolchain;

/// The release of mpi4py.
pub const MPI4PY: &str = "mpi4py==4.1.2";

/// The interpreter of the environment for `toolchain`, which is made if it is not there.
///
/// # Errors
/// pip failed.
pub fn environment(toolchain: Toolchain<'_>) -> Result<PathBuf> {
    match toolchain {
        Toolchain::Native(_) | Toolchain::StandardAbi(_) | Toolchain::Plain => {
            install("native", &["--only-binary", ":all:"], &[])
        }
        Toolchain::Mana(mana) => {
            let mpicc = mana.mpicc();
            let env = [
                ("MPI4PY_BUILD_MPIABI", Path::new("1")),
                ("MPI4PY_BUILD_MPICC", &mpicc),
            ];
            install("mana", &["--no-binary", "mpi4py"], &env)
        }
    }
}

fn home() -> PathBuf {
    places::target().join("python")
}

fn install(name: &str, options: &[&str], env: &[(&str, &Path)]) -> Result<PathBuf> {
    let folder = home().join(name);
    std::fs::create_dir_all(&folder).context("create", &folder)?;
    let _lock = FileLock::acquire(&home().join(name).with_extension("lock"))?;
    let done = folder.join("complete");
    if !done.exists() {
        eprintln!("   installing mpi4py ({name}); some minutes where it is compiled");
        run(Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&folder))?;
        run(Command::new(folder.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet"])
            .args(options)
            .args([MPI4PY, "numpy"])
            .envs(env.iter().copied()))?;
        std::fs::write(&done, "").context("create", &done)?;
    }
    Ok(folder.join("bin/python"))
}

/// What the native environment's mpi4py has to be told to run over `mpi`.
///
/// # Errors
/// A folder for it cannot be made.
pub fn native_env(mpi: &'static Mpi) -> Result<[(&'static str, PathBuf); 2]> {
    Ok([
        ("MPI4PY_LIBMPI", mpi.library()),
        ("LD_LIBRARY_PATH", library_folder(mpi)?),
    ])
}

/// A folder in which the MPI's library has the name that mpi4py's wheel asks for: Debian's MPICH is called otherwise.
fn library_folder(mpi: &'static Mpi) -> Result<PathBuf> {
    let library = mpi.library();
    let name = match mpi.family {
        Family::Mpich => "libmpi.so.12",
        Family::OpenMpi => "libmpi.so.40",
    };
    if library.file_name().is_some_and(|own| own == name) {
        return Ok(library.parent().unwrap_or(Path::new("/")).to_owned());
    }
    let folder = home().join(mpi.name);
    std::fs::create_dir_all(&folder).context("create", &folder)?;
    let link = folder.join(name);
    if link.symlink_metadata().is_err() {
        std::os::unix::fs::symlink(&library, &link).context("create", &link)?;
    }
    Ok(folder)
}
