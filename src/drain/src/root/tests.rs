//! What the model checker does not reach: refusals, limits, failures.
use std::collections::BTreeMap;
use std::time::Duration;

use super::patience::{FIRST_PATIENCE, FIRST_PATIENCE_WITH_BLOCKING, PATIENCE_LIMIT};
use super::{Refused, Root, Step};
use crate::report::Failures;
use crate::{Broadcast, Gid, Report, Tally};

const AHEAD: Gid = Gid(7);
const BEHIND: Gid = Gid(8);

/// Two ranks have heard the intent: rank 0 is held before its collective `count + 1` on one communicator, and
/// somebody is behind on another.
fn held(count: u64, nonblocking: bool) -> Report {
    let want_nonblocking = u32::from(nonblocking);
    let ahead = Tally {
        size: 2,
        max: count,
        at_max: 1,
        want: 1,
        want_nonblocking,
        seen: 2,
    };
    let behind = Tally {
        size: 2,
        max: 1,
        at_max: 1,
        want: 0,
        want_nonblocking: 0,
        seen: 2,
    };
    Report {
        epoch: 1,
        ranks: 2,
        clocks: BTreeMap::from([(AHEAD, ahead), (BEHIND, behind)]),
        ..Report::default()
    }
}

fn started() -> Root {
    let mut root = Root::new(2);
    assert_eq!(root.request(false), Ok(Broadcast::Intent { epoch: 1 }));
    root
}

fn allows(gid: Gid, target: u64) -> Vec<Step> {
    vec![Step::Broadcast(Broadcast::Targets {
        epoch: 1,
        targets: vec![(gid, target)],
        to_all: Vec::new(),
    })]
}

fn is_abort(steps: &[Step], reason: &str) -> bool {
    matches!(steps, [Step::Broadcast(Broadcast::Aborted { epoch: 1, reason: given })] if given.contains(reason))
}

#[test]
fn patience_doubles_with_use() {
    let mut root = started();
    root.on_report(held(0, true));
    assert_eq!(root.on_patience(FIRST_PATIENCE / 2), []);
    assert_eq!(root.on_patience(FIRST_PATIENCE), allows(AHEAD, 1));
    assert_eq!(
        root.on_patience(FIRST_PATIENCE * 2),
        [],
        "it is allowed already"
    );
    root.on_report(held(1, true));
    assert_eq!(root.on_patience(FIRST_PATIENCE), []);
    assert_eq!(root.on_patience(FIRST_PATIENCE * 2), allows(AHEAD, 2));
}

#[test]
fn blocking_collectives_take_more_patience() {
    let mut root = started();
    root.on_report(held(0, false));
    assert_eq!(root.on_patience(FIRST_PATIENCE * 2), []);
    assert_eq!(
        root.on_patience(FIRST_PATIENCE_WITH_BLOCKING),
        allows(AHEAD, 1)
    );
}

/// Nobody is let go while not all ranks have heard, or when nobody is behind.
#[test]
fn patience_needs_a_reason() {
    let mut root = started();
    root.on_report(Report {
        ranks: 1,
        ..held(0, true)
    });
    assert_eq!(root.on_patience(Duration::MAX), []);
}

#[test]
fn ranks_that_never_are_in_step_are_given_up() {
    let mut root = started();
    for count in 0..u64::from(PATIENCE_LIMIT) {
        root.on_report(held(count, true));
        assert_eq!(root.on_patience(Duration::MAX), allows(AHEAD, count + 1));
    }
    root.on_report(held(u64::from(PATIENCE_LIMIT), true));
    assert!(is_abort(
        &root.on_patience(Duration::MAX),
        "never were in step"
    ));
    assert_eq!(
        root.request(false),
        Ok(Broadcast::Intent { epoch: 2 }),
        "the next attempt may do better"
    );
}

#[test]
fn a_lost_rank_ends_all_checkpoints() {
    let mut root = started();
    assert_eq!(root.request(false), Err(Refused::Busy));
    assert!(is_abort(&root.disable("rank 1 is gone"), "rank 1 is gone"));
    assert_eq!(
        root.request(false),
        Err(Refused::Disabled("rank 1 is gone".to_owned()))
    );
}

#[test]
fn a_program_in_finalize_is_not_checkpointed() {
    let mut root = started();
    let report = Report {
        epoch: 1,
        ranks: 1,
        finished: 1,
        ..Report::default()
    };
    assert!(is_abort(&root.on_report(report), "MPI_Finalize"));
}

#[test]
fn who_cannot_take_part_ends_the_attempt_at_once() {
    let mut root = started();
    let failures = Failures::one(1, "a dynamic process is connected".to_owned());
    let report = Report {
        epoch: 1,
        ranks: 1,
        failures,
        ..Report::default()
    };
    assert!(is_abort(
        &root.on_report(report),
        "rank 1: a dynamic process is connected"
    ));
}

/// The others are still writing: the directory must not go before they have finished.
#[test]
fn a_failed_image_ends_the_attempt_when_all_have_written() {
    let mut root = started();
    let quiet = Report {
        epoch: 1,
        ranks: 2,
        ..Report::default()
    };
    assert_eq!(
        root.on_report(quiet.clone()),
        [Step::Broadcast(Broadcast::Stop { epoch: 1 })]
    );
    assert_eq!(
        root.on_report(Report {
            parked: 2,
            ..quiet.clone()
        }),
        [Step::Prepare]
    );
    let write = Broadcast::Write {
        epoch: 1,
        number: 3,
    };
    assert_eq!(root.on_prepared(Ok(3)), [Step::Broadcast(write)]);
    let failures = Failures::one(0, "no space left on device".to_owned());
    let failed = Report {
        parked: 2,
        failures,
        ..quiet
    };
    assert_eq!(root.on_report(failed.clone()), []);
    assert!(is_abort(
        &root.on_report(Report {
            written: 1,
            ..failed
        }),
        "rank 0: no space left"
    ));
}

#[test]
fn reports_of_another_attempt_are_ignored() {
    let mut root = started();
    assert_eq!(
        root.on_report(Report {
            epoch: 0,
            ranks: 2,
            ..Report::default()
        }),
        []
    );
}
