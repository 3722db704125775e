//! The functions that read and write files (MPI-5.0 section 14.4): all one to [`crate::file_transfer`], which tells them
//! apart by their names.

use crate::args::Args;
use crate::error::Call;
use crate::file_transfer::{begin_split, end_split, transfer};

macro_rules! served {
    ($by:ident: $($name:ident)*) => {$(
        #[doc = concat!("`MPI_", stringify!($name), "`, by [`", stringify!($by), "`].")]
        pub fn $name(a: &mut Args<'_>) -> Call {
            $by(a)
        }
    )*};
}

served! { transfer:
    file_iread
    file_iread_all
    file_iread_at
    file_iread_at_all
    file_iread_shared
    file_iwrite
    file_iwrite_all
    file_iwrite_at
    file_iwrite_at_all
    file_iwrite_shared
    file_read
    file_read_all
    file_read_at
    file_read_at_all
    file_read_ordered
    file_read_shared
    file_write
    file_write_all
    file_write_at
    file_write_at_all
    file_write_ordered
    file_write_shared
}

served! { begin_split:
    file_read_all_begin
    file_read_at_all_begin
    file_read_ordered_begin
    file_write_all_begin
    file_write_at_all_begin
    file_write_ordered_begin
}

served! { end_split:
    file_read_all_end
    file_read_at_all_end
    file_read_ordered_end
    file_write_all_end
    file_write_at_all_end
    file_write_ordered_end
}
