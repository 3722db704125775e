//! What a handler sees of the call it serves: its arguments, read by position and checked against the function table.
//!
//! ```text
//!   application            CrossFrame (upper stack)          Args
//!   MPI_Send(buf, n, …) -> rdi rsi rdx … | stack  --row-->   a.buf(0) a.count(1) a.handle(2) …
//! ```
//!
//! A `_c` function shares its handler with the plain one: [`Args::count`] and [`Args::ints`] read `int` or `MPI_Count`
//! as the row says, so no handler knows which of the two was called.
//!
//! # Safety
//! The lower half's TLS is live; allocation and panics (which abort) are allowed. Every pointer here comes from the
//! application and is followed on the strength of the C prototype it called: MPI itself gives no better guarantee.
//! The table row says what is behind a pointer and the methods here refuse (by panic: a bug of ours, not of the
//! application) to read or write anything else.
#![expect(
    unsafe_code,
    reason = "reads and writes the application's arguments; see # Safety above"
)]

use std::ffi::{CStr, CString};

use mana_split::frame::CrossFrame;
use mana_table::{Function, Kind, Param};

use crate::words::ArgumentWords;

/// Values that a C caller and we lay out alike, and for which any bit pattern is valid.
pub trait Plain: Copy + 'static {}
impl Plain for i32 {}
impl Plain for i64 {}
impl Plain for u64 {}
impl Plain for u8 {}
impl Plain for [i32; 8] {}

/// Whether an integer parameter is 64 bits wide: `MPI_Aint`, `MPI_Offset`, and what is an `MPI_Count` in a `_c` form.
pub fn is_64_bit(param: &Param) -> bool {
    param.wide || matches!(param.kind, Kind::Aint | Kind::Offset)
}

/// The arguments of one call in progress.
pub struct Args<'f> {
    frame: &'f mut CrossFrame,
    row: &'static Function,
    result: i32,
}

impl<'f> Args<'f> {
    /// Wraps the frame of a call to the function that `row` describes.
    pub fn new(frame: &'f mut CrossFrame, row: &'static Function) -> Self {
        Self {
            frame,
            row,
            result: 0,
        }
    }

    /// What the call returns if it succeeds: `MPI_SUCCESS`, or what [`Args::set_result`] said.
    pub fn result(&self) -> i32 {
        self.result
    }

    /// Sets the result of a function that does not return an error code (`mana_checkpoint`).
    pub fn set_result(&mut self, result: i32) {
        self.result = result;
    }

