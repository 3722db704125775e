//! The handle of a running agent: what the engine calls from the rank's own threads.
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::OwnedFd;

use crate::control::ControlFileGuard;
use crate::service::Service;
use crate::signals::spawn_without_signals;
use crate::{AgentError, Contact, Cookie, Listener, RankPort};

/// Children per agent in a job's tree: few enough for one thread, so flat that 4096 ranks are four levels.
pub const DEFAULT_ARITY: u32 = 8;

/// What an agent needs to know of its job.
#[derive(Debug)]
pub struct AgentConfig {
    /// This rank in the world.
    pub rank: u32,
    /// Ranks in the world.
    pub size: u32,
    /// Children per agent, equal on all ranks; [`DEFAULT_ARITY`] but for tests.
    pub arity: u32,
    /// The contacts of all ranks, by rank.
    pub contacts: Vec<Contact>,
    /// The job's secret, made by rank 0 and broadcast.
    pub cookie: Cookie,
    /// Rank 0: time between checkpoints, measured from their beginnings.
    pub interval: Option<Duration>,
    /// Rank 0: where to write the file that lets `mana checkpoint` in.
    pub control_file: Option<PathBuf>,
    /// Rank 0: which job it is, over all its restarts; that file says it.
    pub job: String,
}

/// What other threads ask of the agent's.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Command {
    Request { kill: bool },
    Interval(Option<Duration>),
    Shutdown,
}

/// How other threads reach the agent's: a list of commands, and an eventfd that poll(2) notices.
#[derive(Debug)]
pub(crate) struct Shared {
    wake: OwnedFd,
    commands: Mutex<Vec<Command>>,
    has_commands: AtomicBool,
}

impl Shared {
    fn new() -> std::io::Result<Shared> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Shared {
            wake,
            commands: Mutex::new(Vec::new()),
            has_commands: AtomicBool::new(false),
        })
    }

    pub(crate) fn wake_fd(&self) -> &OwnedFd {
        &self.wake
    }

    /// Only a write(2): may be called from a signal handler.
    fn wake(&self) {
        // It fails only when 2^64 - 2 wakings are waiting: then the agent is going to wake up anyway.
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }

    pub(crate) fn settle_wakings(&self) {
        // It fails if nobody has woken the agent: then there is nothing to settle.
        let _ = rustix::io::read(&self.wake, &mut [0_u8; 8]);
    }

    fn command(&self, command: Command) {
        self.commands
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(command);
        self.has_commands.store(true, Ordering::Release);
        self.wake();
    }

    pub(crate) fn take_commands(&self) -> Vec<Command> {
        if !self.has_commands.swap(false, Ordering::Acquire) {
            return Vec::new();
        }
        std::mem::take(&mut *self.commands.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A running agent. Dropping it shuts it down.
#[derive(Debug)]
pub struct Agent {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Agent {
    /// Starts the agent of a rank. It joins the tree by itself, with a warning in the log if it cannot; no
    /// checkpoint begins before all ranks have joined.
    ///
    /// # Errors
    /// If `contacts` are not those of all ranks, the control file cannot be written, or no thread be made.
    pub fn start(
        listener: Listener,
        config: AgentConfig,
        port: Arc<dyn RankPort>,
    ) -> Result<Agent, AgentError> {
        if config.contacts.len() != config.size as usize {
            return Err(AgentError::WrongContacts {
                contacts: config.contacts.len(),
                size: config.size,
            });
        }
        let control_file = match &config.control_file {
            Some(path) if config.rank == 0 => Some(ControlFileGuard::write(
                path,
                &listener,
                config.cookie,
                config.size,
                &config.job,
            )?),
            _ => None,
        };
        let shared = Arc::new(Shared::new().map_err(AgentError::Thread)?);
        let service = Service::new(listener, config, port, Arc::clone(&shared));
        let body = move || {
            let _removed_at_the_end = control_file;
            service.run();
        };
        let thread =
            spawn_without_signals("mana-agent".to_owned(), body).map_err(AgentError::Thread)?;
        Ok(Agent {
            shared,
            thread: Some(thread),
        })
    }

    /// The rank's report has changed: the agent asks for it. May be called from a signal handler.
    pub fn wake(&self) {
        self.shared.wake();
    }

    /// Asks for a checkpoint of the job; any rank may. It begins when the one under way, if any, is over, and
    /// then every rank hears of it by its broadcasts; if it cannot be, [`RankPort::refused`] says so.
    pub fn request_checkpoint(&self, kill: bool) {
        self.shared.command(Command::Request { kill });
    }

    /// Sets the time between checkpoints, from now on. Only rank 0's counts.
    pub fn set_interval(&self, interval: Option<Duration>) {
        self.shared.command(Command::Interval(interval));
    }

    /// Leaves the tree in order, at the end of MPI_Finalize. From then on no checkpoint can be made of the
    /// job; one that is under way is aborted.
    pub fn shutdown(mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        let Some(thread) = self.thread.take() else {
            return;
        };
        self.shared.command(Command::Shutdown);
        if thread.join().is_err() {
            tracing::error!("the agent's thread had panicked");
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.stop();
    }
}
