//! `mana checkpoint`: how a process outside the job asks for a checkpoint and hears what becomes of it.
//!
//! Rank 0's agent writes a file with its addresses and the job's cookie, readable by its owner only; who can
//! read it may ask. The file goes when the agent is shut down.
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::contact::Contact;
use crate::wire::{self, Ask, Cookie, Tell, Who};
use crate::{AgentError, Listener};

/// How long to try to connect to one address.
pub(crate) const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// How far a checkpoint has got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Progress {
    /// The request waits for all ranks to have started, or for the checkpoint under way to end.
    Queued,
    /// The ranks' collectives are being brought into step.
    Converging,
    /// All ranks are parking and draining.
    Stopping,
    /// The cut is made; images are being written.
    Writing {
        /// Number of the checkpoint's directory.
        number: u64,
    },
}

/// What became of a request for a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The checkpoint is there.
    Committed {
        /// Number of its directory.
        number: u64,
    },
    /// It was tried and given up; the job runs on.
    Aborted {
        /// Why.
        reason: String,
    },
    /// It was not tried.
    Refused {
        /// Why.
        reason: String,
    },
}

/// What the control file says (JSON).
#[derive(Debug, Serialize, Deserialize)]
pub struct ControlFile {
    /// Where rank 0's agent is.
    pub contact: Contact,
    /// The job's secret.
    pub cookie: Cookie,
    /// Number of ranks, for messages.
    pub size: u32,
    /// Which job it is, over all its restarts.
    #[serde(default)]
    pub job: String,
}

impl ControlFile {
    /// Reads a control file.
    ///
    /// # Errors
    /// If there is none, or it is not one.
    pub fn read(path: &Path) -> Result<ControlFile, AgentError> {
        let failed = |source| AgentError::ControlFile {
            what: "read",
            path: path.to_owned(),
            source,
        };
        let text = std::fs::read_to_string(path).map_err(failed)?;
        serde_json::from_str(&text).map_err(|error| AgentError::BadControlFile {
            path: path.to_owned(),
            reason: error.to_string(),
        })
    }

    /// Writes it whole or not at all, never readable by others.
    fn write(&self, path: &Path) -> Result<(), AgentError> {
        let text =
            serde_json::to_vec(self).expect("a control file has no part that cannot be encoded");
        let unfinished = path.with_extension("new");
        let write = || -> std::io::Result<()> {
            // What a crashed job left may have another mode: the mode below only counts for a new file.
            match std::fs::remove_file(&unfinished) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut options = std::fs::OpenOptions::new();
            options
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&unfinished)?
                .write_all(&text)?;
            std::fs::rename(&unfinished, path)
        };
        write().map_err(|source| AgentError::ControlFile {
            what: "write",
            path: path.to_owned(),
            source,
        })
    }
}

/// The control file of a running job; removed on drop, unless another job has put its own there.
#[derive(Debug)]
pub(crate) struct ControlFileGuard {
    path: PathBuf,
    cookie: Cookie,
}

impl ControlFileGuard {
    pub(crate) fn write(
        path: &Path,
        listener: &Listener,
        cookie: Cookie,
        size: u32,
        job: &str,
    ) -> Result<Self, AgentError> {
        ControlFile {
            contact: listener.contact.clone(),
            cookie,
            size,
            job: job.to_owned(),
        }
        .write(path)?;
        let path = path.to_owned();
        Ok(ControlFileGuard { path, cookie })
    }
}

impl Drop for ControlFileGuard {
    fn drop(&mut self) {
        let path = &self.path;
        if ControlFile::read(path).is_ok_and(|now| now.cookie.0 != self.cookie.0) {
            return;
        }
        if let Err(error) = std::fs::remove_file(path) {
            tracing::debug!(path = %path.display(), %error, "the control file was gone already");
        }
    }
}

