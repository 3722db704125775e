//! Cuts regions into chunks, and chunks into batches that workers take.
//!
//! ```text
//!   run     |███░░░░░░██████████████░░░██████████░░░░░░░░░░░░█|      ░ zero pages
//!   spans   |███░░░░░░███|██████████░|░░█████████|░░░░░░░░░░░█|      at most CHUNK_BYTES, cut where addresses are multiples
//!   pieces  |███|     |██████████████████|███████|          |█|      zero gaps left out, unless they are tiny
//! ```

use crate::{
    error::ImageError,
    layout::{BATCH_BYTES, CHUNK_BYTES, PAGE_BYTES, ZERO_GAP_PAGES, is_page_multiple},
    region::{Region, RegionSource},
};
use std::ops::Range;

/// Bytes of a region that may become a chunk, or several, or none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span<'a> {
    /// The region's number in the file.
    pub(crate) region: u32,
    /// The address of the first byte in the program.
    pub(crate) address: u64,
    pub(crate) data: &'a [u8],
}

/// Checks a source and cuts its runs into spans.
pub(crate) fn spans<'a>(
    number: u32,
    source: &RegionSource<'a>,
    out: &mut Vec<Span<'a>>,
) -> Result<(), ImageError> {
    check_region(&source.region)?;
    let bad = |why: String| ImageError::BadRegion {
        region: source.region.name.clone(),
        why,
    };
    let mut end = 0;
    for run in &source.runs {
        let len_bytes = run.data.len() as u64;
        if !is_page_multiple(run.offset_bytes) || !is_page_multiple(len_bytes) {
            return Err(bad(format!(
                "a run of {len_bytes} bytes at offset {:#x} is not whole pages",
                run.offset_bytes
            )));
        }
        if run.offset_bytes < end {
            return Err(bad(format!(
                "the run at offset {:#x} begins before {end:#x}",
                run.offset_bytes
            )));
        }
        end = run.offset_bytes.saturating_add(len_bytes);
        if end > source.region.len_bytes {
            return Err(bad(format!(
                "a run ends at offset {end:#x} of {:#x}",
                source.region.len_bytes
            )));
        }
        let mut address = source.region.start + run.offset_bytes;
        let mut data = run.data;
        while !data.is_empty() {
            let to_boundary = CHUNK_BYTES - (address % CHUNK_BYTES as u64) as usize;
            let (now, rest) = data.split_at(to_boundary.min(data.len()));
            out.push(Span {
                region: number,
                address,
                data: now,
            });
            address += now.len() as u64;
            data = rest;
        }
    }
    Ok(())
}

/// A region that can be described in a file.
pub(crate) fn check_region(region: &Region) -> Result<(), ImageError> {
    let fits = region.start.checked_add(region.len_bytes).is_some();
    if fits && is_page_multiple(region.start) && is_page_multiple(region.len_bytes) {
        return Ok(());
    }
    Err(ImageError::BadRegion {
        region: region.name.clone(),
        why: format!(
            "{:#x} + {:#x} bytes is not whole pages of {PAGE_BYTES} bytes",
            region.start, region.len_bytes
        ),
    })
}

/// Groups spans into batches of about [`BATCH_BYTES`].
pub(crate) fn batches(spans: &[Span<'_>]) -> Vec<Range<usize>> {
    let mut batches = Vec::new();
    let (mut begin, mut bytes) = (0, 0);
    for (number, span) in spans.iter().enumerate() {
        if bytes + span.data.len() > BATCH_BYTES {
            batches.push(begin..number);
            (begin, bytes) = (number, 0);
        }
        bytes += span.data.len();
    }
    if begin < spans.len() {
        batches.push(begin..spans.len());
    }
    batches
}

/// The parts of `data` to store, in order, as ranges of whole pages.
pub(crate) fn nonzero_pieces(data: &[u8]) -> Vec<Range<usize>> {
    let mut pieces: Vec<Range<usize>> = Vec::new();
    for (page, bytes) in data.chunks_exact(PAGE_BYTES).enumerate() {
        if is_zero(bytes) {
            continue;
        }
        let (begin, end) = (page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
        match pieces.last_mut() {
            Some(piece) if begin - piece.end < ZERO_GAP_PAGES * PAGE_BYTES => piece.end = end,
            _ => pieces.push(begin..end),
        }
    }
    pieces
}

/// Nearly every page that is not zero shows it in its first bytes; the comparison of the rest stops where it does.
fn is_zero(page: &[u8]) -> bool {
    const ZEROS: [u8; PAGE_BYTES] = [0; PAGE_BYTES];
    page == ZEROS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::Run;

    fn region(start: u64, pages: u64) -> Region {
        Region {
            start,
            len_bytes: pages * PAGE_BYTES as u64,
            prot: 3,
            flags: 2,
            name: "test".into(),
        }
    }

    #[test]
    fn spans_are_cut_at_chunk_boundaries_of_the_address() {
        let data = vec![1; CHUNK_BYTES + 2 * PAGE_BYTES];
        let start = CHUNK_BYTES as u64 - PAGE_BYTES as u64;
        let source = RegionSource::whole(region(start, 258), &data);
        let mut out = Vec::new();
        spans(7, &source, &mut out).unwrap();
        let lengths: Vec<_> = out.iter().map(|span| span.data.len()).collect();
        assert_eq!(lengths, [PAGE_BYTES, CHUNK_BYTES, PAGE_BYTES]);
        assert_eq!(out[2].address, 2 * CHUNK_BYTES as u64);
    }

    #[test]
    fn runs_that_overlap_or_leave_the_region_are_refused() {
        let data = vec![1; 4 * PAGE_BYTES];
        let run = |page: u64, pages: usize| Run {
            offset_bytes: page * PAGE_BYTES as u64,
            data: &data[..pages * PAGE_BYTES],
        };
        let refused = |runs: Vec<Run<'_>>| {
            let source = RegionSource {
                region: region(0x1000, 8),
                runs,
            };
            spans(0, &source, &mut Vec::new()).unwrap_err().to_string()
        };
        assert!(refused(vec![run(0, 4), run(3, 1)]).contains("begins before"));
        assert!(refused(vec![run(5, 4)]).contains("a run ends at offset 0x9000 of 0x8000"));
        assert!(
            refused(vec![Run {
                offset_bytes: 0,
                data: &data[..100]
            }])
            .contains("not whole pages")
        );
    }

    #[test]
    fn long_zero_gaps_are_left_out_and_short_ones_stored() {
        let mut data = vec![0; 16 * PAGE_BYTES];
        for page in [1, 3, 8, 15] {
            data[page * PAGE_BYTES + 17] = 1;
        }
        let pages: Vec<_> = nonzero_pieces(&data)
            .iter()
            .map(|piece| piece.start / PAGE_BYTES..piece.end / PAGE_BYTES)
            .collect();
        assert_eq!(pages, [1..4, 8..9, 15..16]);
        assert!(nonzero_pieces(&vec![0; CHUNK_BYTES]).is_empty());
    }

    #[test]
    fn batches_cover_every_span_once() {
        let data = vec![1; BATCH_BYTES + 3 * CHUNK_BYTES];
        let source =
            RegionSource::whole(region(0x1000, data.len() as u64 / PAGE_BYTES as u64), &data);
        let mut out = Vec::new();
        spans(0, &source, &mut out).unwrap();
        let batches = batches(&out);
        assert_eq!(
            batches.iter().flat_map(Clone::clone).collect::<Vec<_>>(),
            (0..out.len()).collect::<Vec<_>>()
        );
        assert!(batches.iter().all(|batch| !batch.is_empty()));
    }
}
