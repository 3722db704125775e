//! What a row of the function table says.
//!
//! A [`Function`] is an identity (slot, name), a policy (who answers the call) and a prototype, which
//! is richer than C's: a parameter has the [`Kind`] of thing it is, its direction, and the length of
//! the array behind it, so that code which translates handles can be generated or shared.

/// Number of a function: the gate slot through which the stub reaches it. Frozen, append-only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FnId(pub u16);

impl FnId {
    /// The function called `name` (`MPI_Send`, `mana_checkpoint`), if the table has it.
    pub fn by_name(name: &str) -> Option<FnId> {
        crate::FUNCTIONS
            .iter()
            .find(|f| f.name == name)
            .map(|f| f.id)
    }

    /// The row of this function; `None` for a slot that no function has.
    pub fn function(self) -> Option<&'static Function> {
        let index = crate::FUNCTIONS
            .binary_search_by_key(&self, |f| f.id)
            .ok()?;
        crate::FUNCTIONS.get(index)
    }

    /// The function's name, or `"(no function)"` for a slot that none has: for messages.
    pub fn name(self) -> &'static str {
        self.function().map_or("(no function)", |f| f.name)
    }
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function {
    /// Slot number.
    pub id: FnId,
    /// C name without the profiling prefix: `MPI_Send`.
    pub name: &'static str,
    /// Heading of the table the row stands under: the function's subject.
    pub chapter: &'static str,
    /// Who answers a call.
    pub policy: Policy,
    /// Kind of the return value; almost always [`Kind::Error`].
    pub returns: Kind,
    /// Parameters in C order.
    pub params: &'static [Param],
}

impl Function {
    /// Whether the MPI 5.0 standard ABI has this function. The Fortran handle conversions, which the
    /// ABI leaves to implementations, and `mana_*` are not in it.
    pub fn is_standard(&self) -> bool {
        self.is_mpi() && !self.chapter.starts_with("Fortran handles")
    }

    /// Whether this is an MPI function, which has a `PMPI_` twin.
    pub fn is_mpi(&self) -> bool {
        self.name.starts_with("MPI_")
    }

    /// The nonblocking collective that a start of this persistent one makes: `MPI_Ibcast_c` for `MPI_Bcast_init_c`. It has
    /// the same parameters but for `info`.
    pub fn started_by(&self) -> Option<FnId> {
        if self.policy != Policy::Pcollective {
            return None;
        }
        let (name, suffix) = match self.name.strip_suffix("_c") {
            Some(name) => (name, "_c"),
            None => (self.name, ""),
        };
        let blocking = name.strip_prefix("MPI_")?.strip_suffix("_init")?;
        let (first, rest) = blocking.split_at_checked(1)?;
        FnId::by_name(&format!("MPI_I{}{rest}{suffix}", first.to_lowercase()))
    }

    /// Index of the parameter called `name`.
    pub fn param_index(&self, name: &str) -> Option<usize> {
        self.params.iter().position(|p| p.name == name)
    }
}

/// Who answers a call of a function, and what the consistent cut needs to know of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Answered in the lower half without switching to its TLS: must not allocate, panic or block.
    Local,
    /// A lower-half function of its own; takes part in no collective operation.
    Engine,
    /// A blocking collective: passes the collective gate of its communicator.
    Collective,
    /// A nonblocking collective: passes the gate at its initiation.
    Icollective,
    /// The initialisation of a persistent collective: keeps its arguments. Each start is the nonblocking collective of
    /// the same name, see [`Function::started_by`].
    Pcollective,
    /// Answered inside the stub; never crosses.
    Stub,
    /// Not done yet, and why: fails with `MPI_ERR_UNSUPPORTED_OPERATION` by the right error handler.
    Unsupported(&'static str),
}

impl Policy {
    /// The policy's word in the table.
    pub fn word(self) -> &'static str {
        match self {
            Policy::Local => "local",
            Policy::Engine => "engine",
            Policy::Collective => "collective",
            Policy::Icollective => "icollective",
            Policy::Pcollective => "pcollective",
            Policy::Stub => "stub",
            Policy::Unsupported(_) => "unsupported",
        }
    }

    /// Whether a call does what the standard says.
    pub fn is_implemented(self) -> bool {
        !matches!(self, Policy::Unsupported(_))
    }
}

/// A parameter of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param {
    /// Name in the standard's C binding.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Which way the value goes.
    pub direction: Direction,
    /// Whether it is an array, and of what length.
    pub length: Length,
    /// The large-count C type in place of the kind's usual one (`MPI_Send_c`'s count).
    pub wide: bool,
}

