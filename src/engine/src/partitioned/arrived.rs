//! Which bytes of a message are here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Ranges of bytes, none of which touches another: end by beginning.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Arrived(BTreeMap<i64, i64>);

impl Arrived {
    /// `from..to` is here.
    pub fn insert(&mut self, mut from: i64, mut to: i64) {
        if from >= to {
            return;
        }
        while let Some((&begin, &end)) = self
            .0
            .range(..=to)
            .next_back()
            .filter(|(_, end)| **end >= from)
        {
            self.0.remove(&begin);
            from = from.min(begin);
            to = to.max(end);
        }
        self.0.insert(from, to);
    }

    /// Whether all of `from..to` is here.
    pub fn covers(&self, from: i64, to: i64) -> bool {
        let before = self.0.range(..=from).next_back();
        from >= to || before.is_some_and(|(_, end)| *end >= to)
    }

    /// Nothing is here any more.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_join_in_any_order() {
        let mut arrived = Arrived::default();
        for (from, to) in [(10, 20), (30, 40), (0, 10), (25, 30)] {
            assert!(!arrived.covers(0, 40));
            arrived.insert(from, to);
        }
        assert!(arrived.covers(0, 20) && arrived.covers(25, 40) && !arrived.covers(19, 26));
        assert!(arrived.covers(22, 22));
        arrived.insert(15, 26);
        assert!(arrived.covers(0, 40) && !arrived.covers(0, 41));
        assert_eq!(arrived.0.len(), 1);
    }
}
