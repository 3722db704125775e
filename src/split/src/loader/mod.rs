//! Loads a program beside this one and starts it: execve(2), in the window and without leaving.
//!
//! ```text
//!   window   program | trampolines | ld.so | trampolines | vdso image | guard, stack | what ld.so maps later …
//!   start()  rsp = stack image, FS = 0, clean registers, jump to ld.so's entry point
//! ```
//!
//! What is the same as for a program the kernel starts: argument and environment strings, the auxiliary vector, `#!`
//! scripts, stack size and protection, dispositions of signals. The environment is exactly the one given; nothing of
//! this program's leaks in.

#![expect(unsafe_code, reason = "maps the new program and jumps into it")]
// # Safety
// Runs on the main thread with the lower TLS, before any upper code; `start` ends that.

mod auxv;
mod image;
pub(crate) mod script;

use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::elf::Image;
use crate::error::{Error, Result};
use crate::sys;
use crate::window::{self, PAGE_BYTES, Request, page_up};
use crate::{arch, hooks, seccomp, stack, steer, thread, vdso};
use image::Mapped;

/// A program to be run, as execve(2) takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The file; looked up as it is ([`find_in_path`] searches `PATH`).
    pub path: PathBuf,
    /// All arguments, the program's name first.
    pub args: Vec<OsString>,
    /// The environment, `NAME=value` each.
    pub env: Vec<OsString>,
}

/// A program that is in memory and has not run yet.
#[derive(Debug)]
#[must_use = "a loaded program does nothing until it is started"]
pub struct Loaded {
    entry: usize,
    stack_pointer: usize,
    /// What the kernel would call the process: the last part of the path given.
    name: CString,
}

/// Loads `program` into the window.
///
/// # Errors
/// Whatever execve(2) would refuse, with the reason; no room; [`Error::AddressOccupied`] for a program that is not
/// position independent when its place is taken.
pub fn load(program: &Program) -> Result<Loaded> {
    steer::prepare();
    let resolved = script::resolve(program)?;
    let file = open(&resolved.path)?;
    let image = Image::read(&resolved.path, &file)?;
    let Some(interpreter) = &image.interpreter else {
        return Err(Error::StaticProgram {
            path: resolved.path,
        });
    };
    let mapped = image::map(&resolved.path, &file, &image)?;
    let interpreter = map_interpreter(interpreter)?;
    hooks::set_program(real_path(&resolved.path));

    let facts = auxv::Facts {
        program: &mapped,
        interpreter: &interpreter,
        vdso: vdso::map_image()?,
    };
    let stack_pointer = build_stack(program, &resolved.args, image.executable_stack, &facts)?;
    if mapped.needs_backstop || interpreter.needs_backstop {
        seccomp::arm();
    }
    let name = cstring(program.path.file_name().unwrap_or(program.path.as_os_str()))?;
    Ok(Loaded {
        entry: interpreter.entry,
        stack_pointer,
        name,
    })
}

impl Loaded {
    /// Runs the program on this thread, which becomes the upper half's main thread. The gate must be in place
    /// ([`crate::gate::Gate::seal`]) with the hooks in it ([`hooks::install`]).
    pub fn start(self) -> ! {
        thread::register_main();
        forget_runtime_signals();
        // SAFETY: a NUL-terminated string; the kernel copies 15 bytes of it at most.
        unsafe { libc::prctl(libc::PR_SET_NAME, self.name.as_ptr()) };
        // SAFETY: entry and stack are those that `load` prepared; `self` is consumed, so this happens once.
        unsafe { arch::enter(self.entry, self.stack_pointer) }
    }
}

