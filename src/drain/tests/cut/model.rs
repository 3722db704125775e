//! Model checking: every order in which everything can happen, for each program of the catalogue.
use stateright::{Checker, Model, Property};

use crate::sim::{Event, Job, Program, Reports, Setup, Variant};
use crate::{catalogue, features};

/// Properties by name; the broken variants are checked to violate the right one.
const NO_HANG: &str = "nothing hangs";
const GOOD_CUT: &str = "the cut is consistent";
const IN_ORDER: &str = "messages come once and in order";
const ABORTED_FOR_CAUSE: &str = "abandoned only for a cause";
const COMMITS: &str = "a checkpoint is made";

impl Model for Setup {
    type State = Job;
    type Action = Event;

    fn init_states(&self) -> Vec<Job> {
        vec![Job::new(self)]
    }

    fn actions(&self, job: &Job, events: &mut Vec<Event>) {
        events.extend(job.candidates(self));
        events.push(Event::Patience);
    }

    fn next_state(&self, job: &Job, event: Event) -> Option<Job> {
        job.after(self, event)
    }

    fn properties(&self) -> Vec<Property<Setup>> {
        vec![
            Property::always(NO_HANG, |setup, job: &Job| !job.hangs(setup)),
            Property::always(GOOD_CUT, |_, job: &Job| job.bad_cut.is_none()),
            Property::always(IN_ORDER, |_, job: &Job| {
                job.ranks.iter().all(|rank| !rank.proc.misordered)
            }),
            Property::always(ABORTED_FOR_CAUSE, |_, job: &Job| {
                let known = |reason: &String| {
                    reason.contains("MPI_Finalize") || reason.contains("no space left")
                };
                job.last_abort.as_ref().is_none_or(known)
            }),
            Property::sometimes(COMMITS, |_, job: &Job| job.committed > 0),
        ]
    }
}

/// Explores everything and expects all properties to hold; the number of states.
fn check(setup: Setup) -> usize {
    let name = format!(
        "{} ({} requests, restart {})",
        setup.program.name, setup.requests, setup.restart
    );
    let started = std::time::Instant::now();
    let checker = setup.checker().threads(2).spawn_bfs().join();
    checker.assert_properties();
    let states = checker.unique_state_count();
    println!(
        "{states:>9} states {:>6} ms  {name}",
        started.elapsed().as_millis()
    );
    states
}

#[test]
fn small_programs_run_on_after_a_checkpoint() {
    for program in catalogue::small() {
        check(Setup::new(program));
    }
}

#[test]
fn an_image_that_cannot_be_written_harms_nobody() {
    check(Setup {
        may_fail: true,
        requests: 2,
        ..Setup::new(catalogue::blocked_in_a_rendezvous())
    });
}

/// The root may lose patience at any moment, not only when it has to: that may cost time, and nothing else.
#[test]
fn impatience_is_harmless() {
    for program in [
        catalogue::two_ahead(),
        catalogue::needs_message_from_rank_at_maximum(),
    ] {
        check(Setup {
            impatient: true,
            ..Setup::new(program)
        });
    }
}

/// Two attempts, and a tree that is a chain: reports are merged on their way.
#[test]
fn a_second_checkpoint_in_a_chain_of_agents() {
    check(Setup {
        requests: 2,
        arity: 1,
        ..Setup::new(catalogue::two_ahead())
    });
    check(Setup {
        arity: 1,
        ..Setup::new(catalogue::needs_message_from_rank_at_maximum())
    });
}

/// With reports that are never late, which leaves few enough states.
#[test]
fn large_programs_run_on_after_a_checkpoint() {
    for program in catalogue::large()
        .into_iter()
        .filter(|program| program.size() == 3)
    {
        check(Setup {
            reports: Reports::Immediate,
            ..Setup::new(program)
        });
    }
}

#[test]
fn pairs_of_ranks_restart() {
    for program in catalogue::small()
        .into_iter()
        .filter(|program| program.size() == 2)
    {
        check(Setup {
            restart: true,
            ..Setup::new(program)
        });
    }
}

#[test]
#[ignore = "takes minutes: late reports in large programs, and every small program restarted twice"]
fn everything_else() {
    for program in catalogue::large() {
        check(Setup::new(program));
    }
    for program in catalogue::small() {
        check(Setup {
            restart: true,
            requests: 2,
            ..Setup::new(program)
        });
    }
}

/// A mistake made on purpose must be found: else the checks above would mean nothing.
fn finds(program: Program, variant: Variant, property: &'static str) {
    let checker = Setup {
        variant,
        ..Setup::new(program)
    }
    .checker()
    .threads(2)
    .spawn_bfs()
    .join();
    let path = checker
        .discovery(property)
        .unwrap_or_else(|| panic!("{variant:?}: \"{property}\" holds even so"));
    println!(
        "{variant:?} violates \"{property}\" by {:?}",
        path.into_actions()
    );
}

/// Why ranks that are in step run on until they come to a collective.
#[test]
fn stopping_dead_at_the_maximum_deadlocks() {
    finds(
        catalogue::needs_message_from_rank_at_maximum(),
        Variant::StopDeadAtMaximum,
        NO_HANG,
    );
}

/// Why ranks that are all held at one gate may have to go on.
#[test]
fn never_going_on_together_deadlocks() {
    finds(catalogue::needs_all_to_go_on(), Variant::NeverGo, NO_HANG);
}

/// Why the initiation of a nonblocking collective is not held for ever.
#[test]
fn endless_patience_deadlocks() {
    finds(
        catalogue::nonblocking_must_not_wait(),
        Variant::Endless,
        NO_HANG,
    );
}

/// Why parked ranks receive.
#[test]
fn parking_without_draining_deadlocks() {
    finds(
        catalogue::blocked_in_a_rendezvous(),
        Variant::NoDraining,
        NO_HANG,
    );
}

/// Why all ranks have to be in step before they park.
#[test]
fn parking_out_of_step_deadlocks() {
    finds(
        catalogue::dense_collectives(),
        Variant::IgnoreClocks,
        NO_HANG,
    );
}

#[test]
fn ignoring_counters_loses_messages() {
    finds(
        catalogue::eager_message(),
        Variant::IgnoreCounters,
        GOOD_CUT,
    );
}

/// Why a rank counts as parked only when all its threads are.
#[test]
fn parking_one_thread_of_two_is_no_cut() {
    finds(
        features::threads_of_one_rank(),
        Variant::OneThreadParks,
        GOOD_CUT,
    );
}

/// Why requests wait until all ranks have been in MPI_Init.
#[test]
fn a_request_before_all_are_there_hangs() {
    finds(
        features::messages_after_init(),
        Variant::HasteAtInit,
        NO_HANG,
    );
}

/// Why targets go everywhere as long as a member may be anywhere.
#[test]
fn telling_only_those_who_have_reported_hangs() {
    finds(
        catalogue::dense_collectives(),
        Variant::TrustReports,
        NO_HANG,
    );
}
