//! Whether what is generated from the tables *is* the MPI 5.0 standard ABI.
//!
//! ```text
//!   headers      mpi.h and mana.h compile as C99, C11, C++17 without a warning
//!   foreign      every constant and prototype agrees with the header of somebody else's MPI
//!   exports      libmana_stub.so exports exactly the names it should, each the jump it should be
//!   initialiser  a program linked with the stub becomes one that runs under mana, or says why not
//! ```
//!
//! The foreign MPI is the wheel of MPICH 5.0.2, whose `mpi_abi.h` and `libmpi_abi.so.1` were written by other
//! people from the same standard.

mod exports;
mod foreign;
mod headers;
mod initialiser;
mod tools;
