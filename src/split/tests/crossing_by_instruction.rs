//! Crossings that exchange FS with `wrfsbase`, where the kernel allows it.

#[path = "crossing/cases.rs"]
mod cases;

pub(crate) fn fs_switch() -> mana_split::gate::FsSwitch {
    mana_split::gate::FsSwitch::detect()
}
