//! What is newest of a place's networks and of a probe: what gauges show.
//!
//! In: stored windows, observations as they arrive. Out: one row for each place and network, one for each probe. Refuses
//! to know: what is too old to be shown.

use super::{Ground, Shelf, codec};
use crate::store::error::StoreError;
use phusong_coverage::observation::NetworkId;
use phusong_coverage::rtt::Rtts;
use phusong_protocol::{Outcome, Reading, ReadingKind};
use rusqlite::params;
use std::collections::HashMap;

/// Windows that are looked through for one with echoes.
const LOOK_BACK: i64 = 4;

/// What a probe said of itself, each with its event time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ProbeNews {
    /// At which moment, and how many milliseconds later it arrived.
    pub delay: Option<(i64, i64)>,
    /// The device's clock less the true time, in milliseconds.
    pub offset: Option<(i64, i64)>,
    /// Samples that wait in the spool; bytes for reporting and probing since the agent's start, where it counts them.
    pub health: Option<(i64, (u64, Option<u64>))>,
    pub battery: Option<(i64, f32)>,
}

fn newer<T>(known: &mut Option<(i64, T)>, at_ms: i64, value: T) {
    if known.as_ref().is_none_or(|known| known.0 <= at_ms) {
        *known = Some((at_ms, value));
    }
}

impl Ground {
    /// What arrived after one row up to another, as far as it speaks of the probe itself.
    pub fn news(&self, after: i64, until: i64) -> Result<HashMap<i64, ProbeNews>, StoreError> {
        let sql = "SELECT probe_ref, at_ms, at_state, received_ms, wall_ms, kind, id,
                          CASE WHEN kind IN (12, 16) THEN body END
                     FROM observation WHERE id > ?1 AND id <= ?2";
        let mut statement = self.db.prepare_cached(sql)?;
        let mut rows = statement.query([after, until])?;
        let mut all: HashMap<i64, ProbeNews> = HashMap::new();
        while let Some(row) = rows.next()? {
            let (at_ms, state, kind): (i64, i64, u16) = (row.get(1)?, row.get(2)?, row.get(5)?);
            // A summary tells of rounds that are over; what its stamps say is late by nature.
            if state == 0 || kind == ReadingKind::Summary.code() {
                continue;
            }
            let news = all.entry(row.get(0)?).or_default();
            newer(&mut news.delay, at_ms, (row.get::<_, i64>(3)? - at_ms).max(0));
            if state == 2 {
                newer(&mut news.offset, at_ms, row.get::<_, i64>(4)? - at_ms);
            }
            let Some(body) = row.get_ref(7)?.as_blob_or_null().map_err(rusqlite::Error::from)? else { continue };
            let id: i64 = row.get(6)?;
            let bad = |e: phusong_protocol::Violation| StoreError::Content {
                table: "observation",
                row: id,
                detail: e.to_string(),
            };
            match Outcome::from_cbor(kind, body).map_err(bad)? {
                Outcome::Reading(Reading::Health(health)) => {
                    let bytes = match (health.report_bytes, health.probe_bytes) {
                        (None, None) => None,
                        (report, probe) => Some(report.unwrap_or(0).saturating_add(probe.unwrap_or(0))),
                    };
                    newer(&mut news.health, at_ms, (health.spool_samples, bytes));
                }
                Outcome::Reading(Reading::Power(power)) => {
                    if let Some(ratio) = power.battery_ratio {
                        newer(&mut news.battery, at_ms, ratio);
                    }
                }
                _ => {}
            }
        }
        Ok(all)
    }
}

