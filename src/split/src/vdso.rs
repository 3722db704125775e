//! A vdso for the upper half: a tiny ELF image in the window whose functions jump through the gate.
//!
//! ```text
//!   upper libc -> __vdso_clock_gettime: jmp *[gate hook slot 1] -> the kernel's vdso of *this* process
//! ```
//!
//! The kernel's own vdso has another address in every process, so an image must not point to it; without any vdso
//! clock_gettime is a system call and some ten times slower. This image is saved and restored with the upper half.
//!
//! After a restart the slot of clock_gettime leads to [`going_on`], which adds the clock's offset to what the kernel's says.

#![expect(
    unsafe_code,
    reason = "maps the image; looks the kernel's vdso functions up; makes the fallback's system calls"
)]
// # Safety
// Loading runs with the lower TLS. The fallback functions run with the upper TLS: no libc, allocation or panic.

use std::ffi::CStr;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{Error, Result};
use crate::gate::{self, GATE_ADDR, HOOKS_OFFSET, Hook};
use crate::window::{self, PAGE_BYTES, Request};
use crate::{clock, numbers, sys};

/// A function of the vdso.
struct Function {
    /// Its name, in the kernel's vdso and in ours.
    name: &'static CStr,
    /// The gate slot it goes through.
    hook: Hook,
    /// What the slot holds when this kernel's vdso has no such function.
    fallback: usize,
}

fn functions() -> [Function; 5] {
    let entry = |name, hook, fallback: *const ()| Function {
        name,
        hook,
        fallback: fallback.addr(),
    };
    [
        entry(
            c"__vdso_clock_gettime",
            Hook::ClockGettime,
            clock_gettime as *const (),
        ),
        entry(
            c"__vdso_gettimeofday",
            Hook::Gettimeofday,
            gettimeofday as *const (),
        ),
        entry(c"__vdso_time", Hook::Time, time as *const ()),
        entry(c"__vdso_getcpu", Hook::Getcpu, getcpu as *const ()),
        entry(
            c"__vdso_clock_getres",
            Hook::ClockGetres,
            clock_getres as *const (),
        ),
    ]
}

extern "C" fn clock_gettime(clock: u64, timespec: u64) -> i64 {
    // SAFETY: the application's call, passed on; the kernel checks the pointers (likewise below).
    unsafe { sys::raw(libc::SYS_clock_gettime, [clock, timespec, 0, 0, 0, 0]) }
}

extern "C" fn gettimeofday(timeval: u64, timezone: u64) -> i64 {
    // SAFETY: as above.
    unsafe { sys::raw(libc::SYS_gettimeofday, [timeval, timezone, 0, 0, 0, 0]) }
}

extern "C" fn time(time: u64) -> i64 {
    // SAFETY: as above.
    unsafe { sys::raw(libc::SYS_time, [time, 0, 0, 0, 0, 0]) }
}

extern "C" fn getcpu(cpu: u64, node: u64) -> i64 {
    // SAFETY: as above.
    unsafe { sys::raw(libc::SYS_getcpu, [cpu, node, 0, 0, 0, 0]) }
}

extern "C" fn clock_getres(clock: u64, timespec: u64) -> i64 {
    // SAFETY: as above.
    unsafe { sys::raw(libc::SYS_clock_getres, [clock, timespec, 0, 0, 0, 0]) }
}

/// The hook slots of the vdso and what belongs into them in this process.
#[must_use]
pub fn hooks() -> Vec<(Hook, usize)> {
    // SAFETY: RTLD_NOLOAD loads nothing; the vdso is in every process's list of libraries under this name.
    let vdso = unsafe {
        libc::dlopen(
            c"linux-vdso.so.1".as_ptr(),
            libc::RTLD_LAZY | libc::RTLD_NOLOAD,
        )
    };
    let lookup = |name: &CStr| {
        if vdso.is_null() {
            return 0;
        }
        // SAFETY: a handle dlopen gave, NUL-terminated names.
        unsafe { libc::dlvsym(vdso, name.as_ptr(), c"LINUX_2.6".as_ptr()) as usize }
    };
    let pairs = functions().map(|function| match lookup(function.name) {
        0 => (function.hook, function.fallback),
        address => (function.hook, address),
    });
    KERNELS.store(pairs[0].1, Ordering::Relaxed);
    KERNELS_RESOLUTION.store(pairs[4].1, Ordering::Relaxed);
    pairs.to_vec()
}

/// The kernel's clock_gettime and clock_getres, or what stands for them.
static KERNELS: AtomicUsize = AtomicUsize::new(0);
static KERNELS_RESOLUTION: AtomicUsize = AtomicUsize::new(0);

