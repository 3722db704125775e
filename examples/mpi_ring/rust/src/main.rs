//! The ring of `../ring.c` as a Rust program with rsmpi: an ordinary MPI program, written for no checkpointer.
//!
//! Same steps, same messages, same digest. Usage: `mpi_ring STEPS [--pause-us N] [--progress]`

use std::time::Duration;

use mpi::collective::SystemOperation;
use mpi::topology::SimpleCommunicator;
use mpi::traits::*;

/// Payloads in flight to the right in each step, a tag each.
const PAYLOADS: usize = 4;
/// So many of them have their receive posted before they arrive.
const EARLY: usize = 2;
/// Payload sizes: 8 << 0 .. 8 << 17 bytes.
const SIZES: usize = 18;
const TAG_PAYLOAD: i32 = 100;
const TAG_TOKEN: i32 = 7;
const TAG_SHORT: i32 = 1000;
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

struct Ring {
    world: SimpleCommunicator,
    payloads: SimpleCommunicator,
    shorts: SimpleCommunicator,
    rank: i32,
    size: i32,
    /// Digest of what comes in a fixed order.
    ordered: u64,
    /// Sum over what may come in any order.
    unordered: u64,
    token: u64,
    outgoing: [Vec<u64>; PAYLOADS],
    incoming: [Vec<u64>; PAYLOADS],
}

/// One round of splitmix64.
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(GOLDEN);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// FNV-1a over words instead of bytes.
fn fold(digest: u64, words: &[u64]) -> u64 {
    mix(words.iter().fold(digest, |digest, word| {
        (digest ^ word).wrapping_mul(0x100_0000_01b3)
    }))
}

fn fill(words: &mut [u64], seed: u64) {
    for (i, word) in words.iter_mut().enumerate() {
        *word = seed.wrapping_add((i as u64).wrapping_mul(GOLDEN));
    }
}

fn words_in(step: i32, payload: usize) -> usize {
    1 << ((step as usize + payload) % SIZES)
}

impl Ring {
    fn new(world: SimpleCommunicator) -> Self {
        let (rank, size) = (world.rank(), world.size());
        assert!(size >= 2, "one rank makes no ring; start at least 2");
        let (payloads, shorts) = (world.duplicate(), world.duplicate());
        let buffers = || std::array::from_fn(|_| vec![0; 1 << (SIZES - 1)]);
        let (outgoing, incoming) = (buffers(), buffers());
        let ordered = mix(rank as u64);
        Self {
            world,
            payloads,
            shorts,
            rank,
            size,
            ordered,
            unordered: 0,
            token: 1,
            outgoing,
            incoming,
        }
    }

    fn left(&self) -> i32 {
        (self.rank + self.size - 1) % self.size
    }

    fn right(&self) -> i32 {
        (self.rank + 1) % self.size
    }

    fn exchange_payloads(&mut self, step: i32, pause: Duration) {
        for (p, words) in self.outgoing.iter_mut().enumerate() {
            fill(
                &mut words[..words_in(step, p)],
                self.ordered.wrapping_add(p as u64),
            );
        }
        let note = [
            step as u64,
            mix((self.rank as u64).wrapping_add(self.token)),
        ];
        let addressee = (self.rank + 1 + step % (self.size - 1)) % self.size;
        let left = self.payloads.process_at_rank(self.left());
        let right = self.payloads.process_at_rank(self.right());
        let (early, late) = self.incoming.split_at_mut(EARLY);
        mpi::request::multiple_scope(PAYLOADS + EARLY + 1, |scope, requests| {
            for (p, words) in early.iter_mut().enumerate() {
                let words = &mut words[..words_in(step, p)];
                requests.add(left.immediate_receive_into_with_tag(
                    scope,
                    words,
                    TAG_PAYLOAD + p as i32,
                ));
            }
            for (p, words) in self.outgoing.iter().enumerate() {
                let words = &words[..words_in(step, p)];
                requests.add(right.immediate_send_with_tag(scope, words, TAG_PAYLOAD + p as i32));
            }
            let to = self.shorts.process_at_rank(addressee);
            requests.add(to.immediate_send_with_tag(scope, &note[..], TAG_SHORT + step % 3));

            if !pause.is_zero() {
                std::thread::sleep(pause);
            }

            for (p, words) in (EARLY..).zip(late.iter_mut()) {
                let tag = TAG_PAYLOAD + p as i32;
                let count = match p % 2 {
                    0 => left.probe_with_tag(tag).count(u64::equivalent_datatype()) as usize,
                    _ => words_in(step, p),
                };
                left.receive_into_with_tag(&mut words[..count], tag);
            }
            requests.wait_all(&mut Vec::new());
        });
        for (p, words) in self.incoming.iter().enumerate() {
            self.ordered = fold(self.ordered, &words[..words_in(step, p)]);
        }
    }

