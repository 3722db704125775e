//! The tool information interface: its life, enumerations and categories (MPI-5.0 sections 15.3.4, 15.3.5, 15.3.10). What
//! there is to see is in [`crate::tools`].

use mana_table::constants as mpi;

use crate::args::Args;
use crate::error::{Call, MpiError};
use crate::tools::{self, categories, enums, error};

/// Puts a string out by the interface's protocol: `len` comes with the room behind `name`, NUL included, and goes back as
/// the room needed; a null `name`, or no room, asks for that only, and a null `len` for nothing at all.
pub fn put_string(a: &mut Args<'_>, name: usize, len: usize, text: &str) {
    if a.is_null(len) {
        return;
    }
    let room = usize::try_from(a.read_at::<i32>(len, 0)).unwrap_or(0);
    a.set_string(name, text, room);
    a.set_int(len, text.len() as i64 + 1);
}

/// The index of the row whose name argument 0 gives, for the `_get_index` functions.
pub fn index_by_name(
    a: &Args<'_>,
    mut names: impl Iterator<Item = &'static str>,
) -> Result<i64, MpiError> {
    let wanted = a.string(0);
    names
        .position(|name| name == wanted)
        .map(|index| index as i64)
        .ok_or_else(|| {
            error(
                mpi::MPI_T_ERR_INVALID_NAME,
                format!("nothing of that kind is called {wanted:?}"),
            )
        })
}

/// `MPI_T_init_thread(required, provided)`: any number of threads may use the interface.
pub fn t_init_thread(a: &mut Args<'_>) -> Call {
    tools::initialise();
    a.set_int(1, i64::from(mpi::MPI_THREAD_MULTIPLE));
    Ok(())
}

/// `MPI_T_finalize()`.
pub fn t_finalize(_a: &mut Args<'_>) -> Call {
    tools::finalise()
}

/// `MPI_T_enum_get_info(enumtype, num, name, name_len)`.
pub fn t_enum_get_info(a: &mut Args<'_>) -> Call {
    drop(tools::locked()?);
    let found = enums::by_handle(a.raw(0))?;
    a.set_int(1, found.items.len() as i64);
    put_string(a, 2, 3, found.name);
    Ok(())
}

/// `MPI_T_enum_get_item(enumtype, index, value, name, name_len)`.
pub fn t_enum_get_item(a: &mut Args<'_>) -> Call {
    drop(tools::locked()?);
    let found = enums::by_handle(a.raw(0))?;
    let index = usize::try_from(a.int(1)).unwrap_or(usize::MAX);
    let Some((value, name)) = found.items.get(index) else {
        return Err(error(
            mpi::MPI_T_ERR_INVALID_ITEM,
            format!("{} has no item {}", found.name, a.int(1)),
        ));
    };
    a.set_int(2, i64::from(*value));
    put_string(a, 3, 4, name);
    Ok(())
}

/// `MPI_T_category_get_num(num_cat)`.
pub fn t_category_get_num(a: &mut Args<'_>) -> Call {
    drop(tools::locked()?);
    a.set_int(0, categories::CATEGORIES.len() as i64);
    Ok(())
}

/// `MPI_T_category_changed(update_number)`: categories never change.
pub fn t_category_changed(a: &mut Args<'_>) -> Call {
    drop(tools::locked()?);
    a.set_int(0, 0);
    Ok(())
}

/// `MPI_T_category_get_index(name, cat_index)`.
pub fn t_category_get_index(a: &mut Args<'_>) -> Call {
    drop(tools::locked()?);
    let index = index_by_name(a, categories::CATEGORIES.iter().map(|row| row.name))?;
    a.set_int(1, index);
    Ok(())
}

/// The category of argument 0.
fn category(a: &Args<'_>) -> Result<&'static categories::Category, MpiError> {
    drop(tools::locked()?);
    categories::by_index(a.int(0))
}

/// `MPI_T_category_get_info(cat_index, name, name_len, desc, desc_len, num_cvars, num_pvars, num_categories)`.
pub fn t_category_get_info(a: &mut Args<'_>) -> Call {
    let category = category(a)?;
    put_string(a, 1, 2, category.name);
    put_string(a, 3, 4, category.description);
    a.set_int(5, category.cvars.len() as i64);
    a.set_int(6, category.pvars.len() as i64);
    a.set_int(7, category.categories.len() as i64);
    Ok(())
}

/// `MPI_T_category_get_num_events(cat_index, num_events)`.
pub fn t_category_get_num_events(a: &mut Args<'_>) -> Call {
    let events = category(a)?.events.len();
    a.set_int(1, events as i64);
    Ok(())
}

/// Puts as many of `members` out as fit into the array of arguments `(len, indices)`.
fn put_members(a: &mut Args<'_>, members: std::ops::Range<usize>) -> Call {
    let room = usize::try_from(a.int(1))
        .map_err(|_| error(mpi::MPI_T_ERR_INVALID, "the array's length is negative"))?;
    for (at, member) in members.take(room).enumerate() {
        a.set_int_at(2, at, member as i64);
    }
    Ok(())
}

/// `MPI_T_category_get_cvars(cat_index, len, indices)`.
pub fn t_category_get_cvars(a: &mut Args<'_>) -> Call {
    let members = category(a)?.cvars.clone();
    put_members(a, members)
}

/// `MPI_T_category_get_pvars(cat_index, len, indices)`.
pub fn t_category_get_pvars(a: &mut Args<'_>) -> Call {
    let members = category(a)?.pvars.clone();
    put_members(a, members)
}

/// `MPI_T_category_get_events(cat_index, len, indices)`.
pub fn t_category_get_events(a: &mut Args<'_>) -> Call {
    let members = category(a)?.events.clone();
    put_members(a, members)
}

/// `MPI_T_category_get_categories(cat_index, len, indices)`.
pub fn t_category_get_categories(a: &mut Args<'_>) -> Call {
    let members = category(a)?.categories.clone();
    put_members(a, members)
}
