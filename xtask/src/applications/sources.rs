//! Fetching and building the applications, below `target/applications`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use mana_suite::{Install, Result, command, places};

use super::Application;
use crate::sources::{debian, file, once, untar};

/// What LAMMPS's own makefile is told.
const LAMMPS_FLAGS: [&str; 2] = ["CCFLAGS=-O1 -w -std=c++11", "LINKFLAGS=-O1"];
/// HPCC's description of a machine: compilers, libraries, how C calls Fortran.
const HPCC_MACHINE: &str = "\
SHELL = /bin/sh\nCD = cd\nCP = cp\nLN_S = ln -s\nMKDIR = mkdir\nRM = /bin/rm -f\nTOUCH = touch\nARCH = $(arch)
TOPdir = ../../..\nINCdir = $(TOPdir)/include\nBINdir = $(TOPdir)/bin/$(ARCH)\nLIBdir = $(TOPdir)/lib/$(ARCH)
HPLlib = $(LIBdir)/libhpl.a\nLAlib = -lopenblas\nF2CDEFS = -DAdd_ -DF77_INTEGER=int -DStringSunStyle
HPL_INCLUDES = -I$(INCdir) -I$(INCdir)/$(ARCH)\nHPL_LIBS = $(HPLlib) $(LAlib) -lm\nHPL_DEFS = $(F2CDEFS) $(HPL_INCLUDES)
CCNOOPT = $(HPL_DEFS)\nCCFLAGS = $(HPL_DEFS) -O2 -w -std=gnu99 -fcommon\nLINKER = $(CC)\nLINKFLAGS = $(CCFLAGS)
ARCHIVER = ar\nARFLAGS = r\nRANLIB = echo\n";

/// The program of `application`, which is fetched and built where it is not there.
pub(super) fn build(application: Application, install: &Install) -> Result<PathBuf> {
    let home = places::target().join("applications");
    file("create", &home, std::fs::create_dir_all(&home))?;
    match application {
        Application::Lammps => lammps(&home.join("lammps"), install),
        Application::Hpcc => hpcc(&home.join("hpcc"), install),
    }
}

/// Puts the input of `application` into `folder`.
pub(super) fn put_input(application: Application, program: &Path, folder: &Path) -> Result<()> {
    let (from, to) = match application {
        Application::Lammps => ("../examples/melt/in.melt", "in.melt"),
        Application::Hpcc => ("_hpccinf.txt", "hpccinf.txt"),
    };
    let from = program.parent().unwrap_or(Path::new("/")).join(from);
    let text = file("read", &from, std::fs::read_to_string(&from))?;
    // The melt takes less than a second as it comes.
    let text = text
        .replace("0 10 0 10 0 10", "0 20 0 20 0 20")
        .replace("run\t\t250", "run\t\t500");
    let to = folder.join(to);
    file("write", &to, std::fs::write(&to, text))
}

fn lammps(folder: &Path, install: &Install) -> Result<PathBuf> {
    let program = folder.join("src/lmp_mpi");
    once(folder, |folder| {
        eprintln!("   fetching LAMMPS");
        debian(folder, "lammps")?;
        let parts = ["--wildcards", "*/src/*", "*/examples/melt/*"];
        untar(folder, "lammps_*.orig.tar.*", &parts)
    })?;
    if !program.exists() {
        eprintln!("   building LAMMPS; some minutes");
        let compiler = install.mpicc().with_file_name("mana-mpicxx");
        let makefile = folder.join("src/MAKE/Makefile.mpi");
        let text = file("read", &makefile, std::fs::read_to_string(&makefile))?;
        let of_mana = |line: &str| match line.split_once('=').map(|(name, _)| name.trim()) {
            Some(name @ ("CC" | "LINK")) => format!("{name} = {}", compiler.display()),
            Some("CCFLAGS") => LAMMPS_FLAGS[0].to_owned(),
            Some("LINKFLAGS") => LAMMPS_FLAGS[1].to_owned(),
            _ => line.to_owned(),
        };
        let text: Vec<String> = text.lines().map(of_mana).collect();
        let text = text.join("\n") + "\n";
        file("write", &makefile, std::fs::write(&makefile, text))?;
        let mut make = Command::new("make");
        make.current_dir(folder.join("src"));
        command::run(make.args(["-j2", "mpi"]))?;
    }
    Ok(program)
}

fn hpcc(folder: &Path, install: &Install) -> Result<PathBuf> {
    let program = folder.join("hpcc");
    once(folder, |folder| {
        eprintln!("   fetching HPCC");
        debian(folder, "hpcc")?;
        untar(folder, "hpcc_*.orig.tar.*", &[])
    })?;
    if !program.exists() {
        eprintln!("   building HPCC");
        command::run(Command::new("apt-get").args(["install", "-y", "-q", "libopenblas-dev"]))?;
        let machine = folder.join("hpl/Make.mana");
        let mut text = HPCC_MACHINE.to_owned();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "CC = {}", install.mpicc().display());
        file("write", &machine, std::fs::write(&machine, text))?;
        let mut make = Command::new("make");
        command::run(make.current_dir(folder).arg("arch=mana"))?;
    }
    Ok(program)
}
