//! Everything that `/metrics/coverage` shows, as rows: what labels are made of, and the figures.
//!
//! In: a moment. Out: [`Registry`], told apart by a fingerprint so that it is read only when it changed, and
//! [`Figures`]. Refuses to know labels and text. Limits: every table that is read has one row for each place and
//! network, hamlet and state, place and cause, or probe; nothing here grows with time.

use super::{AreaTree, Views, words};
use crate::store::derived::counters::RttCounts;
use crate::store::derived::newest::{ProbeNews, rtts_of};
use crate::store::error::StoreError;
use phusong_coverage::grade::Grade;
use phusong_coverage::interruption::Kind;
use phusong_coverage::rtt::Rtts;
use phusong_coverage::window::WindowNo;
use rusqlite::types::ValueRef;
use rusqlite::{Params, named_params};
use std::hash::{DefaultHasher, Hasher};

/// What labels are made of.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    /// As of now.
    pub tree: AreaTree,
    /// Of all times: places of the past belong to areas of the past.
    pub areas: Vec<AnyArea>,
    pub places: Vec<RegistryPlace>,
    pub probes: Vec<RegistryProbe>,
    pub networks: Vec<(i64, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnyArea {
    pub id: i64,
    pub code: String,
    pub name: String,
    pub parent_ref: Option<i64>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct RegistryPlace {
    pub id: i64,
    pub probe: i64,
    pub area: Option<i64>,
    /// Somebody stands there now.
    pub open: bool,
    pub lat: f64,
    pub lon: f64,
}

/// One that is not retired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryProbe {
    pub id: i64,
    pub name: String,
    pub site: String,
}

/// A place on a network: its last known window, and the newest one with echoes.
#[derive(Debug, Clone, PartialEq)]
pub struct PlaceFigures {
    pub place: i64,
    pub network: i64,
    pub grade: Grade,
    pub end_ms: i64,
    /// The wire's word, or `unknown`.
    pub technology: &'static str,
    pub echoes: Option<Echoes>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Echoes {
    pub end_ms: i64,
    pub sent: u64,
    pub received: u64,
    pub rtts: Rtts,
}

/// Seconds that a hamlet was in a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateFigures {
    pub area: i64,
    pub grade: Grade,
    pub in_time_s: u64,
    pub late_s: u64,
}

/// Echoes of a province on a network by a technology.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RttFigures {
    pub area: i64,
    pub network: i64,
    pub technology: &'static str,
    pub counts: RttCounts,
}

/// Interruptions of one place, of one kind and cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InterruptionFigures {
    pub place: i64,
    pub kind: Kind,
    pub cause: &'static str,
    pub n: u64,
}

#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// By place and network.
    pub places: Vec<PlaceFigures>,
    pub states: Vec<StateFigures>,
    pub rtts: Vec<RttFigures>,
    pub open: Vec<InterruptionFigures>,
    pub ended: Vec<InterruptionFigures>,
    pub probes: Vec<(i64, ProbeNews)>,
}

/// What deriving counts about itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeriveCounts {
    pub late_sealed: u64,
    pub final_changed: u64,
    pub unplaced: u64,
    pub touched_places: u64,
}

const AREAS: &str = "SELECT id, code, name, parent_ref, lat, lon,
                            coalesce(valid_from_ms <= :at, 1) AND coalesce(valid_to_ms > :at, 1) FROM main.area";
const PLACES: &str = "SELECT id, probe_ref, area_ref, to_ms IS NULL, lat, lon FROM main.place";
const PROBES: &str = "SELECT p.id, p.name, s.name FROM main.probe p JOIN main.site s ON s.id = p.site_ref
                       WHERE p.retired_ms IS NULL ORDER BY p.name";
const NETWORKS: &str = "SELECT id, name FROM derived.network";

impl Views {
    /// The same as long as [`Views::registry`] is.
    pub fn registry_print(&self, at_ms: i64) -> Result<u64, StoreError> {
        let mut hasher = DefaultHasher::new();
        self.print_rows(AREAS, named_params! {":at": at_ms}, &mut hasher)?;
        self.print_rows(PLACES, [], &mut hasher)?;
        self.print_rows(PROBES, [], &mut hasher)?;
        if self.derived {
            self.print_rows(NETWORKS, [], &mut hasher)?;
        }
        Ok(hasher.finish())
    }

