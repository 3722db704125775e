//! Programs that check MPI functions by themselves: tests/programs/calls, a C file per chapter, each of which says `ok`.

use crate::error::{Context, Result, SuiteError};
use crate::programs::{Toolchain, build_c};
use crate::{JobSpec, Mpi, install, places};

/// Runs tests/programs/calls/`name`.c with mana over `mpi` on `ranks` ranks.
///
/// # Errors
/// It does not build, does not end well, or does not say `ok`.
pub fn checks_itself(name: &str, mpi: &'static Mpi, ranks: u32) -> Result<()> {
    let install = install()?;
    mpi.provision()?;
    let source = places::workspace()
        .join("tests/programs/calls")
        .join(name)
        .with_extension("c");
    let program = build_c(&source, Toolchain::Mana(&install))?;
    let directory = places::target().join("calls");
    std::fs::create_dir_all(&directory).context("create", &directory)?;
    let job = JobSpec::new(mpi, ranks, program).env("MANA_CKPT_DIR", &directory);
    let finished = job.run()?.successful()?;
    if finished.stdout.lines().any(|line| line == "ok") {
        return Ok(());
    }
    let output = finished.output();
    Err(SuiteError::Failed {
        command: finished.command,
        status: finished.status,
        output,
    })
}

/// A test per program, on the MPI named by the module's `MPI`.
#[macro_export]
macro_rules! calls {
    ($mpi:ident: $($name:ident $ranks:literal,)*) => {
        $(
            #[test]
            fn $name() {
                $crate::crossing::passes($crate::calls::checks_itself(
                    stringify!($name),
                    &$crate::mpi::$mpi,
                    $ranks,
                ));
            }
        )*
    };
}
