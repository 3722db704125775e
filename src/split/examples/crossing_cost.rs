//! What a crossing costs: an empty call through the gate, against two bare `wrfsbase` and against a local slot.
//!
//! Prints nanoseconds per call: medians of interleaved runs, all in one process.

use std::arch::asm;
use std::time::Instant;

use mana_split::crossing::{Handler, set_handlers};
use mana_split::frame::CrossFrame;
use mana_split::gate::{FUNCTIONS_OFFSET, FsSwitch, GATE_ADDR, Gate};
use mana_split::lender;

const CALLS: u32 = 10_000;
const RUNS: usize = 501;

unsafe extern "C" fn empty(_frame: &mut CrossFrame) -> u64 {
    0
}

extern "C" fn local() -> u64 {
    0
}

fn main() -> mana_split::Result<()> {
    static HANDLERS: [Handler; 2] = [empty, empty];
    set_handlers(&HANDLERS);
    let mut gate = Gate::install(0, 2)?;
    gate.set_local(1, local as *const () as usize);
    gate.seal()?;
    lender::start()?;

    let mut crossings = Vec::new();
    let mut locals = Vec::new();
    let mut switches = Vec::new();
    for _ in 0..RUNS {
        crossings.push(ns_per_call(|| through_gate(0)));
        locals.push(ns_per_call(|| through_gate(1)));
        if FsSwitch::detect() == FsSwitch::Instructions {
            switches.push(ns_per_call(two_bare_switches));
        }
    }
    // Pairwise: on a virtual machine the cost of wrfsbase changes from one moment to the next.
    let mut extras: Vec<f64> = crossings
        .iter()
        .zip(&switches)
        .map(|(crossing, two)| crossing - two)
        .collect();
    let (crossing, local) = (median(&mut crossings), median(&mut locals));
    println!("empty crossing     {crossing:6.1} ns");
    println!("local slot         {local:6.1} ns");
    if !switches.is_empty() {
        let switch = median(&mut switches);
        println!("two bare wrfsbase  {switch:6.1} ns");
        println!("crossing - two wrfsbase = {:.1} ns", median(&mut extras));
    }
    Ok(())
}

fn through_gate(slot: usize) {
    // SAFETY: both slots are functions without arguments; the stub's own code is this jump.
    unsafe {
        asm!(
            "call [{gate} + {slot}*8]",
            gate = const GATE_ADDR + FUNCTIONS_OFFSET,
            slot = in(reg) slot,
            clobber_abi("C"),
        );
    }
}

fn two_bare_switches() {
    // SAFETY: sets FS to what it is.
    unsafe {
        asm!("rdfsbase {fs}", "wrfsbase {fs}", "wrfsbase {fs}", fs = out(reg) _, options(nostack, preserves_flags));
    }
}

fn ns_per_call(call: impl Fn()) -> f64 {
    let start = Instant::now();
    for _ in 0..CALLS {
        call();
    }
    start.elapsed().as_nanos() as f64 / f64::from(CALLS)
}

fn median(samples: &mut [f64]) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}
