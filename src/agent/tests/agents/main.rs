//! Agents of a whole job in one process, over real sockets, with ranks that are threads.
mod control;
mod job;
mod trees;
