//! `MANA_CKPT_SIGNAL`: a signal that a launcher or scheduler forwards (SIGUSR1 before the time limit, say) asks for a
//! checkpoint.
//!
//! ```text
//!   signal, on any thread -> handler: one byte into a pipe -> thread of the lower half -> agent: request
//! ```
//!
//! # Safety
//! The handler runs with either half's TLS live: it makes one system call and touches nothing else, errno included.
#![expect(unsafe_code, reason = "installs a signal handler")]

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::IntoRawFd;
use std::sync::atomic::{AtomicI32, Ordering};

use mana_split::signals::spawn_lower;

use crate::cut;
use crate::error::EngineError;
use crate::messages::say;

/// The pipe's writing end.
static PIPE: AtomicI32 = AtomicI32::new(-1);

/// Listens to `signal`, if the user named one.
pub fn listen(signal: Option<i32>) -> Result<(), EngineError> {
    let Some(signal) = signal else { return Ok(()) };
    let failed = |source: io::Error| EngineError::Os {
        doing: format!("listening to signal {signal}"),
        source,
    };
    let (reader, writer) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(|e| failed(e.into()))?;
    PIPE.store(writer.into_raw_fd(), Ordering::Release);
    let mut reader = File::from(reader);
    spawn_lower("mana-signal", 0, move || {
        let mut byte = [0];
        while matches!(reader.read(&mut byte), Ok(1)) {
            if cut::request().is_none() {
                say!("mana: asked for a checkpoint by a signal, but MPI is not running");
            }
        }
    })
    .map_err(failed)?;
    install(signal).map_err(failed)
}

/// This process has been forked: the pipe is its parent's.
pub fn forget() {
    PIPE.store(-1, Ordering::Release);
}

/// Installs the handler.
fn install(signal: i32) -> io::Result<()> {
    // SAFETY: a zeroed sigaction is a valid one; the handler is async-signal-safe.
    let done = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_signal as *const () as usize;
        action.sa_flags = libc::SA_RESTART;
        libc::sigaction(signal, &raw const action, std::ptr::null_mut())
    };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The handler: one byte into the pipe.
extern "C" fn on_signal(_signal: i32) {
    let byte = 1_u8;
    let pipe = PIPE.load(Ordering::Acquire);
    // SAFETY: write(2) of one byte from this frame, by the instruction itself: no errno, no TLS.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") libc::SYS_write => _,
            in("rdi") i64::from(pipe),
            in("rsi") &raw const byte,
            in("rdx") 1_u64,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
}
