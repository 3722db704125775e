//! How long the phases of an attempt take: for the image, and summed up for MPI_T.

use std::sync::atomic::Ordering;
use std::time::Instant;

use super::PHASE_TIMES_NS;

/// When the phases of an attempt began.
#[derive(Default)]
pub(super) struct Times {
    pub(super) intent: Option<Instant>,
    pub(super) stop: Option<Instant>,
    pub(super) write: Option<Instant>,
}

impl Times {
    /// An attempt is over: adds its phases to the sums, and returns the nanoseconds that it took.
    pub(super) fn conclude(&self) -> u64 {
        let now = Some(Instant::now());
        let spans = [
            (self.intent, self.stop.or(now)),
            (self.stop, self.write.or(now)),
            (self.write, now),
        ];
        let mut whole_ns = 0;
        for (sum, (from, to)) in PHASE_TIMES_NS.iter().zip(spans) {
            if let (Some(from), Some(to)) = (from, to) {
                let span_ns = to.saturating_duration_since(from).as_nanos() as u64;
                sum.fetch_add(span_ns, Ordering::Relaxed);
                whole_ns += span_ns;
            }
        }
        whole_ns
    }

    /// The phases that are over, with their durations.
    pub(super) fn phases(&self) -> Vec<mana_image::Phase> {
        let span = |name: &str, from: Option<Instant>, to: Option<Instant>| {
            let wall = to?.checked_duration_since(from?)?;
            Some(mana_image::Phase::new(name, wall.as_nanos() as u64))
        };
        [
            span("converge", self.intent, self.stop),
            span("stop and drain", self.stop, self.write),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}
