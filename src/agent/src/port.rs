//! What the agent needs from the engine of its rank.
use mana_drain::{Broadcast, Report};

/// The engine's side of an agent. All calls come from the agent's thread, one at a time; none may call MPI or
/// wait for a thread that does.
pub trait RankPort: Send + Sync {
    /// The root's word: hand it to the rank's [`mana_drain::Rank`]. The children have been told already.
    /// Does not return for a `Committed` with `kill`, if the engine ends the process there.
    fn on_broadcast(&self, broadcast: &Broadcast);

    /// The rank's report as of now ([`mana_drain::Rank::report`]). Asked for after every broadcast and after
    /// [`crate::Agent::wake`].
    fn report(&self) -> Report;

    /// Makes the rank's threads notice that they are to park: signals those that are in upper-half code.
    /// Called after `Stop`, again with growing intervals until the report says that the rank is parked. Whether
    /// there was nobody left to signal.
    fn stop_threads(&self) -> bool;

    /// Rank 0: makes the directory of the next checkpoint and gives its number.
    ///
    /// # Errors
    /// Why there can be none, for people; the checkpoint is aborted with that reason.
    fn prepare(&self) -> Result<u64, String>;

    /// Rank 0: all images are written; commits checkpoint `number`.
    ///
    /// # Errors
    /// Why it cannot be committed, for people; the checkpoint is aborted with that reason.
    fn commit(&self, number: u64) -> Result<(), String>;

    /// A checkpoint that this rank asked for ([`crate::Agent::request_checkpoint`]) will not be tried.
    fn refused(&self, reason: &str) {
        tracing::warn!(%reason, "no checkpoint");
    }
}
