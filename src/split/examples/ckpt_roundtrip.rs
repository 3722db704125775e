//! A checkpoint of a program without MPI, whole: `ckpt_roundtrip run IMAGE PROGRAM [ARGUMENT…]` runs the program in the
//! window and writes IMAGE whenever a line arrives on standard input; `ckpt_roundtrip restart IMAGE` goes on from there.
//!
//! ```text
//!   agent thread                                      upper threads
//!   line on stdin ── signal until all wait ─────────> interrupt handler, or a handler of a slot: capture, wait
//!   memory, threads, signals, split state -> IMAGE
//!   "saved" on stderr ── release ───────────────────> go on
//! ```
//!
//! The image is a test's: a JSON header and the pages. Slots 0 to 3 of the gate are for programs that test crossings.

use std::error::Error;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead, Read, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};

use mana_split::crossing::{Handler, call_upper, set_handlers};
use mana_split::frame::CrossFrame;
use mana_split::gate::Gate;
use mana_split::loader::{self, Program};
use mana_split::maps::{PageMap, upper_regions};
use mana_split::park::{self, Interrupted, signal_upper_threads};
use mana_split::signals::{self, SignalAction};
use mana_split::thread_image::{ThreadImage, capture_cross};
use mana_split::{SplitState, export_state, hooks, import_state, lender, restore};
use serde::{Deserialize, Serialize};

const CHECKPOINT_SIGNAL: i32 = 58;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let outcome = match args.first().and_then(|verb| verb.to_str()) {
        Some("run") if args.len() >= 3 => run(Path::new(&args[1]), &args[2..]),
        Some("restart") if args.len() == 2 => restart(Path::new(&args[1])),
        _ => Err("usage: ckpt_roundtrip run IMAGE PROGRAM [ARGUMENT...] | restart IMAGE".into()),
    };
    match outcome {
        Ok(never) => match never {},
        Err(error) => {
            eprintln!("ckpt_roundtrip: {error}");
            ExitCode::from(127)
        }
    }
}

fn run(image: &Path, args: &[OsString]) -> Outcome<std::convert::Infallible> {
    let env = std::env::vars_os().map(|(mut name, value)| {
        name.push("=");
        name.push(value);
        name
    });
    let program = Program {
        path: PathBuf::from(&args[0]),
        args: args.to_vec(),
        env: env.collect(),
    };
    prepare()?;
    let loaded = loader::load(&program)?;
    start_agent(image)?;
    loaded.start()
}

fn restart(path: &Path) -> Outcome<std::convert::Infallible> {
    RESTARTED.store(true, Ordering::Relaxed);
    prepare()?;
    let mut file = File::open(path)?;
    let mut length = [0; 8];
    file.read_exact(&mut length)?;
    let mut header = vec![0; u64::from_le_bytes(length) as usize];
    file.read_exact(&mut header)?;
    let image: Image = serde_json::from_slice(&header)?;

    import_state(&image.split)?;
    let memory = File::options().write(true).open("/proc/self/mem")?;
    for region in &image.regions {
        restore::map_region(region.start, region.bytes, false)?;
        for range in &region.saved {
            let mut contents = vec![0; range.len()];
            file.read_exact(&mut contents)?;
            memory.write_all_at(&contents, range.start as u64)?;
        }
        restore::protect_region(region.start, region.bytes, region.protection)?;
    }
    signals::import(&image.signals)?;
    start_agent(path)?;
    Ok(restore::resume_all(image.threads)?)
}

/// What every lower half sets up before upper code can run.
fn prepare() -> Outcome<()> {
    static HANDLERS: [Handler; 4] = [wait_for_restart, complete_and_wait, call_back, forget];
    set_handlers(&HANDLERS);
    let mut gate = Gate::install(0, HANDLERS.len() as u32)?;
    hooks::install(&mut gate)?;
    gate.seal()?;
    lender::start()?;
    Ok(park::install(CHECKPOINT_SIGNAL, on_interrupt)?)
}

// ---- The upper threads' side -------------------------------------------------------------------------------------

/// Who waits in the checkpoint, and which checkpoint that is.
struct Parked {
    requested: bool,
    threads: Vec<ThreadImage>,
    released: u64,
}

static PARKED: Mutex<Parked> = Mutex::new(Parked {
    requested: false,
    threads: Vec::new(),
    released: 0,
});
static CHANGED: Condvar = Condvar::new();
static RESTARTED: AtomicBool = AtomicBool::new(false);
static SAVED: AtomicU64 = AtomicU64::new(0);

fn parked() -> MutexGuard<'static, Parked> {
    PARKED.lock().expect("a panic aborts")
}

fn on_interrupt(interrupted: &Interrupted) {
    if parked().requested {
        wait_parked(
            interrupted
                .capture()
                .expect("the kernel describes the thread"),
        );
    }
}

/// Takes part in the checkpoint that was requested.
fn wait_parked(image: ThreadImage) {
    let mut parked = parked();
    let release = parked.released + 1;
    parked.threads.push(image);
    CHANGED.notify_all();
    while parked.released < release {
        parked = CHANGED.wait(parked).expect("a panic aborts");
    }
}

