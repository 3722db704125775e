//! What can go wrong outside a running agent; a running one logs, and aborts the checkpoint under way.
use std::path::PathBuf;

/// An error of starting an agent or of reaching one.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// No socket to listen at.
    #[error("the agent of this rank cannot open its socket: {0}")]
    Listen(#[source] std::io::Error),
    /// The bytes of a contact came from another version, or were damaged on the way.
    #[error(
        "the contact of an agent is unreadable: {0}; do all ranks run the same version of mana?"
    )]
    BadContact(String),
    /// The number of contacts is not the number of ranks.
    #[error("{contacts} contacts for {size} ranks")]
    WrongContacts {
        /// Contacts given.
        contacts: usize,
        /// Ranks in the job.
        size: u32,
    },
    /// The thread could not be made.
    #[error("the agent's thread cannot be started: {0}; see the limits on processes (ulimit -u)")]
    Thread(#[source] std::io::Error),
    /// The file that tells `mana checkpoint` where the job is.
    #[error("cannot {what} the control file {path}: {source}")]
    ControlFile {
        /// What was tried.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// The control file is not one.
    #[error("the control file {path} is unreadable: {reason}")]
    BadControlFile {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Nobody answers where the control file says.
    #[error(
        "no running job answers at {tried}: {reason}; if the job was killed, its control file is left over"
    )]
    NoJob {
        /// Addresses tried.
        tried: String,
        /// The last error.
        reason: String,
    },
    /// The job went away while a checkpoint was asked for.
    #[error("the job closed the connection before the checkpoint was finished: {0}")]
    Lost(String),
}
