//! Bringing the native library up, and taking it down: the same steps for `MPI_Init` and for a restart.
//!
//! ```text
//!   dlopen the library -> native MPI_Init_thread -> publish predefined handles, world, self
//!     -> listener; contacts by Allgather, cookie by Bcast -> agent thread
//! ```
//!
//! All signals are blocked meanwhile, so threads that the library starts inherit that and count as lower half.

use std::path::PathBuf;
use std::sync::OnceLock;

use mana_agent::{Agent, AgentConfig, CONTACT_BYTES, Contact, Cookie, Listener};
use mana_native::{Choice, Environment, Native};
use mana_split::signals::with_all_blocked;
use mana_table::constants as mpi;
use mana_table::fns;

use crate::engine::{self, settings, state};
use crate::error::{EngineError, MpiError};
use crate::messages::say;
use crate::publish::{self, CommSlot};
use crate::{
    checkpoint, comms, cores, cut, family, foreign, forwarded_signal, native_call, side_channel,
    wait,
};

/// Where a job's control file lies in its directory of checkpoints.
pub const CONTROL_FILE_NAME: &str = "job.mana";

/// Rank and size of this process in `MPI_COMM_WORLD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct World {
    /// Rank.
    pub rank: u32,
    /// Number of ranks.
    pub size: u32,
}

static WORLD: OnceLock<World> = OnceLock::new();

/// Rank and size, once MPI is up.
pub fn world() -> Option<World> {
    WORLD.get().copied()
}

/// States rank and size, once: of a process that has MPI, or is a job by itself.
pub fn set_world(world: World) {
    let _ = WORLD.set(world);
}

/// A native call needed to get going failed.
fn failed(doing: &'static str, function: &'static str) -> impl Fn(MpiError) -> EngineError {
    move |error| EngineError::NativeCall {
        doing,
        function,
        reason: error.message,
    }
}

/// Opens the native library and initialises it with thread level `required` (standard's constant). Returns the level
/// it provides.
pub fn start_native(required: i32) -> Result<(World, i32), EngineError> {
    with_all_blocked(|| {
        let choice: Choice = settings().mpi.parse()?;
        let mut native = Native::open(&choice, &Environment::current())?;
        let below = level_below(required);
        native.settle_before_init(below);
        let level = init_thread(&native, required, below)
            .map_err(failed("starting MPI", "MPI_Init_thread"))?;
        native.settle_after_init();
        crate::leave::own();
        let world = read_world(&native).map_err(failed("starting MPI", "MPI_Comm_rank"))?;
        native.check_world_size(world.size)?;
        set_world(world);
        let native = engine::set_native(native);
        if crate::calls::native_parent(native)
            .map_err(failed("starting MPI", "MPI_Comm_get_parent"))?
            .is_some()
        {
            foreign::note_spawned();
        }
        publish_predefined(native);
        tracing::info!(
            rank = world.rank,
            size = world.size,
            library = native.version(),
            "MPI is up"
        );
        Ok((world, level))
    })
}

/// The thread level that the library below has to provide.
///
/// An application that serialises its calls does not serialise them with the drain, which the thread that initialised
/// MPI runs while another may be in a call: below, that is several threads at once.
fn level_below(required: i32) -> i32 {
    match required {
        mpi::MPI_THREAD_SERIALIZED => mpi::MPI_THREAD_MULTIPLE,
        level => level,
    }
}

/// Native `MPI_Init_thread`, of level `below` for an application that wants `required`.
fn init_thread(native: &Native, required: i32, below: i32) -> Result<i32, MpiError> {
    let mut provided = 0_u64;
    let below = mana_native::int(native.thread_level_to_native(below));
    native_call::call(
        native,
        fns::MPI_INIT_THREAD,
        &[0, 0, below, native_call::out(&mut provided)],
    )?;
    let provided = match native.thread_level_from_native(provided as i32) {
        mpi::MPI_THREAD_MULTIPLE if required == mpi::MPI_THREAD_SERIALIZED => required,
        mpi::MPI_THREAD_SERIALIZED => mpi::MPI_THREAD_FUNNELED,
        level => level,
    };
    crate::p2p::set_thread_level(provided);
    Ok(provided)
}

