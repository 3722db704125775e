//! The gate: one fixed page table of entry points through which the upper half reaches the lower half.
//!
//! ```text
//!   GATE_ADDR + 0x0000   "MANAGATE", ABI version, size, hash and length of the function table
//!             + 0x0100   64 hook slots: system-call hook of the steered call sites, the vdso's functions
//!             + 0x1000   one slot per function: the stub's code is `jmp *slot(gate)`
//!             + 0x8000   end
//! ```
//!
//! The layout is frozen: the stub, the vdso image and the steered call sites in an image outlive versions of `mana`.
//! Every lower half maps the page afresh, fills it with its own addresses and makes it read-only; it never is in an
//! image. Below 2 MiB the slots are within reach of an absolute 32-bit displacement and below any program.

#![expect(unsafe_code, reason = "maps and fills the gate at its fixed address")]
// # Safety
// Filling happens at start-up, on the main thread with the lower TLS live, before any upper code runs.

use crate::error::{Error, Result};
use crate::{arch, sys};

/// Where the gate is mapped in every process.
pub const GATE_ADDR: usize = 0x0010_0000;
/// Length of the mapping in bytes.
pub const GATE_SIZE: usize = 0x8000;
/// First word of the gate.
pub const GATE_MAGIC: u64 = u64::from_le_bytes(*b"MANAGATE");
/// Version of the layout in the module's picture.
pub const GATE_ABI_VERSION: u32 = 1;
/// Key of the upper half's auxiliary vector whose value is [`GATE_ADDR`]; tells the stub that it runs under mana.
pub const AT_MANA_GATE: u64 = 0x4d41_4e41;

/// Offset of the first hook slot in bytes.
pub const HOOKS_OFFSET: usize = 0x100;
/// Number of hook slots.
pub const HOOK_SLOTS: usize = 64;
/// Offset of the first function slot in bytes.
pub const FUNCTIONS_OFFSET: usize = 0x1000;
/// Number of function slots.
pub const GATE_SLOTS: usize = (GATE_SIZE - FUNCTIONS_OFFSET) / size_of::<u64>();

/// The hook slots in use. The numbers are frozen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Hook {
    /// Called by the trampolines of steered system-call sites.
    Syscall = 0,
    /// `clock_gettime` of the vdso.
    ClockGettime = 1,
    /// `gettimeofday` of the vdso.
    Gettimeofday = 2,
    /// `time` of the vdso.
    Time = 3,
    /// `getcpu` of the vdso.
    Getcpu = 4,
    /// `clock_getres` of the vdso.
    ClockGetres = 5,
    /// `getrandom` of the vdso.
    Getrandom = 6,
}

/// How a crossing exchanges the FS base, the register that carries a thread's TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FsSwitch {
    /// `rdfsbase`/`wrfsbase`: the kernel allows them (AT_HWCAP2 bit 1, Linux 5.9 and later).
    Instructions,
    /// `arch_prctl(2)`, some ten times dearer.
    SystemCall,
}

impl FsSwitch {
    /// What this machine and kernel offer.
    #[must_use]
    pub fn detect() -> Self {
        if arch::has_fsgsbase() {
            Self::Instructions
        } else {
            Self::SystemCall
        }
    }
}

/// The gate while it is being filled; [`Gate::seal`] ends that.
#[derive(Debug)]
pub struct Gate {
    base: *mut u8,
}

impl Gate {
    /// Maps the gate and points every function slot at its crossing entry.
    ///
    /// # Errors
    /// [`Error::GateOccupied`] when something else is mapped at [`GATE_ADDR`], and [`Error::GateTooSmall`] when the
    /// table has more functions than the gate has slots.
    pub fn install(function_table_hash: u64, function_count: u32) -> Result<Self> {
        Self::install_with(function_table_hash, function_count, FsSwitch::detect())
    }

