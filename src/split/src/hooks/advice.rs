//! madvise(2) and mlock(2): made as they are, and noted for [`crate::advice`].

use super::{Outcome, SystemCall};
use crate::advice;

/// What comes to [`dispatch`].
pub(super) const STEERED: [i64; 4] = [
    libc::SYS_madvise,
    libc::SYS_mlock,
    libc::SYS_mlock2,
    libc::SYS_mlockall,
];

/// Does one of [`STEERED`].
pub(super) fn dispatch(call: &SystemCall) -> Outcome {
    if call.number != libc::SYS_madvise || advice::is_lasting(call.args[2] as i32) {
        advice::note();
    }
    Outcome::unchanged(call)
}
