//! Probes of a communicator that are in the library below, and whether a message is being taken out of matching for the cut:
//! never both.
//!
//! Open MPI 4.1 reads the envelope that a probe has found after it has let go of its lock, when the message may be another
//! thread's already, and its memory used again. A program whose threads do not share a communicator need not know; so the
//! thread that drains for all must not be that other thread.

use std::sync::atomic::{AtomicU32, Ordering};

/// The count, and [`TAKING`].
#[derive(Default, Debug)]
pub struct Probes(AtomicU32);

/// Set while a message is being taken out; below are the probes.
const TAKING: u32 = 1 << 31;

/// A probe is in the library below while this lives.
pub struct Probing<'a>(&'a Probes);

impl Drop for Probing<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Release);
    }
}

/// No probe is in the library below while this lives.
pub struct Taking<'a>(&'a Probes);

impl Drop for Taking<'_> {
    fn drop(&mut self) {
        self.0.0.store(0, Ordering::Release);
    }
}

impl Probes {
    /// Waits for the end of a taking, which does not wait for anything. Probes may be nested: a callback may probe.
    pub fn begin(&self) -> Probing<'_> {
        loop {
            let now = self.0.load(Ordering::Relaxed);
            let begun = now != TAKING
                && self
                    .0
                    .compare_exchange_weak(now, now + 1, Ordering::Acquire, Ordering::Relaxed)
                    .is_ok();
            if begun {
                return Probing(self);
            }
            std::hint::spin_loop();
        }
    }

    /// Nothing while there are probes.
    pub fn take(&self) -> Option<Taking<'_>> {
        self.0
            .compare_exchange(0, TAKING, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
            .then(|| Taking(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_taken_while_there_are_probes() {
        let probes = Probes::default();
        let (first, second) = (probes.begin(), probes.begin());
        assert!(probes.take().is_none());
        drop(first);
        assert!(probes.take().is_none());
        drop(second);
        let taking = probes.take();
        assert!(taking.is_some() && probes.take().is_none());
        drop(taking);
        drop(probes.begin());
        assert!(probes.take().is_some());
    }

    #[test]
    fn a_probe_waits_until_a_message_is_taken() {
        let probes = Probes::default();
        let (taking, is_taken) = (probes.take(), AtomicU32::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let _probing = probes.begin();
                assert_eq!(is_taken.load(Ordering::Acquire), 1);
            });
            is_taken.store(1, Ordering::Release);
            drop(taking);
        });
    }
}
