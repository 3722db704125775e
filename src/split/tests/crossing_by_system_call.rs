//! Crossings that exchange FS with arch_prctl(2), which every kernel has.

#[path = "crossing/cases.rs"]
mod cases;

pub(crate) fn fs_switch() -> mana_split::gate::FsSwitch {
    mana_split::gate::FsSwitch::SystemCall
}
