//! x86-64 Linux, System V ABI.

mod crossing;
mod enter;
mod registers;
mod resume;
mod signals;
mod syscall_hook;
mod xsave;

pub(crate) use crossing::crossing_entry;
pub(crate) use enter::enter;
pub(crate) use registers::{
    choose_fs_switch, has_fsgsbase, read_fs, read_gs, stack_pointer, system_call, write_fs,
    write_gs,
};
pub use resume::FloatModes;
pub(crate) use resume::{call_on_stack, call_with_arguments, resume_frame, return_from_signal};
pub(crate) use signals::{signal_entry_address, signal_return_address};
pub(crate) use syscall_hook::{prepare_syscall_hook, sigsys_return, syscall_hook};
pub(crate) use xsave::{xsave_components_enabled, xsave_components_in_use};
