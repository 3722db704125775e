//! The machine below (MPI-5.0 section 11.1.2): `MPI_Get_hw_resource_info`, and the splits that use what it says.

use std::ffi::CString;

use mana_record_replay::info::Info;
use mana_table::constants as mpi;

use crate::args::Args;
use crate::engine::state;
use crate::error::{Call, MpiError};
use crate::hardware::Part;

/// `MPI_Get_hw_resource_info(hw_info)`: a key per kind of part that the system tells of; `true` where this process is
/// restricted to a single one.
pub fn get_hw_resource_info(a: &mut Args<'_>) -> Call {
    let mut info = Info::default();
    for part in Part::ALL.into_iter().filter(|part| part.is_known()) {
        let restricted = if part.only_instance().is_some() {
            c"true"
        } else {
            c"false"
        };
        info.set(&CString::new(part.uri()).unwrap_or_default(), restricted)?;
    }
    let handle = state().objects.infos.insert(info)?;
    a.set_handle(0, u64::from(handle.word()));
    Ok(())
}

/// The colours of this process in a split by the part that the hints name: processes on the same instance have the same,
/// one that is not restricted to an instance has `MPI_UNDEFINED`. `None` where the hints name no part of ours.
pub fn colors_by_hardware(split_type: i32, hints: &Info) -> Result<Option<[i32; 2]>, MpiError> {
    if !matches!(
        split_type,
        mpi::MPI_COMM_TYPE_HW_GUIDED | mpi::MPI_COMM_TYPE_RESOURCE_GUIDED
    ) {
        return Ok(None);
    }
    let Some(name) = hints.get(c"mpi_hw_resource_type")? else {
        return Ok(None);
    };
    let part = Part::ALL
        .into_iter()
        .find(|part| part.uri().as_bytes() == name.to_bytes());
    Ok(part.map(|part| {
        part.only_instance()
            .map_or([mpi::MPI_UNDEFINED; 2], |instance| {
                colors(instance.as_bytes())
            })
    }))
}

/// The colours of this process in a split by machine: of the name that the kernel gave itself when it was booted (random(4)),
/// and of the host's, which containers on it may have for themselves.
pub fn colors_of_machine() -> [i32; 2] {
    let mut name = std::fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    name.extend_from_slice(rustix::system::uname().nodename().to_bytes());
    colors(&name)
}

/// Two numbers for a name: FNV-1a, its halves cut to what a colour may be.
fn colors(name: &[u8]) -> [i32; 2] {
    let hash = name.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    [hash, hash >> 32].map(|half| (half & 0x7fff_ffff) as i32)
}
