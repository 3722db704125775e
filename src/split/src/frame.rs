//! What a crossing leaves on the caller's stack.
//!
//! The entry of a slot ([`crate::arch`]) builds one `CrossFrame` directly below the caller's return address, so the
//! frame lies in the upper half and is saved with it:
//!
//! ```text
//!   higher addresses
//!     arg 7, arg 8 …        pushed by the caller             <- arg(6), arg(7) …
//!     return_rip            pushed by the caller's `call`
//!     r15 … rbx             callee-saved: the caller's own values
//!     r9 … rdi              the argument registers           <- arg(0) … arg(5)
//!     result, state, slot
//!   lower addresses         <- rsp while the handler runs, 16-byte aligned
//! ```
//!
//! Invariant: the frame holds everything that is needed to make the same call again. A checkpoint taken while the
//! handler waits is resumed either by entering the slot again with the same registers ([`CrossState::ReExecute`]) or,
//! when the handler said that the call has had its effect, by returning its result ([`CrossState::Completed`]).

/// What a restart does with a call that was under way at the checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrossState {
    /// Enter the slot again with the argument registers as they were.
    ReExecute,
    /// The call has happened: return the result to the caller.
    Completed(u64),
}

/// The caller's registers of one call into the lower half; see the module's picture.
///
/// Made by the entry assembly only; handlers get it by reference.
#[repr(C)]
#[derive(Debug)]
pub struct CrossFrame {
    pub(crate) slot: u64,
    pub(crate) state: u64,
    pub(crate) result: u64,
    pub(crate) args: [u64; 6],
    pub(crate) rbx: u64,
    pub(crate) rbp: u64,
    pub(crate) r12: u64,
    pub(crate) r13: u64,
    pub(crate) r14: u64,
    pub(crate) r15: u64,
    pub(crate) return_rip: u64,
}

/// The part of the frame below the return address: what the entry takes off the stack before it returns.
pub(crate) const FRAME_BYTES: usize = std::mem::offset_of!(CrossFrame, return_rip);

// The entry finds rsp at 8 modulo 16 (the ABI) and calls the handler with rsp at the frame.
const _: () = assert!(
    FRAME_BYTES % 16 == 8,
    "the handler's stack would be misaligned"
);

const RE_EXECUTE: u64 = 0;
const COMPLETED: u64 = 1;

impl CrossFrame {
    /// The function's slot in the gate, which is its number in the function table.
    #[must_use]
    pub fn slot(&self) -> u16 {
        // The entry stores one of GATE_SLOTS constants here.
        self.slot as u16
    }

    /// Argument `index` of the call, as the 64-bit register or stack word the caller passed (System V ABI, integer
    /// class only). The upper bits of a narrower argument are not defined: cut it down with `as`.
    ///
    /// The handler knows how many arguments its function has; a larger index reads the caller's own stack frame.
    #[inline(always)]
    #[must_use]
    #[expect(
        unsafe_code,
        reason = "a volatile read, so that two words are never read as one"
    )]
    pub fn arg(&self, index: usize) -> u64 {
        match self.args.get(index) {
            // The entry stored each word by itself a moment ago. A vector load of two would have to wait until both
            // stores have reached the cache (no store forwarding across two stores): 10 ns of a crossing's 40.
            // SAFETY: a reference is valid to read.
            Some(value) => unsafe { std::ptr::from_ref(value).read_volatile() },
            None => self.stack_arg(index - self.args.len()),
        }
    }

    #[expect(
        unsafe_code,
        reason = "arguments seven and up lie above the frame, on the caller's stack"
    )]
    fn stack_arg(&self, index: usize) -> u64 {
        let above = (&raw const self.return_rip).wrapping_add(1 + index);
        // SAFETY: the entry built `self` directly below the caller's return address, so the words above it are the
        // caller's pushed arguments and then its own frame: mapped, aligned stack memory of this thread.
        unsafe { above.read() }
    }

    /// States that the call has had its effect and its result: a restart from a checkpoint taken from here on returns
    /// `result` instead of making the call again.
    pub fn complete(&mut self, result: u64) {
        self.result = result;
        self.state = COMPLETED;
    }

    /// What a restart would do with this call now.
    #[must_use]
    pub fn state(&self) -> CrossState {
        if self.state == RE_EXECUTE {
            CrossState::ReExecute
        } else {
            CrossState::Completed(self.result)
        }
    }

    /// The address the call returns to, in the upper half.
    #[must_use]
    pub fn return_address(&self) -> u64 {
        self.return_rip
    }
}
