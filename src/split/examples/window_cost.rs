//! What the window costs a program: run it as it is, then with `run_in_window`, and compare the nanoseconds.
//!
//! ```text
//!   window_cost                        the kernel's vdso, plain system calls
//!   run_in_window ./window_cost        the vdso in the window, steered system calls
//! ```

#![expect(unsafe_code, reason = "measures libc calls")]

use std::hint::black_box;
use std::time::Instant;

fn main() {
    let here = main as *const () as usize;
    let place = if mana_split::window::contains(here) {
        "in the window"
    } else {
        "as it is"
    };
    println!("{place}:");
    measure("clock_gettime", 1_000_000, || {
        let mut now = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: writes one timespec.
        unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
        black_box(now.tv_nsec);
    });
    measure("getppid (never steered)", 300_000, || {
        // SAFETY: takes nothing.
        black_box(unsafe { libc::getppid() });
    });
    measure("sigprocmask", 300_000, || {
        // SAFETY: changes nothing and asks for nothing.
        black_box(unsafe {
            libc::sigprocmask(libc::SIG_BLOCK, std::ptr::null(), std::ptr::null_mut())
        });
    });
    measure("syscall(SYS_gettid)", 300_000, || {
        // SAFETY: takes nothing.
        black_box(unsafe { libc::syscall(libc::SYS_gettid) });
    });
    measure("mmap + munmap of 64 KiB", 50_000, || {
        let (protection, flags) = (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
        );
        // SAFETY: maps and unmaps memory nobody else knows of.
        unsafe {
            let address = libc::mmap(std::ptr::null_mut(), 1 << 16, protection, flags, -1, 0);
            libc::munmap(address, 1 << 16);
        }
    });
}

/// Prints the time of one `call` in nanoseconds: the best of five rounds of `count`.
fn measure(what: &str, count: u32, mut call: impl FnMut()) {
    let mut round = || {
        let start = Instant::now();
        (0..count).for_each(|_| call());
        start.elapsed().as_nanos() as f64 / f64::from(count)
    };
    let best = (0..5).map(|_| round()).fold(f64::INFINITY, f64::min);
    println!("  {what:<26} {best:8.1} ns");
}
