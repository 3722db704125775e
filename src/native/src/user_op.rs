//! What the library passes to a user operation: `(void *in, void *inout, int *len, MPI_Datatype *type)`.
//!
//! # Safety
//! A user operation runs inside a native collective, with the lower half's TLS live.

use crate::Native;
use crate::handle::{Datatype, NativeDatatype, NativeHandle};

/// The length and the type a user operation is called with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperationArguments {
    /// How many elements to combine.
    pub count: i64,
    /// Of what type.
    pub datatype: NativeDatatype,
}

impl Native {
    /// Reads what the last two arguments of an `MPI_User_function` point to.
    ///
    /// # Safety
    /// `count` and `datatype` are those arguments as the library passed them.
    #[must_use]
    pub unsafe fn operation_arguments(
        &self,
        count: *const i32,
        datatype: *const u8,
    ) -> OperationArguments {
        // SAFETY: the library passes a valid int.
        let count = i64::from(unsafe { count.read() });
        // SAFETY: the caller passes on the library's datatype.
        let datatype = unsafe { self.datatype_at(datatype) };
        OperationArguments { count, datatype }
    }

    /// Reads what the last two arguments of an `MPI_User_function_c` point to.
    ///
    /// # Safety
    /// `count` and `datatype` are those arguments as the library passed them.
    #[must_use]
    pub unsafe fn operation_arguments_c(
        &self,
        count: *const i64,
        datatype: *const u8,
    ) -> OperationArguments {
        // SAFETY: the library passes a valid MPI_Count.
        let count = unsafe { count.read() };
        // SAFETY: the caller passes on the library's datatype.
        let datatype = unsafe { self.datatype_at(datatype) };
        OperationArguments { count, datatype }
    }

    /// # Safety
    /// `datatype` points to an `MPI_Datatype` of the library.
    unsafe fn datatype_at(&self, datatype: *const u8) -> NativeDatatype {
        NativeHandle::from_raw(if NativeHandle::<Datatype>::is_narrow(self.family()) {
            // SAFETY: it is 4 bytes wide in this ABI, and aligned as C aligns it.
            u64::from(unsafe { datatype.cast::<u32>().read() })
        } else {
            // SAFETY: it is a pointer in this ABI.
            unsafe { datatype.cast::<u64>().read() }
        })
    }
}
