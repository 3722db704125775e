//! The hash by which a stub and a `mana` make sure that they mean the same functions.
//!
//! It covers the slot, name and C type of every row below a slot number, and nothing else: a new
//! policy does not change it. Because slots are append-only, the hash over the first `n` slots never
//! changes, so a newer `mana` can check any older stub, or the stub inside an old image.

use crate::c_type;
use crate::model::Function;

/// Hash over the rows of [`crate::FUNCTIONS`] with slots below `slot_count`; `None` when
/// `slot_count` is beyond this table, so that nothing can be said of it.
pub fn slots_hash(slot_count: usize) -> Option<u64> {
    (slot_count <= crate::SLOT_COUNT).then(|| hash_rows(crate::FUNCTIONS, slot_count))
}

/// Hash over those of `functions` (in slot order) whose slot is below `slot_count`.
pub fn hash_rows(functions: &[Function], slot_count: usize) -> u64 {
    let mut hash = Fnv::default();
    for function in functions
        .iter()
        .filter(|f| usize::from(f.id.0) < slot_count)
    {
        hash.add(&format!(
            "{} {}\n",
            function.id.0,
            c_type::signature(function)
        ));
    }
    hash.0
}

/// FNV-1a, 64 bits: frozen and a few lines; this guards against mistakes, not against attackers.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn add(&mut self, text: &str) {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}
