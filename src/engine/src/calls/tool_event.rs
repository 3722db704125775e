//! Events and their sources of the tool information interface (MPI-5.0 section 15.3.8); see [`crate::tools::events`].

use mana_record_replay::address::UpperAddress;
use mana_record_replay::info::Info;
use mana_table::constants as mpi;

use super::info::hints;
use super::tool::{index_by_name, put_string};
use crate::args::Args;
use crate::callback;
use crate::engine::state;
use crate::error::{Call, MpiError};
use crate::local::monotonic_ns;
use crate::tools::{self, error, events};

/// `MPI_T_event_get_num(num_events)`.
pub fn t_event_get_num(a: &mut Args<'_>) -> Call {
    drop(tools::locked()?);
    a.set_int(0, events::EVENTS.len() as i64);
    Ok(())
}

/// `MPI_T_event_get_index(name, event_index)`.
pub fn t_event_get_index(a: &mut Args<'_>) -> Call {
    drop(tools::locked()?);
    let index = index_by_name(a, events::EVENTS.iter().map(|row| row.name))?;
    a.set_int(1, index);
    Ok(())
}

/// Hands out a new info object through parameter `i`, unless the application wants none.
fn hand_out(a: &mut Args<'_>, i: usize, info: Info) -> Call {
    if !a.is_null(i) {
        let handle = state().objects.infos.insert(info)?;
        a.set_handle(i, u64::from(handle.word()));
    }
    Ok(())
}

/// `MPI_T_event_get_info(event_index, name, name_len, verbosity, array_of_datatypes, array_of_displacements,
/// num_elements, enumtype, info, desc, desc_len, bind)`.
pub fn t_event_get_info(a: &mut Args<'_>) -> Call {
    drop(tools::locked()?);
    let event = events::by_index(a.int(0))?;
    put_string(a, 1, 2, event.name);
    a.set_int(3, i64::from(mpi::MPI_T_VERBOSITY_USER_BASIC));
    if !a.is_null(6) {
        let room = usize::try_from(a.read_at::<i32>(6, 0)).unwrap_or(0);
        for at in 0..events::ELEMENTS.min(room) {
            a.set_handle_at(4, at, mpi::MPI_UNSIGNED_LONG_LONG);
            a.set_int_at(5, at, (at * size_of::<u64>()) as i64);
        }
        a.set_int(6, events::ELEMENTS as i64);
    }
    a.set_handle(7, mpi::MPI_T_ENUM_NULL);
    hand_out(a, 8, Info::default())?;
    put_string(a, 9, 10, event.description);
    a.set_int(11, i64::from(mpi::MPI_T_BIND_NO_OBJECT));
    Ok(())
}

/// `MPI_T_event_handle_alloc(event_index, obj_handle, info, event_registration)`.
pub fn t_event_handle_alloc(a: &mut Args<'_>) -> Call {
    let registration = {
        let mut state = tools::locked()?;
        let hints = hints(&state, a.raw(2))?;
        events::register(&mut state, a.int(0), hints)?
    };
    a.set_handle(3, registration);
    Ok(())
}

/// `MPI_T_event_handle_free(event_registration, user_data, free_cb_function)`: no callback of the registration begins any
/// more, so the function can be called at once.
pub fn t_event_handle_free(a: &mut Args<'_>) -> Call {
    let registration = a.raw(0);
    events::unregister(&mut *tools::locked()?, registration)?;
    if !a.is_null(2) {
        let arguments = [registration, mpi::MPI_T_CB_REQUIRE_NONE as u64, a.raw(1)];
        callback::word(UpperAddress(a.raw(2)), &arguments);
    }
    Ok(())
}

/// Hints of a registration, or of its callback for a level of safety.
fn get_info(a: &mut Args<'_>, safety: Option<i32>, out: usize) -> Call {
    let info = events::info_of(&*tools::locked()?, a.raw(0), safety)?;
    hand_out(a, out, info)
}

/// `MPI_T_event_handle_get_info(event_registration, info_used)`.
pub fn t_event_handle_get_info(a: &mut Args<'_>) -> Call {
    get_info(a, None, 1)
}

/// `MPI_T_event_callback_get_info(event_registration, cb_safety, info_used)`.
pub fn t_event_callback_get_info(a: &mut Args<'_>) -> Call {
    let safety = safety(a)?;
    get_info(a, Some(safety), 2)
}

/// Argument 1, a level of callback safety.
fn safety(a: &Args<'_>) -> Result<i32, MpiError> {
    events::check_safety(a.int(1))?;
    Ok(a.int(1))
}

