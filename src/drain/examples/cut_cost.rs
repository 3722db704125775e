//! Prints what a cut costs for jobs of up to 65,536 ranks: `cargo run --release -p mana_drain --example cut_cost`.
#[path = "../tests/cut/cost.rs"]
mod cost;

use cost::{Pattern, cost};

fn main() {
    println!(
        "{:>16} {:>8} {:>7} {:>10} {:>14} {:>14}",
        "communicators", "ranks", "rounds", "messages", "bytes", "largest bytes"
    );
    for pattern in [Pattern::World, Pattern::Grid, Pattern::Overlapping(1000)] {
        for power in 1..=8 {
            let size = 4_u32.pow(power);
            let cost = cost(size, 8, pattern);
            let name = format!("{pattern:?}");
            println!(
                "{name:>16} {size:>8} {:>7} {:>10} {:>14} {:>14}",
                cost.rounds, cost.messages, cost.bytes, cost.largest_message_bytes
            );
        }
    }
}
