//! Checkpoint images. This crate knows files, memory and checksums; it knows no MPI and no split process.
//!
//! ```text
//!   ckpts/                        Store        a directory of checkpoints, numbered
//!   ├─ ckpt-000002/               Checkpoint   committed: it is whole, by construction
//!   │   ├─ MANIFEST               Manifest     who wrote it, and the fingerprint of every file
//!   │   ├─ rank-00000.mana        RankReader   one rank's memory and state
//!   │   ├─ rank-00001.mana
//!   │   └─ rank-00001.child-00001.mana         the same of a child process of that rank
//!   └─ ckpt-000003.partial/       RankWriter   being written; renamed only when every rank has succeeded
//! ```
//!
//! One checkpoint, in the order in which things happen:
//!
//! ```text
//!   rank 0        Store::begin ─────────────────────────────► Store::commit ──► Store::prune
//!   every rank         └► RankWriter::create, write_regions,       ▲
//!                         write_metadata, finish ──► Written, left and taken as a note
//!   every child        └► RankWriter::create_child, … ──► Written, put into that of its rank
//! ```
//!
//! and one restart: [`locate`] → [`Checkpoint::rank_file`] → [`RankReader::open`] → [`RankReader::read_regions`].
//!
//! The layout of a rank's file is described in `docs/image-format.md`; [`layout`] holds its constants.
//! Two rules make damage visible wherever it is:
//!
//! 1. A file is a header page followed by *extents*. Every extent begins on a page, is padded with zeros to the
//!    next one, and has a checksum over its bytes *and its padding*; extents leave no gap between them.
//! 2. Checksums form a tree: MANIFEST → header → sections → chunk index → chunks. So the 64 bits in the MANIFEST
//!    stand for every byte of a rank's file, and a file from another checkpoint is noticed as well.
#![forbid(unsafe_code)]

mod checkpoint;
mod codec;
mod cpu;
mod direct;
mod disk;
mod error;
mod extent;
mod fault;
mod header;
mod index;
mod info;
pub mod layout;
mod manifest;
mod note;
mod parallel;
mod plan;
mod reader;
mod region;
mod shuffle;
mod store;
mod summary;
mod tail;
mod verify;
mod worker;
mod writer;

pub use checkpoint::{Checkpoint, State, locate, locate_to_restart};
pub use codec::{Codec, Compression};
pub use cpu::{cpu_features, missing_cpu_features};
pub use disk::{FaultPoint, Step};
pub use error::{ImageError, Part};
pub use fault::{FaultScript, ScriptedFault};
pub use header::Header;
pub use index::Chunk;
pub use info::{MpiIdentity, Phase, WriterInfo, kernel, kernel_version};
pub use manifest::{JobId, Manifest, RankEntry};
pub use reader::RankReader;
pub use region::{Region, RegionSource, Run};
pub use store::{Pending, Store, partial_name};
pub use summary::{CheckpointSummary, CodecSummary, RankSummary, RegionSummary, summary};
pub use verify::VerifyReport;
pub use writer::{RankWriter, WriteOptions, WriteTimings, Written};
