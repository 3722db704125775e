//! The library's initialiser: makes sure that the program runs under `mana`.
//!
//! ```text
//!   ld.so ─> initialiser ─┬─ auxiliary vector has the gate ─> check it, done: main() runs
//!                         ├─ set-user-id program            ─> refuse
//!                         └─ otherwise ─> execve(mana __exec PROGRAM ARGV...)
//! ```
//!
//! # Safety
//!
//! Runs once per load, on the loading thread, called by glibc's dynamic linker with the program's
//! `argc`, `argv` and the current environment. `argv` still lies where the kernel (or `mana`) put
//! it, followed by the environment at the program's start and the auxiliary vector:
//!
//! ```text
//!   argv[0] .. argv[argc-1] 0 │ envp[0] .. 0 │ (type, value) .. (AT_NULL, 0)
//! ```
//!
//! The third parameter is *not* used to find the auxiliary vector, because after a `setenv` (a
//! program that loads us late, by dlopen) the environment is another array.

use core::ffi::{c_char, c_int};

use crate::{exec, gate, system};

/// Type of the initialiser, as glibc calls it.
type Initialiser = extern "C" fn(c_int, *const *const c_char, *const *const c_char);

/// The dynamic linker calls what is in this section.
#[used]
#[unsafe(link_section = ".init_array")]
static INITIALISER: Initialiser = initialise;

/// Type of the finaliser, as glibc calls it.
type Finaliser = extern "C" fn();

/// The dynamic linker calls what is in this section when the program exits: the lower half's exit handlers run then too
/// (MPICH 5, for one, takes leave of its launcher in one).
#[used]
#[unsafe(link_section = ".fini_array")]
static FINALISER: Finaliser = crate::arch::leave;

/// Entry type: end of the auxiliary vector (`getauxval(3)`).
const AT_NULL: usize = 0;
/// Entry type: nonzero if the program runs with privileges its caller does not have.
const AT_SECURE: usize = 23;

extern "C" fn initialise(
    argc: c_int,
    argv: *const *const c_char,
    environment: *const *const c_char,
) {
    let argc = argc.unsigned_abs() as usize;
    // SAFETY: argc and argv are the dynamic linker's (see the module).
    let auxiliary = unsafe { Auxiliary::behind(argv, argc) };
    if let Some(address) = auxiliary.value(gate::AT_MANA_GATE) {
        gate::check(address);
        return;
    }
    if auxiliary.value(AT_SECURE).is_some_and(|secure| secure != 0) {
        system::fail(&[
            b"libmana_stub: this program runs with another user's privileges (set-user-id, \
              set-group-id or file capabilities); mana does not take over such programs.\n\
              Run a copy without them.\n",
        ]);
    }
    // SAFETY: argc, argv and environment are the dynamic linker's.
    unsafe { exec::become_mana(argv, argc, environment) }
}

/// The auxiliary vector: pairs of a type and a value.
struct Auxiliary(*const [usize; 2]);

impl Auxiliary {
    /// # Safety
    /// `argv` must be the array of `argc` arguments on the stack that the program started with.
    unsafe fn behind(argv: *const *const c_char, argc: usize) -> Auxiliary {
        // SAFETY: the environment at the start follows the null pointer that ends argv, and itself
        // ends with a null pointer, which the auxiliary vector follows.
        unsafe {
            let mut entry = argv.add(argc).add(1);
            while !entry.read().is_null() {
                entry = entry.add(1);
            }
            Auxiliary(entry.add(1).cast())
        }
    }

    /// The value of the entry of type `wanted`.
    fn value(&self, wanted: usize) -> Option<usize> {
        let mut entry = self.0;
        loop {
            // SAFETY: the vector ends with AT_NULL, and `entry` has not passed that yet.
            let [of, value] = unsafe { entry.read() };
            match of {
                AT_NULL => return None,
                _ if of == wanted => return Some(value),
                // SAFETY: this entry was not the last.
                _ => entry = unsafe { entry.add(1) },
            }
        }
    }
}
