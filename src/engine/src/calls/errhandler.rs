//! Error handlers, and the classes, codes and strings of errors (MPI-5.0 sections 9.3 to 9.5). What a handler does is
//! in [`crate::raise`].
//!
//! An error handler outlives `MPI_Errhandler_free` while a communicator uses it; `MPI_Comm_get_errhandler` gives the
//! application a further reference, which it frees in its turn.

use mana_record_replay::address::{CallbackLanguage, UpperAddress};
use mana_record_replay::errhandler::{
    ERRORS_ABORT, ERRORS_ARE_FATAL, ERRORS_RETURN, Errhandler, ErrhandlerKind, NOT_CHOSEN,
};
use mana_record_replay::error_class::ErrorClass;
use mana_record_replay::handle::ErrhandlerHandle;
use mana_table::constants as mpi;

use crate::args::Args;
use crate::engine::{State, state};
use crate::error::{Call, MpiError};
use crate::holder::Holder;
use crate::predefined_attributes::last_used_code_changed;
use crate::raise;

/// The error handler in an argument word, for objects of `kind`.
pub fn usable(
    state: &State,
    word: u64,
    kind: ErrhandlerKind,
) -> Result<ErrhandlerHandle, MpiError> {
    let handle = ErrhandlerHandle::from_word(word)?;
    if is_predefined(handle) {
        return Ok(handle);
    }
    let made_for = state.objects.errhandlers.require(handle)?.kind;
    if made_for != kind {
        let text = format!("{handle} was made for objects of the kind {made_for:?}, not {kind:?}");
        return Err(MpiError::new(mpi::MPI_ERR_ERRHANDLER, text));
    }
    Ok(handle)
}

/// Raises `error` of a constructor on the error handler that argument `i` gives the new object, of which there is none
/// yet: the handler is called with the null handle. A handler that cannot be used leaves the error to the usual one.
pub fn raise_on_argument(
    a: &mut Args<'_>,
    i: usize,
    kind: ErrhandlerKind,
    error: &MpiError,
) -> Call {
    let reaction = {
        let state = state();
        match usable(&state, a.raw(i), kind) {
            Ok(handler) => state.objects.reaction(handler),
            Err(_) => return Err(error.clone()),
        }
    };
    let holder = match kind {
        ErrhandlerKind::Session => Holder::Session(mpi::MPI_SESSION_NULL),
        _ => Holder::Comm(mpi::MPI_COMM_NULL),
    };
    let code = raise::react(reaction, holder, a.row().id, error);
    a.set_result(code);
    Ok(())
}

/// Whether it is one that MPI brings along (and not the null handle).
fn is_predefined(handle: ErrhandlerHandle) -> bool {
    matches!(handle, ERRORS_ARE_FATAL | ERRORS_ABORT | ERRORS_RETURN)
}

/// `MPI_*_create_errhandler(function, errhandler)`.
fn create(a: &mut Args<'_>, kind: ErrhandlerKind) -> Call {
    if a.is_null(0) {
        return Err(MpiError::argument("the error handler function is null"));
    }
    let handler = Errhandler {
        kind,
        function: UpperAddress(a.raw(0)),
        language: CallbackLanguage::C,
    };
    let handle = state().objects.errhandlers.insert(handler)?;
    a.set_handle(1, u64::from(handle.word()));
    Ok(())
}

/// `MPI_*_set_errhandler(object, errhandler)`.
fn set(a: &mut Args<'_>, kind: ErrhandlerKind) -> Call {
    let holder = Holder::new(kind, a.raw(0));
    let mut state = state();
    state.errhandler(holder)?;
    let handler = usable(&state, a.raw(1), kind)?;
    state.objects.hold_errhandler(handler)?;
    let before = state.replace_errhandler(holder, handler)?;
    state.objects.errhandlers.release(before);
    Ok(())
}

/// `MPI_*_get_errhandler(object, errhandler)`.
fn get(a: &mut Args<'_>, kind: ErrhandlerKind) -> Call {
    let handler = {
        let mut state = state();
        match state.errhandler(Holder::new(kind, a.raw(0)))? {
            NOT_CHOSEN => ERRORS_ARE_FATAL,
            handler if is_predefined(handler) => handler,
            handler => {
                state.objects.errhandlers.add_user_reference(handler)?;
                handler
            }
        }
    };
    a.set_handle(1, u64::from(handler.word()));
    Ok(())
}

