//! Which other processes map a file, from /proc. Those that may not be looked at are taken for strangers that do not.

use std::collections::BTreeMap;
use std::fs;

use mana_descriptors::FileId;
use mana_split::thread::Tid;

use crate::error::EngineError;

/// A process, other than this one and those in `family`, that maps each of `ids`.
///
/// # Errors
/// [`EngineError::Os`] when /proc cannot be read.
pub fn who_maps(ids: &[FileId], family: &[Tid]) -> Result<BTreeMap<FileId, u32>, EngineError> {
    let mut found = BTreeMap::new();
    if ids.is_empty() {
        return Ok(found);
    }
    let processes = fs::read_dir("/proc").map_err(|source| EngineError::Os {
        doing: "looking for processes that share memory, in /proc".into(),
        source,
    })?;
    let numbers = processes
        .filter_map(Result::ok)
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|number| *number != std::process::id())
        .filter(|number| !family.contains(&(*number as Tid)));
    for number in numbers {
        let Ok(maps) = fs::read(format!("/proc/{number}/maps")) else {
            continue;
        };
        for id in String::from_utf8_lossy(&maps).lines().filter_map(file_id) {
            if ids.contains(&id) {
                found.entry(id).or_insert(number);
            }
        }
    }
    Ok(found)
}

/// How often a process maps a file; not at all if it may not be looked at.
pub fn how_often(id: FileId, process: Tid) -> usize {
    let maps = fs::read(format!("/proc/{process}/maps")).unwrap_or_default();
    let maps = String::from_utf8_lossy(&maps);
    maps.lines()
        .filter_map(file_id)
        .filter(|of_line| *of_line == id)
        .count()
}

/// The file of a line `start-end perms offset major:minor inode name`.
fn file_id(line: &str) -> Option<FileId> {
    let mut fields = line.split_ascii_whitespace().skip(3);
    let (major, minor) = fields.next()?.split_once(':')?;
    let (major, minor) = (
        u32::from_str_radix(major, 16).ok()?,
        u32::from_str_radix(minor, 16).ok()?,
    );
    let inode = fields.next()?.parse().ok().filter(|inode| *inode != 0)?;
    Some((libc::makedev(major, minor), inode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_a_line_is_told() {
        let line = "7f00-7f10 rw-s 00000000 00:01 1031    /dev/zero (deleted)";
        assert_eq!(file_id(line), Some((libc::makedev(0, 1), 1031)));
        assert_eq!(file_id("7f00-7f10 rw-p 00000000 00:00 0    [stack]"), None);
    }
}
