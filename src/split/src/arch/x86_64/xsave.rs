//! The vector registers' save area in a signal frame.
//!
//! The kernel appends an XSAVE area to the frame and marks it in the bytes that FXSAVE leaves to software
//! (`struct _fpx_sw_bytes` of <asm/sigcontext.h>); the area's header says which components are in use.

use std::arch::x86_64::_xgetbv;

/// Offset of `sw_reserved` in the legacy area, which begins with the magic number.
const SW_RESERVED: usize = 464;
/// FP_XSTATE_MAGIC1 of <asm/sigcontext.h>.
const FP_XSTATE_MAGIC1: u32 = 0x4650_5853;
/// Offset of the XSAVE header, which begins with XSTATE_BV.
const XSTATE_BV: usize = 512;
/// x87 and SSE: in every x86-64 processor, and in a frame without XSAVE.
const LEGACY: u64 = 0b11;

/// XSTATE_BV of the save area at `area`: one bit per component (as in XCR0) that is not in its initial state.
///
/// # Safety
/// `area` is the `fpregs` pointer of a signal frame of this process.
pub unsafe fn xsave_components_in_use(area: *const u8) -> u64 {
    // SAFETY: the legacy area has 512 bytes; the header follows it when the magic number is there.
    unsafe {
        if area.is_null()
            || area.add(SW_RESERVED).cast::<u32>().read_unaligned() != FP_XSTATE_MAGIC1
        {
            return LEGACY;
        }
        area.add(XSTATE_BV).cast::<u64>().read_unaligned()
    }
}

/// The components that this processor has and the kernel has enabled.
pub fn xsave_components_enabled() -> u64 {
    #[target_feature(enable = "xsave")]
    fn xcr0() -> u64 {
        // SAFETY: CPUID says OSXSAVE (checked by the caller); register 0 exists then.
        unsafe { _xgetbv(0) }
    }
    if std::arch::is_x86_feature_detected!("xsave") {
        // SAFETY: the feature is there, checked just now.
        unsafe { xcr0() }
    } else {
        LEGACY
    }
}
