//! Constructors that are collective over processes which share no communicator of just them, and `MPI_Comm_create_group`,
//! the simpler of the two; the other is `MPI_Intercomm_create`, see `intercomm`.
//!
//! Each such set of processes has a clock of its own (an *ad-hoc group*), so that the cut never falls between members
//! that are inside the native call and others that have not come to it:
//!
//! ```text
//!   id of the clock, known to all members -> register -> gate -> native call -> retire
//!   create_group: from (parent, sorted members, tag), which all of them pass
//! ```

use mana_drain::Gid;
use mana_drain::Start;
use mana_native::int;
use mana_record_replay::group::Group;
use mana_table::constants as mpi;
use mana_table::fns;

use super::comm::{check_members, intra_arg};
use super::group::group_arg;
use crate::args::Args;
use crate::comms::{self, Inherit};
use crate::engine::{native, state};
use crate::error::{Call, MpiError};
use crate::publish::CommSlot;
use crate::{cut, foreign, native_call};

/// Runs `constructor` past the gate of the ad-hoc group `gid` of `members` processes; `comm` is where messages may
/// arrive meanwhile.
pub fn past_group_gate<T>(
    a: &mut Args<'_>,
    gid: Gid,
    members: u32,
    comm: &CommSlot,
    constructor: impl FnOnce() -> Result<T, MpiError>,
) -> Result<T, MpiError> {
    let clock = cut::register_clock(gid, members)?;
    let made = cut::enter_clock(a, clock, comm, Start::Blocking).and_then(|()| constructor());
    cut::retire_clock(clock);
    made
}

/// `MPI_Comm_create_group(comm, group, tag, newcomm)`: only the processes of `group` take part.
pub fn comm_create_group(a: &mut Args<'_>) -> Call {
    let group = group_arg(a, 1)?;
    let parent = intra_arg(a, 0)?;
    check_members(a, &group)?;
    let tag = a.int(2);
    if tag < 0 {
        return Err(MpiError::new(
            mpi::MPI_ERR_TAG,
            format!("tag {tag} is negative"),
        ));
    }
    let process = state().comms.process()?;
    let made = if group.contains(process) {
        create_group(a, parent, &group, tag)?
    } else {
        mpi::MPI_COMM_NULL
    };
    a.set_handle(3, made);
    Ok(())
}

/// Makes the communicator of `group`, of which this process is a member.
fn create_group(
    a: &mut Args<'_>,
    parent: &CommSlot,
    group: &Group,
    tag: i32,
) -> Result<u64, MpiError> {
    // Processes of another job have other numbers on other ranks, and no part in the clock.
    let own = group
        .iter()
        .filter(|process| !foreign::is_foreign(*process));
    let mut members: Vec<u32> = own.map(|process| process.0).collect();
    members.sort_unstable();
    let scope = parent.gid().group(&members, tag);
    let below = past_group_gate(a, scope, members.len() as u32, parent, || {
        let library = native()?;
        let native_group = comms::native_group(library, group)?;
        let mut made = 0_u64;
        let arguments = [
            parent.native(),
            native_group,
            int(tag),
            native_call::out(&mut made),
        ];
        native_call::call(library, fns::MPI_COMM_CREATE_GROUP, &arguments)?;
        comms::free_native_group(library, native_group)?;
        Ok(made)
    })?;
    comms::adopt_in(
        u64::from(parent.handle()),
        scope,
        below,
        Inherit::Errhandler,
    )
}
