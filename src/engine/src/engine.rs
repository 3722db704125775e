//! The engine's state: one per process, in the lower half.
//!
//! ```text
//!   SETTINGS   from the environment           set once
//!   NATIVE     the MPI library below          opened at MPI_Init, or first of all at a restart
//!   STATE      objects, requests, queues      behind a lock, held for moments; what survives is serialised from here
//!   publish    handles for the hot paths      lock-free copy of parts of STATE
//!   CUT        phases, parked threads         see `cut`
//! ```
//!
//! Lock rule: no call into the native library that may block or call back is made with [`state`] locked.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use mana_native::Native;
use mana_record_replay::file::Files;
use mana_record_replay::handle::kind;
use mana_record_replay::message::{DrainedMessage, UnexpectedQueue};
use mana_record_replay::session::Sessions;
use mana_record_replay::table::Table;
use mana_record_replay::win::Windows;
use mana_table::constants as mpi;
use serde::{Deserialize, Serialize};

use crate::buffered::Buffers;
use crate::calls::{Allocations, Bridges, Fortran, Leaving};
use crate::carriers::Carriers;
use crate::comms::Comms;
use crate::error::MpiError;
use crate::foreign::Foreign;
use crate::objects::Objects;
use crate::origins::Origins;
use crate::p2p::Matched;
use crate::partitioned::Partitioned;
use crate::predefined_attributes::Page;
use crate::progress::Records;
use crate::publish::CommSlot;
use crate::request::{Kind, Progress, Request, RequestId};
use crate::restarts::Restarts;
use crate::settings::Settings;
use crate::side_channel::Outgoing;
use crate::status::Completion;
use crate::tools::Tools;
use crate::windows::WindowsBelow;

static NATIVE: OnceLock<Native> = OnceLock::new();
static SETTINGS: OnceLock<Settings> = OnceLock::new();
static STATE: Mutex<Option<Box<State>>> = Mutex::new(None);

/// Where the process is in the life of MPI (MPI-5.0 section 11.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Life {
    /// Before `MPI_Init`.
    Before,
    /// Between `MPI_Init` and `MPI_Finalize`.
    Running,
    /// After `MPI_Finalize`.
    Finalized,
}

/// Everything that the lock guards. What is not skipped is saved in the image.
#[derive(Debug, Serialize, Deserialize)]
pub struct State {
    /// Before, during or after MPI.
    pub life: Life,
    /// The thread level given to the application, as the standard's constant.
    pub thread_level: i32,
    /// The thread level of the native library, which a session may have started with a higher one.
    #[serde(default)]
    pub native_level: i32,
    /// FS base of the thread that initialised MPI.
    pub init_thread_fs: u64,
    /// Communicators.
    pub comms: Comms,
    /// What persistent collectives travel on.
    #[serde(default)]
    pub carriers: Carriers,
    /// Groups, datatypes, operations, infos, keyvals, error handlers.
    pub objects: Objects,
    /// Requests.
    pub requests: Table<kind::Request, Request>,
    /// Requests given back while active.
    pub orphans: VecDeque<RequestId>,
    /// Messages out of matching.
    pub messages: Table<kind::Message, Matched>,
    /// Messages drained and not yet received, by communicator.
    pub unexpected: UnexpectedQueue,
    /// What interrupted calls had started.
    pub records: Records,
    /// Where the values of the predefined attributes lie.
    #[serde(default)]
    pub attribute_page: Option<Page>,
    /// Memory given out by `MPI_Alloc_mem`.
    #[serde(default)]
    pub memory: Allocations,
    /// Restarts so far, and what the program does after one.
    #[serde(default)]
    pub restarts: Restarts,
    /// Windows.
    #[serde(default)]
    pub windows: Windows,
    /// What they have below.
    #[serde(skip)]
    pub windows_below: WindowsBelow,
    /// Open files.
    #[serde(default)]
    pub files: Files,
    /// Sessions.
    #[serde(default)]
    pub sessions: Sessions,
    /// Which sessions groups and communicators come of.
    #[serde(default)]
    pub origins: Origins,
    /// Buffers attached for buffered sends.
    #[serde(default)]
    pub buffers: Buffers,
    /// Partitioned communication.
    #[serde(default)]
    pub partitioned: Partitioned,
    /// Messages of the side channel that the network has not taken yet.
    #[serde(default)]
    pub outgoing: Outgoing,
    /// How far this rank has got in `MPI_Finalize`.
    #[serde(default)]
    pub leaving: Leaving,
    /// Processes of other jobs.
    #[serde(default)]
    pub foreign: Foreign,
    /// The tool information interface.
    #[serde(default)]
    pub tools: Tools,
    /// Intercommunicators of groups in the making.
    #[serde(default)]
    pub bridges: Bridges,
    /// What the program said about Fortran's types.
    #[serde(default)]
    pub fortran: Fortran,
}

