//! What a crossing promises, tested with this process' own threads as the upper half: their TLS is the upper TLS, a
//! lender's is the lower one, and a handler of the "lower half" sees thread-locals of its own.
//!
//! # Safety
//! `call!` casts a gate slot to a function of the given number of words, which every slot of this test is.

use std::arch::naked_asm;
use std::cell::Cell;
use std::collections::HashSet;
use std::mem::transmute;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Barrier, LazyLock, Mutex, OnceLock};
use std::thread;

use mana_split::crossing::{Handler, call_upper, set_handlers};
use mana_split::frame::{CrossFrame, CrossState};
use mana_split::gate::{FUNCTIONS_OFFSET, GATE_ADDR, GATE_SLOTS, Gate};
use mana_split::thread::ThreadBlock;
use mana_split::{lender, signals};

thread_local! {
    static LOCAL: Cell<u64> = const { Cell::new(0) };
}

/// Slots 0 to 14 take that many arguments.
const MOST_ARGUMENTS: usize = 14;
const COUNT: u16 = 15;
const MEET: u16 = 16;
const CALL_BACK: u16 = 17;
const RAISE: u16 = 18;
const FAIL: u16 = 19;
const COMPLETE: u16 = 20;
const LOCAL_SLOT: u16 = 21;

fn start() {
    static STARTED: OnceLock<()> = OnceLock::new();
    STARTED.get_or_init(|| {
        let mut handlers: Vec<Handler> = vec![weigh_arguments; MOST_ARGUMENTS + 1];
        handlers.extend([count as Handler, meet, call_back, raise, fail, complete]);
        set_handlers(handlers.leak());
        let mut gate = Gate::install_with(0x1234, 22, super::fs_switch()).expect("the gate");
        gate.set_local(LOCAL_SLOT, add_locally as *const () as usize);
        gate.seal().expect("a sealed gate");
    });
    // Each test is a thread of its own, and the root of those it creates.
    lender::start().expect("the factory");
}

fn slot(slot: u16) -> *const () {
    start();
    let address = GATE_ADDR + FUNCTIONS_OFFSET + usize::from(slot) * 8;
    // SAFETY: a slot of the gate, which is mapped.
    unsafe { (address as *const *const ()).read() }
}

macro_rules! word {
    ($argument:expr) => {
        u64
    };
}
macro_rules! call {
    ($slot:expr $(, $argument:expr)*) => {{
        // SAFETY: see the module.
        let function = unsafe { transmute::<*const (), extern "C" fn($(word!($argument)),*) -> u64>(slot($slot)) };
        function($($argument),*)
    }};
}

// ---- The lower half ----

/// Depends on every argument and its place.
unsafe extern "C" fn weigh_arguments(frame: &mut CrossFrame) -> u64 {
    weigh((0..usize::from(frame.slot())).map(|index| frame.arg(index)))
}

fn weigh(arguments: impl Iterator<Item = u64>) -> u64 {
    arguments.fold(17, |weight, argument| {
        weight
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .wrapping_add(argument)
    })
}

/// Counts the crossings of this thread in the lower TLS.
unsafe extern "C" fn count(_frame: &mut CrossFrame) -> u64 {
    LOCAL.set(LOCAL.get() + 1);
    LOCAL.get()
}

static MEETING: LazyLock<Barrier> = LazyLock::new(|| Barrier::new(2));

/// Returns when two threads are in here; their lower TLS' addresses differ.
unsafe extern "C" fn meet(_frame: &mut CrossFrame) -> u64 {
    MEETING.wait();
    let address = LOCAL.with(|local| std::ptr::from_ref(local) as u64);
    MEETING.wait();
    address
}

/// Calls its first argument with the others, of which the second is the number.
unsafe extern "C" fn call_back(frame: &mut CrossFrame) -> u64 {
    let block = ThreadBlock::current().expect("a thread that has crossed");
    let in_callback = block.in_callback();
    let arguments: Vec<u64> = (0..frame.arg(1) as usize)
        .map(|index| frame.arg(2 + index))
        .collect();
    LOCAL.set(1000);
    // SAFETY: the tests pass functions with that many words.
    let result = unsafe { call_upper(frame.arg(0) as usize, &arguments) };
    assert_eq!(LOCAL.get(), 1000, "the lower TLS is back");
    assert_eq!(block.in_callback(), in_callback);
    result
}

