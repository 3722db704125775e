//! The datatypes of a rank: created, committed, freed, and read back from an image.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::constructor::Constructor;
use super::envelope::{Contents, Envelope};
use super::layout::Layout;
use super::lower;
use super::predefined::{predefined, predefined_layout};
use crate::attr::Attributes;
use crate::comm::cut_name;
use crate::error::ObjectError;
use crate::handle::{DatatypeHandle, kind};
use crate::shared::SharedTable;

/// A datatype that the application made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Datatype {
    constructor: Constructor,
    /// Made by a large-count function.
    large: bool,
    committed: bool,
    extras: Extras,
    /// None only while a store is being read from an image.
    #[serde(skip)]
    layout: Option<Arc<Layout>>,
}

/// What the application can attach to any datatype, the predefined ones too.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Extras {
    name: Option<CString>,
    attributes: Attributes,
}

impl Datatype {
    /// How it was made.
    #[must_use]
    pub const fn constructor(&self) -> &Constructor {
        &self.constructor
    }

    /// Whether a large-count function (`_c`) made it.
    #[must_use]
    pub const fn is_large(&self) -> bool {
        self.large
    }

    /// Whether it is committed.
    #[must_use]
    pub const fn is_committed(&self) -> bool {
        self.committed
    }

    /// Its layout.
    #[must_use]
    pub fn layout(&self) -> &Arc<Layout> {
        self.layout
            .as_ref()
            .unwrap_or_else(|| panic!("a datatype of a store that was read has its layout"))
    }

    /// Its attributes.
    #[must_use]
    pub const fn attributes(&self) -> &Attributes {
        &self.extras.attributes
    }
}

/// Datatypes that nothing uses any more, with the handles they had: their native counterparts can go.
pub type Released = Vec<(DatatypeHandle, Datatype)>;

/// The datatypes of a rank.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "Record")]
pub struct Datatypes {
    table: SharedTable<kind::Datatype, Datatype>,
    /// Names and attributes of predefined types, where the application set any.
    predefined: BTreeMap<DatatypeHandle, Extras>,
    /// The parametrised types of Fortran made so far: the same arguments give the same handle.
    f90: Vec<DatatypeHandle>,
}

#[derive(Deserialize)]
struct Record {
    table: SharedTable<kind::Datatype, Datatype>,
    predefined: BTreeMap<DatatypeHandle, Extras>,
    f90: Vec<DatatypeHandle>,
}

impl Datatypes {
    /// No derived types.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a datatype; `large` when by a `_c` function. It holds the types that it is made of. The parametrised Fortran
    /// types with the same arguments are one object.
    ///
    /// # Errors
    /// What MPI says about the arguments; [`ObjectError::DeadHandle`] for an old type that is not alive.
    pub fn create(
        &mut self,
        constructor: Constructor,
        large: bool,
    ) -> Result<DatatypeHandle, ObjectError> {
        if let Some(existing) = self.existing_f90(&constructor) {
            return Ok(existing);
        }
        let layout = lower::layout(&constructor, &|handle| self.layout(handle))?;
        let committed = match &constructor {
            Constructor::Dup { old } => self.is_committed(*old)?,
            other => other.is_f90(),
        };
        let (children, is_f90) = (constructor.children(), constructor.is_f90());
        let layout = Some(Arc::new(layout));
        let handle = self.table.insert(Datatype {
            constructor,
            large,
            committed,
            extras: Extras::default(),
            layout,
        })?;
        for child in children {
            self.table.hold(child)?;
        }
        if is_f90 {
            self.f90.push(handle);
        }
        Ok(handle)
    }

    fn existing_f90(&self, constructor: &Constructor) -> Option<DatatypeHandle> {
        if !constructor.is_f90() {
            return None;
        }
        let same = |handle: &&DatatypeHandle| {
            self.table
                .get(**handle)
                .is_some_and(|it| it.constructor == *constructor)
        };
        self.f90.iter().find(same).copied()
    }

    /// The layout of a datatype that the application may use.
    ///
    /// # Errors
    /// [`ObjectError::DeadHandle`] for one that is null or was freed.
    #[inline]
    pub fn layout(&self, handle: DatatypeHandle) -> Result<&Layout, ObjectError> {
        if let Some(layout) = predefined_layout(handle) {
            return Ok(layout);
        }
        Ok(self.table.require(handle)?.layout())
    }

