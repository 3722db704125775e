//! The one value that an image keeps of all MPI objects of a rank.
//!
//! ```text
//!   EngineObjects { format version, ... every table of this crate ... }   <──> bytes (msgpack, fields by name)
//! ```
//!
//! The version comes first and is checked while it is read, so an image of a newer version is refused before anything of it
//! is misunderstood. Fields are stored by name: one that a later version adds gets `#[serde(default)]`, and older images
//! still read. Every version reads all older formats.

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::attr::Keyvals;
use crate::buffer::AttachedBuffer;
use crate::comm::Communicators;
use crate::datatype::Datatypes;
use crate::errhandler::Errhandlers;
use crate::error::ObjectError;
use crate::error_registry::ErrorRegistry;
use crate::group::{Group, WorldRank};
use crate::handle::kind;
use crate::info::Info;
use crate::message::{MatchedMessages, UnexpectedQueue};
use crate::op::Ops;
use crate::request::Requests;
use crate::table::Table;

/// The version of the format that this crate writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 1;

/// A format version that this crate reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(transparent)]
pub struct FormatVersion(u32);

impl FormatVersion {
    /// The number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl<'de> Deserialize<'de> for FormatVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let version = u32::deserialize(deserializer)?;
        if (1..=FORMAT_VERSION).contains(&version) {
            return Ok(Self(version));
        }
        Err(de::Error::custom(format_args!(
            "the MPI objects have format version {version}, this program reads versions 1 to {FORMAT_VERSION}; \
             use the version of mana that wrote the image, or a newer one"
        )))
    }
}

/// All MPI objects of a rank. The native counterparts are the engine's, in tables of its own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EngineObjects {
    /// First, so that it is read first.
    version: FormatVersion,
    /// This process.
    pub rank: WorldRank,
    /// Processes in MPI_COMM_WORLD.
    pub size: u32,
    /// Communicators.
    pub comms: Communicators,
    /// Groups.
    pub groups: Table<kind::Group, Group>,
    /// Datatypes.
    pub datatypes: Datatypes,
    /// The application's reduction operations.
    pub ops: Ops,
    /// Requests.
    pub requests: Requests,
    /// Messages matched by a probe and not received yet.
    pub matched: MatchedMessages,
    /// Messages drained and not matched yet.
    pub unexpected: UnexpectedQueue,
    /// Info objects.
    pub infos: Table<kind::Info, Info>,
    /// The application's error handlers.
    pub errhandlers: Errhandlers,
    /// Attribute keys.
    pub keyvals: Keyvals,
    /// Error classes, codes and strings that the application added.
    pub errors: ErrorRegistry,
    /// `MPI_Buffer_attach`.
    pub buffer: Option<AttachedBuffer>,
    /// How many global ids this rank has drawn ([`crate::gid::fresh_gid`]).
    pub gids_drawn: u64,
}

impl EngineObjects {
    /// What exists after `MPI_Init` on the process `rank` of `size`.
    ///
    /// # Errors
    /// [`ObjectError::Rank`] when the rank is not below the size.
    pub fn new(rank: WorldRank, size: u32) -> Result<Self, ObjectError> {
        Ok(Self {
            version: FormatVersion(FORMAT_VERSION),
            rank,
            size,
            comms: Communicators::new(rank, size)?,
            groups: Table::new(),
            datatypes: Datatypes::new(),
            ops: Ops::new(),
            requests: Requests::default(),
            matched: MatchedMessages::new(),
            unexpected: UnexpectedQueue::default(),
            infos: Table::new(),
            errhandlers: Errhandlers::new(),
            keyvals: Keyvals::new(),
            errors: ErrorRegistry::default(),
            buffer: None,
            gids_drawn: 0,
        })
    }

    /// The bytes for the image.
    ///
    /// # Errors
    /// [`PersistError::Encode`].
    pub fn encode(&self) -> Result<Vec<u8>, PersistError> {
        Ok(rmp_serde::to_vec_named(self)?)
    }

    /// Reads what [`EngineObjects::encode`] wrote.
    ///
    /// # Errors
    /// [`PersistError::Decode`] for a newer version or damaged bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, PersistError> {
        Ok(rmp_serde::from_slice(bytes)?)
    }
}

/// Why MPI objects could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum PersistError {
    /// Writing.
    #[error("the MPI objects cannot be encoded: {0}")]
    Encode(#[from] rmp_serde::encode::Error),
    /// Reading.
    #[error("the MPI objects of the image cannot be read: {0}")]
    Decode(#[from] rmp_serde::decode::Error),
}
