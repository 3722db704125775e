//! Prints what a cut costs for jobs of up to 65,536 ranks: `cargo run --release -p mana_drain --example cut_cost`.
#[path = "../tests/cut/cost.rs"]
mod cost;

use cost::{Behind, Pattern, cost};

fn main() {
    for behind in [Behind::HasBegun, Behind::HasNot] {
        println!("The member that is behind {behind:?}");
        println!(
            "{:>16} {:>8} {:>7} {:>10} {:>14} {:>14} {:>20}",
            "communicators",
            "ranks",
            "rounds",
            "messages",
            "bytes",
            "largest bytes",
            "mentions per member"
        );
        for pattern in [Pattern::World, Pattern::Grid, Pattern::Overlapping(1000)] {
            for size in std::iter::once(2).chain((1..=8).map(|power| 4_u32.pow(power))) {
                let cost = cost(size, 8, pattern, behind);
                let members: usize = pattern.communicators(size).iter().map(Vec::len).sum();
                let name = format!("{pattern:?}");
                println!(
                    "{name:>16} {size:>8} {:>7} {:>10} {:>14} {:>14} {:>20.1}",
                    cost.rounds,
                    cost.messages,
                    cost.bytes,
                    cost.largest_message_bytes,
                    cost.mentions as f64 / members as f64
                );
            }
        }
    }
}
