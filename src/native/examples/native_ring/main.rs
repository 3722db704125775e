//! An MPI program that links no MPI: it opens the launcher's through `mana_native` and checks what comes back.
//!
//! Run it with any supported MPI's mpirun, on 2 or 4 ranks; `MANA_MPI` chooses a library as it does for `mana`. It
//! prints one line on rank 0 and aborts on the first thing that is not as the standard says. It speaks the standard
//! ABI's numbers only, which is the point.

mod collectives;
mod messages;
mod reductions;
mod world;

use mana_native::{Choice, Environment};
use world::World;

fn main() {
    let choice = match std::env::var("MANA_MPI") {
        Ok(text) => text.parse(),
        Err(_) => Ok(Choice::Auto),
    };
    let opened = choice.and_then(|choice| World::start(&choice, &Environment::current()));
    let world = opened.unwrap_or_else(|error| {
        eprintln!("native_ring: {error}");
        std::process::exit(2);
    });
    messages::ring(world);
    messages::null_process(world);
    messages::wait_for_all(world);
    messages::cancelled_receive(world);
    messages::provoked_errors(world);
    collectives::broadcast(world);
    collectives::split(world);
    collectives::alltoallw(world);
    collectives::graph(world);
    let types = reductions::every_datatype(world);
    reductions::user_operation(world);
    world.finish(types);
}
