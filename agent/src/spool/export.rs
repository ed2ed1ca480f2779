//! Handing a spool over by file, for a probe that can never reach a broker.
//!
//! The file: `PSX1`; site and probe, each as a length byte and its text; then batches as they would be published, each
//! behind its length as u32 big-endian, one epoch a batch. `phusong-collector import` reads it and writes the file that
//! `phusong-agent spool ack` applies. Exporting twice is harmless: nothing is marked.

use super::open::survey;
use super::pick::{Scope, View};
use super::{BatchRequest, OpenError, Pick};
use crate::disk::Disk;
use phusong_protocol::{Epoch, ProbeId, Ranges, SiteId, limits};
use std::io::{self, Write};

const MAGIC: &[u8; 4] = b"PSX1";

/// What an export wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exported {
    pub batches: u64,
    pub samples: u64,
    pub bytes: u64,
    /// Samples on disk whose bytes cannot be read or decoded.
    pub unreadable: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(transparent)]
    Spool(#[from] OpenError),
    #[error("writing the export: {0}")]
    Write(#[from] io::Error),
}

/// Writes everything that the collector has not acknowledged, the quarantine included; with `raw` also the raw rounds
/// that no summary stands for. Changes nothing; works while the agent runs.
pub fn export(
    disk: &dyn Disk,
    site: &SiteId,
    probe: &ProbeId,
    raw: bool,
    to: &mut dyn Write,
) -> Result<Exported, ExportError> {
    let found = survey(disk)?;
    let scope = Scope::Export { raw };
    let view = View { disk, probe, segments: &found.segments, epochs: &found.epochs, scope };
    to.write_all(MAGIC)?;
    for name in [site.as_str(), probe.as_str()] {
        to.write_all(&[name.len() as u8])?;
        to.write_all(name.as_bytes())?;
    }
    let mut exported =
        Exported { bytes: 6 + (site.as_str().len() + probe.as_str().len()) as u64, ..Default::default() };
    let mut request = BatchRequest { pick: Pick::Oldest, max_bytes: limits::BATCH_BYTES, skip: Vec::new() };
    loop {
        let picked = view.next(&request);
        let nothing = picked.batch.is_none() && picked.unreadable.is_none();
        if let Some((epoch, ranges)) = picked.unreadable {
            exported.unreadable += ranges.count();
            skip(&mut request, epoch, &ranges);
        }
        if let Some(batch) = picked.batch {
            to.write_all(&(batch.payload.len() as u32).to_be_bytes())?;
            to.write_all(&batch.payload)?;
            exported.batches += 1;
            exported.samples += batch.seqs.count();
            exported.bytes += 4 + batch.payload.len() as u64;
            skip(&mut request, batch.epoch, &batch.seqs);
        }
        if nothing {
            to.flush()?;
            return Ok(exported);
        }
    }
}

fn skip(request: &mut BatchRequest, epoch: Epoch, ranges: &Ranges) {
    match request.skip.iter_mut().find(|(e, _)| *e == epoch) {
        Some((_, skipped)) => skipped.union(ranges),
        None => request.skip.push((epoch, ranges.clone())),
    }
}
