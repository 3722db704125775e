//! Programs of the catalogue with a newer glibc, which makes all calls that are cancellation points in one function.

use std::process::Command;

use mana_suite::command::run;
use mana_suite::newer_libc::{self, LOADER};
use mana_suite::places;

use crate::{lives, programs};

/// Builds a C program of the folder for the newer library, and has it live.
fn program(name: &str) {
    let lib = newer_libc::provision().unwrap();
    let folder = places::programs("newer libc");
    std::fs::create_dir_all(&folder).unwrap();
    let built = folder.join(name);
    run(Command::new("cc")
        .args(["-O2", "-pthread"])
        .arg(programs().join(name).with_extension("c"))
        .arg("-o")
        .arg(&built)
        .arg(format!(
            "-Wl,--dynamic-linker={}",
            lib.join(LOADER).display()
        ))
        .arg(format!("-Wl,-rpath,{}", lib.display())))
    .unwrap();
    lives(&[built.to_str().unwrap()]);
}

macro_rules! with_it {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                program(stringify!($name));
            }
        )*
    };
}

with_it! {
    alternate_stacks
    cancellation
    clocks
    conditions
    heap
    interrupted_calls
    joins
    numbers
    pipes
    server
    signal_waits
    spans_of_time
    threads
}
