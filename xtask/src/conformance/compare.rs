//! What a native verdict and mana's say together.

use super::outcome::Verdict;

/// A case's place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// Passes on both sides; or under mana, and natively it was not asked for.
    Pass,
    /// Skipped on both, or natively not to be had and skipped by mana.
    Skip,
    /// Goes wrong on both sides.
    Neither,
    /// Passes under mana only.
    More,
    /// Natively it passes or is skipped, or has not run; mana says that it lacks the function.
    Unsupported,
    /// Natively it passes or is skipped, or has not run; under mana it goes wrong or is skipped.
    Differs,
}

/// Compares a native verdict, if there is one, with mana's.
pub(crate) fn pair(native: Option<Verdict>, mana: Verdict) -> Class {
    // What has not run natively is taken to pass there: so no row looks better than it is.
    match (native.unwrap_or(Verdict::Pass), mana) {
        (Verdict::Pass, Verdict::Pass) => Class::Pass,
        (_, Verdict::Pass) => Class::More,
        (Verdict::Pass, Verdict::Skip) => Class::Differs,
        (_, Verdict::Skip) => Class::Skip,
        (Verdict::Pass | Verdict::Skip, Verdict::Unsupported) => Class::Unsupported,
        (Verdict::Pass | Verdict::Skip, _) => Class::Differs,
        (_, _) => Class::Neither,
    }
}

#[cfg(test)]
mod tests {
    use super::{Class, pair};
    use crate::conformance::outcome::Verdict::{Fail, Hang, Pass, Skip, Unsupported};

    #[test]
    fn only_what_mana_does_worse_differs() {
        let differs = [(Pass, Fail), (Pass, Skip), (Skip, Fail), (Pass, Hang)];
        for (native, mana) in differs {
            assert_eq!(pair(Some(native), mana), Class::Differs, "{native} {mana}");
        }
        assert_eq!(pair(Some(Pass), Unsupported), Class::Unsupported);
        assert_eq!(pair(Some(Hang), Fail), Class::Neither);
        assert_eq!(pair(Some(Fail), Pass), Class::More);
        assert_eq!(pair(Some(Skip), Pass), Class::More);
    }

    #[test]
    fn only_what_passes_needs_no_comparison() {
        assert_eq!(pair(None, Pass), Class::Pass);
        for mana in [Fail, Skip, Hang] {
            assert_eq!(pair(None, mana), Class::Differs, "{mana}");
        }
        assert_eq!(pair(None, Unsupported), Class::Unsupported);
    }
}
