//! The memory of shared windows: a file that all ranks of the window map, nameless once they have.
//!
//! ```text
//!   rank 0 makes /dev/shm/mana-…  --name by Bcast-->  all open it  --Allreduce: all did-->  unlinked, mapped shared
//!
//!   image of rank 0: the contents        images of the others: the place alone
//!   restart: private memory from the images -> rank 0 copies its own into a new file -> mapped over it by all
//! ```
//!
//! A file and no memfd, because other processes can only open something that has a name. Each rank has the memory at
//! an address of its own, before and after a restart.
//!
//! # Safety
//! Lower TLS live; at a restart no upper code runs yet.
#![expect(
    unsafe_code,
    reason = "reads the image's copy of shared memory, and maps the shared one over it"
)]

use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;

use mana_agent::Cookie;
use mana_native::Native;
use mana_record_replay::win::SharedMemory;
use mana_split::upper_memory;
use mana_table::constants as mpi;
use mana_table::fns;

use crate::engine::state;
use crate::error::{Call, MpiError};
use crate::native_call;
use crate::p2p;
use crate::publish::CommSlot;

/// Where shared memory has names.
const DIRECTORY: &str = "/dev/shm";
/// The rank of a window that makes its memory, and saves it.
const MAKER: i32 = 0;

/// Bytes of a name's random part.
type Name = [u8; 16];

/// Makes `bytes` of memory that all ranks of `comm` share; returns where this one has it.
pub fn make(native: &Native, comm: &CommSlot, bytes: u64) -> Result<u64, MpiError> {
    let file = agree(native, comm, bytes, &[], Ok)?;
    let start = upper_memory::share(file.as_fd(), bytes as usize)
        .map_err(|error| MpiError::new(mpi::MPI_ERR_RMA_SHARED, error.to_string()))?;
    Ok(start as u64)
}

/// Shares memory again that a restart has put into each rank's private memory.
pub fn share_again(native: &Native, comm: &CommSlot, shared: &SharedMemory) -> Call {
    let contents = if comm.rank() == MAKER {
        // SAFETY: the image's region, which was put there with this length; nobody writes to it yet.
        unsafe { std::slice::from_raw_parts(shared.start as *const u8, shared.len_bytes as usize) }
    } else {
        &[]
    };
    let file = agree(native, comm, shared.len_bytes, contents, Ok)?;
    // SAFETY: what is there is in the file now, and no upper code runs.
    unsafe {
        upper_memory::share_at(
            file.as_fd(),
            shared.start as usize,
            shared.len_bytes as usize,
        )
    }
    .map_err(|error| MpiError::new(mpi::MPI_ERR_RMA_SHARED, error.to_string()))
}

/// Zeroed memory of `bytes` that all ranks of `comm` share, for the lower half: each maps it by `map`. All of them get it, or
/// none.
pub fn share_below<T>(
    native: &Native,
    comm: &CommSlot,
    bytes: u64,
    map: impl FnOnce(&File) -> io::Result<T>,
) -> Result<T, MpiError> {
    agree(native, comm, bytes, &[], |file| map(&file))
}

/// All ranks of `comm` open one new file of `bytes`, with these contents by rank [`MAKER`], and take something from it. All
/// succeed, or none.
fn agree<T>(
    native: &Native,
    comm: &CommSlot,
    bytes: u64,
    contents: &[u8],
    take: impl FnOnce(File) -> io::Result<T>,
) -> Result<T, MpiError> {
    let mut name = Name::default();
    let mut opened = Err(io::Error::from(io::ErrorKind::NotFound));
    if comm.rank() == MAKER {
        opened = Cookie::random().and_then(|random| {
            name = random.0;
            create(name, bytes, contents)
        });
    }
    let byte = datatype(native, mpi::MPI_BYTE);
    let words = [
        name.as_mut_ptr() as u64,
        name.len() as u64,
        byte,
        MAKER as u64,
        comm.native(),
    ];
    native_call::call(native, fns::MPI_BCAST, &words)?;
    if comm.rank() != MAKER {
        opened = OpenOptions::new().read(true).write(true).open(path(name));
    }
    let taken = opened.and_then(take);
    let all = all_succeeded(native, comm, taken.is_ok());
    if comm.rank() == MAKER {
        // Where it was never made there is nothing to remove.
        let _ = fs::remove_file(path(name));
    }
    match taken {
        Ok(taken) if all? => Ok(taken),
        Ok(_) => Err(MpiError::new(
            mpi::MPI_ERR_RMA_SHARED,
            "other ranks cannot share memory with this one: are all of them on one node?",
        )),
        Err(error) => Err(MpiError::new(
            mpi::MPI_ERR_RMA_SHARED,
            format!(
                "{bytes} bytes of memory cannot be shared in {DIRECTORY}: {error}; are all ranks on one node?"
            ),
        )),
    }
}

fn path(name: Name) -> PathBuf {
    let digits: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
    PathBuf::from(DIRECTORY).join(format!("mana-{digits}"))
}

/// Makes the file, with room for all of it: a page for which there is none would be a bus error later.
fn create(name: Name, bytes: u64, contents: &[u8]) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path(name))?;
    if bytes > 0 {
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes)?;
    }
    file.write_all_at(contents, 0)?;
    Ok(file)
}

/// Whether all ranks of `comm` have succeeded.
fn all_succeeded(native: &Native, comm: &CommSlot, here: bool) -> Result<bool, MpiError> {
    let (mut mine, mut all) = (u64::from(here), 0_u64);
    let least = native
        .predefined()
        .op(mpi::MPI_MIN)
        .map_or(0, |least| least.raw());
    let words = [
        native_call::out(&mut mine),
        native_call::out(&mut all),
        1,
        datatype(native, mpi::MPI_INT),
        least,
        comm.native(),
    ];
    native_call::call(native, fns::MPI_ALLREDUCE, &words)?;
    Ok(all != 0)
}

/// What every rank of `comm` says, by rank.
pub fn gather(native: &Native, comm: &CommSlot, mine: [i64; 2]) -> Result<Vec<[i64; 2]>, MpiError> {
    let word = datatype(native, mpi::MPI_INT64_T);
    let mut all = vec![[0_i64; 2]; comm.size() as usize];
    let words = [
        mine.as_ptr() as u64,
        2,
        word,
        all.as_mut_ptr() as u64,
        2,
        word,
        comm.native(),
    ];
    native_call::call(native, fns::MPI_ALLGATHER, &words)?;
    Ok(all)
}

fn datatype(native: &Native, standard: u64) -> u64 {
    native
        .predefined()
        .datatype(standard)
        .map_or(0, |datatype| datatype.raw())
}

/// The memory of shared windows in this process, and whether another rank saves the contents.
pub fn places() -> Vec<(Range<usize>, bool)> {
    let state = state();
    let windows = state.windows.iter();
    windows
        .filter_map(|(_, window)| {
            let comm = p2p::comm(u64::from(window.comm)).ok()?;
            let shared = window.memory.shared.as_ref()?;
            let start = shared.start as usize;
            Some((
                start..start + shared.len_bytes as usize,
                comm.rank() != MAKER,
            ))
        })
        .collect()
}
