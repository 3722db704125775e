//! Which shared mappings the program has, and which of them hold the bytes that an image needs.

use std::collections::BTreeMap;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;

use mana_descriptors::{Descriptors, FileId, Lost, StoredFile, StoredKind, stored_kind};
use mana_split::maps::{Backing, Region};
use mana_split::sysv::{self, Segment};
use mana_split::thread::Tid;

use super::{Mapped, SharedMapping, others};
use crate::error::EngineError;

/// What of the program's memory is shared.
#[derive(Debug, Default)]
pub struct Shared {
    mappings: Vec<SharedMapping>,
    /// Files to be made again that are known by their mappings.
    made: Vec<StoredFile>,
    /// Where memory begins of which no bytes are saved.
    left_out: Vec<usize>,
    lost: Vec<Lost>,
    /// Of segments, as /proc/PID/maps has them, and how often they are attached, by whomever.
    attached: BTreeMap<i32, (FileId, u64)>,
}

/// Looks at the shared ones of `regions`, but for the memory of windows. `family`: what the kernel calls the processes that get the
/// same files at a restart.
pub fn describe(
    regions: &[Region],
    windows: &[(Range<usize>, bool)],
    family: &[Tid],
) -> Result<Shared, EngineError> {
    let is_of_window = |region: &Region| {
        windows
            .iter()
            .any(|(place, _)| place.contains(&region.start))
    };
    let mut shared = Shared::default();
    for region in regions.iter().filter(|r| r.shared && !is_of_window(r)) {
        shared.add(region)?;
    }
    shared.leave_out_repeated();
    shared.name_others(family)?;
    Ok(shared)
}

impl Shared {
    fn add(&mut self, region: &Region) -> Result<(), EngineError> {
        let Backing::File {
            path,
            offset,
            id,
            deleted,
        } = &region.backing
        else {
            return self.lose(region, "the kernel does not say what it is of");
        };
        let of = if path.starts_with("/dev/zero") && *deleted {
            // What MAP_ANONYMOUS | MAP_SHARED is called.
            let kind = StoredKind::Memory {
                name: "shared".into(),
                seals: 0,
            };
            self.stored(*id, kind, region, *offset)
        } else if *deleted && path.to_string_lossy().starts_with("/SYSV") {
            if *offset != 0 {
                return self.lose(region, "only a part of the segment is attached");
            }
            let (segment, attached) = sysv::describe(id.1 as i32)?;
            if segment.bytes.next_multiple_of(4096) != region.len_bytes as u64 {
                return self.lose(region, "only a part of the segment is attached");
            }
            self.attached.entry(segment.id).or_insert((*id, attached));
            Mapped::Segment(segment)
        } else if let Some(kind) = stored_kind(path, *deleted) {
            self.stored(*id, kind, region, *offset)
        } else {
            let is_regular = path.metadata().is_ok_and(|metadata| metadata.is_file());
            if !is_regular {
                return self.lose(region, "it is no file whose contents could be saved");
            }
            let length_bytes = path.metadata().map_or(0, |metadata| metadata.len());
            Mapped::File {
                path: path.clone(),
                length_bytes,
            }
        };
        self.mappings.push(SharedMapping {
            start: region.start as u64,
            len_bytes: region.len_bytes as u64,
            prot: region.prot,
            offset_bytes: *offset,
            of,
            has_bytes: true,
        });
        Ok(())
    }

    /// A file that is made again; its descriptor, if it has one, will tell its length better.
    fn stored(&mut self, id: FileId, kind: StoredKind, region: &Region, offset: u64) -> Mapped {
        let end = offset + region.len_bytes as u64;
        match self.made.iter_mut().find(|file| file.id == id) {
            Some(file) => file.length_bytes = file.length_bytes.max(end),
            None => {
                let named = match &kind {
                    StoredKind::Shared { path } => path.metadata().ok(),
                    _ => None,
                };
                self.made.push(StoredFile {
                    id,
                    kind,
                    length_bytes: named.as_ref().map_or(end, MetadataExt::size),
                    mode: named.map_or(0o600, |metadata| metadata.mode() & 0o7777),
                    content: Vec::new(),
                });
            }
        }
        Mapped::Stored(id)
    }

    fn lose(&mut self, region: &Region, why: &str) -> Result<(), EngineError> {
        self.left_out.push(region.start);
        self.lost.push(Lost {
            object: format!("memory at {:#x}", region.start),
            what: region.name().display().to_string(),
            why: why.to_owned(),
            then: "After a restart it is private memory, of zeros".into(),
        });
        Ok(())
    }