    /// [`Gate::install`] with a given way to exchange the FS base; for machines where [`FsSwitch::detect`] is wrong.
    ///
    /// # Errors
    /// As [`Gate::install`].
    pub fn install_with(
        function_table_hash: u64,
        function_count: u32,
        switch: FsSwitch,
    ) -> Result<Self> {
        if function_count as usize > GATE_SLOTS {
            return Err(Error::GateTooSmall {
                functions: function_count as usize,
                slots: GATE_SLOTS,
            });
        }
        arch::choose_fs_switch(switch);
        let gate = Self {
            base: map_at(GATE_ADDR, GATE_SIZE)?,
        };
        gate.write(0x00, GATE_MAGIC);
        gate.write(0x08, u64::from(GATE_ABI_VERSION) | (GATE_SIZE as u64) << 32);
        gate.write(0x10, function_table_hash);
        gate.write(0x18, u64::from(function_count));
        // Slots beyond the table are filled too: a stub newer than this program ends in a message, not at address 0.
        for slot in 0..GATE_SLOTS {
            gate.write(
                FUNCTIONS_OFFSET + slot * size_of::<u64>(),
                arch::crossing_entry(slot, switch) as u64,
            );
        }
        Ok(gate)
    }

    /// Makes `slot` jump straight to `function`, without exchanging the FS base.
    ///
    /// `function` is a plain `extern "C"` function of the caller's prototype that runs with the *upper* TLS: it must
    /// not use thread-locals (errno is one), allocate or panic.
    ///
    /// # Panics
    /// When `slot` is not below [`GATE_SLOTS`].
    pub fn set_local(&mut self, slot: u16, function: usize) {
        assert!(
            usize::from(slot) < GATE_SLOTS,
            "the gate has {GATE_SLOTS} function slots, no slot {slot}"
        );
        self.write(
            FUNCTIONS_OFFSET + usize::from(slot) * size_of::<u64>(),
            function as u64,
        );
    }

    /// Fills a hook slot with the address of the lower half's function.
    pub fn set_hook(&mut self, hook: Hook, address: usize) {
        self.write(
            HOOKS_OFFSET + hook as usize * size_of::<u64>(),
            address as u64,
        );
    }

    /// Makes the gate read-only: from here on it is what upper code jumps through.
    ///
    /// # Errors
    /// [`Error::Os`] when mprotect fails.
    pub fn seal(self) -> Result<()> {
        // SAFETY: `base` is our own mapping of GATE_SIZE bytes, which nobody writes any more: `self` is consumed.
        let rc = unsafe { libc::mprotect(self.base.cast(), GATE_SIZE, libc::PROT_READ) };
        if rc == 0 {
            Ok(())
        } else {
            Err(Error::os("mprotect of the gate read-only"))
        }
    }

    fn write(&self, offset: usize, value: u64) {
        assert!(
            offset + size_of::<u64>() <= GATE_SIZE,
            "write beyond the gate at {offset:#x}"
        );
        // SAFETY: in bounds (checked) of our writable private mapping, 8-byte aligned; no upper code runs yet, so
        // nobody reads it meanwhile.
        unsafe { self.base.add(offset).cast::<u64>().write(value) }
    }
}

/// Fills a hook slot of the sealed gate anew.
///
/// # Errors
/// [`Error::Os`] when mprotect fails.
///
/// # Safety
/// The gate is there, and no upper code runs.
pub(crate) unsafe fn change_hook(hook: Hook, address: usize) -> Result<()> {
    let protect = |protection| {
        // SAFETY: the gate's own mapping, which nobody but upper code uses.
        unsafe { sys::mprotect(GATE_ADDR, GATE_SIZE, protection) }
            .map_err(|errno| Error::raw("mprotect of the gate", errno))
    };
    protect(libc::PROT_READ | libc::PROT_WRITE)?;
    let mut gate = Gate {
        base: GATE_ADDR as *mut u8,
    };
    gate.set_hook(hook, address);
    protect(libc::PROT_READ).map(drop)
}

fn map_at(address: usize, length: usize) -> Result<*mut u8> {
    // SAFETY: MAP_FIXED_NOREPLACE never replaces a mapping; the result is fresh anonymous memory.
    let mapped = unsafe {
        libc::mmap(
            address as *mut libc::c_void,
            length,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE,
            -1,
            0,
        )
    };
    if mapped == libc::MAP_FAILED {
        let source = std::io::Error::last_os_error();
        return Err(if source.raw_os_error() == Some(libc::EEXIST) {
            Error::GateOccupied { address }
        } else {
            Error::Os {
                what: "mmap of the gate".into(),
                source,
            }
        });
    }
    Ok(mapped.cast())
}
