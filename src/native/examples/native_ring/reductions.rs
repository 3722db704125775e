//! Reductions in place with every predefined datatype the library supports, and with an operation of our own.

use crate::world::{MPI_DOUBLE, MPI_SUM, World, address};
use mana_native::handle::Op;
use mana_native::predefined_datatypes::{DATATYPES, DatatypeRow};
use mana_native::{Out, int};
use mana_table::fns;

const MPI_LAND: u64 = 0x30;
const MPI_BOR: u64 = 0x29;
const MPI_MINLOC: u64 = 0x38;

/// Reduces a one of each type over all ranks and checks the result; characters are broadcast. Returns how many types.
pub fn every_datatype(world: &World) -> usize {
    let supported = DATATYPES.iter().skip(1).filter(|row| {
        let exact = world
            .mpi
            .predefined()
            .datatype(u64::from(row.standard))
            .is_some();
        assert!(
            exact || !row.open_mpi.is_empty() || row.name == "MPI_LOGICAL16",
            "{}",
            row.name
        );
        exact
    });
    supported.map(|row| one_datatype(world, row)).count()
}

fn one_datatype(world: &World, row: &DatatypeRow) {
    let datatype = world.datatype(u64::from(row.standard)).raw();
    let mut size_bytes = 0_i32;
    world.must(fns::MPI_TYPE_SIZE, &[datatype, address(&mut size_bytes)]);
    assert_eq!(size_bytes, i32::from(row.size_bytes), "{}", row.name);

    let mut value = value_of(row.name, size_bytes, 1);
    let comm = world.comm().raw();
    let Some((op, ranks_added)) = operation_for(row.name) else {
        world.must(
            fns::MPI_BCAST,
            &[address(&mut value), int(1), datatype, int(0), comm],
        );
        return;
    };
    let in_place = world.mpi.addresses().in_place;
    let code = world.call(
        fns::MPI_ALLREDUCE,
        &[
            in_place,
            address(&mut value),
            int(1),
            datatype,
            world.op(op),
            comm,
        ],
    );
    assert!(
        code.is_success(),
        "{}: {}",
        row.name,
        world.mpi.error_string(code)
    );
    let expected = value_of(
        row.name,
        size_bytes,
        if ranks_added { world.size } else { 1 },
    );
    assert_eq!(value, expected, "{}", row.name);
}

/// What reduces this type by the standard (MPI 5.0, section 6.9.2), and whether ones of all ranks add up by it.
fn operation_for(name: &str) -> Option<(u64, bool)> {
    match name {
        "MPI_CHAR" | "MPI_CHARACTER" | "MPI_WCHAR" | "MPI_PACKED" => None,
        // Quadruple precision: Intel MPI 2021.18 has no sum for the complex type, Open MPI 4.1.4 adds the real one as
        // if it were an x87 number. They carry the bytes, which is what is checked.
        "MPI_REAL16" | "MPI_COMPLEX32" => None,
        "MPI_BYTE" => Some((MPI_BOR, false)),
        _ if name.contains("LOGICAL") || name.contains("BOOL") => Some((MPI_LAND, false)),
        _ if is_pair(name) => Some((MPI_MINLOC, false)),
        _ => Some((MPI_SUM, true)),
    }
}

fn is_pair(name: &str) -> bool {
    name.starts_with("MPI_2")
        || [
            "FLOAT_INT",
            "DOUBLE_INT",
            "LONG_INT",
            "SHORT_INT",
            "LONG_DOUBLE_INT",
        ]
        .contains(&&name["MPI_".len()..])
}

/// The number `n` (1, 2 or 4) in the representation of the type; of pairs, zeros.
fn value_of(name: &str, size_bytes: i32, n: i32) -> [u8; 48] {
    let mut bytes = [0; 48];
    let mut write = |number: &[u8]| bytes[..number.len()].copy_from_slice(number);
    let exponent = u128::from(n.ilog2());
    let part_bytes = if name.contains("COMPLEX") {
        size_bytes / 2
    } else {
        size_bytes
    };
    match part_bytes {
        _ if is_pair(name) => {}
        _ if !is_floating(name) => write(&i128::from(n).to_le_bytes()),
        2 => write(&((15 + exponent) << 10).to_le_bytes()),
        4 => write(&(n as f32).to_le_bytes()),
        8 => write(&f64::from(n).to_le_bytes()),
        // x87: an explicit leading one, and 15 bits of exponent above 64 of fraction.
        16 if name.contains("LONG") => write(&((16383 + exponent) << 64 | 1 << 63).to_le_bytes()),
        // IEEE binary128 has its exponent in the top 16 bits.
        16 => write(&((16383 + exponent) << 112).to_le_bytes()),
        _ => unreachable!("{name} of {size_bytes} bytes"),
    }
    bytes
}

fn is_floating(name: &str) -> bool {
    ["FLOAT", "DOUBLE", "REAL", "COMPLEX"]
        .iter()
        .any(|part| name.contains(part))
}

/// `MPI_Op_create` with a function of ours, which the library calls with its own datatype handles.
pub fn user_operation(world: &World) {
    let mut op = Out::<Op>::new();
    world.must(
        fns::MPI_OP_CREATE,
        &[largest_magnitude as *const () as u64, int(1), op.address()],
    );
    let mut values = [f64::from(-world.rank), f64::from(world.rank) / 2.0];
    let datatype = world.datatype(MPI_DOUBLE).raw();
    let in_place = world.mpi.addresses().in_place;
    world.must(
        fns::MPI_ALLREDUCE,
        &[
            in_place,
            address(&mut values),
            int(2),
            datatype,
            op.get().raw(),
            world.comm().raw(),
        ],
    );
    let last = f64::from(world.size - 1);
    assert_eq!(values, [last, last / 2.0]);
    world.must(fns::MPI_OP_FREE, &[op.address()]);
}

extern "C" fn largest_magnitude(
    input: *const f64,
    in_out: *mut f64,
    count: *const i32,
    datatype: *const u8,
) {
    let mpi = &World::get().mpi;
    // SAFETY: these are the arguments that the library passed.
    let arguments = unsafe { mpi.operation_arguments(count, datatype) };
    assert_eq!(
        mpi.predefined().standard_datatype(arguments.datatype),
        Some(MPI_DOUBLE)
    );
    let count = usize::try_from(arguments.count).expect("a count is not negative");
    // SAFETY: the library passes arrays of `count` doubles that do not overlap.
    let (input, in_out) = unsafe {
        (
            std::slice::from_raw_parts(input, count),
            std::slice::from_raw_parts_mut(in_out, count),
        )
    };
    for (value, other) in in_out.iter_mut().zip(input) {
        *value = value.abs().max(other.abs());
    }
}
