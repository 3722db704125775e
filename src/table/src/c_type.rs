//! The C prototype of a row: how kind, direction, length and width become a C type.
//!
//! | | in | out, inout | array |
//! |---|---|---|---|
//! | value kinds, handles | `T` | `T *` | `[const] T x[]` |
//! | buffer, string | `const void *` | `void *` | |
//! | status | `const MPI_Status *` | `MPI_Status *` | `MPI_Status x[]` |

use crate::model::{Direction, Function, Kind, Length, Param};

/// The C type of one value of `kind`; `wide` asks for the large-count type.
pub fn value_type(kind: Kind, wide: bool) -> &'static str {
    match kind {
        Kind::Count if wide => "MPI_Count",
        Kind::Displ if wide => "MPI_Aint",
        Kind::Aint if wide => "MPI_Count",
        Kind::Aint => "MPI_Aint",
        Kind::Offset => "MPI_Offset",
        Kind::Double => "double",
        Kind::Count
        | Kind::Displ
        | Kind::Int
        | Kind::Rank
        | Kind::Tag
        | Kind::Logical
        | Kind::Keyval
        | Kind::Error
        | Kind::Range => "int",
        Kind::Buffer | Kind::Pointer | Kind::Attribute | Kind::State => "void *",
        Kind::String => "char *",
        Kind::Strings => "char **",
        Kind::Comm => "MPI_Comm",
        Kind::Group => "MPI_Group",
        Kind::Datatype => "MPI_Datatype",
        Kind::Op => "MPI_Op",
        Kind::Request => "MPI_Request",
        Kind::Message => "MPI_Message",
        Kind::Status => "MPI_Status",
        Kind::Win => "MPI_Win",
        Kind::File => "MPI_File",
        Kind::Session => "MPI_Session",
        Kind::Info => "MPI_Info",
        Kind::Errhandler => "MPI_Errhandler",
        Kind::Fint => "MPI_Fint",
        Kind::F08Status => "MPI_F08_status",
        Kind::TEnum => "MPI_T_enum",
        Kind::TCvarHandle => "MPI_T_cvar_handle",
        Kind::TPvarHandle => "MPI_T_pvar_handle",
        Kind::TPvarSession => "MPI_T_pvar_session",
        Kind::TEventRegistration => "MPI_T_event_registration",
        Kind::TEventInstance => "MPI_T_event_instance",
        Kind::TCbSafety => "MPI_T_cb_safety",
        Kind::TSourceOrder => "MPI_T_source_order",
        Kind::Function(name) => name,
        Kind::Varargs => "...",
    }
}

/// The parameter as C declares it: `const int sendcounts[]`.
pub fn declaration(param: &Param) -> String {
    declare(param, param.name)
}

/// The function's type in a canonical form without parameter names: what two sides must agree on.
pub fn signature(function: &Function) -> String {
    let params: Vec<String> = function.params.iter().map(|p| declare(p, "")).collect();
    format!(
        "{} {}({})",
        value_type(function.returns, false),
        function.name,
        params.join(",")
    )
}

fn declare(param: &Param, name: &str) -> String {
    let written = param.direction != Direction::In;
    let constant = if written { "" } else { "const " };
    let value = value_type(param.kind, param.wide);
    match param.kind {
        Kind::Varargs => "...".to_owned(),
        Kind::Buffer => format!("{constant}void *{name}"),
        Kind::String => format!("{constant}char *{name}"),
        // C says `void *` for every kind of address, also for the address of one.
        Kind::Pointer | Kind::Attribute | Kind::State => format!("void *{name}"),
        Kind::Function(of) => format!("{of} *{name}"),
        Kind::Range => format!("int {name}[][3]"),
        Kind::Strings if written => format!("char ***{name}"),
        Kind::Strings if param.length == Length::Scalar => format!("char *{name}[]"),
        Kind::Strings => format!("char **{name}[]"),
        Kind::Status | Kind::F08Status if param.length == Length::Scalar => {
            format!("{constant}{value} *{name}")
        }
        _ if param.length != Length::Scalar => format!("{constant}{value} {name}[]"),
        _ if written => format!("{value} *{name}"),
        _ => format!("{value} {name}"),
    }
}

/// The function's prototype, its name preceded by `prefix` (`""`, or `"P"` for the profiling name),
/// without the semicolon.
pub fn prototype(function: &Function, prefix: &str) -> String {
    let params: Vec<String> = function.params.iter().map(declaration).collect();
    let params = if params.is_empty() {
        "void".to_owned()
    } else {
        params.join(", ")
    };
    format!(
        "{} {prefix}{}({params})",
        value_type(function.returns, false),
        function.name
    )
}
