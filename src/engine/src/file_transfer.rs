//! Reading and writing files: every form of it, translated by what the table says of its parameters.
//!
//! ```text
//!   (fh, [offset], buf, count, datatype, status | request)
//!    |                 |    |       |          |
//!    native            `--- Staged: as they are, or the external32 bytes of them; one derived type where the count
//!                           exceeds an int and the library has no large-count function
//!
//!   individual, shared    check -> native call
//!   _all, _ordered        check -> gate of the file -> native call          (see `files`)
//!   i…                    … and the request is complete at every cut, as a send is
//!   _begin / _end         the nonblocking collective, kept in the descriptor until its end; _ordered is done at once
//! ```

use mana_drain::Start;
use mana_native::{Native, StatusBuf};
use mana_record_replay::file::{File, Representation, Split};
use mana_record_replay::handle::FileHandle;
use mana_table::constants as mpi;
use mana_table::{FnId, Kind};

use crate::args::Args;
use crate::engine::{State, native, state};
use crate::error::{Call, MpiError};
use crate::file_form::{self, Form};
use crate::request::{Kind as RequestKind, Request, RequestId, Transfer};
use crate::status::Completion;
use crate::{file_external, files, native_call, native_type, p2p, wait};

/// Serves every function that reads or writes, but for the split collectives.
pub fn transfer(a: &mut Args<'_>) -> Call {
    let form = Form::of(a.row());
    let (handle, wanted) = check(a, form)?;
    let start = if form.nonblocking {
        Start::Nonblocking
    } else {
        Start::Blocking
    };
    if form.collective {
        files::enter_alone(a, handle, start)?;
    }
    note_shared(handle, form);
    let function = a.row().id;
    let last = a.row().params.len() - 1;
    if form.nonblocking {
        let request = begin_transfer(a, handle, function, wanted)?;
        let id = state().insert_request(request)?;
        a.set_handle(last, u64::from(id.word()));
        return Ok(());
    }
    let completion = do_transfer(a, handle, function, wanted)?;
    wait::hand_over(a, last, &completion)
}

/// Serves the `_begin` functions.
pub fn begin_split(a: &mut Args<'_>) -> Call {
    let form = Form::of(a.row());
    let (handle, wanted) = check(a, form)?;
    let ended_by = file_form::ender(a.row())?.0;
    // A nonblocking ordered access does not exist: it is done at once, as the standard allows.
    let request = if form.ordered {
        let function = file_form::whole(a.row())?;
        files::enter_alone(a, handle, Start::Blocking)?;
        note_shared(handle, form);
        let completion = do_transfer(a, handle, function, wanted)?;
        Request::done(RequestKind::File(wanted), completion)
    } else {
        let function = file_form::starter(a.row())?;
        files::enter_alone(a, handle, Start::Nonblocking)?;
        begin_transfer(a, handle, function, wanted)?
    };
    let mut state = state();
    let request = state.insert_request(request)?;
    state.files.table.require_mut(handle)?.split = Some(Split { ended_by, request });
    Ok(())
}

/// Serves the `_end` functions, `(fh, buf, status)`.
pub fn end_split(a: &mut Args<'_>) -> Call {
    let handle = files::file_arg(a, 0)?;
    let split = state().files.table.require(handle)?.split;
    let split = split
        .filter(|split| split.ended_by == a.row().id.0)
        .ok_or_else(|| {
            let begun = split.map_or("none is under way".to_string(), |split| {
                format!(
                    "what is under way is ended by {}",
                    FnId(split.ended_by).name()
                )
            });
            MpiError::new(
                mpi::MPI_ERR_OTHER,
                format!("{} ends no split collective: {begun}", a.row().name),
            )
        })?;
    wait::wait_for(a, split.request)?;
    let completion = wait::take(split.request);
    state().files.table.require_mut(handle)?.split = None;
    wait::hand_over(a, 2, &completion)
}

/// Checks the arguments; returns the file and what is to be transferred.
fn check(a: &Args<'_>, form: Form) -> Result<(FileHandle, Transfer), MpiError> {
    let mut wanted = Transfer {
        writes: form.writes,
        ..Transfer::default()
    };
    for (i, param) in a.row().params.iter().enumerate() {
        match param.kind {
            Kind::Buffer => wanted.buffer = a.raw(i),
            Kind::Count => wanted.count = a.count(i),
            Kind::Datatype => wanted.datatype = a.raw(i),
            Kind::Offset if a.count(i) < 0 => {
                return Err(MpiError::argument(format!(
                    "offset {} is negative",
                    a.count(i)
                )));
            }
            _ => {}
        }
    }
    let handle = files::file_arg(a, 0)?;
    let etype = {
        let state = state();
        let file = state.files.table.require(handle)?;
        form.check(file)?;
        wanted.converts = converts(file);
        file.view.etype
    };
    if wanted.count < 0 {
        return Err(MpiError::new(
            mpi::MPI_ERR_COUNT,
            format!("count {} is negative", wanted.count),
        ));
    }
    let bytes = i128::from(p2p::datatype(wanted.datatype)?.size_bytes()) * i128::from(wanted.count);
    let unit = i128::from(p2p::datatype(u64::from(etype.word()))?.size_bytes());
    if unit > 0 && bytes % unit != 0 {
        return Err(MpiError::new(
            mpi::MPI_ERR_IO,
            format!(
                "{bytes} bytes are no multiple of the view's elementary type, which is {unit} bytes long"
            ),
        ));
    }
    Ok((handle, wanted))
}

