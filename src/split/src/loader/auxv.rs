//! The auxiliary vector (getauxval(3)): this process's own, with the new program's addresses in it.

use super::image::Mapped;
use crate::elf::PHENT_BYTES;
use crate::error::{Error, Result};
use crate::gate::{AT_MANA_GATE, GATE_ADDR};

/// `AT_BASE_PLATFORM`: an address of a string on the old stack; no libc uses it.
const AT_BASE_PLATFORM: u64 = 24;

/// What the new program's vector says that this process's does not.
pub(super) struct Facts<'a> {
    pub(super) program: &'a Mapped,
    pub(super) interpreter: &'a Mapped,
    /// Address of the upper half's vdso.
    pub(super) vdso: usize,
}

/// The vector without the entries that point into the new stack, which [`crate::stack`] adds.
pub(super) fn build(facts: &Facts) -> Result<Vec<(u64, u64)>> {
    let own = std::fs::read("/proc/self/auxv").map_err(|source| Error::Os {
        what: "reading /proc/self/auxv".into(),
        source,
    })?;
    Ok(adapt(&parse(&own), facts))
}

fn parse(bytes: &[u8]) -> Vec<(u64, u64)> {
    let word = |bytes: &[u8]| {
        bytes
            .iter()
            .rev()
            .fold(0, |word, &byte| word << 8 | u64::from(byte))
    };
    bytes
        .chunks_exact(16)
        .map(|entry| (word(&entry[..8]), word(&entry[8..])))
        .collect()
}

fn adapt(own: &[(u64, u64)], facts: &Facts) -> Vec<(u64, u64)> {
    let replaced = [
        (libc::AT_SYSINFO_EHDR, facts.vdso as u64),
        (libc::AT_PHDR, facts.program.phdr as u64),
        (libc::AT_PHENT, PHENT_BYTES),
        (libc::AT_PHNUM, facts.program.phnum as u64),
        (libc::AT_BASE, facts.interpreter.bias as u64),
        (libc::AT_ENTRY, facts.program.entry as u64),
        (AT_MANA_GATE, GATE_ADDR as u64),
    ];
    let added_later = [
        libc::AT_NULL,
        libc::AT_RANDOM,
        libc::AT_EXECFN,
        libc::AT_PLATFORM,
        AT_BASE_PLATFORM,
    ];
    let is_kept = |key| !added_later.contains(&key) && replaced.iter().all(|entry| entry.0 != key);
    let kept = own.iter().copied().filter(|entry| is_kept(entry.0));
    replaced.into_iter().chain(kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_facts_stay_and_addresses_are_replaced() {
        let program = Mapped {
            bias: 0x1000,
            entry: 0x1040,
            phdr: 0x1040,
            phnum: 9,
            needs_backstop: false,
        };
        let facts = Facts {
            program: &program,
            interpreter: &Mapped {
                bias: 0x9000,
                ..program
            },
            vdso: 0x7000,
        };
        let own = [
            (libc::AT_HWCAP2, 2),
            (libc::AT_PHDR, 99),
            (libc::AT_EXECFN, 99),
            (51, 3632),
            (libc::AT_NULL, 0),
        ];
        let vector = adapt(&own, &facts);
        let value = |key| {
            vector
                .iter()
                .find(|entry| entry.0 == key)
                .map(|entry| entry.1)
        };
        assert_eq!(value(libc::AT_HWCAP2), Some(2));
        assert_eq!(value(51), Some(3632), "AT_MINSIGSTKSZ");
        assert_eq!(value(libc::AT_PHDR), Some(0x1040));
        assert_eq!(value(libc::AT_BASE), Some(0x9000));
        assert_eq!(value(AT_MANA_GATE), Some(GATE_ADDR as u64));
        assert_eq!(value(libc::AT_EXECFN), None);
        assert_eq!(
            vector
                .iter()
                .filter(|entry| entry.0 == libc::AT_PHDR)
                .count(),
            1
        );
    }

    #[test]
    fn this_processes_vector_is_read() {
        let own = parse(&std::fs::read("/proc/self/auxv").unwrap());
        assert!(own.contains(&(libc::AT_PAGESZ, 4096)));
    }
}
