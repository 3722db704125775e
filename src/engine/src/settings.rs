//! What the user set, by environment variables that the command line reads (`mana_cli::settings` parses and checks
//! them; this is what the engine needs of it).

use std::path::PathBuf;
use std::time::Duration;

use mana_descriptors::FilePolicy;
use mana_image::{Compression, FaultScript};

pub use crate::at_safe_point::SafePoint;

/// The engine's settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Time between checkpoints; none by itself when absent (`MANA_CKPT_INTERVAL`).
    pub interval: Option<Duration>,
    /// Directory of the checkpoints (`MANA_CKPT_DIR`).
    pub directory: PathBuf,
    /// Committed checkpoints to keep (`MANA_CKPT_KEEP`).
    pub keep: usize,
    /// A signal that asks for a checkpoint (`MANA_CKPT_SIGNAL`).
    pub signal: Option<i32>,
    /// Which MPI library to open below (`MANA_MPI`).
    pub mpi: String,
    /// How images are compressed (`MANA_COMPRESS`).
    pub compression: Compression,
    /// What happens at a restart with files that are not what they were (`MANA_FILES`).
    pub files: FilePolicy,
    /// Whether processes that the program starts are part of checkpoints (`MANA_CHILDREN`).
    pub children: bool,
    /// Whether a checkpoint that cannot hold everything is refused (`MANA_STRICT`).
    pub strict: bool,
    /// What goes wrong on purpose when a checkpoint is written (`MANA_DISK_FAULT`).
    pub disk_fault: Option<FaultScript>,
    /// Whether locks of windows go through shared memory where all ranks are on one node (`MANA_WINDOW_LOCKS`).
    pub shared_locks: bool,
    /// Where a checkpoint is taken for debugging (`MANA_CKPT_AT_SAFE_POINT`).
    pub at_safe_point: Option<SafePoint>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            interval: None,
            directory: PathBuf::from("ckpts"),
            keep: 2,
            signal: None,
            mpi: "auto".to_string(),
            compression: Compression::Auto,
            files: FilePolicy::Check,
            children: true,
            strict: false,
            disk_fault: None,
            shared_locks: true,
            at_safe_point: None,
        }
    }
}