impl Default for State {
    fn default() -> Self {
        Self {
            life: Life::Before,
            thread_level: mpi::MPI_THREAD_SINGLE,
            native_level: mpi::MPI_THREAD_SINGLE,
            init_thread_fs: 0,
            comms: Comms::default(),
            carriers: Carriers::default(),
            objects: Objects::default(),
            requests: Table::default(),
            orphans: VecDeque::new(),
            messages: Table::default(),
            unexpected: UnexpectedQueue::default(),
            records: Records::default(),
            attribute_page: None,
            memory: Allocations::default(),
            restarts: Restarts::default(),
            windows: Windows::default(),
            windows_below: WindowsBelow::default(),
            files: Files::default(),
            sessions: Sessions::default(),
            origins: Origins::default(),
            buffers: Buffers::default(),
            partitioned: Partitioned::default(),
            outgoing: Outgoing::default(),
            leaving: Leaving::default(),
            foreign: Foreign::default(),
            tools: Tools::default(),
            bridges: Bridges::default(),
            fortran: Fortran::default(),
        }
    }
}

/// Sets the settings; the first call counts.
pub fn set_settings(settings: Settings) {
    let _ = SETTINGS.set(settings);
}

/// The settings.
pub fn settings() -> &'static Settings {
    SETTINGS.get_or_init(Settings::default)
}

/// The locked state.
pub struct StateGuard(MutexGuard<'static, Option<Box<State>>>);

impl std::ops::Deref for StateGuard {
    type Target = State;
    fn deref(&self) -> &State {
        self.0
            .as_deref()
            .expect("the guard is made with a state inside")
    }
}

impl std::ops::DerefMut for StateGuard {
    fn deref_mut(&mut self) -> &mut State {
        self.0
            .as_deref_mut()
            .expect("the guard is made with a state inside")
    }
}

/// Locks the state.
#[inline]
pub fn state() -> StateGuard {
    let mut guard = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    if guard.is_none() {
        *guard = Some(Box::default());
    }
    StateGuard(guard)
}

/// Replaces the state by one from an image.
pub fn restore_state(restored: State) {
    crate::progress::restored(&restored.records);
    *STATE.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(restored));
}

/// Takes over the native library that was opened.
pub fn set_native(native: Native) -> &'static Native {
    NATIVE.get_or_init(|| native)
}

/// The native library, while MPI is running.
#[inline]
pub fn native() -> Result<&'static Native, MpiError> {
    NATIVE.get().ok_or_else(not_running)
}

/// The error of a call outside the life of MPI.
#[cold]
pub fn not_running() -> MpiError {
    MpiError::new(
        mpi::MPI_ERR_OTHER,
        "called before MPI_Init or after MPI_Finalize",
    )
}

/// The native library if it was opened.
pub fn try_native() -> Option<&'static Native> {
    NATIVE.get()
}

impl State {
    /// The native request of an active request; `None` when it is complete or inactive.
    pub fn native_request(&self, id: RequestId) -> Result<Option<u64>, MpiError> {
        match self.requests.get(id) {
            Some(request) => Ok(match request.progress {
                Progress::Active => request.native,
                Progress::Inactive | Progress::Done(_) => None,
            }),
            None => Err(MpiError::bad_handle(
                mpi::MPI_ERR_REQUEST,
                "request",
                u64::from(id.word()),
            )),
        }
    }

    /// What an inactive persistent request would start.
    pub fn startable(&self, id: RequestId) -> Result<Kind, MpiError> {
        match self.requests.get(id) {
            Some(request) if request.persistent && request.progress == Progress::Inactive => {
                Ok(request.kind)
            }
            Some(request) if request.persistent => Err(MpiError::new(
                mpi::MPI_ERR_REQUEST,
                "the persistent request is started already",
            )),
            _ => Err(MpiError::new(
                mpi::MPI_ERR_REQUEST,
                "the request is not a persistent one",
            )),
        }
    }

    /// Takes the oldest drained message that matches.
    pub fn take_drained(
        &mut self,
        comm: &CommSlot,
        source: i32,
        tag: i32,
    ) -> Option<DrainedMessage> {
        let message = self.unexpected.take_match(comm.gid(), source, tag)?;
        comm.count_queued(-1);
        Some(message)
    }

    /// Looks at the oldest drained message that matches.
    pub fn peek_drained(&mut self, comm: &CommSlot, source: i32, tag: i32) -> Option<Completion> {
        let message = self.unexpected.peek_match(comm.gid(), source, tag)?;
        Some(Completion::message(
            message.source,
            message.tag,
            message.bytes.len() as i64,
        ))
    }

    /// Appends a drained message.
    pub fn push_drained(&mut self, comm: &CommSlot, message: DrainedMessage) {
        self.unexpected.push(message);
        comm.count_queued(1);
    }
}
