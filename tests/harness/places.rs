//! Where things are: the checkout, cargo's target directory, and what the harness keeps in it.
//!
//! ```text
//!   <workspace>/target/mpi/<name>    MPIs from wheels; one copy however many target directories there are
//!   <target>/mana-root               the installed tree
//!   <target>/programs/<compiler>     programs, by what they were linked with
//! ```

use std::path::{Path, PathBuf};

/// The checkout: the folder of the workspace's Cargo.toml.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Cargo's target directory: `CARGO_TARGET_DIR`, or `target` in the checkout.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => workspace().join(dir),
        None => workspace().join("target"),
    }
}

/// Where the MPIs from wheels live, a folder each.
pub fn mpi_prefixes() -> PathBuf {
    workspace().join("target/mpi")
}

/// The installed tree: `bin`, `lib`, `include`.
pub fn install_root() -> PathBuf {
    target().join("mana-root")
}

/// Where programs built with `compiler` go.
pub fn programs(compiler: &str) -> PathBuf {
    target().join("programs").join(compiler)
}