unsafe extern "C" fn raise(frame: &mut CrossFrame) -> u64 {
    LOCAL.set(77);
    // SAFETY: sends a signal to this kernel thread.
    unsafe {
        libc::syscall(
            libc::SYS_tgkill,
            libc::getpid(),
            libc::gettid(),
            frame.arg(0),
        )
    };
    LOCAL.get()
}

/// Sets the lower errno.
unsafe extern "C" fn fail(_frame: &mut CrossFrame) -> u64 {
    // SAFETY: closes no descriptor.
    let result = unsafe { libc::close(-1) };
    assert_eq!(
        std::io::Error::last_os_error().raw_os_error(),
        Some(libc::EBADF)
    );
    result as u64
}

unsafe extern "C" fn complete(frame: &mut CrossFrame) -> u64 {
    assert_eq!(frame.state(), CrossState::ReExecute);
    frame.complete(5);
    assert_eq!(frame.state(), CrossState::Completed(5));
    5
}

// Not inlined: a function that may be has an address per codegen unit.
#[inline(never)]
extern "C" fn add_locally(a: u64, b: u64) -> u64 {
    a + b
}

// ---- The upper half ----

#[test]
fn every_argument_arrives() {
    macro_rules! check {
        ($($argument:expr),*) => {{
            let arguments: &[u64] = &[$($argument),*];
            assert_eq!(call!(arguments.len() as u16 $(, $argument)*), weigh(arguments.iter().copied()));
        }};
    }
    check!();
    check!(1);
    check!(1, 2);
    check!(1, 2, 3);
    check!(1, 2, 3, 4);
    check!(1, 2, 3, 4, 5);
    check!(1, 2, 3, 4, 5, 6);
    check!(1, 2, 3, 4, 5, 6, 7);
    check!(1, 2, 3, 4, 5, 6, 7, 8);
    check!(1, 2, 3, 4, 5, 6, 7, 8, 9);
    check!(1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
    check!(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11);
    check!(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
    check!(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13);
    check!(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, u64::MAX);
}

/// Fills the callee-saved registers, calls `function`, and returns how many of them it changed.
#[unsafe(naked)]
extern "C" fn changed_registers(function: *const ()) -> u64 {
    naked_asm!(
        "push rbx",
        "push rbp",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "sub rsp, 8",
        "mov rbx, 101",
        "mov rbp, 102",
        "mov r12, 103",
        "mov r13, 104",
        "mov r14, 105",
        "mov r15, 106",
        "mov [rsp], rsp", // the stack pointer must come back too
        "call rdi",
        "xor eax, eax",
        "cmp rbx, 101",
        "setne cl",
        "movzx ecx, cl",
        "add eax, ecx",
        "cmp rbp, 102",
        "setne cl",
        "movzx ecx, cl",
        "add eax, ecx",
        "cmp r12, 103",
        "setne cl",
        "movzx ecx, cl",
        "add eax, ecx",
        "cmp r13, 104",
        "setne cl",
        "movzx ecx, cl",
        "add eax, ecx",
        "cmp r14, 105",
        "setne cl",
        "movzx ecx, cl",
        "add eax, ecx",
        "cmp r15, 106",
        "setne cl",
        "movzx ecx, cl",
        "add eax, ecx",
        "cmp [rsp], rsp",
        "setne cl",
        "movzx ecx, cl",
        "add eax, ecx",
        "add rsp, 8",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbp",
        "pop rbx",
        "ret",
    )
}

#[test]
fn callee_saved_registers_are_preserved() {
    // The first call of a thread takes the slow path, the second the fast one.
    for _ in 0..2 {
        assert_eq!(changed_registers(slot(COUNT)), 0);
    }
}

#[test]
fn each_half_has_its_own_thread_locals() {
    LOCAL.set(7);
    // A dead thread's lower TLS is lent again as it is, so the count need not begin at 0.
    let before = call!(COUNT);
    assert_eq!(call!(COUNT), before + 1);
    assert_eq!(LOCAL.get(), 7);
}

#[test]
fn errno_of_the_upper_half_survives() {
    // SAFETY: errno of this thread.
    unsafe { *libc::__errno_location() = libc::EDOM };
    assert_eq!(call!(FAIL) as i32, -1);
    assert_eq!(
        std::io::Error::last_os_error().raw_os_error(),
        Some(libc::EDOM)
    );
}

#[test]
fn two_threads_are_in_the_lower_half_at_once() {
    let threads = [(); 2].map(|()| thread::spawn(|| call!(MEET)));
    let addresses = threads.map(|thread| thread.join().expect("no panic"));
    assert_ne!(addresses[0], addresses[1]);
}

#[test]
fn a_new_thread_does_not_use_the_block_it_inherits() {
    let before = call!(COUNT);
    let mine = std::ptr::from_ref(ThreadBlock::current().expect("has crossed")) as usize;
    thread::scope(|scope| {
        let child = scope.spawn(|| {
            assert!(ThreadBlock::current().is_none(), "%gs is the creator's");
            assert_eq!(
                call!(
                    MOST_ARGUMENTS as u16,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0
                ),
                weigh([0; 14].into_iter())
            );
            let block = ThreadBlock::current().expect("has crossed");
            // SAFETY: always succeeds.
            assert_eq!(block.tid(), unsafe { libc::gettid() });
            std::ptr::from_ref(block) as usize
        });
        assert_ne!(child.join().expect("no panic"), mine);
    });
    assert_eq!(call!(COUNT), before + 1, "this thread still has its own");
}

#[test]
fn blocks_of_dead_threads_are_used_again() {
    const THREADS: usize = 60;
    let cross = || {
        call!(COUNT);
        std::ptr::from_ref(ThreadBlock::current().expect("has crossed")) as usize
    };
    let blocks: HashSet<usize> = (0..THREADS)
        .map(|_| thread::spawn(cross).join().expect("no panic"))
        .collect();
    // The other tests' threads take a block now and then.
    assert!(
        blocks.len() < THREADS / 2,
        "{} blocks for one thread at a time",
        blocks.len()
    );
}

extern "C" fn weigh_nine(
    a: u64,
    b: u64,
    c: u64,
    d: u64,
    e: u64,
    f: u64,
    g: u64,
    h: u64,
    i: u64,
) -> u64 {
    weigh([a, b, c, d, e, f, g, h, i].into_iter())
}

extern "C" fn nested() -> u64 {
    assert!(ThreadBlock::current().expect("has crossed").in_callback());
    assert_eq!(LOCAL.get(), 31, "a callback has the upper TLS");
    let weight = call!(
        CALL_BACK,
        weigh_nine as *const () as u64,
        9,
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        8,
        9
    );
    assert_eq!(weight, weigh(1..10));
    assert!(ThreadBlock::current().expect("has crossed").in_callback());
    weight
}

#[test]
fn callbacks_nest() {
    LOCAL.set(31);
    let weight = call!(CALL_BACK, nested as *const () as u64, 0);
    assert_eq!(weight, weigh(1..10));
    let block = ThreadBlock::current().expect("has crossed");
    assert!(!block.in_callback());
}

/// Locals and arguments as `struct sigaction` of the kernel has them.
fn set_kernel_action(signal: i32, action: Option<[u64; 4]>) -> (i64, [u64; 4]) {
    let mut old = [0; 4];
    let new = action.as_ref().map_or(0, |action| action.as_ptr() as u64);
    let result = signals::hook_rt_sigaction([signal as u64, new, old.as_mut_ptr() as u64, 8, 0, 0]);
    (result, old)
}

/// Of <asm/signal.h>.
const SA_RESTORER: u64 = 0x0400_0000;

#[unsafe(naked)]
extern "C" fn restorer() {
    naked_asm!("mov eax, 15", "syscall") // rt_sigreturn
}

static SEEN: Mutex<Vec<(i32, u64, bool)>> = Mutex::new(Vec::new());
static SIGNAL_CONTEXT: AtomicU64 = AtomicU64::new(0);

extern "C" fn on_signal(signal: i32, info: *const libc::siginfo_t, context: u64) {
    // SAFETY: the kernel's, with SA_SIGINFO.
    assert_eq!(unsafe { (*info).si_signo }, signal);
    SIGNAL_CONTEXT.store(context, Ordering::Relaxed);
    let in_callback = ThreadBlock::current().is_some_and(ThreadBlock::in_callback);
    SEEN.lock()
        .expect("no panic")
        .push((signal, LOCAL.get(), in_callback));
}

#[test]
fn a_handler_runs_with_the_upper_tls_wherever_the_signal_finds_the_thread() {
    const SIGNAL: i32 = libc::SIGUSR1;
    LOCAL.set(55);
    call!(COUNT);
    let handler = on_signal as *const () as u64;
    let action = [
        handler,
        SA_RESTORER | libc::SA_SIGINFO as u64,
        restorer as *const () as u64,
        1 << 3,
    ];
    assert_eq!(set_kernel_action(SIGNAL, Some(action)), (0, [0; 4]));
    assert_eq!(
        set_kernel_action(SIGNAL, None),
        (0, action),
        "the application sees what it set"
    );

    // SAFETY: sends a signal to this kernel thread, which then is on the upper side.
    unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), libc::gettid(), SIGNAL) };
    assert_eq!(
        call!(RAISE, SIGNAL as u64),
        77,
        "the interrupted handler keeps its TLS"
    );
    assert_eq!(LOCAL.get(), 55);
    assert_eq!(
        *SEEN.lock().expect("no panic"),
        [(SIGNAL, 55, true), (SIGNAL, 55, true)]
    );
    assert_ne!(SIGNAL_CONTEXT.load(Ordering::Relaxed), 0);
    assert!(!ThreadBlock::current().expect("has crossed").in_callback());

    let table = signals::export();
    assert!(
        table.iter().any(|entry| entry.signal == SIGNAL
            && entry.handler == handler
            && entry.mask == 1 << 3)
    );

    // SA_RESETHAND: the kernel resets the action, and that is what the application sees.
    let once = [handler, action[1] | libc::SA_RESETHAND as u64, action[2], 0];
    assert_eq!(set_kernel_action(SIGNAL, Some(once)), (0, action));
    call!(RAISE, SIGNAL as u64);
    assert_eq!(set_kernel_action(SIGNAL, None).1[0], libc::SIG_DFL as u64);

    let ignore = [libc::SIG_IGN as u64, SA_RESTORER, action[2], 0];
    assert_eq!(set_kernel_action(SIGNAL, Some(ignore)).0, 0);
    call!(RAISE, SIGNAL as u64);
    assert_eq!(SEEN.lock().expect("no panic").len(), 3);
    assert_eq!(set_kernel_action(SIGNAL, None), (0, ignore));
    assert_eq!(set_kernel_action(99, None).0, -i64::from(libc::EINVAL));
}

#[test]
fn a_completed_call_returns_its_result() {
    assert_eq!(call!(COMPLETE), 5);
}

#[test]
fn a_local_slot_is_the_function_itself() {
    assert_eq!(slot(LOCAL_SLOT), add_locally as *const ());
    assert_eq!(call!(LOCAL_SLOT, 2, 3), 5);
}

#[test]
fn the_gate_is_read_only_and_there_once() {
    start();
    let error = Gate::install(0, 0).expect_err("occupied").to_string();
    assert!(error.contains("0x100000"), "{error}");
    let error = Gate::install(0, GATE_SLOTS as u32 + 1)
        .expect_err("too many")
        .to_string();
    assert!(error.contains(&GATE_SLOTS.to_string()), "{error}");
    let maps = std::fs::read_to_string("/proc/self/maps").expect("this process' maps");
    let line = maps
        .lines()
        .find(|line| line.starts_with("00100000-"))
        .expect("the gate's line");
    assert!(line.starts_with("00100000-00108000 r--p"), "{line}");
}