impl Shelf {
    /// Older news than those that are known change nothing.
    pub fn put_news(&self, probe: i64, news: &ProbeNews) -> Result<(), StoreError> {
        self.db.prepare_cached("INSERT OR IGNORE INTO probe_newest (probe_ref) VALUES (?1)")?.execute([probe])?;
        if let Some((at_ms, delay_ms)) = news.delay {
            let sql = "UPDATE probe_newest SET at_ms = ?2, delay_ms = ?3
                        WHERE probe_ref = ?1 AND coalesce(at_ms <= ?2, 1)";
            self.db.prepare_cached(sql)?.execute([probe, at_ms, delay_ms])?;
        }
        if let Some((at_ms, offset_ms)) = news.offset {
            let sql = "UPDATE probe_newest SET offset_at_ms = ?2, offset_ms = ?3
                        WHERE probe_ref = ?1 AND coalesce(offset_at_ms <= ?2, 1)";
            self.db.prepare_cached(sql)?.execute([probe, at_ms, offset_ms])?;
        }
        if let Some((at_ms, (samples, bytes))) = news.health {
            let sql = "UPDATE probe_newest SET health_at_ms = ?2, spool_samples = ?3, data_bytes = ?4
                        WHERE probe_ref = ?1 AND coalesce(health_at_ms <= ?2, 1)";
            let (samples, bytes) = (samples.cast_signed(), bytes.map(u64::cast_signed));
            self.db.prepare_cached(sql)?.execute(params![probe, at_ms, samples, bytes])?;
        }
        if let Some((at_ms, ratio)) = news.battery {
            let sql = "UPDATE probe_newest SET power_at_ms = ?2, battery_ratio = ?3
                        WHERE probe_ref = ?1 AND coalesce(power_at_ms <= ?2, 1)";
            self.db.prepare_cached(sql)?.execute(params![probe, at_ms, f64::from(ratio)])?;
        }
        Ok(())
    }

    /// Looks for the newest window with echoes. `technology`: what the newest attempt said, if it said any.
    pub fn put_newest(&self, place: i64, network: NetworkId, technology: Option<i64>) -> Result<(), StoreError> {
        let sql = "SELECT no, body FROM window WHERE place_ref = ?1 AND network_ref = ?2 ORDER BY no DESC LIMIT ?3";
        let mut statement = self.db.prepare_cached(sql)?;
        let mut rows = statement.query([place, network.0, LOOK_BACK])?;
        let mut found = None;
        while let Some(row) = rows.next()? {
            let no: i64 = row.get(0)?;
            let bytes = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
            let unread = || StoreError::Content { table: "window", row: no, detail: "its body cannot be read".into() };
            let window = codec::decode(no, bytes).ok_or_else(unread)?;
            if window.sent > 0 {
                found = Some(window);
                break;
            }
        }
        let (no, sent, received, rtts) =
            found.map_or((0, 0, 0, Vec::new()), |w| (w.no, w.sent, w.received, rtt_bytes(&w.rtts)));
        let sql = "INSERT INTO place_newest VALUES (?1, ?2, coalesce(?3, -1), ?4, ?5, ?6, ?7)
                   ON CONFLICT (place_ref, network_ref) DO UPDATE SET technology = coalesce(?3, technology),
                     no = ?4, sent = ?5, received = ?6, rtts = ?7
                    WHERE technology <> coalesce(?3, technology) OR no <> ?4 OR sent <> ?5 OR received <> ?6
                       OR rtts <> ?7";
        self.db.prepare_cached(sql)?.execute(params![place, network.0, technology, no, sent, received, rtts])?;
        Ok(())
    }
}

fn rtt_bytes(rtts: &Rtts) -> Vec<u8> {
    let pair = |(bucket, times): &(u16, u32)| [&bucket.to_be_bytes()[..], &times.to_be_bytes()[..]].concat();
    rtts.buckets().iter().flat_map(pair).collect()
}

/// The reverse of what a row holds; a rest that is no pair is left out.
pub fn rtts_of(bytes: &[u8]) -> Rtts {
    let pair =
        |six: &[u8; 6]| (u16::from_be_bytes([six[0], six[1]]), u32::from_be_bytes([six[2], six[3], six[4], six[5]]));
    Rtts::from_buckets(bytes.as_chunks::<6>().0.iter().map(pair))
}

#[cfg(test)]
mod tests {
    use super::*;
    use phusong_coverage::Micros;

    #[test]
    fn older_news_change_nothing_and_times_are_read_as_written() {
        let shelf = Shelf::passing().expect("memory");
        for (at_ms, delay_ms) in [(1_000, 5), (3_000, 7), (2_000, 900)] {
            let news = ProbeNews { delay: Some((at_ms, delay_ms)), ..ProbeNews::default() };
            shelf.put_news(1, &news).expect("a healthy database");
        }
        let row = shelf.db.query_row("SELECT at_ms, delay_ms, health_at_ms FROM probe_newest", [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, Option<i64>>(2)?))
        });
        assert_eq!(row.expect("one row"), (3_000, 7, None));
        let mut rtts = Rtts::default();
        (1..50).for_each(|ms| rtts.add(Micros::new(ms * 7_000), ms as u32));
        assert_eq!(rtts_of(&rtt_bytes(&rtts)), rtts);
    }
}