    /// The table row of the function that was called.
    pub fn row(&self) -> &'static Function {
        self.row
    }

    /// The frame, for a safe point inside the call.
    pub fn frame(&mut self) -> &mut CrossFrame {
        self.frame
    }

    /// Argument `i` as the register or stack slot holds it.
    pub fn raw(&self, i: usize) -> u64 {
        self.frame.arg(i)
    }

    /// All arguments, in order.
    pub fn words(&self) -> ArgumentWords {
        (0..self.row.params.len()).map(|i| self.raw(i)).collect()
    }

    /// An `int` argument.
    pub fn int(&self, i: usize) -> i32 {
        self.raw(i) as i32
    }

    /// A count that is an `int` in the plain function and an `MPI_Count` in its `_c` form; also any 64-bit integer.
    pub fn count(&self, i: usize) -> i64 {
        if self.is_wide(i) {
            self.raw(i) as i64
        } else {
            i64::from(self.int(i))
        }
    }

    /// Whether integer parameter `i` is 64 bits wide (`MPI_Count`, `MPI_Aint`, `MPI_Offset`).
    pub fn is_wide(&self, i: usize) -> bool {
        is_64_bit(&self.row.params[i])
    }

    /// Whether pointer argument `i` is null.
    pub fn is_null(&self, i: usize) -> bool {
        self.raw(i) == 0
    }

    /// Element `index` of the integer array behind argument `i`, of the width the row says.
    pub fn int_at(&self, i: usize, index: usize) -> i64 {
        if self.is_wide(i) {
            self.read_at::<i64>(i, index)
        } else {
            i64::from(self.read_at::<i32>(i, index))
        }
    }

    /// The first `len` elements of the integer array behind argument `i`.
    pub fn ints(&self, i: usize, len: usize) -> Vec<i64> {
        (0..len).map(|index| self.int_at(i, index)).collect()
    }

    /// The first `len` elements of an array of `int` behind argument `i`.
    pub fn ints32(&self, i: usize, len: usize) -> Vec<i32> {
        (0..len)
            .map(|index| self.read_at::<i32>(i, index))
            .collect()
    }

    /// Element `index` of the handle array behind argument `i`.
    pub fn handle_at(&self, i: usize, index: usize) -> u64 {
        self.read_at(i, index)
    }

    /// Writes element `index` of the handle array behind argument `i`.
    pub fn set_handle_at(&mut self, i: usize, index: usize, handle: u64) {
        self.write_at(i, index, handle);
    }

    /// Writes a handle through pointer argument `i`.
    pub fn set_handle(&mut self, i: usize, handle: u64) {
        self.write_at(i, 0, handle);
    }

    /// Writes an integer through pointer argument `i`, of the width the row says. A null pointer is left alone.
    pub fn set_int(&mut self, i: usize, value: i64) {
        self.set_int_at(i, 0, value);
    }

    /// Writes element `index` of the integer array behind argument `i`, of the width the row says.
    pub fn set_int_at(&mut self, i: usize, index: usize, value: i64) {
        if self.is_wide(i) {
            self.write_at(i, index, value);
        } else {
            self.write_at(i, index, value as i32);
        }
    }

    /// Writes a size through pointer argument `i`: `MPI_UNDEFINED` where the row says `int` and an `int` cannot hold it.
    pub fn set_size(&mut self, i: usize, size: i64) {
        let fits = self.is_wide(i) || i32::try_from(size).is_ok();
        let undefined = i64::from(mana_table::constants::MPI_UNDEFINED);
        self.set_int(i, if fits { size } else { undefined });
    }

    /// Writes a flag (`int`, 0 or 1) through pointer argument `i`.
    pub fn set_flag(&mut self, i: usize, value: bool) {
        self.write_at(i, 0, i32::from(value));
    }

    /// Writes a 64-bit word (an address, an attribute's value) through pointer argument `i`.
    pub fn set_word(&mut self, i: usize, value: u64) {
        self.write_at(i, 0, value);
    }

    /// The C string behind argument `i`, lossy where it is not UTF-8; empty for a null pointer.
    pub fn string(&self, i: usize) -> String {
        self.c_string(i).to_string_lossy().into_owned()
    }

    /// The C string behind argument `i`, byte for byte; empty for a null pointer.
    pub fn c_string(&self, i: usize) -> CString {
        let address = self.raw(i);
        if address == 0 {
            return CString::default();
        }
        // SAFETY: the prototype promises a NUL-terminated string here.
        unsafe { CStr::from_ptr(address as *const libc::c_char) }.to_owned()
    }

    /// Writes `text` and its NUL behind argument `i`, cut to `capacity_bytes` (NUL included); returns the bytes of
    /// text written.
    pub fn set_string(&mut self, i: usize, text: &str, capacity_bytes: usize) -> usize {
        self.set_bytes(i, text.as_bytes(), capacity_bytes)
    }

    /// As [`Args::set_string`], for text that need not be UTF-8.
    pub fn set_bytes(&mut self, i: usize, text: &[u8], capacity_bytes: usize) -> usize {
        let address = self.raw(i) as *mut u8;
        if address.is_null() || capacity_bytes == 0 {
            return 0;
        }
        let len = text.len().min(capacity_bytes - 1);
        // SAFETY: the prototype promises room for the standard's maximum, which `capacity_bytes` does not exceed.
        unsafe {
            address.copy_from_nonoverlapping(text.as_ptr(), len);
            address.add(len).write(0);
        }
        len
    }

    /// Reads element `index` of the array behind pointer argument `i`.
    pub fn read_at<T: Plain>(&self, i: usize, index: usize) -> T {
        // SAFETY: the prototype promises an array of at least `index + 1` such elements; alignment may be off in
        // programs that never noticed.
        unsafe { (self.raw(i) as *const T).add(index).read_unaligned() }
    }

    /// Writes element `index` of the array behind pointer argument `i`, unless the pointer is null.
    pub fn write_at<T: Plain>(&mut self, i: usize, index: usize, value: T) {
        let address = self.raw(i) as *mut T;
        if !address.is_null() {
            // SAFETY: as in `read_at`, for an output parameter.
            unsafe { address.add(index).write_unaligned(value) }
        }
    }
}

/// Reads the bytes of application memory at `address`, for packing a message by ourselves.
///
/// # Safety
/// `address..address + len_bytes` must be readable for the life of the slice and not written meanwhile.
pub unsafe fn application_bytes<'a>(address: u64, len_bytes: usize) -> &'a [u8] {
    // SAFETY: the caller's contract.
    unsafe { std::slice::from_raw_parts(address as *const u8, len_bytes) }
}

/// Copies `len_bytes` within application memory; the two places may overlap.
///
/// # Safety
/// `from..from + len_bytes` must be readable and `to..to + len_bytes` writable.
pub unsafe fn copy_application_bytes(from: u64, to: u64, len_bytes: usize) {
    // SAFETY: the caller's contract.
    unsafe { (to as *mut u8).copy_from(from as *const u8, len_bytes) }
}

/// Copies `bytes` to application memory at `address`.
///
/// # Safety
/// `address..address + bytes.len()` must be writable.
pub unsafe fn write_application_bytes(address: u64, bytes: &[u8]) {
    // SAFETY: the caller's contract.
    unsafe { (address as *mut u8).copy_from(bytes.as_ptr(), bytes.len()) }
}
