//! What became of a case.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A case's result, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// The suite skipped it: it asked what the MPI is or has.
    Skip,
    /// As it should be.
    Pass,
    /// It needs a function that is not there: `MPI_ERR_UNSUPPORTED_OPERATION` was what mana said.
    Unsupported,
    /// It does not compile or link.
    Unbuilt,
    /// It went wrong.
    Fail,
    /// It did not end.
    Hang,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Skip => "skip",
            Self::Pass => "pass",
            Self::Unsupported => "unsupported",
            Self::Unbuilt => "unbuilt",
            Self::Fail => "fail",
            Self::Hang => "hang",
        })
    }
}

/// A verdict and what led to it.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub verdict: Verdict,
    /// Output worth keeping, where the verdict is not a good one.
    pub log: String,
}

impl Outcome {
    /// The worse of two, as of two ranks; the logs are put together.
    pub fn and(mut self, other: Self) -> Self {
        self.verdict = self.verdict.max(other.verdict);
        self.log += &other.log;
        self
    }
}

/// Outcomes by case.
pub(crate) type Outcomes = BTreeMap<String, Outcome>;

/// Natively or under mana.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Built and run with the MPI itself.
    Native,
    /// Built for the standard ABI, which mana has, too, and run with the MPI's library of that ABI.
    StandardAbi,
    /// Built with `mana-mpicc`, run with mana over the MPI.
    Mana,
    /// The same, killed after a checkpoint and restarted over the next MPI.
    Restarted,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Native => "native",
            Self::StandardAbi => "standard ABI",
            Self::Mana => "mana",
            Self::Restarted => "restarted",
        })
    }
}
