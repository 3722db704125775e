//! How libmana_stub.so is linked: with nothing, under its own name.

fn main() {
    let arguments = [
        // Programs record this name; libmpi_abi.so.1 and .so.0 are links to the same file.
        "-Wl,-soname,libmana_stub.so",
        // No start files and no libraries: the stub is part of every image, and an image must not
        // depend on anything of ours but the gate's slots.
        "-nostartfiles",
        "-nostdlib",
        // A symbol that only a libc could provide (a hidden memcpy) fails the build here.
        "-Wl,-z,defs",
        "-Wl,-z,now",
    ];
    for argument in arguments {
        println!("cargo::rustc-cdylib-link-arg={argument}");
    }
    println!("cargo::rerun-if-changed=build.rs");
}
