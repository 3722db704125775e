//! Two kinds of failure: [`MpiError`], which a call hands to the application's error handler, and [`EngineError`],
//! which stops `mana` itself (no MPI found, a damaged image …).

use mana_table::constants as mpi;

/// What goes back to the application: an error class of the standard and the sentence for `MPI_Error_string`.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct MpiError {
    /// Error class in the standard ABI's numbering (MPI-5.0 section 9.4); also the error code returned.
    pub class: i32,
    /// What failed and why.
    pub message: String,
}

impl MpiError {
    /// An error of `class`.
    pub fn new(class: i32, message: impl Into<String>) -> Self {
        Self {
            class,
            message: message.into(),
        }
    }

    /// A handle that is not, or no longer, a valid one of its kind.
    pub fn bad_handle(class: i32, kind: &str, value: u64) -> Self {
        Self::new(class, format!("{value:#x} is not a valid {kind} handle"))
    }

    /// An argument out of range.
    pub fn argument(message: impl Into<String>) -> Self {
        Self::new(mpi::MPI_ERR_ARG, message)
    }

    /// A function that is not implemented yet.
    pub fn unsupported(name: &str, reason: &str) -> Self {
        Self::new(
            mpi::MPI_ERR_UNSUPPORTED_OPERATION,
            format!("{name}: {reason} (`mana functions` lists what is)"),
        )
    }
}

/// The result of serving one MPI call.
pub type Call = Result<(), MpiError>;

/// What stops `mana` itself.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The split process could not be set up.
    #[error(transparent)]
    Split(#[from] mana_split::Error),
    /// No usable MPI library below.
    #[error(transparent)]
    Native(#[from] mana_native::Error),
    /// Another process of the program cannot be saved or started again.
    #[error("{member}: {why}")]
    Family {
        /// Which, for people.
        member: String,
        /// What is in the way.
        why: String,
    },
    /// The image cannot be read or written.
    #[error(transparent)]
    Image(#[from] mana_image::ImageError),
    /// The program's descriptors cannot be saved or opened again.
    #[error(transparent)]
    Descriptors(#[from] mana_descriptors::DescriptorError),
    /// The agents' sockets cannot be set up.
    #[error(transparent)]
    Agent(#[from] mana_agent::AgentError),
    /// Something cannot be kept, and `MANA_STRICT` asks for all or nothing.
    #[error("MANA_STRICT is set, and not all of the program can be kept: {0}")]
    NotAll(String),
    /// A limit leaves too little address space for a checkpoint.
    #[error(
        "a checkpoint needs {needed_bytes} bytes of address space, and the limit of {limit_bytes} (ulimit -v) leaves {left_bytes}; \
         raise it (`prlimit --as` does so for a process that runs), or start the program with a greater one"
    )]
    AddressSpace {
        /// What a checkpoint needs.
        needed_bytes: u64,
        /// The limit, RLIMIT_AS.
        limit_bytes: u64,
        /// What it leaves.
        left_bytes: u64,
    },
    /// The program's working directory is not there.
    #[error(
        "the program's working directory, {}, cannot be entered: {source}; make it (or the file system that it is on) available \
         and restart again, or set MANA_FILES=accept to go on in the directory of the restart",
        path.display()
    )]
    Directory {
        /// The directory.
        path: std::path::PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A setting is wrong.
    #[error("{0}")]
    Setting(String),
    /// The image was made by another number of ranks.
    #[error(
        "the checkpoint in {directory} was taken by {image_ranks} ranks, but the launcher started {launched_ranks}; \
         start as many ranks as the job had (mpirun -n {image_ranks} mana restart …)"
    )]
    RankCount {
        /// The checkpoint.
        directory: String,
        /// Ranks at the checkpoint.
        image_ranks: u32,
        /// Ranks started now.
        launched_ranks: u32,
    },
    /// A native call needed for start or restart failed.
    #[error("{doing}: {function} failed below: {reason}")]
    NativeCall {
        /// What was being done.
        doing: &'static str,
        /// The native function.
        function: &'static str,
        /// The native error text.
        reason: String,
    },
    /// The metadata of the image does not decode.
    #[error(
        "the engine's state in the image does not decode: {0}; was it written by a newer mana?"
    )]
    State(String),
    /// An operating system call failed.
    #[error("{doing}: {source}")]
    Os {
        /// What was being done.
        doing: String,
        /// Why it failed.
        source: std::io::Error,
    },
}

impl From<mana_record_replay::error::ObjectError> for MpiError {
    fn from(error: mana_record_replay::error::ObjectError) -> Self {
        Self::new(error.class().0, error.to_string())
    }
}
