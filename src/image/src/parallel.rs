//! The same work on several threads, this one among them.
//!
//! Invariant: none of the threads is left when [`on_threads`] returns. A scope alone waits for the work only: a thread that is on
//! its way out could still take a signal that is sent to the process, and a restart sends those that were pending.

use std::panic::resume_unwind;
use std::thread;

/// Runs `work` on `count` threads (0 counts as 1), of which the calling one is the first, and waits until the others have ended.
pub(crate) fn on_threads(count: usize, work: impl Fn() + Sync) {
    thread::scope(|scope| {
        let others: Vec<_> = (1..count).map(|_| scope.spawn(&work)).collect();
        work();
        for other in others {
            // pthread_join: from here on the kernel delivers nothing to it.
            if let Err(panic) = other.join() {
                resume_unwind(panic);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    static ENDED: AtomicU32 = AtomicU32::new(0);

    /// Is dropped when its thread has done its work and ends.
    struct Late;

    impl Drop for Late {
        fn drop(&mut self) {
            // No part of what is asserted: who does not wait for the thread's end counts too early for certain, not now and then.
            thread::sleep(Duration::from_millis(50));
            ENDED.fetch_add(1, Ordering::Relaxed);
        }
    }

    thread_local!(static LATE: Late = const { Late });

    #[test]
    fn the_threads_have_ended_and_not_only_their_work() {
        let caller = thread::current().id();
        let worked = AtomicU32::new(0);
        on_threads(4, || {
            worked.fetch_add(1, Ordering::Relaxed);
            if thread::current().id() != caller {
                LATE.with(|_| ());
            }
        });
        assert_eq!(worked.into_inner(), 4);
        assert_eq!(ENDED.load(Ordering::Relaxed), 3);
    }
}
