//! Categories: what belongs together.
//!
//! ```text
//!   mana -+- mana_settings      all control variables
//!         +- mana_messages      performance variables about messages and objects
//!         +- mana_checkpoints   performance variables about checkpoints, all events
//! ```

use std::ops::Range;

use super::cvars::CVARS;
use super::events::EVENT_TYPES;
use super::indexed;
use super::pvars::{FIRST_OF_CHECKPOINTS, PVARS};
use crate::error::MpiError;

/// A category: ranges of indices.
#[derive(Debug)]
pub struct Category {
    /// Its name.
    pub name: &'static str,
    /// What it is about.
    pub description: &'static str,
    /// Control variables.
    pub cvars: Range<usize>,
    /// Performance variables.
    pub pvars: Range<usize>,
    /// Events.
    pub events: Range<usize>,
    /// Categories in it.
    pub categories: Range<usize>,
}

/// All of them. They never change.
pub static CATEGORIES: [Category; 4] = [
    Category {
        name: "mana",
        description: "Everything that mana tells of itself",
        cvars: 0..0,
        pvars: 0..0,
        events: 0..0,
        categories: 1..4,
    },
    Category {
        name: "mana_settings",
        description: "What the MANA_ environment variables set",
        cvars: 0..CVARS.len(),
        pvars: 0..0,
        events: 0..0,
        categories: 0..0,
    },
    Category {
        name: "mana_messages",
        description: "Messages, requests and communicators of this process",
        cvars: 0..0,
        pvars: 0..FIRST_OF_CHECKPOINTS,
        events: 0..0,
        categories: 0..0,
    },
    Category {
        name: "mana_checkpoints",
        description: "Checkpoints and restarts of the job",
        cvars: 0..0,
        pvars: FIRST_OF_CHECKPOINTS..PVARS.len(),
        events: 0..EVENT_TYPES,
        categories: 0..0,
    },
];

/// The category with this index.
pub fn by_index(index: i32) -> Result<&'static Category, MpiError> {
    indexed(&CATEGORIES, index).map(|(_, category)| category)
}