    fn receive_short(&mut self) {
        let mut note = [0_u64; 2];
        let status = self.shorts.any_process().receive_into(&mut note[..]);
        let count = status.count(u64::equivalent_datatype());
        let heard = [
            note[0],
            note[1],
            status.source_rank() as u64,
            status.tag() as u64,
            count as u64,
        ];
        self.unordered = self.unordered.wrapping_add(fold(0, &heard));
    }

    fn pass_token(&mut self, step: i32) {
        let left = self.world.process_at_rank(self.left());
        let right = self.world.process_at_rank(self.right());
        if self.rank == 0 {
            right.synchronous_send_with_tag(&self.token, TAG_TOKEN);
            left.receive_into_with_tag(&mut self.token, TAG_TOKEN);
        } else {
            left.receive_into_with_tag(&mut self.token, TAG_TOKEN);
            self.token = mix(self
                .token
                .wrapping_add(self.rank as u64)
                .wrapping_add(step as u64));
            right.send_with_tag(&self.token, TAG_TOKEN);
        }
        self.ordered = fold(self.ordered, &[self.token]);
    }

    fn collectives(&mut self, step: i32) {
        let root = self.world.process_at_rank(step % self.size);
        if step % 4 == 0 {
            let mut sum = 0_u64;
            self.world
                .all_reduce_into(&self.ordered, &mut sum, SystemOperation::sum());
            self.ordered = fold(self.ordered, &[sum]);
        }
        if step % 6 == 0 {
            let words = &mut self.incoming[0][..512];
            fill(words, self.ordered);
            root.broadcast_into(words);
            self.ordered = fold(self.ordered, words);
        }
        if step % 10 == 0 {
            if self.rank == step % self.size {
                let gathered = &mut self.incoming[1][..self.size as usize];
                root.gather_into_root(&self.ordered, gathered);
                self.ordered = fold(self.ordered, gathered);
            } else {
                root.gather_into(&self.ordered);
            }
        }
    }

    fn print_digest(&self) {
        let mine = mix(self.ordered.wrapping_add(self.rank as u64)).wrapping_add(self.unordered);
        let root = self.world.process_at_rank(0);
        if self.rank == 0 {
            let mut all = 0_u64;
            root.reduce_into_root(&mine, &mut all, SystemOperation::sum());
            println!("digest {all:016x}");
        } else {
            root.reduce_into(&mine, SystemOperation::sum());
        }
    }
}

fn main() {
    let universe = mpi::initialize().expect("MPI is initialised once, here");
    let arguments: Vec<String> = std::env::args().collect();
    let number_after = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1)?.parse::<u64>().ok()
    };
    let steps = arguments
        .get(1)
        .and_then(|steps| steps.parse().ok())
        .unwrap_or(100);
    let pause = Duration::from_micros(number_after("--pause-us").unwrap_or(0));
    let progress = arguments.iter().any(|argument| argument == "--progress");

    let mut ring = Ring::new(universe.world());
    for step in 0..steps {
        if progress && ring.rank == 0 {
            eprintln!("step {step}");
        }
        ring.exchange_payloads(step, pause);
        ring.receive_short();
        ring.pass_token(step);
        ring.collectives(step);
    }
    ring.print_digest();
}
