//! The programs jobs run: plain MPI programs, built with an MPI's own compiler wrapper or with `mana-mpicc`.
//!
//! The only difference between a "native" program and one that can be checkpointed is the wrapper it was built with.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::command::run;
use crate::error::{Context, Result};
use crate::install::Install;
use crate::lock::FileLock;
use crate::mpi::{MPICH_5, Mpi};
use crate::places;

/// A program of this repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Program {
    /// examples/mpi_ring/ring.c
    Ring,
    /// examples/mpi_ring/rust: the same ring with rsmpi.
    RingRust,
    /// The ring in C, built for the standard ABI by MPICH's `mpicc_abi`, which knows nothing of `mana`, and run by `mana run`.
    RingForeign,
    /// examples/mpi_ring/heat.c
    Heat,
    /// tests/programs/threads.c: four threads per rank, `MPI_THREAD_MULTIPLE`.
    Threads,
    /// tests/programs/openmp.c: four OpenMP threads per rank, MPI from one of them (`MPI_THREAD_FUNNELED`).
    OpenMpFunneled,
    /// The same with MPI from all four at once (`MPI_THREAD_MULTIPLE`).
    OpenMpMultiple,
    /// tests/programs/gradient.py: a conjugate gradient with mpi4py and NumPy.
    Gradient,
}

/// What a program is built with.
#[derive(Clone, Copy, Debug)]
pub enum Toolchain<'a> {
    /// An MPI's own wrapper.
    Native(&'static Mpi),
    /// `mana-mpicc`.
    Mana(&'a Install),
    /// An MPI's own wrapper for the standard ABI.
    StandardAbi(&'static Mpi),
    /// The C compiler, without any MPI.
    Plain,
}

impl Toolchain<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Native(mpi) => mpi.name,
            Self::StandardAbi(_) => "standard ABI",
            Self::Mana(_) => "mana",
            Self::Plain => "plain",
        }
    }

    fn mpicc(&self) -> PathBuf {
        match self {
            Self::Native(mpi) => mpi.mpicc(),
            Self::StandardAbi(mpi) => mpi.mpicc_abi(),
            Self::Mana(install) => install.mpicc(),
            Self::Plain => "cc".into(),
        }
    }

    fn lib(&self) -> PathBuf {
        match self {
            Self::Native(mpi) | Self::StandardAbi(mpi) => mpi.prefix().join("lib"),
            Self::Mana(install) => install.lib(),
            Self::Plain => PathBuf::new(),
        }
    }

    fn env(&self) -> Vec<(&'static str, OsString)> {
        match self {
            Self::Native(mpi) | Self::StandardAbi(mpi) => mpi
                .compiler_env()
                .into_iter()
                .map(|(name, dir)| (name, dir.into()))
                .collect(),
            Self::Mana(_) | Self::Plain => Vec::new(),
        }
    }
}

impl Program {
    /// Its name in messages and file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ring => "ring",
            Self::RingRust => "ring_rust",
            Self::RingForeign => "ring of another's making",
            Self::Heat => "heat",
            Self::Threads => "threads",
            Self::OpenMpFunneled => "openmp funneled",
            Self::OpenMpMultiple => "openmp multiple",
            Self::Gradient => "gradient",
        }
    }

    /// How many ranks the tests run it with.
    pub fn ranks(self) -> u32 {
        match self {
            Self::Threads => 2,
            _ => 4,
        }
    }

    /// Arguments with which it takes at least `seconds`, on however fast a machine: every step has a pause of 20 ms, in
    /// which messages are in flight.
    pub fn args_for(self, seconds: u32) -> Vec<String> {
        let steps = (seconds * 50).to_string();
        let gradient = test_program("gradient.py").display().to_string();
        let words: &[&str] = match self {
            Self::Ring | Self::RingRust | Self::RingForeign | Self::Threads => &[&steps],
            Self::Heat => &["256", &steps],
            Self::OpenMpFunneled => &["funneled", &steps],
            Self::OpenMpMultiple => &["multiple", &steps],
            Self::Gradient => &[&gradient, "64", &steps],
        };
        let pause = ["--pause-us", "20000", "--progress"];
        words
            .iter()
            .chain(&pause)
            .map(|&word| word.to_owned())
            .collect()
    }

    /// Builds it, once per process and toolchain; gives the executable.
    ///
    /// # Errors
    /// The compiler failed.
    pub fn build(self, toolchain: Toolchain<'_>) -> Result<PathBuf> {
        static BUILT: LazyLock<Mutex<HashMap<(Program, String), PathBuf>>> =
            LazyLock::new(Mutex::default);
        // A panic elsewhere leaves the map as whole as it was: it only ever gains entries.
        let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (self, toolchain.name().to_owned());
        if let Some(executable) = built.get(&key) {
            return Ok(executable.clone());
        }
        let executable = match self {
            Self::Ring => build_c(&example("ring.c"), toolchain)?,
            Self::Heat => build_c(&example("heat.c"), toolchain)?,
            Self::Threads => build_c(&test_program("threads.c"), toolchain)?,
            Self::OpenMpFunneled | Self::OpenMpMultiple => {
                build_c(&test_program("openmp.c"), toolchain)?
            }
            Self::Gradient => crate::python::environment(toolchain)?,
            Self::RingForeign => match toolchain {
                Toolchain::Mana(_) => {
                    MPICH_5.provision()?;
                    build_c(&example("ring.c"), Toolchain::StandardAbi(&MPICH_5))?
                }
                _ => build_c(&example("ring.c"), toolchain)?,
            },
            Self::RingRust => build_rust(toolchain)?,
        };
        built.insert(key, executable.clone());
        Ok(executable)
    }
}

