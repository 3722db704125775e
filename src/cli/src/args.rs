//! The command line, as clap sees it.

use crate::exit::HELP;
use clap::{Parser, Subcommand};
use clap_complete::Shell;
use std::ffi::OsString;
use std::path::PathBuf;

/// Transparent checkpoint and restart for MPI programs.
#[derive(Debug, Parser)]
#[command(name = "mana", version, after_help = HELP, arg_required_else_help = true)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

/// The environment of a job, for the help of the commands that start one.
const ENVIRONMENT: &str = "\
Environment:
  MANA_CKPT_INTERVAL  time between checkpoints: 300, 500ms, 90s, 5m, 2h (default: only when asked)
  MANA_CKPT_DIR       where checkpoints go (default: ./ckpts)
  MANA_CKPT_KEEP      how many checkpoints stay (default: 2)
  MANA_CKPT_SIGNAL    a signal that asks for a checkpoint: USR1, SIGUSR1, 10
  MANA_MPI            the MPI below: auto, mpich, openmpi, abi, or a library's path (default: auto)
  MANA_COMPRESS       auto, raw, zstd (default: auto)
  MANA_CHILDREN       0: processes that the program starts run without mana and are in no checkpoint (default: 1)
  MANA_STRICT         1: no checkpoint when something of the program cannot be kept (default: a warning that names it)
  MANA_FILES          at a restart, open files that are not as they were: check, accept, cut (default: check)
  MANA_LOG            error, warn, info, debug, trace (default: warn)";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a program so that it can be checkpointed: mpirun -n 4 mana run ./app
    ///
    /// A program linked with -lmana_stub needs no `mana run`: mpirun -n 4 ./app is enough. A program without MPI needs no
    /// mpirun.
    #[command(after_help = ENVIRONMENT)]
    Run {
        /// The program; looked for in PATH when it has no slash.
        program: OsString,
        /// Its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Go on from a checkpoint: mpirun -n 4 mana restart ckpts
    ///
    /// With as many ranks as the checkpoint has, under any supported MPI. New checkpoints go beside the one restarted,
    /// unless MANA_CKPT_DIR says otherwise.
    #[command(after_help = ENVIRONMENT)]
    Restart {
        /// A checkpoint, or a directory of them, which means its newest [default: MANA_CKPT_DIR, or ./ckpts].
        checkpoint: Option<PathBuf>,
    },
    /// Ask a running job for a checkpoint, and wait for it.
    Checkpoint {
        /// The directory that the job writes to [default: MANA_CKPT_DIR, or ./ckpts].
        directory: Option<PathBuf>,
        /// End the job when it is saved.
        #[arg(long)]
        kill: bool,
        /// Print the outcome as JSON.
        #[arg(long)]
        json: bool,
    },
    /// List checkpoints.
    Ls {
        /// A directory of checkpoints [default: MANA_CKPT_DIR, or ./ckpts].
        directory: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show what is in a checkpoint, or in one rank's file.
    Show {
        /// A checkpoint, a directory of them (its newest), or a .mana file [default: MANA_CKPT_DIR, or ./ckpts].
        path: Option<PathBuf>,
        /// Show this rank in detail, with its regions.
        #[arg(long)]
        rank: Option<u32>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Read everything in a checkpoint, or in one rank's file, and compare it with its checksums.
    Verify {
        /// A checkpoint, a directory of them (all of it), or a .mana file [default: MANA_CKPT_DIR, or ./ckpts].
        path: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List the MPI functions and which of them work.
    Functions {
        /// Only those that do not.
        #[arg(long)]
        unsupported: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Look at this machine: what is there, what is missing, and what to do.
    Doctor {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Compile C with mana's MPI: mana cc app.c -o app (also as mana-mpicc; answers -show).
    #[command(disable_help_flag = true)]
    Cc {
        /// Arguments for the compiler.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Compile C++ with mana's MPI: mana c++ app.cpp -o app (also as mana-mpicxx; answers -show).
    #[command(name = "c++", disable_help_flag = true)]
    Cxx {
        /// Arguments for the compiler.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Print a completion script: mana completions bash > ~/.local/share/bash-completion/completions/mana
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// What a program linked with libmana_stub becomes when it starts.
    #[command(name = "__exec", hide = true)]
    Exec {
        /// The program's executable.
        program: PathBuf,
        /// All its arguments, the first one being its name.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_programs_options_are_its_own() {
        let parsed = Arguments::parse_from(["mana", "run", "./app", "--help", "-n", "--", "x"]);
        let Command::Run { program, arguments } = parsed.command else {
            panic!("not run")
        };
        assert_eq!(program, "./app");
        assert_eq!(arguments, ["--help", "-n", "--", "x"]);
        let parsed = Arguments::parse_from(["mana", "__exec", "/bin/app", "-app", "--json", ""]);
        let Command::Exec { arguments, .. } = parsed.command else {
            panic!("not exec")
        };
        assert_eq!(arguments, ["-app", "--json", ""]);
    }
}