/// Whether data is converted on its way.
fn converts(file: &File) -> bool {
    file.view.representation == Representation::External32
}

/// Remembers that the shared file pointer is in use: only then is there one to save.
fn note_shared(handle: FileHandle, form: Form) {
    if form.shared
        && let Some(file) = state().files.table.get_mut(handle)
    {
        file.uses_shared_pointer = true;
    }
}

/// What the library below is given for buffer, count and datatype.
struct Staged {
    address: u64,
    count: i64,
    datatype: u64,
    /// The bytes in the file's representation, where it is another.
    packed: Vec<u64>,
    /// A type made for this call.
    made: u64,
}

impl Staged {
    /// Prepares what the library is given; a write's data is converted now.
    fn new(native: &Native, wanted: &Transfer, form: Form) -> Result<Self, MpiError> {
        if !wanted.converts {
            return Ok(Self {
                address: wanted.buffer,
                count: wanted.count,
                datatype: p2p::datatype(wanted.datatype)?.native(),
                packed: Vec::new(),
                made: 0,
            });
        }
        let (packed, bytes) = if form.writes {
            file_external::encode(wanted)?
        } else {
            file_external::room(wanted)?
        };
        let byte = native.predefined().datatype(mpi::MPI_BYTE);
        Ok(Self {
            address: packed.as_ptr() as u64,
            count: bytes,
            datatype: byte.map_or(0, |byte| byte.raw()),
            packed,
            made: 0,
        })
    }

    /// The function to call: the plain one for a count that fits an `int`, else the large one; where the library has
    /// none, the plain one for a single element of a type made of all of them.
    fn function(&mut self, native: &Native, wanted: FnId) -> Result<FnId, MpiError> {
        let name = wanted.name();
        let plain = name.strip_suffix("_c").unwrap_or(name);
        if i32::try_from(self.count).is_ok() {
            return file_form::named(plain);
        }
        let large = file_form::named(&format!("{plain}_c"))?;
        if native.has(large) {
            return Ok(large);
        }
        self.made = native_type::repeated(native, self.datatype, self.count)?;
        (self.datatype, self.count) = (self.made, 1);
        file_form::named(plain)
    }

    /// The arguments up to the status or request, by the caller's row.
    fn arguments(&self, a: &Args<'_>, file: u64) -> Vec<u64> {
        let word = |(i, param): (usize, &mana_table::Param)| match param.kind {
            Kind::File => Some(file),
            Kind::Offset => Some(a.count(i) as u64),
            Kind::Buffer => Some(self.address),
            Kind::Count => Some(self.count as u64),
            Kind::Datatype => Some(self.datatype),
            _ => None,
        };
        a.row().params.iter().enumerate().filter_map(word).collect()
    }

    /// Calls the function, whose last argument is at `last`; frees the type made for it, which the library keeps as
    /// long as it needs it.
    fn call(
        &mut self,
        a: &Args<'_>,
        native: &Native,
        (handle, wanted): (FileHandle, FnId),
        last: u64,
    ) -> Call {
        let function = self.function(native, wanted)?;
        let mut arguments = self.arguments(a, files::native_file(handle)?);
        arguments.push(last);
        let outcome = native_call::call(native, function, &arguments);
        if self.made != 0 {
            native_call::call(
                native,
                mana_table::fns::MPI_TYPE_FREE,
                &[native_call::out(&mut self.made)],
            )?;
        }
        outcome
    }
}

/// Transfers by blocking function `function`.
fn do_transfer(
    a: &Args<'_>,
    handle: FileHandle,
    function: FnId,
    wanted: Transfer,
) -> Result<Completion, MpiError> {
    let native = native()?;
    let mut staged = Staged::new(native, &wanted, Form::of(a.row()))?;
    let mut status = StatusBuf::new();
    staged.call(a, native, (handle, function), status.address())?;
    let moved = Completion::file(native.decode_status(&status).count_bytes);
    if !wanted.converts {
        return Ok(moved);
    }
    let state = state();
    Ok(file_external::finish(
        &state,
        &wanted,
        &staged.packed,
        moved,
    ))
}

/// The completion of request `id`, where it is one of a file, from what the library told.
pub fn complete(state: &State, id: RequestId, told: Completion) -> Completion {
    let Some(request) = state.requests.get(id) else {
        return told;
    };
    let RequestKind::File(wanted) = request.kind else {
        return told;
    };
    let moved = Completion {
        error: told.error,
        cancelled: told.cancelled,
        ..Completion::file(told.count_bytes)
    };
    match request.keep.first().filter(|_| wanted.converts) {
        Some(packed) => file_external::finish(state, &wanted, packed, moved),
        None => moved,
    }
}

/// Starts nonblocking function `function`.
fn begin_transfer(
    a: &Args<'_>,
    handle: FileHandle,
    function: FnId,
    wanted: Transfer,
) -> Result<Request, MpiError> {
    let native = native()?;
    let form = Form::of(a.row());
    let mut staged = Staged::new(native, &wanted, form)?;
    let mut below = 0_u64;
    staged.call(a, native, (handle, function), native_call::out(&mut below))?;
    let mut request = Request::active(RequestKind::File(wanted), below);
    if wanted.converts {
        request.keep.push(staged.packed);
    }
    Ok(request)
}