fn test_program(file: &str) -> PathBuf {
    places::workspace().join("tests/programs").join(file)
}

fn example(file: &str) -> PathBuf {
    places::workspace().join("examples/mpi_ring").join(file)
}

/// Begins a line of a source that says what else the compiler is told.
const FLAGS: &str = "// flags: ";
/// Defined when a source that asks for it (it has an `#ifdef` of it) is built a second time, as a library beside the program.
const LIBRARY: &str = "BUILD_LIBRARY";

/// Compiles one C (or, without MPI, C++ or Rust) file into an executable of its name, and perhaps a library: `name.so` beside it.
///
/// # Errors
/// The compiler failed, or its output could not be put in its place.
pub fn build_c(source: &Path, toolchain: Toolchain<'_>) -> Result<PathBuf> {
    let dir = places::programs(toolchain.name());
    std::fs::create_dir_all(&dir).context("create", &dir)?;
    let _lock = FileLock::acquire(&dir.join("build.lock"))?;
    let executable = dir.join(source.file_stem().unwrap_or(source.as_os_str()));
    let text = std::fs::read_to_string(source).context("read", source)?;
    if text.contains(LIBRARY) {
        let define = format!("-D{LIBRARY}");
        let library = executable.with_extension("so");
        compile(source, toolchain, &["-shared", "-fPIC", &define], &library)?;
    }
    let flags = text.lines().filter_map(|line| line.strip_prefix(FLAGS));
    let flags: Vec<&str> = flags.flat_map(str::split_whitespace).collect();
    compile(source, toolchain, &flags, &executable)?;
    Ok(executable)
}

/// What C and C++ compilers are told.
const C_OPTIONS: [&str; 5] = ["-O2", "-g", "-Wall", "-Wextra", "-pthread"];

/// Compiles `source` into `result`, in one step for who looks at it.
fn compile(source: &Path, toolchain: Toolchain<'_>, flags: &[&str], result: &Path) -> Result<()> {
    let beside = result.with_extension("new");
    let language = source.extension().and_then(|it| it.to_str());
    let (compiler, options): (PathBuf, &[&str]) = match (toolchain, language) {
        (Toolchain::Plain, Some("rs")) => ("rustc".into(), &["-Copt-level=2"]),
        (Toolchain::Plain, Some("cpp")) => ("c++".into(), &C_OPTIONS),
        _ => (toolchain.mpicc(), &C_OPTIONS),
    };
    let mut compile = Command::new(compiler);
    compile
        .envs(toolchain.env())
        .args(options)
        .arg(source)
        .args(flags)
        .arg("-o")
        .arg(&beside);
    run(&mut compile)?;
    std::fs::rename(&beside, result).context("move into place", result)
}

/// Builds the Rust ring. Each toolchain has a target directory of its own: rsmpi's build does not notice that `MPICC` changed.
fn build_rust(toolchain: Toolchain<'_>) -> Result<PathBuf> {
    crate::mpi::provision_libclang()?;
    let target = places::programs(toolchain.name()).join("rust");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(example("rust"))
        .args(["build", "--quiet", "--release"])
        .env("CARGO_TARGET_DIR", &target)
        .env("MPICC", toolchain.mpicc())
        // cargo knows where the library is when it links; the program must know it when it starts.
        .env(
            "RUSTFLAGS",
            format!("-Clink-arg=-Wl,-rpath,{}", toolchain.lib().display()),
        )
        .env_remove("MPI_PKG_CONFIG")
        .envs(toolchain.env());
    run(&mut cargo)?;
    Ok(target.join("release/mpi_ring"))
}
