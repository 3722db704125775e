//! Info objects (MPI-5.0 chapter 10): ordered (key, value) strings, answered without the native library.
//!
//! ```text
//!   MPI_INFO_ENV          read-only, made up at each look: after a restart it tells the new node
//!   MPI_Info_create & co. a table of ours, saved in the image
//! ```

use std::ffi::{CStr, CString};

use mana_record_replay::handle::InfoHandle;
use mana_record_replay::info::{INFO_ENV, Info};
use mana_table::constants as mpi;

use crate::args::Args;
use crate::engine::{Life, State, state};
use crate::error::{Call, MpiError};

/// The info object behind argument word `word`, for reading.
pub fn read_info(state: &State, word: u64) -> Result<Info, MpiError> {
    let handle = InfoHandle::from_word(word)?;
    if handle == INFO_ENV {
        return environment(state);
    }
    Ok(state.objects.infos.require(handle)?.clone())
}

/// An info argument of a function that takes hints: `MPI_INFO_NULL` gives none.
pub fn hints(state: &State, word: u64) -> Result<Info, MpiError> {
    if word == mpi::MPI_INFO_NULL {
        Ok(Info::default())
    } else {
        read_info(state, word)
    }
}

/// The info object behind argument word `word`, to change it. The predefined one cannot be changed.
fn change_info(state: &mut State, word: u64) -> Result<&mut Info, MpiError> {
    Ok(state
        .objects
        .infos
        .require_mut(InfoHandle::from_word(word)?)?)
}

/// Puts an info object into the table and hands it out through parameter `i`.
fn hand_out(a: &mut Args<'_>, i: usize, info: Info) -> Call {
    let handle = state().objects.infos.insert(info)?;
    a.set_handle(i, u64::from(handle.word()));
    Ok(())
}

/// Keys of `MPI_INFO_ENV` that mean something while MPI runs.
const KNOWN_WHEN_RUNNING: [&CStr; 2] = [c"maxprocs", c"thread_level"];

/// What `MPI_INFO_ENV` tells (MPI-5.0 section 11.2.1). All keys are optional; these are the ones that are certain.
fn environment(state: &State) -> Result<Info, MpiError> {
    let mut info = Info::default();
    let mut tell = |key: &CStr, value: &[u8]| match CString::new(
        &value[..value.len().min(mpi::MPI_MAX_INFO_VAL as usize - 1)],
    ) {
        Ok(value) => info.set(key, &value),
        Err(_) => Ok(()),
    };
    let system = rustix::system::uname();
    if let Ok(split) = mana_split::export_state() {
        tell(c"command", split.program.as_os_str().as_encoded_bytes())?;
    }
    tell(c"host", system.nodename().to_bytes())?;
    tell(c"arch", system.machine().to_bytes())?;
    if let (Life::Running, Ok(world)) = (state.life, state.comms.get(mpi::MPI_COMM_WORLD)) {
        let [maxprocs, thread_level] = KNOWN_WHEN_RUNNING;
        tell(maxprocs, world.size().to_string().as_bytes())?;
        tell(thread_level, level_name(state.thread_level).to_bytes())?;
    }
    tell_memory_kinds(&mut info)?;
    Ok(info)
}

/// The thread levels by name.
const THREAD_LEVELS: [(i32, &CStr); 4] = [
    (mpi::MPI_THREAD_SINGLE, c"MPI_THREAD_SINGLE"),
    (mpi::MPI_THREAD_FUNNELED, c"MPI_THREAD_FUNNELED"),
    (mpi::MPI_THREAD_SERIALIZED, c"MPI_THREAD_SERIALIZED"),
    (mpi::MPI_THREAD_MULTIPLE, c"MPI_THREAD_MULTIPLE"),
];

/// The name of a thread level.
pub fn level_name(level: i32) -> &'static CStr {
    let named = THREAD_LEVELS.iter().find(|(known, _)| *known == level);
    named.map_or(THREAD_LEVELS[0].1, |(_, name)| *name)
}

/// The thread level of that name.
pub fn level_by_name(name: &CStr) -> Option<i32> {
    let known = THREAD_LEVELS.iter().find(|(_, known)| *known == name)?;
    Some(known.0)
}

/// Tells in an info object which kinds of memory communication may use (MPI-5.0 section 12.4.3): what `MPI_Alloc_mem`
/// gives and what the system gives.
pub fn tell_memory_kinds(info: &mut Info) -> Call {
    Ok(info.set(c"mpi_memory_alloc_kinds", c"mpi,system")?)
}

