//! What the scheduler was told about a thread: policy, priority, how nice it is, how exact its timers are.
//!
//! Only what the program has changed is kept: otherwise a restart would undo what its launcher asks for (`nice mana restart …`).
//! On which processors a thread runs is the launcher's business, and not kept at all.
//!
//! # Safety
//! On the thread itself, with the lower TLS live.
#![expect(unsafe_code, reason = "system calls about the calling thread")]

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::sys::{self, Errno};

/// The first version of the kernel's `struct sched_attr`, sched_setattr(2), in words: size and policy, flags, nice and priority,
/// and three of the deadline policy.
type Attributes = [u64; 6];
const ATTRIBUTES_BYTES: u64 = size_of::<Attributes>() as u64;

/// What the scheduler knows of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduling {
    attributes: Attributes,
    /// prctl(2) PR_SET_TIMERSLACK, in nanoseconds.
    slack_ns: u64,
}

/// The main thread's before the program ran: what the launcher gave.
static GIVEN: OnceLock<Option<Scheduling>> = OnceLock::new();

/// Notes what the launcher gave, once.
pub(crate) fn start() {
    let _ = GIVEN.set(now().ok());
}

/// The calling thread's, where the program has changed it.
pub(crate) fn changed() -> Result<Option<Scheduling>> {
    let now = now()?;
    Ok((GIVEN.get().copied().flatten() != Some(now)).then_some(now))
}

fn now() -> Result<Scheduling> {
    let mut attributes: Attributes = [0; 6];
    let args = [0, attributes.as_mut_ptr() as u64, ATTRIBUTES_BYTES, 0, 0, 0];
    // SAFETY: writes the structure, of the size that it is told.
    unsafe { sys::call(libc::SYS_sched_getattr, args) }
        .map_err(|errno| Error::raw("sched_getattr", errno))?;
    let args = [libc::PR_GET_TIMERSLACK as u64, 0, 0, 0, 0, 0];
    // SAFETY: takes no pointer.
    let slack = unsafe { sys::call(libc::SYS_prctl, args) };
    Ok(Scheduling {
        attributes,
        slack_ns: slack.map_err(|errno| Error::raw("prctl(PR_GET_TIMERSLACK)", errno))? as u64,
    })
}

impl Scheduling {
    /// Makes it the calling thread's. What this user may not ask for is left, with a warning.
    pub(crate) fn apply(&self) -> Result<()> {
        let args = [libc::PR_SET_TIMERSLACK as u64, self.slack_ns, 0, 0, 0, 0];
        // SAFETY: takes no pointer.
        unsafe { sys::call(libc::SYS_prctl, args) }
            .map_err(|errno| Error::raw("prctl(PR_SET_TIMERSLACK)", errno))?;
        let args = [0, self.attributes.as_ptr() as u64, 0, 0, 0, 0];
        // SAFETY: reads the structure, which says its own size.
        match unsafe { sys::call(libc::SYS_sched_setattr, args) } {
            Err(errno @ Errno(libc::EPERM | libc::EACCES)) => {
                tracing::warn!(
                    "a thread's policy, priority or nice value cannot be set as it was ({}): it has the launcher's",
                    std::io::Error::from(errno)
                );
                Ok(())
            }
            Err(errno) => Err(Error::raw("sched_setattr", errno)),
            Ok(_) => Ok(()),
        }
    }
}
