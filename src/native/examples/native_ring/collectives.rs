//! Collectives whose arguments differ between the ABIs: handle arrays, results of comparisons, special addresses.

use crate::messages::common_types;
use crate::world::{MPI_INFO_NULL, World, address};
use mana_native::handle::{Comm, Datatype};
use mana_native::{HandleArray, NativeComm, NativeDatatype, Out, UNDEFINED, int};
use mana_table::fns;

const MPI_CONGRUENT: i32 = 202;
const MPI_COMM_TYPE_SHARED: i32 = 221;

/// The last rank's number reaches everybody.
pub fn broadcast(world: &World) {
    let root = world.size - 1;
    let mut value = if world.rank == root { 0x5a5a } else { 0_i32 };
    let [int_type, ..] = common_types(world);
    let comm = world.comm().raw();
    world.must(
        fns::MPI_BCAST,
        &[address(&mut value), int(1), int_type, int(root), comm],
    );
    assert_eq!(value, 0x5a5a);
}

/// Communicators by parity, by node, with `MPI_UNDEFINED`, and a copy that compares as congruent.
pub fn split(world: &World) {
    let comm = world.comm().raw();
    let mut half = Out::<Comm>::new();
    world.must(
        fns::MPI_COMM_SPLIT,
        &[comm, int(world.rank % 2), int(world.rank), half.address()],
    );
    assert_eq!(
        size_of_comm(world, half.get()),
        (world.size + 1 - world.rank % 2) / 2
    );
    world.must(fns::MPI_COMM_FREE, &[half.address()]);
    assert_eq!(
        Some(half.get()),
        world.mpi.predefined().comm(0x100),
        "a freed handle becomes the null one"
    );

    let mut none = Out::<Comm>::new();
    world.must(
        fns::MPI_COMM_SPLIT,
        &[comm, int(UNDEFINED), int(0), none.address()],
    );
    assert_eq!(Some(none.get()), world.mpi.predefined().comm(0x100));

    let mut node = Out::<Comm>::new();
    let shared = int(world
        .mpi
        .split_type_to_native(MPI_COMM_TYPE_SHARED)
        .expect("in every ABI"));
    let info = world
        .mpi
        .predefined()
        .info(MPI_INFO_NULL)
        .expect("in every ABI")
        .raw();
    world.must(
        fns::MPI_COMM_SPLIT_TYPE,
        &[comm, shared, int(0), info, node.address()],
    );
    assert_eq!(
        size_of_comm(world, node.get()),
        world.size,
        "the test runs on one node"
    );

    let mut copy = Out::<Comm>::new();
    let mut result = 0_i32;
    world.must(fns::MPI_COMM_DUP, &[comm, copy.address()]);
    world.must(
        fns::MPI_COMM_COMPARE,
        &[comm, copy.get().raw(), address(&mut result)],
    );
    assert_eq!(
        world.mpi.comparison_from_native(result),
        Some(MPI_CONGRUENT)
    );
}

fn size_of_comm(world: &World, comm: NativeComm) -> i32 {
    let mut size = 0;
    world.must(fns::MPI_COMM_SIZE, &[comm.raw(), address(&mut size)]);
    size
}

/// Every rank sends an int to even ranks and a double to odd ones: nine arguments, two arrays of handles.
pub fn alltoallw(world: &World) {
    let [int_type, double_type, _] = common_types(world);
    let wide = |rank: i32| rank % 2 == 1;
    let type_for =
        |rank: i32| NativeDatatype::from_raw(if wide(rank) { double_type } else { int_type });
    let peers = 0..world.size;
    let mut send_types =
        HandleArray::<Datatype>::from_handles(world.mpi.family(), peers.clone().map(type_for));
    let mut receive_types = HandleArray::<Datatype>::from_handles(
        world.mpi.family(),
        peers.clone().map(|_| type_for(world.rank)),
    );
    let mut sent: Vec<[u8; 8]> = peers
        .clone()
        .map(|to| {
            if wide(to) {
                f64::from(world.rank).to_le_bytes()
            } else {
                i64::from(world.rank).to_le_bytes()
            }
        })
        .collect();
    let mut received = vec![[0_u8; 8]; sent.len()];
    let mut counts = vec![1_i32; sent.len()];
    let mut displacements_bytes: Vec<i32> = peers.clone().map(|rank| rank * 8).collect();
    let (counts, displacements) = (
        address(&mut counts[..]),
        address(&mut displacements_bytes[..]),
    );
    world.must(
        fns::MPI_ALLTOALLW,
        &[
            address(&mut sent[..]),
            counts,
            displacements,
            send_types.address(),
            address(&mut received[..]),
            counts,
            displacements,
            receive_types.address(),
            world.comm().raw(),
        ],
    );
    for (from, bytes) in peers.zip(received) {
        let got = if wide(world.rank) {
            f64::from_le_bytes(bytes)
        } else {
            i64::from_le_bytes(bytes) as f64
        };
        assert_eq!(got, f64::from(from));
    }
}

/// The ring as a graph without weights, whose special address is a variable in one ABI and a number in the others.
pub fn graph(world: &World) {
    let mut comm = Out::<Comm>::new();
    let unweighted = world.mpi.addresses().unweighted;
    let (mut sources, mut destinations) = ([world.left()], [world.right()]);
    let info = world
        .mpi
        .predefined()
        .info(MPI_INFO_NULL)
        .expect("in every ABI")
        .raw();
    world.must(
        fns::MPI_DIST_GRAPH_CREATE_ADJACENT,
        &[
            world.comm().raw(),
            int(1),
            address(&mut sources),
            unweighted,
            int(1),
            address(&mut destinations),
            unweighted,
            info,
            int(0),
            comm.address(),
        ],
    );
    let (mut indegree, mut outdegree, mut weighted) = (0_i32, 0_i32, 9_i32);
    world.must(
        fns::MPI_DIST_GRAPH_NEIGHBORS_COUNT,
        &[
            comm.get().raw(),
            address(&mut indegree),
            address(&mut outdegree),
            address(&mut weighted),
        ],
    );
    assert_eq!((indegree, outdegree, weighted), (1, 1, 0));
}