/// Becomes `program` as execve(2) has it, without `mana`. Returns only when that fails, and why.
#[must_use]
pub fn become_without_mana(program: &Program) -> Error {
    let failed = |source| Error::OpenProgram {
        path: program.path.clone(),
        source,
    };
    let strings = |all: &[OsString]| {
        all.iter()
            .map(|one| cstring(one))
            .collect::<Result<Vec<_>>>()
    };
    let prepared = || {
        let path = cstring(program.path.as_os_str())?;
        Ok::<_, Error>((path, strings(&program.args)?, strings(&program.env)?))
    };
    let (path, args, env) = match prepared() {
        Ok(prepared) => prepared,
        Err(error) => return error,
    };
    let array = |all: &[CString]| -> Vec<*const libc::c_char> {
        let pointers = all.iter().map(|one| one.as_ptr());
        pointers.chain([std::ptr::null()]).collect()
    };
    forget_runtime_signals();
    // SAFETY: NUL-terminated strings, and arrays of them that end with a null pointer; all of it lives until the call is over.
    unsafe { libc::execve(path.as_ptr(), array(&args).as_ptr(), array(&env).as_ptr()) };
    failed(std::io::Error::last_os_error())
}

/// Finds `name` in the directories of `path_variable` as execvp(3) does; a name with a slash is taken as it is.
#[must_use]
pub fn find_in_path(name: &OsStr, path_variable: &OsStr) -> Option<PathBuf> {
    if name.as_bytes().contains(&b'/') {
        return Some(PathBuf::from(name));
    }
    std::env::split_paths(path_variable)
        .map(|dir| dir.join(name))
        .find(|path| path.is_file() && may_execute(path).is_ok())
}

/// Opens a file that is to be executed.
fn open(path: &Path) -> Result<File> {
    let file = File::open(path).map_err(|source| Error::OpenProgram {
        path: path.into(),
        source,
    })?;
    let metadata = file.metadata().map_err(|source| Error::OpenProgram {
        path: path.into(),
        source,
    })?;
    if !metadata.is_file() {
        return Err(Error::NotAProgram {
            path: path.into(),
            why: "it is not a regular file".into(),
        });
    }
    may_execute(path).map_err(|source| Error::NotExecutable {
        path: path.into(),
        source,
    })?;
    Ok(file)
}

fn may_execute(path: &Path) -> std::io::Result<()> {
    Ok(rustix::fs::access(path, rustix::fs::Access::EXEC_OK)?)
}

fn map_interpreter(path: &Path) -> Result<Mapped> {
    let file = open(path)?;
    image::map(path, &file, &Image::read(path, &file)?)
}

/// What /proc/self/exe would say.
fn real_path(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn cstring(string: &OsStr) -> Result<CString> {
    CString::new(string.as_bytes()).map_err(|_| Error::NotAProgram {
        path: PathBuf::from(OsString::from_vec(string.as_bytes().to_vec())),
        why: "an argument or environment string contains a NUL byte".into(),
    })
}

/// Stack size in bytes where the limit is "unlimited".
const UNLIMITED_STACK_BYTES: usize = 64 << 20;
/// A larger limit gets this much; the window has to hold other things too.
const STACK_MAX_BYTES: usize = 64 << 30;
/// Room below the arguments that a program can count on.
const STACK_MIN_BYTES: usize = 128 << 10;

/// Maps the stack, fills it in, and returns the stack pointer.
fn build_stack(
    program: &Program,
    args: &[OsString],
    executable: bool,
    facts: &auxv::Facts,
) -> Result<usize> {
    let args: Vec<CString> = args.iter().map(|s| cstring(s)).collect::<Result<_>>()?;
    let env: Vec<CString> = program
        .env
        .iter()
        .map(|s| cstring(s))
        .collect::<Result<_>>()?;
    let execfn = cstring(program.path.as_os_str())?;
    let auxv = auxv::build(facts)?;
    let contents = stack::Contents {
        args: &args,
        env: &env,
        execfn: &execfn,
        platform: platform(),
        random: random()?,
        auxv: &auxv,
    };
    // The top only moves pointers, so any top tells the size.
    let image_bytes = stack::build(&contents, window::WINDOW_END).len();
    let top = map_stack(image_bytes + STACK_MIN_BYTES, executable)?;
    let image = stack::build(&contents, top);
    let stack_pointer = top - image.len();
    // SAFETY: the stack was mapped just now, writable, and is larger than the image.
    unsafe { std::ptr::copy_nonoverlapping(image.as_ptr(), stack_pointer as *mut u8, image.len()) };
    Ok(stack_pointer)
}

/// Maps a stack of at least `least_bytes` with a guard page below it and returns its end.
fn map_stack(least_bytes: usize, executable: bool) -> Result<usize> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Stack).current;
    let limit = limit.map_or(UNLIMITED_STACK_BYTES, |bytes| {
        usize::try_from(bytes).unwrap_or(STACK_MAX_BYTES)
    });
    let bytes = page_up(limit.clamp(least_bytes, STACK_MAX_BYTES.max(least_bytes)));
    let prot = libc::PROT_READ | libc::PROT_WRITE | if executable { libc::PROT_EXEC } else { 0 };
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK;
    let request = Request {
        len: bytes + PAGE_BYTES,
        prot,
        flags,
        fd: -1,
        offset: 0,
    };
    let no_room = |e: sys::Errno| Error::NoRoom {
        what: "the program's stack".into(),
        bytes,
        source: e.into(),
    };
    let guard = window::map(&request).map_err(no_room)?;
    // SAFETY: the lowest page of the new mapping, in no use.
    unsafe { sys::mprotect(guard, PAGE_BYTES, libc::PROT_NONE) }
        .map_err(|e| Error::raw("mprotect of the stack's guard page", e))?;
    Ok(guard + request.len)
}