    /// The layout of a datatype for something that holds it, also after it was freed.
    #[must_use]
    pub fn layout_held(&self, handle: DatatypeHandle) -> Option<&Layout> {
        predefined_layout(handle).or_else(|| {
            self.table
                .get_held(handle)
                .map(|datatype| &**datatype.layout())
        })
    }

    /// A derived datatype; None for a predefined one.
    ///
    /// # Errors
    /// [`ObjectError::DeadHandle`].
    pub fn derived(&self, handle: DatatypeHandle) -> Result<Option<&Datatype>, ObjectError> {
        if predefined(handle).is_some() {
            return Ok(None);
        }
        self.table.require(handle).map(Some)
    }

    /// Whether communication may use it.
    ///
    /// # Errors
    /// [`ObjectError::DeadHandle`].
    pub fn is_committed(&self, handle: DatatypeHandle) -> Result<bool, ObjectError> {
        Ok(self.derived(handle)?.is_none_or(Datatype::is_committed))
    }

    /// `MPI_Type_commit`; committing again or a predefined type is nothing.
    ///
    /// # Errors
    /// [`ObjectError::DeadHandle`].
    pub fn commit(&mut self, handle: DatatypeHandle) -> Result<(), ObjectError> {
        if predefined(handle).is_none() {
            self.table.require_mut(handle)?.committed = true;
        }
        Ok(())
    }

    /// How many references to a derived datatype the application holds: more than one where
    /// `MPI_Type_get_contents` gave it further ones.
    #[must_use]
    pub fn user_references(&self, handle: DatatypeHandle) -> u32 {
        self.table.user_references(handle)
    }

    /// Hands the application one more reference to a datatype that something holds, freed or not; it frees it in its turn.
    /// Predefined types need none.
    ///
    /// # Errors
    /// [`ObjectError::DeadHandle`].
    pub fn add_user_reference(&mut self, handle: DatatypeHandle) -> Result<(), ObjectError> {
        if predefined(handle).is_some() {
            return Ok(());
        }
        self.table.add_user_reference(handle)
    }

    /// The constructor of a derived datatype, also after it was freed while something holds it; None for a predefined one.
    #[must_use]
    pub(super) fn constructor_held(&self, handle: DatatypeHandle) -> Option<&Constructor> {
        self.table.get_held(handle).map(Datatype::constructor)
    }

    /// `MPI_Type_free`. Returns the types that nothing uses any more: the one freed, and what only it used.
    ///
    /// # Errors
    /// [`ObjectError::Predefined`] also for the parametrised types of Fortran, [`ObjectError::DeadHandle`].
    pub fn free(&mut self, handle: DatatypeHandle) -> Result<Released, ObjectError> {
        let is_predefined = self
            .derived(handle)?
            .is_none_or(|datatype| datatype.constructor.is_f90());
        if is_predefined {
            return Err(ObjectError::predefined(handle, "freed"));
        }
        let freed = self.table.free(handle)?;
        Ok(self.release_children(freed.map(|datatype| (handle, datatype))))
    }

    /// An operation begins to use the datatype.
    ///
    /// # Errors
    /// [`ObjectError::DeadHandle`].
    #[inline]
    pub fn hold(&mut self, handle: DatatypeHandle) -> Result<(), ObjectError> {
        self.table.hold(handle)
    }

    /// An operation that held it ends. Returns as [`Datatypes::free`].
    #[inline]
    pub fn release(&mut self, handle: DatatypeHandle) -> Released {
        match self.table.release(handle) {
            Some(datatype) => self.release_children(Some((handle, datatype))),
            None => Released::new(),
        }
    }

    /// Lets go of what a removed type held, and so on down.
    fn release_children(&mut self, first: Option<(DatatypeHandle, Datatype)>) -> Released {
        let mut released: Released = first.into_iter().collect();
        let mut next = 0;
        while next < released.len() {
            for child in released[next].1.constructor.children() {
                released.extend(self.table.release(child).map(|datatype| (child, datatype)));
            }
            next += 1;
        }
        released
    }

    /// `MPI_Type_get_envelope`.
    ///
    /// # Errors
    /// [`ObjectError::DeadHandle`].
    pub fn envelope(&self, handle: DatatypeHandle) -> Result<Envelope, ObjectError> {
        let derived = self.derived(handle)?;
        Ok(derived.map_or(Envelope::NAMED, |datatype| {
            datatype.constructor.envelope(datatype.large)
        }))
    }