/// `MPI_T_event_handle_set_info(event_registration, info)`.
pub fn t_event_handle_set_info(a: &mut Args<'_>) -> Call {
    let mut state = tools::locked()?;
    let hints = hints(&state, a.raw(1))?;
    events::set_info(&mut state, a.raw(0), None, &hints)
}

/// `MPI_T_event_callback_set_info(event_registration, cb_safety, info)`.
pub fn t_event_callback_set_info(a: &mut Args<'_>) -> Call {
    let safety = safety(a)?;
    let mut state = tools::locked()?;
    let hints = hints(&state, a.raw(2))?;
    events::set_info(&mut state, a.raw(0), Some(safety), &hints)
}

/// `MPI_T_event_register_callback(event_registration, cb_safety, info, user_data, event_cb_function)`: a null function
/// takes the one back that is registered for that level of safety.
pub fn t_event_register_callback(a: &mut Args<'_>) -> Call {
    let safety = safety(a)?;
    let mut state = tools::locked()?;
    let info = hints(&state, a.raw(2))?;
    let registration = events::registration_mut(&mut state, a.raw(0))?;
    if a.is_null(4) {
        registration.callbacks.remove(&safety);
        return Ok(());
    }
    let callback = events::Callback {
        function: UpperAddress(a.raw(4)),
        user_data: a.raw(3),
        info,
    };
    registration.callbacks.insert(safety, callback);
    Ok(())
}

/// `MPI_T_event_set_dropped_handler(event_registration, dropped_cb_function)`.
pub fn t_event_set_dropped_handler(a: &mut Args<'_>) -> Call {
    let mut state = tools::locked()?;
    let registration = events::registration_mut(&mut state, a.raw(0))?;
    registration.dropped = (!a.is_null(1)).then(|| UpperAddress(a.raw(1)));
    Ok(())
}

/// `MPI_T_event_read(event_instance, element_index, buffer)`.
pub fn t_event_read(a: &mut Args<'_>) -> Call {
    let event = events::instance(&*tools::locked()?, a.raw(0))?;
    let element = usize::try_from(a.int(1))
        .ok()
        .and_then(|index| event.elements.get(index).copied())
        .ok_or_else(|| {
            error(
                mpi::MPI_T_ERR_INVALID_INDEX,
                format!("the event has no element {}", a.int(1)),
            )
        })?;
    a.write_at(2, 0, element);
    Ok(())
}

/// `MPI_T_event_copy(event_instance, buffer)`.
pub fn t_event_copy(a: &mut Args<'_>) -> Call {
    let event = events::instance(&*tools::locked()?, a.raw(0))?;
    for (at, element) in event.elements.into_iter().enumerate() {
        a.write_at(1, at, element);
    }
    Ok(())
}

/// `MPI_T_event_get_timestamp(event_instance, event_timestamp)`.
pub fn t_event_get_timestamp(a: &mut Args<'_>) -> Call {
    let event = events::instance(&*tools::locked()?, a.raw(0))?;
    a.set_int(1, event.time);
    Ok(())
}

/// `MPI_T_event_get_source(event_instance, source_index)`.
pub fn t_event_get_source(a: &mut Args<'_>) -> Call {
    events::instance(&*tools::locked()?, a.raw(0))?;
    a.set_int(1, 0);
    Ok(())
}

/// `MPI_T_source_get_num(num_sources)`.
pub fn t_source_get_num(a: &mut Args<'_>) -> Call {
    drop(tools::locked()?);
    a.set_int(0, 1);
    Ok(())
}

/// Argument 0, the index of the only source.
fn check_source(a: &Args<'_>) -> Call {
    drop(tools::locked()?);
    if a.int(0) == 0 {
        return Ok(());
    }
    Err(error(
        mpi::MPI_T_ERR_INVALID_INDEX,
        format!("there is no source {}", a.int(0)),
    ))
}

/// `MPI_T_source_get_info(source_index, name, name_len, desc, desc_len, ordering, ticks_per_second, max_ticks, info)`.
pub fn t_source_get_info(a: &mut Args<'_>) -> Call {
    check_source(a)?;
    put_string(a, 1, 2, events::SOURCE_NAME);
    put_string(a, 3, 4, events::SOURCE_DESCRIPTION);
    // A C enumeration, which is an int.
    a.write_at(5, 0, mpi::MPI_T_SOURCE_ORDERED);
    a.set_int(6, events::TICKS_PER_SECOND);
    a.set_int(7, i64::MAX);
    hand_out(a, 8, Info::default())
}

/// `MPI_T_source_get_timestamp(source_index, timestamp)`.
pub fn t_source_get_timestamp(a: &mut Args<'_>) -> Call {
    check_source(a)?;
    a.set_int(1, monotonic_ns());
    Ok(())
}