    /// One copy of the bytes is enough: a mapping that lies within another one of the same file needs none.
    fn leave_out_repeated(&mut self) {
        for at in 0..self.mappings.len() {
            let mapping = &self.mappings[at];
            let inner = mapping.range_in_file();
            let holds = |(other_at, other): (usize, &SharedMapping)| {
                let outer = other.range_in_file();
                other.has_bytes
                    && other_at != at
                    && other.of == mapping.of
                    && (other.is_writable() || !mapping.is_writable())
                    && outer.start <= inner.start
                    && inner.end <= outer.end
            };
            if self.mappings.iter().enumerate().any(holds) {
                self.left_out.push(mapping.start as usize);
                self.mappings[at].has_bytes = false;
            }
        }
    }

    /// Names what other processes share and will not after a restart, since it has no name to find it by.
    fn name_others(&mut self, family: &[Tid]) -> Result<(), EngineError> {
        let nameless = |file: &&StoredFile| !matches!(file.kind, StoredKind::Shared { .. });
        let ids: Vec<_> = self
            .made
            .iter()
            .filter(nameless)
            .map(|file| file.id)
            .collect();
        let others = others::who_maps(&ids, family)?;
        let mut named = Vec::new();
        for mapping in &self.mappings {
            let sharer = match &mapping.of {
                Mapped::Stored(id) => others.get(id).map(|process| format!("process {process}")),
                Mapped::Segment(segment) if segment.key == 0 => self
                    .is_attached_elsewhere(segment.id, family)
                    .then(|| "another process".to_owned()),
                _ => None,
            };
            if let Some(sharer) = sharer.filter(|_| !named.contains(&mapping.of)) {
                named.push(mapping.of.clone());
                self.lost.push(Lost {
                    object: format!("memory at {:#x}", mapping.start),
                    what: "shared, without a name".into(),
                    why: format!("{sharer} shares it"),
                    then: "After a restart each has a copy of its own".into(),
                });
            }
        }
        Ok(())
    }

    /// Whether a process that is not in `family` has a segment attached.
    fn is_attached_elsewhere(&self, id: i32, family: &[Tid]) -> bool {
        let Some((file, attached)) = self.attached.get(&id) else {
            return false;
        };
        let own = self
            .mappings
            .iter()
            .filter(|mapping| matches!(&mapping.of, Mapped::Segment(segment) if segment.id == id));
        let this = std::process::id() as Tid;
        let others = family.iter().filter(|process| **process != this);
        let theirs: usize = others
            .map(|process| others::how_often(*file, *process))
            .sum();
        *attached > (own.count() + theirs) as u64
    }

    /// The segments that no key leads to.
    pub fn nameless_segments(&self) -> Vec<Segment> {
        let mut found: Vec<Segment> = Vec::new();
        for mapping in &self.mappings {
            if let Mapped::Segment(segment) = &mapping.of
                && segment.key == libc::IPC_PRIVATE
                && !found.iter().any(|known| known.id == segment.id)
            {
                found.push(segment.clone());
            }
        }
        found
    }

    /// Whether the bytes of `region` are not to be saved.
    pub fn leaves_out(&self, region: &Region) -> bool {
        self.left_out.contains(&region.start)
    }

    /// Whether all `bytes` of a file are mapped.
    pub fn is_mapped_whole(&self, id: FileId, bytes: u64) -> bool {
        let mut ranges: Vec<_> = self
            .mappings
            .iter()
            .filter(|mapping| mapping.of == Mapped::Stored(id))
            .map(SharedMapping::range_in_file)
            .collect();
        ranges.sort_by_key(|range| range.start);
        let covered = ranges.iter().try_fold(0, |end, range| {
            (range.start <= end).then_some(end.max(range.end))
        });
        covered.is_some_and(|end| end >= bytes)
    }

    /// The files that have to be made again.
    pub fn into_files(self) -> Vec<StoredFile> {
        self.made
    }

    /// Adds the files that no descriptor leads to, and what cannot be kept, to `descriptors`.
    pub fn save(self, descriptors: &mut Descriptors) -> Vec<SharedMapping> {
        for file in self.made {
            if !descriptors.stored.iter().any(|stored| stored.id == file.id) {
                descriptors.stored.push(file);
            }
        }
        descriptors.lost.extend(self.lost);
        self.mappings
    }
}
