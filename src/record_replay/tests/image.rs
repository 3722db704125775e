//! All objects through the image and back.

use mana_record_replay::address::{CallbackLanguage, UpperAddress};
use mana_record_replay::attr::{CopyFunction, DeleteFunction, Keyval, KeyvalKind};
use mana_record_replay::comm::{COMM_WORLD, Communicator};
use mana_record_replay::datatype::{Constructor, Member};
use mana_record_replay::errhandler::{Errhandler, ErrhandlerKind};
use mana_record_replay::gid::{Gid, child_gid};
use mana_record_replay::group::{Group, WorldRank};
use mana_record_replay::handle::DatatypeHandle;
use mana_record_replay::message::{DrainedMessage, MatchedMessage};
use mana_record_replay::op::UserOp;
use mana_record_replay::persist::{EngineObjects, FORMAT_VERSION};
use mana_record_replay::request::{Operation, SendMode, Transfer};
use mana_record_replay::status::Status;
use mana_record_replay::topology::{Cart, Topology};

const MPI_INT: DatatypeHandle = DatatypeHandle::predefined(0x209);
const MPI_DOUBLE: DatatypeHandle = DatatypeHandle::predefined(0x214);

/// One of everything, some of it freed while in use.
fn busy_rank() -> EngineObjects {
    let mut objects = EngineObjects::new(WorldRank(2), 6).unwrap();
    let world = Group::world(6);
    objects.groups.insert(world.excl(&[0, 3]).unwrap()).unwrap();
    let mut grid =
        Communicator::intra(child_gid(Gid::WORLD, 0, 0), world.clone(), WorldRank(2)).unwrap();
    grid.topology = Topology::Cart(Cart::new(vec![3, 2], vec![true, false], 6).unwrap());
    grid.set_name(c"grid \xff");
    grid.info.set(c"mpi_assert_no_any_tag", c"true").unwrap();
    let (function, language) = (UpperAddress(0x2000_0000_1000), CallbackLanguage::C);
    let errhandler = objects
        .errhandlers
        .insert(Errhandler {
            kind: ErrhandlerKind::Comm,
            function,
            language,
        })
        .unwrap();
    objects.errhandlers.hold(errhandler).unwrap();
    assert_eq!(objects.errhandlers.free(errhandler), Ok(None));
    grid.errhandler = errhandler;
    let keyval = Keyval {
        kind: KeyvalKind::Comm,
        copy: CopyFunction::Dup,
        delete: DeleteFunction::Null,
        extra_state: 7,
        language,
    };
    let keyval = objects.keyvals.insert(keyval).unwrap();
    grid.attributes
        .set(&mut objects.keyvals, KeyvalKind::Comm, keyval, 99)
        .unwrap();
    let grid = objects.comms.insert(grid).unwrap();
    let (local, remote) = (
        world.range_incl(&[[0, 2, 1]]).unwrap(),
        world.range_incl(&[[3, 5, 1]]).unwrap(),
    );
    let inter =
        Communicator::inter(child_gid(Gid::WORLD, 1, 0), local, remote, WorldRank(2)).unwrap();
    objects.comms.insert(inter).unwrap();

    let vector = Constructor::Vector {
        count: 3,
        block_length: 2,
        stride: 4,
        old: MPI_DOUBLE,
    };
    let vector = objects.datatypes.create(vector, false).unwrap();
    let members = vec![
        Member {
            length: 1,
            displacement: 0,
            datatype: MPI_INT,
        },
        Member {
            length: 2,
            displacement: 8,
            datatype: vector,
        },
    ];
    let nested = objects
        .datatypes
        .create(Constructor::Struct { members }, true)
        .unwrap();
    objects.datatypes.commit(nested).unwrap();
    assert!(objects.datatypes.free(vector).unwrap().is_empty());
    objects.datatypes.set_name(MPI_INT, c"renamed").unwrap();

    objects
        .ops
        .insert(UserOp {
            function,
            commutes: false,
            language,
        })
        .unwrap();
    let transfer = Transfer {
        buffer: function,
        count: 1,
        datatype: nested,
        peer: -1,
        tag: 3,
        comm: grid,
    };
    objects
        .requests
        .start_new(Operation::Receive(transfer))
        .unwrap();
    objects
        .requests
        .init(Operation::Send(
            SendMode::Synchronous,
            Transfer {
                peer: 0,
                ..transfer
            },
        ))
        .unwrap();
    let done = objects.requests.start_new(Operation::Io).unwrap();
    objects
        .requests
        .complete(
            done,
            Status {
                bytes: 12,
                ..Status::EMPTY
            },
        )
        .unwrap();
    let message = DrainedMessage {
        comm: Gid::WORLD,
        source: 1,
        tag: 9,
        bytes: vec![0, 255, 7],
    };
    objects.unexpected.push(message.clone());
    objects
        .matched
        .insert(MatchedMessage::Stored(message))
        .unwrap();
    let info = objects.infos.insert(Default::default()).unwrap();
    objects
        .infos
        .get_mut(info)
        .unwrap()
        .set(c"key", c"value")
        .unwrap();
    let class = objects.errors.add_class();
    objects.errors.add_string(class.0, c"own class").unwrap();
    objects
}

