//! What the engine does for each call in its own tables, without any MPI: nanoseconds that add up to the cost of a call.
//!
//! ```text
//!   handle/lookup        every call with a communicator, datatype or request in it
//!   handle/life          every request: made, found, freed
//!   collective/start     the gate before every collective while no checkpoint is asked for
//!   report/merge         a rank's report added to its parent's, 100 communicators on the move
//! ```

use std::hint::black_box;

use criterion::Criterion;
use mana_drain::{Gid, Rank, Report, Start, Tally};
use mana_record_replay::handle::kind;
use mana_record_replay::table::Table;

const OBJECTS: u64 = 1000;

fn handles(criterion: &mut Criterion) {
    let mut table: Table<kind::Request, u64> = Table::new();
    let made: Vec<_> = (0..OBJECTS)
        .map(|object| table.insert(object).unwrap())
        .collect();
    let mut next = made.iter().cycle();
    criterion.bench_function("handle/lookup", |bencher| {
        bencher.iter(|| table.get(*black_box(next.next().unwrap())).copied());
    });
    criterion.bench_function("handle/life", |bencher| {
        bencher.iter(|| {
            let handle = table.insert(black_box(1)).unwrap();
            table.remove(handle)
        });
    });
}

fn collectives(criterion: &mut Criterion) {
    let mut rank = Rank::new(0);
    let world = rank.register(Gid::WORLD, 4).unwrap();
    criterion.bench_function("collective/start", |bencher| {
        bencher.iter(|| rank.may_start(black_box(world), Start::Blocking));
    });
}

fn reports(criterion: &mut Criterion) {
    let tally = |max| Tally {
        size: 8,
        max,
        at_max: 1,
        want: 0,
        want_nonblocking: 0,
        seen: 1,
    };
    let report = |max| Report {
        clocks: (0..100).map(|number| (Gid(number), tally(max))).collect(),
        ..Report::default()
    };
    let (ours, theirs) = (report(5), report(6));
    criterion.bench_function("report/merge", |bencher| {
        bencher.iter_batched_ref(
            || ours.clone(),
            |ours| ours.merge(black_box(&theirs)),
            criterion::BatchSize::SmallInput,
        );
    });
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    handles(&mut criterion);
    collectives(&mut criterion);
    reports(&mut criterion);
    criterion.final_summary();
}
