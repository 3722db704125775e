//! A request for a checkpoint reaches ranks that compute, sleep, or wait in a call; between requests agents sleep.

use mana_suite::crossing::passes;
use mana_suite::mpi::MPICH_4;
use mana_suite::waiting::agents_sleep;

mana_suite::waiting! { MPICH_4 => OPENMPI_4 }

#[test]
fn agents_use_no_processor_between_requests() {
    passes(agents_sleep(&MPICH_4));
}
