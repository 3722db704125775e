//! From the agent's thread, where events happen, to the application's threads, where its callbacks may run.
//!
//! ```text
//!   agent (holds the cut's lock)   raise: RAISED, a lock of its own
//!   application, at a call         deliver: RAISED -> state.tools.undelivered -> callbacks, no lock held
//! ```
//!
//! Callbacks run at the entry or exit of a call into mana, where a thread of the application may do anything: so they have
//! nothing to fulfil (`MPI_T_CB_REQUIRE_NONE`), and one registered for any level of safety will do.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use mana_table::constants as mpi;

use super::events::{self, Queue, Raised};
use crate::callback;
use crate::engine::{State, state};
use crate::local::monotonic_ns;

/// Events that can wait to be delivered; further ones are dropped.
const QUEUE_LIMIT: usize = 256;

static RAISED: Mutex<Vec<Raised>> = Mutex::new(Vec::new());
/// Whether something waits to be delivered.
static DUE: AtomicBool = AtomicBool::new(false);
/// Whether anybody is registered for events: without, they are not even noted.
static WANTED: AtomicBool = AtomicBool::new(false);

fn raised() -> MutexGuard<'static, Vec<Raised>> {
    RAISED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An event happens. May be called with any lock held.
pub fn raise(event: usize, elements: [u64; events::ELEMENTS]) {
    if !WANTED.load(Ordering::Relaxed) {
        return;
    }
    raised().push(Raised {
        event,
        time: monotonic_ns(),
        elements,
    });
    DUE.store(true, Ordering::Release);
}

/// Registrations came or went, or were restored.
pub fn registrations_changed(state: &State) {
    WANTED.store(events::any_registration(state), Ordering::Relaxed);
    DUE.store(
        !state.tools.undelivered.events.is_empty(),
        Ordering::Release,
    );
}

/// Takes what was raised into the state.
pub fn store_raised(state: &mut State) {
    let queue = &mut state.tools.undelivered;
    for event in raised().drain(..) {
        if queue.events.len() < QUEUE_LIMIT {
            queue.events.push_back(event);
        } else {
            queue.dropped[event.event] += 1;
        }
    }
}

/// Calls the callbacks of what has happened, if this thread may.
#[inline]
pub fn deliver() {
    if DUE.load(Ordering::Acquire) {
        deliver_due();
    }
}

#[cold]
fn deliver_due() {
    if callback::is_running() || !DUE.swap(false, Ordering::AcqRel) {
        return;
    }
    let Queue { events, dropped } = {
        let mut state = state();
        store_raised(&mut state);
        std::mem::take(&mut state.tools.undelivered)
    };
    for event in events {
        let registrations = events::registrations_for(&state(), event.event);
        for (word, registration) in registrations {
            call(event, word, &registration);
        }
    }
    for (event, count) in dropped.into_iter().enumerate().filter(|(_, n)| *n > 0) {
        let registrations = events::registrations_for(&state(), event);
        for (word, registration) in registrations {
            tell_dropped(count, word, &registration);
        }
    }
}

/// Calls the callback of one registration, the one with the least safety; an event without one is dropped.
fn call(event: Raised, word: u64, registration: &events::Registration) {
    let Some(callback) = registration.callbacks.values().next() else {
        return tell_dropped(1, word, registration);
    };
    // An earlier callback may have ended the registration.
    let instance = {
        let mut state = state();
        if events::registration(&state, word).is_err() {
            return;
        }
        events::begin_instance(&mut state, event)
    };
    let Ok(instance) = instance else {
        return tell_dropped(1, word, registration);
    };
    let arguments = [
        instance,
        word,
        mpi::MPI_T_CB_REQUIRE_NONE as u64,
        callback.user_data,
    ];
    callback::word(callback.function, &arguments);
    events::end_instance(&mut state(), instance);
}

/// Tells a registration that events were dropped.
fn tell_dropped(count: u64, word: u64, registration: &events::Registration) {
    if let Some(function) = registration.dropped {
        let user_data = registration
            .callbacks
            .values()
            .next()
            .map_or(0, |callback| callback.user_data);
        let safety = mpi::MPI_T_CB_REQUIRE_NONE as u64;
        callback::word(function, &[count, word, 0, safety, user_data]);
    }
}
