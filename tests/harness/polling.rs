//! Looking again and again until something has come about: the tests' only way of waiting.

use std::time::{Duration, Instant};

use crate::error::Result;

/// How often a condition is looked at again.
const INTERVAL: Duration = Duration::from_millis(2);

/// Looks until `ready` gives something; `None` when `at_most` has passed without. It is looked at once at least.
///
/// # Errors
/// Those of `ready`.
pub fn until<T>(
    at_most: Duration,
    mut ready: impl FnMut() -> Result<Option<T>>,
) -> Result<Option<T>> {
    let begin = Instant::now();
    loop {
        if let Some(found) = ready()? {
            return Ok(Some(found));
        }
        if begin.elapsed() > at_most {
            return Ok(None);
        }
        std::thread::sleep(INTERVAL);
    }
}
