//! Messages between neighbours of the ring: statuses, requests, errors.

use crate::world::{MPI_BYTE, MPI_DOUBLE, MPI_INT, World, address};
use mana_native::handle::Request;
use mana_native::{
    ANY_SOURCE, ANY_TAG, HandleArray, NativeHandle, Out, PROC_NULL, StatusArray, StatusBuf,
    StatusFields, int,
};
use mana_table::fns;

const MPI_ERR_RANK: i32 = 6;
const MPI_ERR_TRUNCATE: i32 = 15;

impl World {
    fn isend(&self, data: &mut [i32], to: i32, tag: i32) -> Out<Request> {
        let mut request = Out::new();
        let (count, datatype) = (int(data.len() as i32), self.datatype(MPI_INT).raw());
        let to = int(self.mpi.rank_to_native(to));
        let comm = self.comm().raw();
        self.must(
            fns::MPI_ISEND,
            &[
                address(data),
                count,
                datatype,
                to,
                int(tag),
                comm,
                request.address(),
            ],
        );
        request
    }

    fn irecv(&self, data: &mut [i32], from: i32, tag: i32) -> Out<Request> {
        let mut request = Out::new();
        let (count, datatype) = (int(data.len() as i32), self.datatype(MPI_INT).raw());
        let (from, tag) = (
            int(self.mpi.rank_to_native(from)),
            int(self.mpi.tag_to_native(tag)),
        );
        let comm = self.comm().raw();
        self.must(
            fns::MPI_IRECV,
            &[
                address(data),
                count,
                datatype,
                from,
                tag,
                comm,
                request.address(),
            ],
        );
        request
    }

    fn wait(&self, request: &mut Out<Request>) -> StatusFields {
        let mut status = StatusBuf::new();
        self.must(fns::MPI_WAIT, &[request.address(), status.address()]);
        let null = self.mpi.predefined().request(0x180);
        assert_eq!(
            Some(request.get()),
            null,
            "a completed request becomes the null one"
        );
        self.mpi.decode_status(&status)
    }
}

/// Passes three numbers to the right; receives from anybody, with any tag. (The barrier keeps later messages away from
/// a neighbour's receive that takes anything.)
pub fn ring(world: &World) {
    let mut sent = [world.rank, 10, 20];
    let mut received = [0; 5];
    let mut request = world.isend(&mut sent, world.right(), 7);
    let mut receive = world.irecv(&mut received, ANY_SOURCE, ANY_TAG);
    let status = world.wait(&mut receive);
    world.wait(&mut request);
    assert_eq!(received, [world.left(), 10, 20, 0, 0]);
    let expected = StatusFields {
        source: world.left(),
        tag: 7,
        error_class: status.error_class,
        count_bytes: 12,
        cancelled: false,
    };
    assert_eq!(status, expected);
    world.must(fns::MPI_BARRIER, &[world.comm().raw()]);
}

/// A receive from nobody completes with nobody's status. (A blocking one: the request that MPICH 4.0.2's `MPI_Irecv`
/// returns for nobody ends with source 0 and tag 0.)
pub fn null_process(world: &World) {
    let (mut data, mut status) = ([0_i32; 2], StatusBuf::new());
    let (from, tag) = (
        int(world.mpi.rank_to_native(PROC_NULL)),
        int(world.mpi.tag_to_native(ANY_TAG)),
    );
    let (int_type, comm) = (world.datatype(MPI_INT).raw(), world.comm().raw());
    world.must(
        fns::MPI_RECV,
        &[
            address(&mut data),
            int(2),
            int_type,
            from,
            tag,
            comm,
            status.address(),
        ],
    );
    let status = world.mpi.decode_status(&status);
    assert_eq!(
        (status.source, status.tag, status.count_bytes),
        (PROC_NULL, ANY_TAG, 0)
    );
}

/// Two receives and two sends completed at once; each status in its place.
pub fn wait_for_all(world: &World) {
    let (mut first, mut second) = ([world.rank], [world.rank, -1]);
    let (mut from_left, mut from_right) = ([0; 4], [0; 4]);
    let requests = [
        world.irecv(&mut from_left, world.left(), 1),
        world.irecv(&mut from_right, world.right(), 2),
        world.isend(&mut first, world.right(), 1),
        world.isend(&mut second, world.left(), 2),
    ];
    let mut requests = HandleArray::from_handles(world.mpi.family(), requests.iter().map(Out::get));
    let mut statuses = StatusArray::new(world.mpi.family(), requests.len());
    world.must(
        fns::MPI_WAITALL,
        &[
            int(requests.len() as i32),
            requests.address(),
            statuses.address(),
        ],
    );
    let null = world.mpi.predefined().request(0x180);
    assert!(requests.iter().all(|request| Some(request) == null));
    let statuses = [0, 1].map(|index| world.mpi.decode_status(&statuses.get(index)));
    assert_eq!(
        (statuses[0].source, statuses[0].tag, statuses[0].count_bytes),
        (world.left(), 1, 4)
    );
    assert_eq!(
        (statuses[1].source, statuses[1].tag, statuses[1].count_bytes),
        (world.right(), 2, 8)
    );
    assert_eq!(
        (from_left[0], from_right[..2].to_vec()),
        (world.left(), vec![world.right(), -1])
    );
}

/// A receive that nobody will ever match, cancelled.
pub fn cancelled_receive(world: &World) {
    let mut data = [0; 1];
    let mut receive = world.irecv(&mut data, world.left(), 99);
    world.must(fns::MPI_CANCEL, &[receive.address()]);
    assert!(world.wait(&mut receive).cancelled);
}

/// Errors come back as the standard's classes, with a text.
pub fn provoked_errors(world: &World) {
    let (int_type, comm) = (world.datatype(MPI_INT).raw(), world.comm().raw());
    let mut data = [1_i32, 2];
    // −2 is MPI_ANY_SOURCE in the MPICH ABI: the conversion must not let it through as such.
    for bad_rank in [world.size + 5, -2] {
        let to = int(world.mpi.rank_to_native(bad_rank));
        let code = world.call(
            fns::MPI_SEND,
            &[address(&mut data), int(1), int_type, to, int(0), comm],
        );
        assert_eq!(world.mpi.error_class(code), MPI_ERR_RANK);
        assert!(!world.mpi.error_string(code).is_empty());
    }
    truncated(world, &mut data);
}

/// A message longer than the buffer. (`MPI_Wait`, not `MPI_Waitall`: Open MPI 4.1.4's never returns if a message that
/// it waits for arrives truncated.)
fn truncated(world: &World, data: &mut [i32; 2]) {
    let mut request = world.isend(data, world.right(), 3);
    let mut room = [0_i32; 1];
    let mut receive = world.irecv(&mut room, world.left(), 3);
    let code = world.call(
        fns::MPI_WAIT,
        &[receive.address(), world.mpi.addresses().status_ignore],
    );
    assert_eq!(world.mpi.error_class(code), MPI_ERR_TRUNCATE);
    world.wait(&mut request);
    world.must(fns::MPI_BARRIER, &[world.comm().raw()]);
}

/// Datatypes other files share.
pub fn common_types(world: &World) -> [u64; 3] {
    [MPI_INT, MPI_DOUBLE, MPI_BYTE].map(|standard| NativeHandle::raw(world.datatype(standard)))
}
