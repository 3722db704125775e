//! The attributes that MPI itself hangs on communicators (MPI-5.0 section 9.1.2): `int`s that the application reads
//! through pointers.
//!
//! ```text
//!   page in the upper half:   TAG_UB | IO | HOST | WTIME_IS_GLOBAL | APPNUM | LASTUSEDCODE | UNIVERSE_SIZE
//!   MPI_Comm_get_attr ------> address of one of them
//! ```
//!
//! The application may keep the pointer, so the page is part of the image and a restart finds it at its address. The
//! values are the same under every MPI, for the program may have made decisions by them: `MPI_TAG_UB` is one that all
//! of them have.
//!
//! # Safety
//! Lower TLS live. The page is written here only; the application must not write to it (section 9.1.2).
#![expect(unsafe_code, reason = "writes the page that the application reads")]

use mana_native::int;
use mana_native::values::ATTRIBUTE_KEYS;
use mana_split::upper_memory;
use mana_table::constants as mpi;
use mana_table::fns;
use serde::{Deserialize, Serialize};

use crate::engine::{State, native, state};
use crate::error::MpiError;
use crate::native_call;

/// The largest tag, under every MPI: Intel MPI over TCP has 2^19 − 1, MPICH 2^28 − 1 at least, Open MPI 2^31 − 1.
pub const TAG_UB: i32 = (1 << 19) - 1;

/// First of the predefined keys: they are numbered without gaps.
const FIRST: i32 = mpi::MPI_TAG_UB;
/// Last of the predefined keys of communicators.
const LAST: i32 = mpi::MPI_UNIVERSE_SIZE;
/// Bytes of the page's contents.
const PAGE_BYTES: usize = (LAST - FIRST + 1) as usize * size_of::<i32>();

/// The page, once it is made; saved in the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Its address.
    address: u64,
    /// Whether there is a value for `MPI_APPNUM`: not every launcher gives one.
    has_appnum: bool,
}

/// Whether `keyval` is a predefined one, of whatever kind of object.
pub fn is_predefined(keyval: i32) -> bool {
    (FIRST..=LAST).contains(&keyval) || (mpi::MPI_WIN_BASE..=mpi::MPI_WIN_MODEL).contains(&keyval)
}

/// The address of a predefined attribute's value on a communicator; `None` where it has none.
pub fn address(keyval: i32) -> Result<Option<u64>, MpiError> {
    if !(FIRST..=LAST).contains(&keyval) {
        return Ok(None);
    }
    let made = state().attribute_page;
    let page = match made {
        Some(page) => page,
        None => make_page()?,
    };
    let has_value = keyval != mpi::MPI_APPNUM || page.has_appnum;
    Ok(has_value.then(|| place(page, keyval)))
}

/// Where the value of `keyval` lies.
fn place(page: Page, keyval: i32) -> u64 {
    page.address + (keyval - FIRST) as u64 * size_of::<i32>() as u64
}

/// Makes the page, on first use.
fn make_page() -> Result<Page, MpiError> {
    let appnum = native_value(mpi::MPI_APPNUM)?;
    let universe = native_value(mpi::MPI_UNIVERSE_SIZE)?;
    let mut state = state();
    if let Some(page) = state.attribute_page {
        return Ok(page);
    }
    let world_size = state.comms.get(mpi::MPI_COMM_WORLD)?.size() as i32;
    let address = upper_memory::allocate(PAGE_BYTES)
        .map_err(|error| MpiError::new(mpi::MPI_ERR_NO_MEM, error.to_string()))?
        as u64;
    let page = Page {
        address,
        has_appnum: appnum.is_some(),
    };
    let values = [
        (mpi::MPI_TAG_UB, TAG_UB),
        (mpi::MPI_IO, mpi::MPI_ANY_SOURCE),
        (mpi::MPI_HOST, mpi::MPI_PROC_NULL),
        (mpi::MPI_WTIME_IS_GLOBAL, 0),
        (mpi::MPI_APPNUM, appnum.unwrap_or(0)),
        (mpi::MPI_LASTUSEDCODE, state.objects.errors.last_used_code()),
        (
            mpi::MPI_UNIVERSE_SIZE,
            world_size.max(universe.unwrap_or(0)),
        ),
    ];
    for (keyval, value) in values {
        write(page, keyval, value);
    }
    state.attribute_page = Some(page);
    Ok(page)
}

fn write(page: Page, keyval: i32, value: i32) {
    // SAFETY: the page was allocated with room for all keys and is never freed.
    unsafe { (place(page, keyval) as *mut i32).write(value) }
}

/// An error class or code was added: `MPI_LASTUSEDCODE` follows.
pub fn last_used_code_changed(state: &State) {
    if let Some(page) = state.attribute_page {
        write(
            page,
            mpi::MPI_LASTUSEDCODE,
            state.objects.errors.last_used_code(),
        );
    }
}

/// What the library below says at the job's first start: which of the programs started together this is, and how many
/// processes there may be. `None` where it does not say.
fn native_value(key: i32) -> Result<Option<i32>, MpiError> {
    let native = native()?;
    let Some(keyval) = native.to_native(&ATTRIBUTE_KEYS, key) else {
        return Ok(None);
    };
    let world = native
        .predefined()
        .comm(mpi::MPI_COMM_WORLD)
        .map_or(0, |comm| comm.raw());
    let (mut value, mut flag) = (0_u64, 0_u64);
    let words = [
        world,
        int(keyval),
        native_call::out(&mut value),
        native_call::out(&mut flag),
    ];
    native_call::call(native, fns::MPI_COMM_GET_ATTR, &words)?;
    if flag as u32 == 0 || value == 0 {
        return Ok(None);
    }
    // SAFETY: with its flag set, a predefined attribute's value is a pointer to an int that the library keeps.
    Ok(Some(unsafe { (value as *const i32).read() }))
}