/// Rank and size from the native library.
fn read_world(native: &Native) -> Result<World, MpiError> {
    let comm = native
        .predefined()
        .comm(mpi::MPI_COMM_WORLD)
        .map_or(0, |comm| comm.raw());
    let (mut rank, mut size) = (0_u64, 0_u64);
    native_call::call(
        native,
        fns::MPI_COMM_RANK,
        &[comm, native_call::out(&mut rank)],
    )?;
    native_call::call(
        native,
        fns::MPI_COMM_SIZE,
        &[comm, native_call::out(&mut size)],
    )?;
    Ok(World {
        rank: rank as u32,
        size: size as u32,
    })
}

/// Makes the predefined datatypes known to the hot paths.
fn publish_predefined(native: &Native) {
    for value in mpi::MPI_DATATYPE_NULL + 1..mpi::MPI_DATATYPE_NULL + 0x100 {
        if let Some(size_bytes) = crate::objects::predefined_size_bytes(value) {
            let below = native
                .predefined()
                .datatype_or_stand_in(value)
                .map_or_else(|| in_bytes(native, size_bytes), |handle| handle.raw());
            publish::publish_datatype(value, below, size_bytes, true);
        }
    }
}

/// What stands for a predefined type that the library lacks (`MPI_REAL2` in most): as many bytes, which travel, and are parts
/// of derived types, as well as it would. 0, no type, where even that cannot be made.
fn in_bytes(native: &Native, size_bytes: i64) -> u64 {
    let byte = native.predefined().datatype(mpi::MPI_BYTE);
    let mut below = 0_u64;
    let made = native_call::call(
        native,
        fns::MPI_TYPE_CONTIGUOUS,
        &[
            size_bytes as u64,
            byte.map_or(0, |byte| byte.raw()),
            native_call::out(&mut below),
        ],
    )
    .and_then(|()| {
        native_call::call(
            native,
            fns::MPI_TYPE_COMMIT,
            &[native_call::out(&mut below)],
        )
    });
    made.map_or(0, |()| below)
}

/// Frees the types that [`in_bytes`] made: libraries complain of those that are left at the end.
pub fn free_stand_ins(native: &Native) {
    for value in mpi::MPI_DATATYPE_NULL + 1..mpi::MPI_DATATYPE_NULL + 0x100 {
        let known = native.predefined().datatype_or_stand_in(value).is_some();
        if let Some(slot) = publish::datatype(value).filter(|slot| !known && slot.native() != 0) {
            let mut below = slot.native();
            native_call::raw(native, fns::MPI_TYPE_FREE, &[native_call::out(&mut below)]);
        }
    }
}

/// Connects world and self, and starts the agent. The state holds the communicators already (at a restart) or gets
/// its world here.
pub fn join_world(world: World) -> Result<(), EngineError> {
    let mpi_failed = failed("setting up the communicators", "MPI_COMM_WORLD");
    let native = engine::native().map_err(&mpi_failed)?;
    cut::begin(world.rank);
    let mut locked = state();
    locked
        .comms
        .set_world(world.rank, world.size)
        .map_err(&mpi_failed)?;
    for value in [mpi::MPI_COMM_WORLD, mpi::MPI_COMM_SELF] {
        let below = native.predefined().comm(value).map_or(0, |comm| comm.raw());
        let handle = comms::handle(value).map_err(&mpi_failed)?;
        locked.comms.connect(handle, below).map_err(&mpi_failed)?;
    }
    drop(locked);
    side_channel::open(native, world).map_err(&mpi_failed)?;
    wait::set_shared_cores(cores::are_shared(world));
    Ok(())
}