/// Asks the job of `control_file` for a checkpoint, waits until it is finished, and tells how it went;
/// meanwhile `on_progress` hears how far it has got. With `kill`, the job ends once it is saved.
///
/// # Errors
/// If the job cannot be reached or goes away meanwhile.
pub fn request(
    control_file: &Path,
    kill: bool,
    mut on_progress: impl FnMut(&Progress),
) -> Result<Outcome, AgentError> {
    let file = ControlFile::read(control_file)?;
    let mut socket = connect(&file)?;
    let mut talk = || -> std::io::Result<Outcome> {
        socket.write_all(&wire::frame(&Ask::Checkpoint { kill }))?;
        let mut received = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            while let Some(told) = wire::unframe(&mut received).map_err(std::io::Error::other)? {
                match told {
                    Tell::Progress(progress) => on_progress(&progress),
                    Tell::Outcome(outcome) => return Ok(outcome),
                }
            }
            match socket.read(&mut chunk)? {
                0 => return Err(std::io::Error::other("end of file")),
                length => received.extend_from_slice(&chunk[..length]),
            }
        }
    };
    talk().map_err(|error| AgentError::Lost(error.to_string()))
}

/// What a control file says of a job that runs: its rank 0 answers, within a second for each address.
#[must_use]
pub fn running(control_file: &Path) -> Option<ControlFile> {
    const PATIENCE: Duration = Duration::from_secs(1);
    let file = ControlFile::read(control_file).ok()?;
    let endpoints = file.contact.endpoints(&crate::contact::namespace());
    let answers = |endpoint: &SocketAddr| {
        let patience = (PATIENCE, PATIENCE);
        greet_within(
            patience,
            *endpoint,
            &file.cookie,
            Who::Control,
            Who::Rank(0),
        )
        .is_ok()
    };
    endpoints.iter().any(answers).then_some(file)
}

/// Tries the contact's addresses in turn until one answers with the job's cookie.
fn connect(file: &ControlFile) -> Result<TcpStream, AgentError> {
    let here = crate::contact::namespace();
    let endpoints = file.contact.endpoints(&here);
    let mut reason = "it has no address".to_owned();
    for endpoint in &endpoints {
        match greet(*endpoint, &file.cookie, Who::Control, Who::Rank(0)) {
            Ok(socket) => return Ok(socket),
            Err(error) => reason = error.to_string(),
        }
    }
    let tried: Vec<String> = endpoints.iter().map(SocketAddr::to_string).collect();
    Err(AgentError::NoJob {
        tried: format!("{} ({})", file.contact.hostname, tried.join(", ")),
        reason,
    })
}

/// How long an agent may take to answer a greeting: its job may still be starting.
const GREETING_PATIENCE: Duration = Duration::from_secs(30);

/// Connects, greets as `me`, and makes sure that it is `other` who answers. The socket blocks.
pub(crate) fn greet(
    endpoint: SocketAddr,
    cookie: &Cookie,
    me: Who,
    other: Who,
) -> std::io::Result<TcpStream> {
    let patience = (CONNECT_PATIENCE, GREETING_PATIENCE);
    greet_within(patience, endpoint, cookie, me, other)
}

/// The same, with this patience for the connection and for the answer.
fn greet_within(
    (connecting, answering): (Duration, Duration),
    endpoint: SocketAddr,
    cookie: &Cookie,
    me: Who,
    other: Who,
) -> std::io::Result<TcpStream> {
    let mut socket = TcpStream::connect_timeout(&endpoint, connecting)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(answering))?;
    socket.write_all(&wire::greeting(cookie, me))?;
    let mut answer = [0; wire::GREETING_BYTES];
    socket.read_exact(&mut answer)?;
    let who = wire::read_greeting(cookie, &answer).map_err(std::io::Error::other)?;
    if who != other {
        return Err(std::io::Error::other(format!(
            "{who:?} answers where {other:?} should"
        )));
    }
    socket.set_read_timeout(None)?;
    Ok(socket)
}