    fn print_rows(&self, sql: &str, params: impl Params, hasher: &mut DefaultHasher) -> Result<(), StoreError> {
        let mut statement = self.db().prepare(sql)?;
        let columns = statement.column_count();
        let mut rows = statement.query(params)?;
        while let Some(row) = rows.next()? {
            for column in 0..columns {
                match row.get_ref(column)? {
                    ValueRef::Null => hasher.write_u8(0),
                    ValueRef::Integer(value) => hasher.write_i64(value),
                    ValueRef::Real(value) => hasher.write_u64(value.to_bits()),
                    ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
                        hasher.write_usize(bytes.len());
                        hasher.write(bytes);
                    }
                }
            }
        }
        // What ends a table here must not be what begins the next.
        hasher.write_u8(255);
        Ok(())
    }

    pub fn registry(&self, at_ms: i64) -> Result<Registry, StoreError> {
        let mut statement = self.db().prepare("SELECT id, code, name, parent_ref FROM main.area ORDER BY id")?;
        let areas = statement.query_map([], |row| {
            Ok(AnyArea { id: row.get(0)?, code: row.get(1)?, name: row.get(2)?, parent_ref: row.get(3)? })
        })?;
        let areas = areas.collect::<Result<_, _>>()?;
        let mut statement = self.db().prepare(PLACES)?;
        let places = statement.query_map([], |row| {
            Ok(RegistryPlace {
                id: row.get(0)?,
                probe: row.get(1)?,
                area: row.get(2)?,
                open: row.get(3)?,
                lat: row.get(4)?,
                lon: row.get(5)?,
            })
        })?;
        let places = places.collect::<Result<_, _>>()?;
        let mut statement = self.db().prepare(PROBES)?;
        let probes = statement
            .query_map([], |row| Ok(RegistryProbe { id: row.get(0)?, name: row.get(1)?, site: row.get(2)? }))?;
        let probes = probes.collect::<Result<_, _>>()?;
        let mut networks = Vec::new();
        if self.derived {
            let mut statement = self.db().prepare(NETWORKS)?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            networks = rows.collect::<Result<_, _>>()?;
        }
        Ok(Registry { tree: self.area_tree(Some(at_ms))?, areas, places, probes, networks })
    }

    /// Nothing before the derived store has its tables. Echoes that ended before `fresh_ms` are not read.
    pub fn figures(&self, fresh_ms: i64) -> Result<Figures, StoreError> {
        if !self.counts()? {
            return Ok(Figures::default());
        }
        Ok(Figures {
            places: self.place_figures(fresh_ms)?,
            states: self.state_figures()?,
            rtts: self.rtt_figures()?,
            open: self.interruption_figures(
                "SELECT place_ref, kind, cause, count(*) FROM derived.interruption INDEXED BY interruption_open
                  WHERE to_ms IS NULL AND kind IN (1, 2) GROUP BY kind, place_ref, cause",
            )?,
            ended: self.interruption_figures("SELECT place_ref, kind, cause, n FROM derived.ended")?,
            probes: self.probe_figures()?,
        })
    }

    /// Whether the derived store is of a version that counts.
    fn counts(&self) -> Result<bool, StoreError> {
        let made = "SELECT EXISTS (SELECT 1 FROM derived.sqlite_master WHERE type = 'table' AND name = 'loss')";
        Ok(self.derived && self.db().query_row(made, [], |row| row.get(0))?)
    }

    fn place_figures(&self, fresh_ms: i64) -> Result<Vec<PlaceFigures>, StoreError> {
        let sql = "SELECT l.place_ref, l.network_ref, l.no, l.grade, coalesce(f.technology, -1), f.no, f.sent,
                          f.received, CASE WHEN f.no >= ?1 AND f.sent > 0 THEN f.rtts END
                     FROM derived.last_known l LEFT JOIN derived.place_newest f
                       ON f.place_ref = l.place_ref AND f.network_ref = l.network_ref
                    WHERE l.network_ref <> 0";
        let mut statement = self.db().prepare(sql)?;
        let mut rows = statement.query([WindowNo::of(fresh_ms).0 - 1])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let rtts = row.get_ref(8)?.as_blob_or_null().map_err(rusqlite::Error::from)?.map(rtts_of);
            let echoes = match rtts {
                Some(rtts) => Some(Echoes {
                    end_ms: WindowNo(row.get(5)?).end_ms(),
                    sent: row.get::<_, i64>(6)?.cast_unsigned(),
                    received: row.get::<_, i64>(7)?.cast_unsigned(),
                    rtts,
                }),
                None => None,
            };
            found.push(PlaceFigures {
                place: row.get(0)?,
                network: row.get(1)?,
                grade: words::grade_of(row.get(3)?),
                end_ms: WindowNo(row.get(2)?).end_ms(),
                technology: words::technology_name(row.get(4)?),
                echoes,
            });
        }
        Ok(found)
    }

    fn state_figures(&self) -> Result<Vec<StateFigures>, StoreError> {
        let mut statement = self.db().prepare("SELECT area_ref, state, in_time, late FROM derived.state_seconds")?;
        let rows = statement.query_map([], |row| {
            Ok(StateFigures {
                area: row.get(0)?,
                grade: words::grade_of(row.get(1)?),
                in_time_s: row.get::<_, i64>(2)?.cast_unsigned(),
                late_s: row.get::<_, i64>(3)?.cast_unsigned(),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn rtt_figures(&self) -> Result<Vec<RttFigures>, StoreError> {
        let sql = "SELECT area_ref, network_ref, technology, counts, sum_us FROM derived.rtt_count";
        let mut statement = self.db().prepare(sql)?;
        let mut rows = statement.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let area = row.get(0)?;
            let bytes = row.get_ref(3)?.as_blob().map_err(rusqlite::Error::from)?;
            let unread =
                || StoreError::Content { table: "rtt_count", row: area, detail: "its counts cannot be read".into() };
            let counts = RttCounts::read(bytes, row.get(4)?).ok_or_else(unread)?;
            let technology = words::technology_name(row.get(2)?);
            found.push(RttFigures { area, network: row.get(1)?, technology, counts });
        }
        Ok(found)
    }

    fn interruption_figures(&self, sql: &str) -> Result<Vec<InterruptionFigures>, StoreError> {
        let mut statement = self.db().prepare(sql)?;
        let mut rows = statement.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let cause = row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?;
            let Some(kind) = words::kind_of(row.get(1)?) else { continue };
            found.push(InterruptionFigures {
                place: row.get(0)?,
                kind,
                cause: words::cause(words::cause_of(cause)),
                n: row.get::<_, i64>(3)?.cast_unsigned(),
            });
        }
        Ok(found)
    }

    fn probe_figures(&self) -> Result<Vec<(i64, ProbeNews)>, StoreError> {
        let sql = "SELECT probe_ref, at_ms, delay_ms, offset_at_ms, offset_ms, health_at_ms, spool_samples, data_bytes,
                          power_at_ms, battery_ratio FROM derived.probe_newest";
        let mut statement = self.db().prepare(sql)?;
        let rows = statement.query_map([], |row| {
            let pair = |at| -> rusqlite::Result<Option<(i64, i64)>> {
                let (ms, value): (Option<i64>, Option<i64>) = (row.get(at)?, row.get(at + 1)?);
                Ok(ms.zip(value))
            };
            let bytes = row.get::<_, Option<i64>>(7)?.map(i64::cast_unsigned);
            let (power, battery): (Option<i64>, Option<f64>) = (row.get(8)?, row.get(9)?);
            let news = ProbeNews {
                delay: pair(1)?,
                offset: pair(3)?,
                health: pair(5)?.map(|(ms, samples)| (ms, (samples.cast_unsigned(), bytes))),
                battery: power.zip(battery.map(|ratio| ratio as f32)),
            };
            Ok((row.get(0)?, news))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Ids of a probe that stayed away for good, by the probe's name.
    pub fn lost(&self) -> Result<std::collections::HashMap<String, u64>, StoreError> {
        if !self.counts()? {
            return Ok(std::collections::HashMap::new());
        }
        let sql = "SELECT p.name, l.n FROM derived.loss l JOIN main.probe p ON p.id = l.probe_ref";
        let mut statement = self.db().prepare(sql)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub fn derive_counts(&self) -> Result<DeriveCounts, StoreError> {
        if !self.derived {
            return Ok(DeriveCounts::default());
        }
        let one = |name: &str| -> Result<u64, StoreError> {
            let sql = "SELECT coalesce((SELECT value FROM derived.mark WHERE name = ?1), 0)";
            Ok(self.db().query_row(sql, [name], |row| row.get::<_, i64>(0))?.cast_unsigned())
        };
        let touched = "SELECT count(DISTINCT place_ref) FROM derived.touched";
        Ok(DeriveCounts {
            late_sealed: one("late_sealed")?,
            final_changed: one("final_changed")?,
            unplaced: one("unplaced")?,
            touched_places: self.db().query_row(touched, [], |row| row.get::<_, i64>(0))?.cast_unsigned(),
        })
    }
}