    /// `MPI_Type_get_contents`. The application gets a reference to each derived type among the contents and frees it.
    ///
    /// # Errors
    /// [`ObjectError::Predefined`] for a predefined type, which has no contents; [`ObjectError::DeadHandle`].
    pub fn contents(&mut self, handle: DatatypeHandle) -> Result<Contents, ObjectError> {
        let derived = self
            .derived(handle)?
            .ok_or_else(|| ObjectError::predefined(handle, "taken apart"))?;
        let contents = derived.constructor.contents(derived.large);
        for child in contents
            .datatypes
            .iter()
            .filter(|child| !child.is_predefined())
        {
            self.table.add_user_reference(*child)?;
        }
        Ok(contents)
    }

    /// `MPI_Type_get_name`: a predefined type is named after itself until renamed, so is `MPI_DATATYPE_NULL` (MPI-5.0 section
    /// 7.8); a derived one is not named.
    ///
    /// # Errors
    /// [`ObjectError::DeadHandle`].
    pub fn name(&self, handle: DatatypeHandle) -> Result<CString, ObjectError> {
        if handle.is_null() {
            return Ok(c"MPI_DATATYPE_NULL".to_owned());
        }
        let given = self.extras(handle)?.and_then(|extras| extras.name.clone());
        let default = || {
            predefined(handle)
                .and_then(|row| CString::new(row.name).ok())
                .unwrap_or_default()
        };
        Ok(given.unwrap_or_else(default))
    }

    /// `MPI_Type_set_name`.
    ///
    /// # Errors
    /// [`ObjectError::DeadHandle`].
    pub fn set_name(&mut self, handle: DatatypeHandle, name: &CStr) -> Result<(), ObjectError> {
        self.extras_mut(handle)?.name = Some(cut_name(name));
        Ok(())
    }

    /// The attributes of a datatype, derived or predefined; None when none was ever set.
    ///
    /// # Errors
    /// [`ObjectError::DeadHandle`].
    pub fn attributes(&self, handle: DatatypeHandle) -> Result<Option<&Attributes>, ObjectError> {
        Ok(self.extras(handle)?.map(|extras| &extras.attributes))
    }

    /// The attributes of a datatype, to change them.
    ///
    /// # Errors
    /// [`ObjectError::DeadHandle`].
    pub fn attributes_mut(
        &mut self,
        handle: DatatypeHandle,
    ) -> Result<&mut Attributes, ObjectError> {
        Ok(&mut self.extras_mut(handle)?.attributes)
    }

    fn extras(&self, handle: DatatypeHandle) -> Result<Option<&Extras>, ObjectError> {
        match self.derived(handle)? {
            Some(datatype) => Ok(Some(&datatype.extras)),
            None => Ok(self.predefined.get(&handle)),
        }
    }

    fn extras_mut(&mut self, handle: DatatypeHandle) -> Result<&mut Extras, ObjectError> {
        if predefined(handle).is_some() {
            return Ok(self.predefined.entry(handle).or_default());
        }
        Ok(&mut self.table.require_mut(handle)?.extras)
    }

    /// All derived types alive, freed but used ones among them, each after those it is made of: the order in which native
    /// ones are made again.
    #[must_use]
    pub fn rebuild_order(&self) -> Vec<(DatatypeHandle, &Datatype)> {
        self.table.by_birth()
    }

    /// Number of derived types alive, freed but used ones among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is no derived type.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}

impl TryFrom<Record> for Datatypes {
    type Error = ObjectError;

    /// Computes the layouts again, children before parents.
    fn try_from(
        Record {
            mut table,
            predefined,
            f90,
        }: Record,
    ) -> Result<Self, ObjectError> {
        let order: Vec<_> = table
            .by_birth()
            .into_iter()
            .map(|(handle, _)| handle)
            .collect();
        for handle in order {
            let datatype = table
                .get_held(handle)
                .ok_or_else(|| ObjectError::dead(handle))?;
            let layout = lower::layout(&datatype.constructor, &|child| {
                let known = table
                    .get_held(child)
                    .and_then(|datatype| datatype.layout.as_deref());
                predefined_layout(child)
                    .or(known)
                    .ok_or_else(|| ObjectError::dead(child))
            })?;
            if let Some(datatype) = table.get_held_mut(handle) {
                datatype.layout = Some(Arc::new(layout));
            }
        }
        Ok(Self {
            table,
            predefined,
            f90,
        })
    }
}
