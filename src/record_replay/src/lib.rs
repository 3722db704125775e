//! The MPI objects of a rank as values: virtual handles and live descriptors that survive in an image.
//!
//! ```text
//!   application ──handle──> Table ──> descriptor ─────────────> native object
//!   (upper half)            this crate, in the image            (engine, made again at a restart)
//! ```
//!
//! Nothing here calls MPI or does I/O. What is recorded is not a log of calls but the objects that are alive: a communicator is
//! its members, a datatype its constructor, a pending receive its arguments. So a restart costs as much as there are
//! objects, however long the program ran; and every query that needs no other rank is answered from here, equally under
//! every MPI.
//!
//! | module | what |
//! |---|---|
//! | [`handle`], [`table`], [`shared`] | 31-bit handles, tables, lifetimes beyond `MPI_*_free` |
//! | [`group`], [`comm`], [`topology`] | processes, communicators, grids and graphs |
//! | [`datatype`] | constructors, sizes and bounds, envelopes, pack and unpack |
//! | [`op`], [`request`], [`message`] | communication that has begun |
//! | [`win`], [`file`], [`session`] | windows, files, sessions |
//! | [`info`], [`hints`], [`attr`], [`errhandler`] | what the application hangs on objects |
//! | [`error`], [`error_class`], [`error_registry`] | errors of this crate, of MPI, and of the application |

#![forbid(unsafe_code)]

pub mod abi;
pub mod address;
pub mod attr;
pub mod comm;
pub mod datatype;
pub mod errhandler;
pub mod error;
pub mod error_class;
pub mod error_registry;
pub mod file;
pub mod group;
pub mod handle;
pub mod hints;
pub mod info;
pub mod message;
pub mod op;
pub mod request;
pub mod session;
pub mod shared;
pub mod table;
pub mod topology;
pub mod win;
pub mod win_epoch;