/// Which way a parameter's value goes, from the application's point of view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Read by MPI.
    In,
    /// Written by MPI.
    Out,
    /// Read, then written.
    InOut,
}

/// The length of the array a parameter points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// No array.
    Scalar,
    /// The value of the parameter of this index.
    Param(u8),
    /// The value of this constant, in elements.
    Constant(&'static str),
    /// One element per process of the other side of a collective: the size of the communicator, its
    /// remote size if it is an intercommunicator, or the number of neighbours.
    Peers,
    /// Follows from something that is no parameter (`MPI_Cart_sub`: the communicator's dimensions).
    Implicit,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// What a parameter or a return value is. The C type follows from the kind, the direction,
        /// the length and `wide` (see [`crate::c_type`]).
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind {
            $($(#[$doc])* $name,)*
            /// A pointer to a callback of this C function type.
            Function(&'static str),
        }

        impl Kind {
            /// The kind's word in the table; `"function"` for a callback.
            pub fn word(self) -> &'static str {
                match self {
                    $(Kind::$name => $word,)*
                    Kind::Function(_) => "function",
                }
            }

            /// The kind that `word` names; callbacks, which have an argument, are not among them.
            pub fn from_word(word: &str) -> Option<Kind> {
                match word {
                    $($word => Some(Kind::$name),)*
                    _ => None,
                }
            }
        }
    };
}

kinds! {
    /// Message or file data at an address in the application.
    Buffer = "buffer",
    /// An address that is a value (`in`), or where MPI stores one (`out`: C says `void *` for a
    /// `void **`).
    Pointer = "pointer",
    /// An attribute's value (`in`), or where its address or value goes (`out`).
    Attribute = "attribute",
    /// The `extra_state` of a callback: MPI only hands it on.
    State = "state",
    /// A number of elements or bytes: `int`, or `MPI_Count` when wide.
    Count = "count",
    /// A displacement in elements, or a unit of displacement: `int`, or `MPI_Aint` when wide.
    Displ = "displ",
    /// An address-sized integer: `MPI_Aint`, or `MPI_Count` when wide.
    Aint = "aint",
    /// A file offset, `MPI_Offset`.
    Offset = "offset",
    /// A plain integer.
    Int = "int",
    /// A rank in a communicator or group, or `MPI_PROC_NULL`, `MPI_ANY_SOURCE`, `MPI_ROOT`.
    Rank = "rank",
    /// A message tag, or `MPI_ANY_TAG`.
    Tag = "tag",
    /// A truth value, 0 or 1.
    Logical = "logical",
    /// An attribute key.
    Keyval = "keyval",
    /// An error code or class.
    Error = "error",
    /// A `double`.
    Double = "double",
    /// Rank triples `int[3]`: first, last, stride.
    Range = "range",
    /// A C string; as `out` an array of characters that MPI fills.
    String = "string",
    /// An array of C strings that ends with a null pointer, or of as many as another parameter says.
    Strings = "strings",
    /// `MPI_Comm`.
    Comm = "comm",
    /// `MPI_Group`.
    Group = "group",
    /// `MPI_Datatype`.
    Datatype = "datatype",
    /// `MPI_Op`.
    Op = "op",
    /// `MPI_Request`.
    Request = "request",
    /// `MPI_Message`.
    Message = "message",
    /// `MPI_Status`, always by address.
    Status = "status",
    /// `MPI_Win`.
    Win = "win",
    /// `MPI_File`.
    File = "file",
    /// `MPI_Session`.
    Session = "session",
    /// `MPI_Info`.
    Info = "info",
    /// `MPI_Errhandler`.
    Errhandler = "errhandler",
    /// `MPI_Fint`, Fortran's default integer.
    Fint = "fint",
    /// `MPI_F08_status`, always by address.
    F08Status = "f08_status",
    /// `MPI_T_enum`.
    TEnum = "t_enum",
    /// `MPI_T_cvar_handle`.
    TCvarHandle = "t_cvar_handle",
    /// `MPI_T_pvar_handle`.
    TPvarHandle = "t_pvar_handle",
    /// `MPI_T_pvar_session`.
    TPvarSession = "t_pvar_session",
    /// `MPI_T_event_registration`.
    TEventRegistration = "t_event_registration",
    /// `MPI_T_event_instance`.
    TEventInstance = "t_event_instance",
    /// `MPI_T_cb_safety`, a C enumeration.
    TCbSafety = "t_cb_safety",
    /// `MPI_T_source_order`, a C enumeration.
    TSourceOrder = "t_source_order",
    /// C's `...`: whatever else the caller passes.
    Varargs = "varargs",
}
