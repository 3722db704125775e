//! Handles of the native library, one type a kind, so that they mix neither with each other nor with ours.
//!
//! A native handle is 4 bytes in the MPICH ABI (files excepted) and a pointer in the other two; here it is always a
//! `u64`, zero-extended. A function that *returns* a handle writes 4 or 8 bytes through a pointer: [`Out`] is that
//! place, zero beforehand, so that on a little-endian machine both widths read the same.

use crate::Family;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

/// The kind of object a handle stands for. Sealed: the kinds are MPI's.
pub trait Kind: sealed::Sealed + 'static {
    /// The MPI type's name.
    const NAME: &'static str;
    /// Whether the MPICH ABI stores this kind as a 32-bit number.
    const NARROW_IN_MPICH: bool = true;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! kinds {
    ($($kind:ident $alias:ident $name:literal $narrow:literal;)*) => {$(
        #[doc = concat!("Marks handles of type `", $name, "`.")]
        #[derive(Debug, Clone, Copy)]
        pub enum $kind {}
        impl sealed::Sealed for $kind {}
        impl Kind for $kind {
            const NAME: &'static str = $name;
            const NARROW_IN_MPICH: bool = $narrow;
        }
        #[doc = concat!("A native `", $name, "`.")]
        pub type $alias = NativeHandle<$kind>;
    )*};
}

kinds! {
    Comm NativeComm "MPI_Comm" true;
    Datatype NativeDatatype "MPI_Datatype" true;
    Errhandler NativeErrhandler "MPI_Errhandler" true;
    File NativeFile "MPI_File" false;
    Group NativeGroup "MPI_Group" true;
    Info NativeInfo "MPI_Info" true;
    Message NativeMessage "MPI_Message" true;
    Op NativeOp "MPI_Op" true;
    Request NativeRequest "MPI_Request" true;
    Session NativeSession "MPI_Session" true;
    Win NativeWin "MPI_Win" true;
}

/// A handle of the native library.
pub struct NativeHandle<K: Kind>(u64, PhantomData<fn() -> K>);

impl<K: Kind> NativeHandle<K> {
    /// Wraps a handle as the library gave it, zero-extended to 64 bits.
    #[must_use]
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw, PhantomData)
    }

    /// The handle as an argument of [`crate::Native::call`].
    #[must_use]
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// Whether handles of this kind take 4 bytes (and not 8) in `family`'s memory.
    #[must_use]
    pub fn is_narrow(family: Family) -> bool {
        family == Family::Mpich && K::NARROW_IN_MPICH
    }
}

impl<K: Kind> Clone for NativeHandle<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K: Kind> Copy for NativeHandle<K> {}

impl<K: Kind> PartialEq for NativeHandle<K> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<K: Kind> Eq for NativeHandle<K> {}

impl<K: Kind> Hash for NativeHandle<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<K: Kind> fmt::Debug for NativeHandle<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "native {}({:#x})", K::NAME, self.0)
    }
}

/// The place a native function writes one handle to, or reads one from and overwrites it.
#[derive(Debug)]
#[repr(transparent)]
pub struct Out<K: Kind>(u64, PhantomData<fn() -> K>);

impl<K: Kind> Out<K> {
    /// A place for a handle that the callee writes.
    #[must_use]
    pub const fn new() -> Self {
        Self(0, PhantomData)
    }

    /// A place that holds `handle` for a callee that reads and overwrites it, like `MPI_Wait`.
    #[must_use]
    pub const fn holding(handle: NativeHandle<K>) -> Self {
        Self(handle.raw(), PhantomData)
    }

    /// The place's address, as an argument of [`crate::Native::call`]. It is valid while `self` stays where it is.
    pub fn address(&mut self) -> u64 {
        (&raw mut self.0) as u64
    }

    /// The handle that is there now.
    #[must_use]
    pub const fn get(&self) -> NativeHandle<K> {
        NativeHandle::from_raw(self.0)
    }
}

impl<K: Kind> Default for Out<K> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_pointers_even_in_the_mpich_abi() {
        assert!(NativeComm::is_narrow(Family::Mpich));
        assert!(!NativeFile::is_narrow(Family::Mpich));
        assert!(!NativeComm::is_narrow(Family::OpenMpi));
    }
}