/// AT_PLATFORM's string; empty if the kernel did not give one.
fn platform() -> &'static CStr {
    // SAFETY: getauxval reads libc's copy of the vector.
    let string = unsafe { libc::getauxval(libc::AT_PLATFORM) } as *const libc::c_char;
    if string.is_null() {
        return c"";
    }
    // SAFETY: the kernel put a NUL-terminated string there, on this process's own stack, which stays.
    unsafe { CStr::from_ptr(string) }
}

fn random() -> Result<[u8; 16]> {
    let mut bytes = [0; 16];
    // SAFETY: the buffer is as long as stated.
    let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    if got == bytes.len() as isize {
        Ok(bytes)
    } else {
        Err(Error::os("getrandom for AT_RANDOM"))
    }
}

/// Undoes what Rust's runtime did to signals before main, as execve would: its handlers for stack overflows go and
/// SIGPIPE is what it was when this process started.
fn forget_runtime_signals() {
    let reset = |signal, handler| {
        // SAFETY: zero is a valid sigaction: no flags, empty mask.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = handler;
        // SAFETY: a valid action; handlers are the two that are no code.
        unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
    };
    reset(libc::SIGSEGV, libc::SIG_DFL);
    reset(libc::SIGBUS, libc::SIG_DFL);
    reset(
        libc::SIGPIPE,
        SIGPIPE_AT_START.load(std::sync::atomic::Ordering::Relaxed),
    );
    let none = libc::stack_t {
        ss_sp: std::ptr::null_mut(),
        ss_flags: libc::SS_DISABLE,
        ss_size: 0,
    };
    // SAFETY: disables the runtime's alternate stack; no handler that uses it is left.
    unsafe { libc::sigaltstack(&raw const none, std::ptr::null_mut()) };
}

/// What SIGPIPE's disposition was before Rust's runtime set it to "ignore".
static SIGPIPE_AT_START: std::sync::atomic::AtomicUsize =
    std::sync::atomic::AtomicUsize::new(libc::SIG_DFL);

/// Run by the C runtime before Rust's.
#[used]
#[unsafe(link_section = ".init_array")]
static REMEMBER_SIGPIPE: extern "C" fn() = {
    extern "C" fn remember() {
        // SAFETY: zero is a valid sigaction; the call only reads the disposition.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: writes to `action`.
        unsafe { libc::sigaction(libc::SIGPIPE, std::ptr::null(), &raw mut action) };
        SIGPIPE_AT_START.store(action.sa_sigaction, std::sync::atomic::Ordering::Relaxed);
    }
    remember
};