/// Starts this rank's agent: a collective step of all ranks.
pub fn start_agent(world: World) -> Result<(), EngineError> {
    let (listener, contact) = Listener::bind()?;
    let contacts = exchange_contacts(world, &contact)
        .map_err(failed("connecting the agents", "MPI_Allgather"))?;
    let cookie = share_cookie(world).map_err(failed("connecting the agents", "MPI_Bcast"))?;
    launch_agent(world, listener, contacts, cookie)
}

/// Starts the agent of a rank that knows all the others.
pub fn launch_agent(
    world: World,
    listener: Listener,
    contacts: Vec<Contact>,
    cookie: Cookie,
) -> Result<(), EngineError> {
    let config = AgentConfig {
        rank: world.rank,
        size: world.size,
        contacts,
        cookie,
        interval: crate::tools::cvars::interval().filter(|_| is_job_of_its_own()),
        control_file: control_file(world),
        job: checkpoint::job().0,
        arity: mana_agent::DEFAULT_ARITY,
    };
    cut::set_agent(Agent::start(listener, config, cut::port())?);
    forwarded_signal::listen(settings().signal.filter(|_| is_job_of_its_own()))
}

/// Whether nobody else decides when there are checkpoints.
fn is_job_of_its_own() -> bool {
    !foreign::is_spawned() && !family::member::is_one()
}

/// Where `mana checkpoint` finds the job; rank 0 makes the directory. A job that may not write there runs all the same:
/// only its checkpoints will fail, and say so. A job that was spawned is no job of its own: its parents' file stays theirs.
fn control_file(world: World) -> Option<PathBuf> {
    if !is_job_of_its_own() {
        return None;
    }
    let directory = &settings().directory;
    if world.rank == 0
        && let Err(error) = std::fs::create_dir_all(directory)
    {
        tracing::warn!(
            "the directory of checkpoints, {}, cannot be made: {error}",
            directory.display()
        );
        return None;
    }
    let file = directory.join(CONTROL_FILE_NAME);
    if world.rank == 0
        && let Some(other) = mana_agent::running(&file)
    {
        say!(
            "mana: another job, on {}, makes its checkpoints in {}, too. Each keeps and removes its own alone; MANA_CKPT_DIR gives one a \
             directory of its own",
            other.contact.hostname,
            directory.display()
        );
    }
    Some(file)
}

/// Every rank's contact, by rank.
fn exchange_contacts(world: World, contact: &Contact) -> Result<Vec<Contact>, MpiError> {
    let native = engine::native()?;
    let comm = publish::world().map_or(0, CommSlot::native);
    let byte = native
        .predefined()
        .datatype(mpi::MPI_BYTE)
        .map_or(0, |byte| byte.raw());
    let mine = contact.to_bytes();
    let mut all = vec![0_u8; mine.len() * world.size as usize];
    let len = mine.len() as u64;
    let arguments = [
        mine.as_ptr() as u64,
        len,
        byte,
        all.as_mut_ptr() as u64,
        len,
        byte,
        comm,
    ];
    native_call::call(native, fns::MPI_ALLGATHER, &arguments)?;
    let decode = |bytes: &[u8; CONTACT_BYTES]| {
        Contact::from_bytes(bytes).map_err(|e| MpiError::new(mpi::MPI_ERR_OTHER, e.to_string()))
    };
    all.as_chunks::<CONTACT_BYTES>()
        .0
        .iter()
        .map(decode)
        .collect()
}

/// The job's random cookie, drawn by rank 0.
fn share_cookie(world: World) -> Result<Cookie, MpiError> {
    let native = engine::native()?;
    let comm = publish::world().map_or(0, CommSlot::native);
    let byte = native
        .predefined()
        .datatype(mpi::MPI_BYTE)
        .map_or(0, |byte| byte.raw());
    let mut cookie = Cookie([0_u8; 16]);
    if world.rank == 0 {
        cookie = Cookie::random().map_err(|e| MpiError::new(mpi::MPI_ERR_OTHER, e.to_string()))?;
    }
    native_call::call(
        native,
        fns::MPI_BCAST,
        &[cookie.0.as_mut_ptr() as u64, 16, byte, 0, comm],
    )?;
    Ok(cookie)
}