#[test]
fn everything_comes_back() {
    let objects = busy_rank();
    let read = EngineObjects::decode(&objects.encode().unwrap()).unwrap();
    // The debug form shows every field, those of recomputed layouts included; maps without order are not among them but
    // for the queue's index, which the message list stands for.
    let shown = |objects: &EngineObjects| {
        format!(
            "{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}",
            objects.comms,
            objects.groups,
            objects.datatypes,
            objects.ops,
            objects.requests,
            objects.matched,
            objects.unexpected.iter().collect::<Vec<_>>(),
            objects.infos,
            objects.errhandlers,
            objects.keyvals,
            objects.errors,
        )
    };
    assert_eq!(shown(&read), shown(&objects));
    assert_eq!((read.rank, read.size), (objects.rank, objects.size));
    assert_eq!(read.comms.get(COMM_WORLD).unwrap().size(), 6);
}

#[test]
fn a_datatype_freed_while_in_use_still_goes_with_its_last_user_after_a_restart() {
    let objects = busy_rank();
    let mut read = EngineObjects::decode(&objects.encode().unwrap()).unwrap();
    let order: Vec<_> = read
        .datatypes
        .rebuild_order()
        .into_iter()
        .map(|(handle, _)| handle)
        .collect();
    let [vector, nested] = order[..] else {
        panic!("two derived types, not {order:?}")
    };
    assert!(read.datatypes.layout(vector).is_err());
    assert_eq!(read.datatypes.layout_held(vector).unwrap().extent(), 80);
    let released: Vec<_> = read
        .datatypes
        .free(nested)
        .unwrap()
        .into_iter()
        .map(|(handle, _)| handle)
        .collect();
    assert_eq!(released, [nested, vector]);
    assert!(read.datatypes.is_empty());
}

#[test]
fn a_newer_version_is_refused_whatever_follows_it() {
    #[derive(serde::Serialize)]
    struct Newer {
        version: u32,
        comms: &'static str,
    }
    let newer = Newer {
        version: FORMAT_VERSION + 1,
        comms: "stored quite differently",
    };
    for bytes in [
        rmp_serde::to_vec_named(&newer).unwrap(),
        rmp_serde::to_vec(&newer).unwrap(),
    ] {
        let error = EngineObjects::decode(&bytes).unwrap_err().to_string();
        assert!(
            error.contains(&format!("format version {}", FORMAT_VERSION + 1)),
            "{error}"
        );
    }
}

#[test]
fn damaged_bytes_are_an_error() {
    let bytes = busy_rank().encode().unwrap();
    for length in 0..bytes.len() {
        assert!(
            EngineObjects::decode(&bytes[..length]).is_err(),
            "cut to {length} bytes"
        );
    }
}
