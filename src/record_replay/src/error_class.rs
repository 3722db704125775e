//! The error classes of MPI 5.0: number (standard ABI), name, and what `MPI_Error_string` says.
//!
//! An MPI call returns a *code*; each code belongs to a *class* (MPI 4.1 section 9.4). Codes of this library are its classes,
//! plus what the application registers ([`crate::error_registry`]). What a native MPI returns is translated to a class.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An error class, with the number of the standard ABI.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ErrorClass(pub i32);

/// A predefined class.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PredefinedClass {
    /// Its number.
    pub class: ErrorClass,
    /// Its name in the standard.
    pub name: &'static str,
    /// What `MPI_Error_string` says about it.
    pub text: &'static str,
}

macro_rules! classes {
    ($($short:ident = $number:literal, $name:literal, $text:literal;)*) => {
        impl ErrorClass {
            $(#[doc = concat!("`", $name, "`: ", $text, ".")] pub const $short: Self = Self($number);)*
        }
        /// Every predefined class, by rising number.
        pub const CLASSES: &[PredefinedClass] =
            &[$(PredefinedClass { class: ErrorClass($number), name: $name, text: $text },)*];
    };
}

classes! {
    SUCCESS = 0, "MPI_SUCCESS", "no error";
    BUFFER = 1, "MPI_ERR_BUFFER", "invalid buffer address";
    COUNT = 2, "MPI_ERR_COUNT", "invalid count";
    TYPE = 3, "MPI_ERR_TYPE", "invalid datatype";
    TAG = 4, "MPI_ERR_TAG", "invalid tag";
    COMM = 5, "MPI_ERR_COMM", "invalid communicator";
    RANK = 6, "MPI_ERR_RANK", "invalid rank";
    REQUEST = 7, "MPI_ERR_REQUEST", "invalid request or matched message";
    ROOT = 8, "MPI_ERR_ROOT", "invalid root rank";
    GROUP = 9, "MPI_ERR_GROUP", "invalid group";
    OP = 10, "MPI_ERR_OP", "invalid reduction operation, or one that does not apply to the datatype";
    TOPOLOGY = 11, "MPI_ERR_TOPOLOGY", "invalid topology, or the communicator has none of this kind";
    DIMS = 12, "MPI_ERR_DIMS", "invalid number or extent of dimensions";
    ARG = 13, "MPI_ERR_ARG", "invalid argument of a kind that no other class describes";
    UNKNOWN = 14, "MPI_ERR_UNKNOWN", "unknown error";
    TRUNCATE = 15, "MPI_ERR_TRUNCATE", "the message is longer than the receive buffer";
    OTHER = 16, "MPI_ERR_OTHER", "known error that no other class describes";
    INTERN = 17, "MPI_ERR_INTERN", "internal error of the MPI implementation";
    PENDING = 18, "MPI_ERR_PENDING", "the operation is neither complete nor failed yet";
    IN_STATUS = 19, "MPI_ERR_IN_STATUS", "the error code is in the status";
    ACCESS = 20, "MPI_ERR_ACCESS", "permission denied";
    AMODE = 21, "MPI_ERR_AMODE", "invalid access mode of a file";
    ASSERT = 22, "MPI_ERR_ASSERT", "invalid assertion argument";
    BAD_FILE = 23, "MPI_ERR_BAD_FILE", "invalid file name (for example too long)";
    BASE = 24, "MPI_ERR_BASE", "invalid base address";
    CONVERSION = 25, "MPI_ERR_CONVERSION", "a data conversion function of the application failed";
    DISP = 26, "MPI_ERR_DISP", "invalid displacement";
    DUP_DATAREP = 27, "MPI_ERR_DUP_DATAREP", "a data representation of this name is registered already";
    FILE_EXISTS = 28, "MPI_ERR_FILE_EXISTS", "the file exists";
    FILE_IN_USE = 29, "MPI_ERR_FILE_IN_USE", "the file is open in some process";
    FILE = 30, "MPI_ERR_FILE", "invalid file handle";
    INFO_KEY = 31, "MPI_ERR_INFO_KEY", "invalid info key: empty or too long";
    INFO_NOKEY = 32, "MPI_ERR_INFO_NOKEY", "the info object has no such key";
    INFO_VALUE = 33, "MPI_ERR_INFO_VALUE", "invalid info value: too long";
    INFO = 34, "MPI_ERR_INFO", "invalid info object";
    IO = 35, "MPI_ERR_IO", "input or output error";
    KEYVAL = 36, "MPI_ERR_KEYVAL", "invalid attribute key";
    LOCKTYPE = 37, "MPI_ERR_LOCKTYPE", "invalid lock type";
    NAME = 38, "MPI_ERR_NAME", "no service is published under this name";
    NO_MEM = 39, "MPI_ERR_NO_MEM", "out of memory";
    NOT_SAME = 40, "MPI_ERR_NOT_SAME", "an argument of a collective call differs between processes";
    NO_SPACE = 41, "MPI_ERR_NO_SPACE", "not enough space on the device";
    NO_SUCH_FILE = 42, "MPI_ERR_NO_SUCH_FILE", "the file does not exist";
    PORT = 43, "MPI_ERR_PORT", "invalid port name";
    QUOTA = 44, "MPI_ERR_QUOTA", "the quota is exceeded";
    READ_ONLY = 45, "MPI_ERR_READ_ONLY", "the file or file system is read-only";
    RMA_ATTACH = 46, "MPI_ERR_RMA_ATTACH", "the memory cannot be attached";
    RMA_CONFLICT = 47, "MPI_ERR_RMA_CONFLICT", "conflicting accesses to a window";
    RMA_RANGE = 48, "MPI_ERR_RMA_RANGE", "the target memory is not part of the window";
    RMA_SHARED = 49, "MPI_ERR_RMA_SHARED", "the memory cannot be shared";
    RMA_SYNC = 50, "MPI_ERR_RMA_SYNC", "wrong synchronisation of one-sided calls";
    SERVICE = 51, "MPI_ERR_SERVICE", "no service of this name can be withdrawn";
    SIZE = 52, "MPI_ERR_SIZE", "invalid size";
    SPAWN = 53, "MPI_ERR_SPAWN", "the processes could not be started";
    UNSUPPORTED_DATAREP = 54, "MPI_ERR_UNSUPPORTED_DATAREP", "the data representation is not supported";
    UNSUPPORTED_OPERATION = 55, "MPI_ERR_UNSUPPORTED_OPERATION", "the operation is not supported";
    WIN = 56, "MPI_ERR_WIN", "invalid window";
    RMA_FLAVOR = 57, "MPI_ERR_RMA_FLAVOR", "the window has the wrong flavour";
    PROC_ABORTED = 58, "MPI_ERR_PROC_ABORTED", "a peer process has ended abnormally";
    VALUE_TOO_LARGE = 59, "MPI_ERR_VALUE_TOO_LARGE", "the value does not fit the type it must be returned in";
    SESSION = 60, "MPI_ERR_SESSION", "invalid session";
    ERRHANDLER = 61, "MPI_ERR_ERRHANDLER", "invalid error handler";
    ABI = 62, "MPI_ERR_ABI", "the ABI of the application does not fit the library";
    T_CANNOT_INIT = 1001, "MPI_T_ERR_CANNOT_INIT", "the tool interface cannot be initialised";
    T_NOT_ACCESSIBLE = 1002, "MPI_T_ERR_NOT_ACCESSIBLE", "the tool information is not accessible";
    T_NOT_INITIALIZED = 1003, "MPI_T_ERR_NOT_INITIALIZED", "the tool interface is not initialised";
    T_NOT_SUPPORTED = 1004, "MPI_T_ERR_NOT_SUPPORTED", "the tool functionality is not supported";
    T_MEMORY = 1005, "MPI_T_ERR_MEMORY", "the tool interface is out of memory";
    T_INVALID = 1006, "MPI_T_ERR_INVALID", "wrong use of the tool interface";
    T_INVALID_INDEX = 1007, "MPI_T_ERR_INVALID_INDEX", "invalid index of a tool object";
    T_INVALID_ITEM = 1008, "MPI_T_ERR_INVALID_ITEM", "invalid item of a tool enumeration";
    T_INVALID_SESSION = 1009, "MPI_T_ERR_INVALID_SESSION", "invalid tool session";
    T_INVALID_HANDLE = 1010, "MPI_T_ERR_INVALID_HANDLE", "invalid tool handle";
    T_INVALID_NAME = 1011, "MPI_T_ERR_INVALID_NAME", "no tool variable or category has this name";
    T_OUT_OF_HANDLES = 1012, "MPI_T_ERR_OUT_OF_HANDLES", "no more tool handles";
    T_OUT_OF_SESSIONS = 1013, "MPI_T_ERR_OUT_OF_SESSIONS", "no more tool sessions";
    T_CVAR_SET_NOT_NOW = 1014, "MPI_T_ERR_CVAR_SET_NOT_NOW", "the control variable cannot be set now";
    T_CVAR_SET_NEVER = 1015, "MPI_T_ERR_CVAR_SET_NEVER", "the control variable can never be set";
    T_PVAR_NO_WRITE = 1016, "MPI_T_ERR_PVAR_NO_WRITE", "the performance variable cannot be written or reset";
    T_PVAR_NO_STARTSTOP = 1017, "MPI_T_ERR_PVAR_NO_STARTSTOP", "the performance variable cannot be started or stopped";
    T_PVAR_NO_ATOMIC = 1018, "MPI_T_ERR_PVAR_NO_ATOMIC", "the performance variable cannot be read and reset at once";
}

impl ErrorClass {
    /// Name and text, if it is a predefined class.
    #[must_use]
    pub fn predefined(self) -> Option<&'static PredefinedClass> {
        CLASSES
            .binary_search_by_key(&self, |row| row.class)
            .ok()
            .map(|index| &CLASSES[index])
    }
}

impl fmt::Debug for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.predefined() {
            Some(row) => f.write_str(row.name),
            None => write!(f, "error class {}", self.0),
        }
    }
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_for_the_search() {
        assert!(CLASSES.windows(2).all(|pair| pair[0].class < pair[1].class));
    }

    #[test]
    fn every_class_finds_its_name() {
        for row in CLASSES {
            assert_eq!(row.class.predefined(), Some(row));
            assert!(!row.text.is_empty() && row.text.len() < crate::abi::MAX_ERROR_STRING);
        }
        assert_eq!(ErrorClass(63).predefined(), None);
    }
}