/// clock_gettime or clock_getres.
type OfClock = extern "C" fn(u64, u64) -> i64;

/// Calls the kernel's `function` with the program's `clock`.
fn of_clock(function: &AtomicUsize, clock: u64, timespec: u64) -> i64 {
    // SAFETY: `hooks` has put the address of such a function there, before the gate led here.
    let kernels =
        unsafe { std::mem::transmute::<usize, OfClock>(function.load(Ordering::Relaxed)) };
    kernels(numbers::clock_of_kernel(clock as i32) as u64, timespec)
}

/// Has the program ask [`going_on`] for the time. No upper code runs.
pub(crate) fn clocks_differ() -> Result<()> {
    if KERNELS.load(Ordering::Relaxed) == 0 {
        return Ok(()); // no gate: a test of this crate
    }
    // SAFETY: the hooks are in the gate (see above), and no upper code runs (the caller's promise).
    unsafe {
        gate::change_hook(Hook::ClockGettime, going_on as *const () as usize)?;
        gate::change_hook(Hook::ClockGetres, resolution as *const () as usize)
    }
}

/// clock_getres of the program after a restart.
extern "C" fn resolution(clock: u64, timespec: u64) -> i64 {
    of_clock(&KERNELS_RESOLUTION, clock, timespec)
}

/// clock_gettime of the program after a restart.
extern "C" fn going_on(clock: u64, timespec: u64) -> i64 {
    let result = of_clock(&KERNELS, clock, timespec);
    if result == 0 {
        // SAFETY: the kernel has just written the time there.
        unsafe { add_offset(clock as i32, timespec) };
    }
    result
}

/// Makes the kernel's time of `clock` at `timespec` the program's.
///
/// # Safety
/// The kernel has written it there.
pub(crate) unsafe fn add_offset(clock: libc::clockid_t, timespec: u64) {
    let offset = clock::offset_ns(clock);
    if offset != 0 {
        let time = timespec as *mut libc::timespec;
        // SAFETY: the caller's promise.
        unsafe {
            let kernels = clock::nanoseconds(time.read_unaligned());
            time.write_unaligned(clock::timespec(kernels.saturating_add(offset)));
        }
    }
}

/// Maps the image into the window and returns its address, the new program's AT_SYSINFO_EHDR.
pub(crate) fn map_image() -> Result<usize> {
    let no_room = |errno: sys::Errno| Error::NoRoom {
        what: "the upper half's vdso".into(),
        bytes: PAGE_BYTES,
        source: errno.into(),
    };
    let page = window::map(&Request::anonymous(
        PAGE_BYTES,
        libc::PROT_READ | libc::PROT_WRITE,
    ))
    .map_err(no_room)?;
    let image = build();
    assert!(
        image.len() <= PAGE_BYTES,
        "the vdso image has outgrown its page: {} bytes",
        image.len()
    );
    // SAFETY: the image fits the page, which was mapped just now and is nobody else's.
    unsafe { std::ptr::copy_nonoverlapping(image.as_ptr(), page as *mut u8, image.len()) };
    // SAFETY: the page is ours; only reads and calls follow.
    unsafe { sys::mprotect(page, PAGE_BYTES, libc::PROT_READ | libc::PROT_EXEC) }
        .map_err(|e| Error::raw("mprotect of the upper half's vdso", e))?;
    Ok(page)
}

const EHDR_BYTES: u64 = 64;
const PHDR_BYTES: u64 = 56;
const SYM_BYTES: u64 = 24;
const JUMP_BYTES: usize = 16;
const SONAME: &CStr = c"linux-vdso.so.1";

