//! The open descriptors of a program: described while nothing moves, and opened again in another process.
//!
//! ```text
//!   numbers 0 1 2 5 6 7      open files (what dup(2) shares)            after the restart
//!           | | | \_/ |
//!           | | |  |  +----> pipe, 12 bytes in it, its reading end  ->  a new pipe with those 12 bytes
//!           | | |  +-------> /data/log, at byte 4096, appending     ->  opened again, the position set
//!           +-+-+----------> what the launcher gave                 ->  what the new launcher gives
//! ```
//!
//! Processes of one program share open files, such as the two ends of a pipe. So they are described together and opened together,
//! by one of them, the root; the others, its members, send and receive descriptors (see [`Lent`]).
//!
//! What cannot be kept (a connection to another machine, a pipe to a process that is in no image) is named when it is
//! saved, and is like a peer that has gone after a restart: reading ends at once.
//!
//! Nothing here knows MPI, or the two halves: the caller says which numbers are the program's.
#![deny(unsafe_code)]

mod claim;
mod error;
mod fdinfo;
mod locks;
mod members;
#[expect(
    unsafe_code,
    reason = "numbers of descriptors that the caller owns; see # Safety there"
)]
mod number;
mod pipes;
mod reading;
mod regular;
mod restore;
mod save;
mod saved;
mod shown;
mod sockets;
mod special;
mod standard;
mod stored;
mod table;
mod terminals;
mod watches;

pub use claim::is_accepted;
pub use error::DescriptorError;
pub use locks::{Lock, LockKind, lock, own_locks};
pub use members::{Lent, MemberDescriptors, NumbersLocks};
pub use number::with_table_of_its_own;
pub use regular::FilePolicy;
pub use restore::{Restored, restore, restore_all};
pub use save::{Program, save, save_all};
pub use saved::{
    Descriptors, FileId, Lost, Number, OpenFile, StoredFile, StoredKind, Watched, What,
};
pub use sockets::{Message, Socket, SocketOption, State as SocketState};
pub use standard::Standard;
pub use stored::{Stored, stored_kind};
pub use terminals::Terminal;
pub use watches::Watch;
