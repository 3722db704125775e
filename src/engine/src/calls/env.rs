//! The environment: `MPI_Init`, versions, names, time. `MPI_Finalize` is in `finalize`.

use mana_table::constants as mpi;

use crate::args::Args;
use crate::engine::{Life, state};
use crate::error::{Call, MpiError};
use crate::messages::say;
use crate::{life, raise};

/// What `mana` calls itself for `MPI_Get_library_version`.
const LIBRARY_VERSION: &str = concat!("mana ", env!("CARGO_PKG_VERSION"), ", MPI 5.0 standard ABI");

/// `MPI_Init(argc, argv)`: thread level single.
pub fn init(_a: &mut Args<'_>) -> Call {
    start(mpi::MPI_THREAD_SINGLE).map(|_| ())
}

/// `MPI_Init_thread(argc, argv, required, provided)`.
pub fn init_thread(a: &mut Args<'_>) -> Call {
    let provided = start(a.int(2))?;
    a.set_int(3, i64::from(provided));
    Ok(())
}

/// Initialises MPI and returns the thread level provided.
fn start(required: i32) -> Result<i32, MpiError> {
    match state().life {
        Life::Before => {}
        Life::Running => {
            return Err(MpiError::new(
                mpi::MPI_ERR_OTHER,
                "MPI is initialised already",
            ));
        }
        Life::Finalized => {
            return Err(MpiError::new(
                mpi::MPI_ERR_OTHER,
                "MPI was finalised and cannot be initialised again",
            ));
        }
    }
    life::bring_up(required, |state, provided| {
        state.life = Life::Running;
        state.thread_level = provided;
        state.init_thread_fs = crate::thread_fs();
        Ok(provided)
    })
}

/// `MPI_Initialized(flag)`.
pub fn initialized(a: &mut Args<'_>) -> Call {
    let life = state().life;
    a.set_flag(0, life != Life::Before);
    Ok(())
}

/// `MPI_Finalized(flag)`.
pub fn finalized(a: &mut Args<'_>) -> Call {
    let life = state().life;
    a.set_flag(0, life == Life::Finalized);
    Ok(())
}

/// `MPI_Query_thread(provided)`.
pub fn query_thread(a: &mut Args<'_>) -> Call {
    let level = state().thread_level;
    a.set_int(0, i64::from(level));
    Ok(())
}

/// `MPI_Is_thread_main(flag)`.
pub fn is_thread_main(a: &mut Args<'_>) -> Call {
    let init_thread_fs = state().init_thread_fs;
    a.set_flag(0, init_thread_fs == crate::thread_fs());
    Ok(())
}

/// `MPI_Abort(comm, errorcode)`.
pub fn abort(a: &mut Args<'_>) -> Call {
    let (comm, code) = (a.raw(0), a.int(1));
    say!("mana: the program called MPI_Abort with code {code}");
    raise::abort(comm, code)
}

/// `MPI_Get_version(version, subversion)`: of the interface that applications see.
pub fn get_version(a: &mut Args<'_>) -> Call {
    a.set_int(0, i64::from(mpi::MPI_VERSION));
    a.set_int(1, i64::from(mpi::MPI_SUBVERSION));
    Ok(())
}

/// `MPI_Get_library_version(version, resultlen)`: ours, and the one below once it is open.
pub fn get_library_version(a: &mut Args<'_>) -> Call {
    let text = match crate::engine::try_native() {
        Some(native) => format!("{LIBRARY_VERSION}, over {}", native.version()),
        None => LIBRARY_VERSION.to_string(),
    };
    let len = a.set_string(0, &text, mpi::MPI_MAX_LIBRARY_VERSION_STRING as usize);
    a.set_int(1, len as i64);
    Ok(())
}

/// `MPI_Get_processor_name(name, resultlen)`: the node's name.
pub fn get_processor_name(a: &mut Args<'_>) -> Call {
    let name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let len = a.set_string(0, &name, mpi::MPI_MAX_PROCESSOR_NAME as usize);
    a.set_int(1, len as i64);
    Ok(())
}

/// `MPI_Pcontrol`: profiling control, without effect here as the standard allows (MPI-5.0 section 15.2.4).
pub fn pcontrol(_a: &mut Args<'_>) -> Call {
    Ok(())
}

/// `MPI_Get_address(location, address)`.
pub fn get_address(a: &mut Args<'_>) -> Call {
    let address = a.raw(0);
    a.set_word(1, address);
    Ok(())
}
