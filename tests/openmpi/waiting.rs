//! A request for a checkpoint reaches ranks that compute, sleep, or wait in a call; between requests agents sleep.

use mana_suite::crossing::passes;
use mana_suite::mpi::OPENMPI_5;
use mana_suite::waiting::agents_sleep;

mana_suite::waiting! { OPENMPI_5 => MPICH_5 }

#[test]
fn agents_use_no_processor_between_requests() {
    passes(agents_sleep(&OPENMPI_5));
}
