//! The opened MPI, and calls as the other files make them: with standard handles and checked results.

use mana_native::{
    Choice, Environment, Error, Native, NativeCode, NativeComm, NativeDatatype, NativeHandle, int,
};
use mana_table::{FnId, fns};
use std::sync::OnceLock;

pub const MPI_SUM: u64 = 0x21;
pub const MPI_COMM_WORLD: u64 = 0x101;
pub const MPI_INFO_NULL: u64 = 0x130;
pub const MPI_INT: u64 = 0x209;
pub const MPI_DOUBLE: u64 = 0x214;
pub const MPI_BYTE: u64 = 0x247;
const MPI_THREAD_MULTIPLE: i32 = 4096;

/// `MPI_COMM_WORLD` of the opened library.
#[derive(Debug)]
pub struct World {
    pub mpi: Native,
    pub rank: i32,
    pub size: i32,
    provided: i32,
    started_s: f64,
}

/// Callbacks have no other way to the library.
static WORLD: OnceLock<World> = OnceLock::new();

impl World {
    /// Opens the library and initialises MPI.
    pub fn start(choice: &Choice, environment: &Environment) -> Result<&'static Self, Error> {
        let mut mpi = Native::open(choice, environment)?;
        let wanted = mpi.thread_level_to_native(MPI_THREAD_MULTIPLE);
        let mut provided = 0_i32;
        // SAFETY: MPI_Init_thread(int *, char ***, int, int *); null arguments are allowed.
        let code = unsafe {
            mpi.call(
                fns::MPI_INIT_THREAD,
                &[0, 0, int(wanted), address(&mut provided)],
            )
        };
        assert!(code.is_success());
        mpi.settle_after_init();
        let provided = mpi.thread_level_from_native(provided);
        let world = WORLD.get_or_init(|| {
            let started_s = mpi.wtime();
            let mut world = Self {
                mpi,
                rank: 0,
                size: 0,
                provided,
                started_s,
            };
            let (mut rank, mut size) = (0, 0);
            world.must(
                fns::MPI_COMM_RANK,
                &[world.comm().raw(), address(&mut rank)],
            );
            world.must(
                fns::MPI_COMM_SIZE,
                &[world.comm().raw(), address(&mut size)],
            );
            (world.rank, world.size) = (rank, size);
            world
        });
        world.mpi.check_world_size(world.size.cast_unsigned())?;
        Ok(world)
    }

    /// The world, from inside a callback.
    pub fn get() -> &'static Self {
        WORLD.get().expect("callbacks come after the start")
    }

    pub fn comm(&self) -> NativeComm {
        self.mpi
            .predefined()
            .comm(MPI_COMM_WORLD)
            .expect("every MPI has a world")
    }

    pub fn datatype(&self, standard: u64) -> NativeDatatype {
        self.mpi
            .predefined()
            .datatype(standard)
            .expect("a datatype every MPI has")
    }

    pub fn op(&self, standard: u64) -> u64 {
        self.mpi
            .predefined()
            .op(standard)
            .map(NativeHandle::raw)
            .expect("an operation every MPI has")
    }

    /// Calls a function and gives its code.
    pub fn call(&self, function: FnId, args: &[u64]) -> NativeCode {
        // SAFETY: this program passes each function the arguments of its C prototype.
        unsafe { self.mpi.call(function, args) }
    }

    /// Calls a function that has to succeed.
    pub fn must(&self, function: FnId, args: &[u64]) {
        let code = self.call(function, args);
        assert!(
            code.is_success(),
            "{}: {}",
            function.name(),
            self.mpi.error_string(code)
        );
    }

    pub fn left(&self) -> i32 {
        (self.rank + self.size - 1) % self.size
    }

    pub fn right(&self) -> i32 {
        (self.rank + 1) % self.size
    }

    /// Finalizes, and says on rank 0 what was used.
    pub fn finish(&self, types: usize) {
        assert!(self.mpi.wtime() > self.started_s && self.mpi.wtick() > 0.0);
        self.must(fns::MPI_FINALIZE, &[]);
        if self.rank == 0 {
            println!(
                "native_ring ok: {} ranks, {types} datatypes, thread level {}, {} ({}), {}",
                self.size,
                self.provided,
                self.mpi.version(),
                self.mpi.family(),
                self.mpi.path().display()
            );
        }
    }
}

/// The address of a value, as an argument.
pub fn address<T: ?Sized>(value: &mut T) -> u64 {
    std::ptr::from_mut(value).cast::<u8>() as u64
}