/// The ELF image, position independent: headers, dynamic section, hash table, symbols, strings, jumps.
fn build() -> Vec<u8> {
    let functions = functions();
    let count = functions.len() as u64 + 1;
    let dynamic = EHDR_BYTES + 2 * PHDR_BYTES;
    let dynamic_bytes = 7 * 16;
    let hash = dynamic + dynamic_bytes;
    let symbols = (hash + 4 * (2 + 1 + count)).next_multiple_of(8);
    let strings = symbols + SYM_BYTES * count;
    let (table, soname, names) = string_table(&functions);
    let jumps = (strings + table.len() as u64).next_multiple_of(JUMP_BYTES as u64);
    let end = jumps + (functions.len() * JUMP_BYTES) as u64;

    let mut out = Words::default();
    // ELF header: magic, 64-bit, little endian, version 1; ET_DYN, x86-64.
    out.bytes(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0")
        .u16(&[3, 62])
        .u32(&[1])
        .u64(&[0, EHDR_BYTES, 0])
        .u32(&[0]);
    out.u16(&[EHDR_BYTES as u16, PHDR_BYTES as u16, 2, 0, 0, 0]);
    // PT_LOAD r-x of everything, PT_DYNAMIC r-- (not writable, so ld.so does not relocate it in place).
    out.u32(&[1, 5])
        .u64(&[0, 0, 0, end, end, PAGE_BYTES as u64]);
    out.u32(&[2, 4])
        .u64(&[dynamic, dynamic, dynamic, dynamic_bytes, dynamic_bytes, 8]);
    // DT_HASH, DT_STRTAB, DT_SYMTAB, DT_STRSZ, DT_SYMENT, DT_SONAME, DT_NULL.
    out.u64(&[
        4,
        hash,
        5,
        strings,
        6,
        symbols,
        10,
        table.len() as u64,
        11,
        SYM_BYTES,
        14,
        soname,
        0,
        0,
    ]);
    // One bucket whose chain holds all symbols: 1, 2, …, 0 ends it.
    out.u32(&[1, count as u32, 1, 0]);
    (2..=count).for_each(|next| _ = out.u32(&[(next % count) as u32]));
    out.pad_to(symbols).bytes(&[0; SYM_BYTES as usize]);
    for (index, name) in names.iter().enumerate() {
        // Global function, defined (any section number will do).
        let value = jumps + (index * JUMP_BYTES) as u64;
        out.u32(&[*name])
            .bytes(&[0x12, 0])
            .u16(&[1])
            .u64(&[value, JUMP_BYTES as u64]);
    }
    out.bytes(&table);
    for (index, function) in functions.iter().enumerate() {
        out.pad_to(jumps + (index * JUMP_BYTES) as u64)
            .bytes(&jump_through(function.hook));
    }
    out.pad_to(end);
    out.0
}

/// `jmp *slot`, an absolute 32-bit address.
fn jump_through(hook: Hook) -> [u8; 7] {
    let slot = (GATE_ADDR + HOOKS_OFFSET + 8 * hook as usize) as u32;
    let [a, b, c, d] = slot.to_le_bytes();
    [0xff, 0x24, 0x25, a, b, c, d]
}

/// The string table, the offset of the SONAME in it, and each function's name's.
fn string_table(functions: &[Function]) -> (Vec<u8>, u64, Vec<u32>) {
    let mut table = vec![0];
    let mut add = |name: &CStr| {
        let at = table.len();
        table.extend(name.to_bytes_with_nul());
        at
    };
    let soname = add(SONAME) as u64;
    let names = functions
        .iter()
        .map(|function| add(function.name) as u32)
        .collect();
    (table, soname, names)
}

/// Little-endian output.
#[derive(Default)]
struct Words(Vec<u8>);

impl Words {
    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend(bytes);
        self
    }

    fn u16(&mut self, words: &[u16]) -> &mut Self {
        self.0.extend(words.iter().flat_map(|w| w.to_le_bytes()));
        self
    }

    fn u32(&mut self, words: &[u32]) -> &mut Self {
        self.0.extend(words.iter().flat_map(|w| w.to_le_bytes()));
        self
    }

    fn u64(&mut self, words: &[u64]) -> &mut Self {
        self.0.extend(words.iter().flat_map(|w| w.to_le_bytes()));
        self
    }

    fn pad_to(&mut self, offset: u64) -> &mut Self {
        self.0.resize(offset as usize, 0);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::{Object, ObjectSymbol};

    #[test]
    fn image_is_an_elf_library_with_five_functions() {
        let image = build();
        let file = object::read::elf::ElfFile64::<object::Endianness>::parse(&*image).unwrap();
        assert_eq!(file.kind(), object::ObjectKind::Dynamic);
        assert!(image.len() < PAGE_BYTES);
        // `object` finds dynamic symbols through section headers, which a vdso needs not have: look at the bytes.
        assert!(file.dynamic_symbols().all(|symbol| symbol.name().is_ok()));
        let code = jump_through(Hook::Getcpu);
        assert_eq!(code, [0xff, 0x24, 0x25, 0x20, 0x01, 0x10, 0x00]);
        assert!(image.windows(7).any(|bytes| bytes == code));
    }

    #[test]
    fn hooks_name_working_functions() {
        for (hook, address) in hooks() {
            assert_ne!(address, 0, "{hook:?}");
        }
        let mut now = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        assert_eq!(
            clock_gettime(libc::CLOCK_REALTIME as u64, (&raw mut now) as u64),
            0
        );
        assert!(now.tv_sec > 0 && time(0) >= now.tv_sec);
    }
}