/// Slot 0: a call that a checkpoint finds waiting and a restart makes again. Returns the sum of its eight arguments, in
/// the restarted process only.
unsafe extern "C" fn wait_for_restart(frame: &mut CrossFrame) -> u64 {
    if !RESTARTED.load(Ordering::Relaxed) {
        eprintln!("waiting");
    }
    while !RESTARTED.load(Ordering::Relaxed) {
        take_part(frame);
    }
    (0..8).map(|index| frame.arg(index)).sum()
}

/// Slot 1: a call that has had its effect when the checkpoint comes.
unsafe extern "C" fn complete_and_wait(frame: &mut CrossFrame) -> u64 {
    let result = frame.arg(0) + 1;
    frame.complete(result);
    let before = SAVED.load(Ordering::Relaxed);
    eprintln!("waiting");
    while SAVED.load(Ordering::Relaxed) == before {
        take_part(frame);
    }
    result
}

/// Slot 2: calls its first argument with its second.
unsafe extern "C" fn call_back(frame: &mut CrossFrame) -> u64 {
    // SAFETY: the test programs pass such a function.
    unsafe { call_upper(frame.arg(0) as usize, &[frame.arg(1)]) }
}

/// Slot 3: counts the crossings of this process.
unsafe extern "C" fn forget(_frame: &mut CrossFrame) -> u64 {
    static CROSSINGS: AtomicU64 = AtomicU64::new(0);
    CROSSINGS.fetch_add(1, Ordering::Relaxed) + 1
}

/// Waits for a checkpoint, then takes part in it.
fn take_part(frame: &CrossFrame) {
    let mut parked = parked();
    while !parked.requested {
        parked = CHANGED.wait(parked).expect("a panic aborts");
    }
    drop(parked);
    wait_parked(capture_cross(frame).expect("the kernel describes the thread"));
}

// ---- The agent ---------------------------------------------------------------------------------------------------

/// All of the image but the pages, which follow it in the file.
#[derive(Serialize, Deserialize)]
struct Image {
    split: SplitState,
    signals: Vec<SignalAction>,
    threads: Vec<ThreadImage>,
    regions: Vec<SavedRegion>,
}

#[derive(Serialize, Deserialize)]
struct SavedRegion {
    start: usize,
    bytes: usize,
    protection: i32,
    /// What is not all zero.
    saved: Vec<Range<usize>>,
}

fn start_agent(image: &Path) -> Outcome<()> {
    let image = image.to_owned();
    signals::spawn_lower("agent", 0, move || {
        for line in std::io::stdin().lock().lines() {
            if let Err(error) = line.map_err(Into::into).and_then(|_| checkpoint(&image)) {
                eprintln!("ckpt_roundtrip: {error}");
                std::process::abort();
            }
        }
    })?;
    Ok(())
}

fn checkpoint(path: &Path) -> Outcome<()> {
    parked().requested = true;
    CHANGED.notify_all();
    let threads = loop {
        let running = signal_upper_threads()?.len();
        let parked = parked();
        if parked.threads.len() == running {
            break parked.threads.clone();
        }
        drop(parked);
        std::thread::yield_now();
    };
    write_image(path, threads)?;
    SAVED.fetch_add(1, Ordering::Relaxed);
    eprintln!("saved");
    let mut parked = parked();
    parked.requested = false;
    parked.threads.clear();
    parked.released += 1;
    drop(parked);
    CHANGED.notify_all();
    Ok(())
}

fn write_image(path: &Path, threads: Vec<ThreadImage>) -> Outcome<()> {
    let page_map = PageMap::open()?;
    let mut regions = Vec::new();
    for region in upper_regions()? {
        let saved = page_map.resident(&region)?;
        regions.push(SavedRegion {
            start: region.start,
            bytes: region.len_bytes,
            protection: region.prot,
            saved,
        });
    }
    let image = Image {
        split: export_state()?,
        signals: signals::export(),
        threads,
        regions,
    };
    let header = serde_json::to_vec(&image)?;
    let unfinished = path.with_extension("partial");
    let mut file = File::create(&unfinished)?;
    file.write_all(&(header.len() as u64).to_le_bytes())?;
    file.write_all(&header)?;
    let memory = File::open("/proc/self/mem")?;
    for range in image.regions.iter().flat_map(|region| &region.saved) {
        file.write_all(&read_pages(&memory, range)?)?;
    }
    Ok(fs::rename(unfinished, path)?)
}

const PAGE_BYTES: usize = 4096;

/// The contents of `range`; pages of a mapped file beyond its end, which nobody can read, become zero.
fn read_pages(memory: &File, range: &Range<usize>) -> Outcome<Vec<u8>> {
    let mut contents = vec![0; range.len()];
    if memory
        .read_exact_at(&mut contents, range.start as u64)
        .is_ok()
    {
        return Ok(contents);
    }
    for (index, page) in contents.chunks_mut(PAGE_BYTES).enumerate() {
        match memory.read_exact_at(page, (range.start + index * PAGE_BYTES) as u64) {
            Err(error) if error.raw_os_error() != Some(libc::EIO) => return Err(error.into()),
            _ => {}
        }
    }
    Ok(contents)
}