/// `MPI_Info_create(info)`.
pub fn info_create(a: &mut Args<'_>) -> Call {
    hand_out(a, 0, Info::default())
}

/// `MPI_Info_create_env(argc, argv, info)`: the arguments may help, and are not needed here. It is the same whenever it is
/// made, so it leaves out what is not known before MPI is started.
pub fn info_create_env(a: &mut Args<'_>) -> Call {
    let mut info = environment(&state())?;
    for key in KNOWN_WHEN_RUNNING {
        if info.get(key)?.is_some() {
            info.delete(key)?;
        }
    }
    hand_out(a, 2, info)
}

/// `MPI_Info_dup(info, newinfo)`.
pub fn info_dup(a: &mut Args<'_>) -> Call {
    let info = read_info(&state(), a.raw(0))?;
    hand_out(a, 1, info)
}

/// `MPI_Info_free(info)`.
pub fn info_free(a: &mut Args<'_>) -> Call {
    let word = a.handle_at(0, 0);
    let removed = state().objects.infos.remove(InfoHandle::from_word(word)?);
    if removed.is_none() {
        return Err(MpiError::new(
            mpi::MPI_ERR_INFO,
            format!("{word:#x} is not an info object of the program, or was freed already"),
        ));
    }
    a.set_handle(0, mpi::MPI_INFO_NULL);
    Ok(())
}

/// `MPI_Info_set(info, key, value)`.
pub fn info_set(a: &mut Args<'_>) -> Call {
    let (key, value) = (a.c_string(1), a.c_string(2));
    Ok(change_info(&mut state(), a.raw(0))?.set(&key, &value)?)
}

/// `MPI_Info_delete(info, key)`.
pub fn info_delete(a: &mut Args<'_>) -> Call {
    let key = a.c_string(1);
    Ok(change_info(&mut state(), a.raw(0))?.delete(&key)?)
}

/// The value of the key in argument 1 of the info object in argument 0.
fn look_up(a: &Args<'_>) -> Result<Option<CString>, MpiError> {
    let info = read_info(&state(), a.raw(0))?;
    Ok(info.get(&a.c_string(1))?.map(CStr::to_owned))
}

/// `MPI_Info_get(info, key, valuelen, value, flag)`: `valuelen` does not count the NUL.
pub fn info_get(a: &mut Args<'_>) -> Call {
    let Ok(room) = usize::try_from(a.int(2)) else {
        return Err(MpiError::argument(format!(
            "valuelen {} is negative",
            a.int(2)
        )));
    };
    let value = look_up(a)?;
    a.set_flag(4, value.is_some());
    if let Some(value) = value {
        a.set_bytes(3, value.to_bytes(), room + 1);
    }
    Ok(())
}

/// `MPI_Info_get_string(info, key, buflen, value, flag)`: `buflen` counts the NUL, and comes back as what is needed;
/// with 0 nothing is written.
pub fn info_get_string(a: &mut Args<'_>) -> Call {
    let buflen = a.read_at::<i32>(2, 0);
    let Ok(room) = usize::try_from(buflen) else {
        return Err(MpiError::argument(format!("buflen {buflen} is negative")));
    };
    let value = look_up(a)?;
    a.set_flag(4, value.is_some());
    if let Some(value) = value {
        a.set_bytes(3, value.to_bytes(), room);
        a.set_int(2, value.to_bytes_with_nul().len() as i64);
    }
    Ok(())
}

/// `MPI_Info_get_valuelen(info, key, valuelen, flag)`.
pub fn info_get_valuelen(a: &mut Args<'_>) -> Call {
    let value = look_up(a)?;
    a.set_flag(3, value.is_some());
    if let Some(value) = value {
        a.set_int(2, value.to_bytes().len() as i64);
    }
    Ok(())
}

/// `MPI_Info_get_nkeys(info, nkeys)`.
pub fn info_get_nkeys(a: &mut Args<'_>) -> Call {
    let keys = read_info(&state(), a.raw(0))?.len();
    a.set_int(1, keys as i64);
    Ok(())
}

/// `MPI_Info_get_nthkey(info, n, key)`.
pub fn info_get_nthkey(a: &mut Args<'_>) -> Call {
    let info = read_info(&state(), a.raw(0))?;
    a.set_bytes(
        2,
        info.nth_key(a.int(1))?.to_bytes(),
        mpi::MPI_MAX_INFO_KEY as usize,
    );
    Ok(())
}