/// `MPI_*_call_errhandler(object, errorcode)`: succeeds if the handler comes back at all.
fn call(a: &mut Args<'_>, kind: ErrhandlerKind) -> Call {
    let (holder, code) = (Holder::new(kind, a.raw(0)), a.int(1));
    let text = {
        let state = state();
        state.errhandler(holder)?;
        state.objects.errors.string_of(code)?
    };
    let error = MpiError::new(code, text.to_string_lossy());
    raise::raise_on(holder, a.row().id, &error);
    Ok(())
}

/// The four functions of each kind of object, by their names.
macro_rules! errhandler_functions {
    ($($kind:ident: $create:ident $set:ident $get:ident $call:ident;)*) => {$(
        #[doc = concat!("`MPI_", stringify!($kind), "_create_errhandler(function, errhandler)`.")]
        pub fn $create(a: &mut Args<'_>) -> Call {
            create(a, ErrhandlerKind::$kind)
        }
        #[doc = concat!("`MPI_", stringify!($kind), "_set_errhandler(object, errhandler)`.")]
        pub fn $set(a: &mut Args<'_>) -> Call {
            set(a, ErrhandlerKind::$kind)
        }
        #[doc = concat!("`MPI_", stringify!($kind), "_get_errhandler(object, errhandler)`.")]
        pub fn $get(a: &mut Args<'_>) -> Call {
            get(a, ErrhandlerKind::$kind)
        }
        #[doc = concat!("`MPI_", stringify!($kind), "_call_errhandler(object, errorcode)`.")]
        pub fn $call(a: &mut Args<'_>) -> Call {
            call(a, ErrhandlerKind::$kind)
        }
    )*};
}

errhandler_functions! {
    Comm: comm_create_errhandler comm_set_errhandler comm_get_errhandler comm_call_errhandler;
    Win: win_create_errhandler win_set_errhandler win_get_errhandler win_call_errhandler;
    File: file_create_errhandler file_set_errhandler file_get_errhandler file_call_errhandler;
    Session: session_create_errhandler session_set_errhandler session_get_errhandler session_call_errhandler;
}

/// `MPI_Errhandler_free(errhandler)`. A predefined one, which `MPI_Comm_get_errhandler` may have given, stays.
pub fn errhandler_free(a: &mut Args<'_>) -> Call {
    let handle = ErrhandlerHandle::from_word(a.handle_at(0, 0))?;
    if !is_predefined(handle) {
        state().objects.errhandlers.free(handle)?;
    }
    a.set_handle(0, mpi::MPI_ERRHANDLER_NULL);
    Ok(())
}

/// `MPI_Error_class(errorcode, errorclass)`.
pub fn error_class(a: &mut Args<'_>) -> Call {
    let class = state().objects.errors.class_of(a.int(0))?;
    a.set_int(1, i64::from(class.0));
    Ok(())
}

/// `MPI_Error_string(errorcode, string, resultlen)`.
pub fn error_string(a: &mut Args<'_>) -> Call {
    let text = state().objects.errors.string_of(a.int(0))?;
    let len = a.set_bytes(1, text.to_bytes(), mpi::MPI_MAX_ERROR_STRING as usize);
    a.set_int(2, len as i64);
    Ok(())
}

/// `MPI_Add_error_class(errorclass)`.
pub fn add_error_class(a: &mut Args<'_>) -> Call {
    let class = {
        let mut state = state();
        let class = state.objects.errors.add_class();
        last_used_code_changed(&state);
        class
    };
    a.set_int(0, i64::from(class.0));
    Ok(())
}

/// `MPI_Add_error_code(errorclass, errorcode)`.
pub fn add_error_code(a: &mut Args<'_>) -> Call {
    let code = {
        let mut state = state();
        let code = state.objects.errors.add_code(ErrorClass(a.int(0)))?;
        last_used_code_changed(&state);
        code
    };
    a.set_int(1, i64::from(code));
    Ok(())
}

/// `MPI_Add_error_string(errorcode, string)`.
pub fn add_error_string(a: &mut Args<'_>) -> Call {
    let text = a.c_string(1);
    Ok(state().objects.errors.add_string(a.int(0), &text)?)
}

/// `MPI_Remove_error_class(errorclass)`.
pub fn remove_error_class(a: &mut Args<'_>) -> Call {
    Ok(state().objects.errors.remove_class(ErrorClass(a.int(0)))?)
}

/// `MPI_Remove_error_code(errorcode)`.
pub fn remove_error_code(a: &mut Args<'_>) -> Call {
    Ok(state().objects.errors.remove_code(a.int(0))?)
}

/// `MPI_Remove_error_string(errorcode)`.
pub fn remove_error_string(a: &mut Args<'_>) -> Call {
    Ok(state().objects.errors.remove_string(a.int(0))?)
}
