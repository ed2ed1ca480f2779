//! What is counted once and survives restarts: seconds in each state, echoes by their time, interruptions that ended.
//!
//! In: windows of hamlets, cases. Out: rows of `derived.db`, in the caller's transaction. Refuses to know: when a window
//! may be counted. Limits: ranges of counted windows go with what is sealed.

use super::{Shelf, codec, words};
use crate::store::error::StoreError;
use phusong_coverage::case::CaseId;
use phusong_coverage::grade::Grade;
use phusong_coverage::interruption::{Interruption, Kind};
use phusong_coverage::observation::NetworkId;
use phusong_coverage::rtt::Rtts;
use phusong_coverage::window::WINDOW_MS;
use rusqlite::{OptionalExtension, params};

/// Upper bounds of the buckets in which round-trip times are counted, in microseconds; one more holds what lies above.
pub const RTT_BOUNDS_US: [u64; 9] =
    [20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000, 2_000_000, 5_000_000, 10_000_000];
/// [`RTT_BOUNDS_US`] and what lies above.
pub const RTT_BUCKETS: usize = RTT_BOUNDS_US.len() + 1;

/// One window of a hamlet on its cellular networks, or on its fixed links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HamletWindow {
    pub area: i64,
    pub link: bool,
    pub no: i64,
}

/// A known window of one place as it stands now.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownWindow {
    pub network: NetworkId,
    pub grade: Grade,
    pub rtts: Rtts,
    pub technology: i64,
}

/// Echoes by their round-trip time; not cumulative.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RttCounts {
    pub counts: [u64; RTT_BUCKETS],
    pub sum_us: u64,
}

impl RttCounts {
    pub fn add(&mut self, rtts: &Rtts) {
        for (us, times) in rtts.values() {
            let at = RTT_BOUNDS_US.partition_point(|bound| *bound < us.get());
            self.counts[at] += u64::from(times);
            self.sum_us = self.sum_us.saturating_add(us.get() * u64::from(times));
        }
    }

    pub fn is_empty(&self) -> bool {
        self.counts.iter().all(|count| *count == 0)
    }

    fn bytes(&self) -> Vec<u8> {
        self.counts.iter().flat_map(|count| count.to_be_bytes()).collect()
    }

    /// `None` when the bytes are no such counts.
    pub fn read(bytes: &[u8], sum_us: i64) -> Option<Self> {
        let (numbers, rest) = bytes.as_chunks::<8>();
        let counts: Vec<u64> = numbers.iter().map(|number| u64::from_be_bytes(*number)).collect();
        let counts = counts.try_into().ok().filter(|_| rest.is_empty())?;
        Some(RttCounts { counts, sum_us: sum_us.cast_unsigned() })
    }
}

impl Shelf {
    /// The known windows of a place on networks with a name, by network and number.
    pub fn known_numbers(&self, place: i64, (first, last): (i64, i64)) -> Result<Vec<(NetworkId, i64)>, StoreError> {
        let sql = "SELECT w.network_ref, w.no FROM last_known l CROSS JOIN window w
                       ON w.place_ref = l.place_ref AND w.network_ref = l.network_ref AND w.no BETWEEN ?2 AND ?3
                    WHERE l.place_ref = ?1 AND l.network_ref <> 0 AND w.grade > 0";
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map([place, first, last], |row| Ok((NetworkId(row.get(0)?), row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What a place knows of one window.
    pub fn known_window(&self, place: i64, no: i64) -> Result<Vec<KnownWindow>, StoreError> {
        let sql = "SELECT w.network_ref, w.grade, w.body, coalesce(f.technology, -1)
                     FROM last_known l CROSS JOIN window w
                       ON w.place_ref = l.place_ref AND w.network_ref = l.network_ref AND w.no = ?2
                     LEFT JOIN place_newest f ON f.place_ref = l.place_ref AND f.network_ref = l.network_ref
                    WHERE l.place_ref = ?1 AND l.network_ref <> 0 AND w.grade > 0";
        let mut statement = self.db.prepare_cached(sql)?;
        let mut rows = statement.query([place, no])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let bytes = row.get_ref(2)?.as_blob().map_err(rusqlite::Error::from)?;
            let unread = || StoreError::Content { table: "window", row: no, detail: "its body cannot be read".into() };
            found.push(KnownWindow {
                network: NetworkId(row.get(0)?),
                grade: words::grade_of(row.get(1)?),
                rtts: codec::decode(no, bytes).ok_or_else(unread)?.rtts,
                technology: row.get(3)?,
            });
        }
        Ok(found)
    }

    /// Notes that a window waits to be counted, unless it was.
    pub fn wait_to_count(&self, window: HamletWindow, look_ms: i64) -> Result<(), StoreError> {
        let HamletWindow { area, link, no } = window;
        let counted = "SELECT EXISTS (SELECT 1 FROM state_counted WHERE area_ref = ?1 AND link = ?2
                          AND first_no = (SELECT max(first_no) FROM state_counted
                                           WHERE area_ref = ?1 AND link = ?2 AND first_no <= ?3) AND last_no >= ?3)";
        if self.db.prepare_cached(counted)?.query_row(params![area, link, no], |row| row.get(0))? {
            return Ok(());
        }
        let sql = "INSERT OR IGNORE INTO state_pending (area_ref, link, no, look_ms) VALUES (?1, ?2, ?3, ?4)";
        self.db.prepare_cached(sql)?.execute(params![area, link, no, look_ms])?;
        Ok(())
    }

    /// Windows of a hamlet that wait, oldest first, with when time alone may decide.
    pub fn waiting(&self, area: i64, limit: usize) -> Result<Vec<(HamletWindow, i64)>, StoreError> {
        let sql = "SELECT link, no, look_ms FROM state_pending WHERE area_ref = ?1 ORDER BY link, no LIMIT ?2";
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map(params![area, limit as i64], |row| {
            Ok((HamletWindow { area, link: row.get(0)?, no: row.get(1)? }, row.get(2)?))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Hamlets of which a window waits for nothing but time, and that time has come.
    pub fn areas_due(&self, as_of_ms: i64, limit: usize) -> Result<Vec<i64>, StoreError> {
        let sql = "SELECT DISTINCT area_ref FROM state_pending WHERE look_ms <= ?1 LIMIT ?2";
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map(params![as_of_ms, limit as i64], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub fn wait_longer(&self, window: HamletWindow, look_ms: i64) -> Result<(), StoreError> {
        let sql = "UPDATE state_pending SET look_ms = ?4 WHERE area_ref = ?1 AND link = ?2 AND no = ?3";
        self.db.prepare_cached(sql)?.execute(params![window.area, window.link, window.no, look_ms])?;
        Ok(())
    }

    /// Nothing is known of it any more.
    pub fn wait_no_more(&self, window: HamletWindow) -> Result<(), StoreError> {
        let sql = "DELETE FROM state_pending WHERE area_ref = ?1 AND link = ?2 AND no = ?3";
        self.db.prepare_cached(sql)?.execute(params![window.area, window.link, window.no])?;
        Ok(())
    }

    /// Counts a window, once and for all. Ranges that ended before `sealed` are forgotten: nothing there is counted.
    pub fn count_window(
        &self,
        window: HamletWindow,
        grade: Option<Grade>,
        late: bool,
        sealed: i64,
    ) -> Result<(), StoreError> {
        let HamletWindow { area, link, no } = window;
        self.wait_no_more(window)?;
        let touching = "DELETE FROM state_counted WHERE area_ref = ?1 AND link = ?2 AND first_no <= ?3 + 1
                           AND last_no >= ?3 - 1 RETURNING first_no, last_no";
        let (mut first, mut last) = (no, no);
        {
            let mut statement = self.db.prepare_cached(touching)?;
            let mut rows = statement.query(params![area, link, no])?;
            while let Some(row) = rows.next()? {
                (first, last) = (first.min(row.get(0)?), last.max(row.get(1)?));
            }
        }
        self.db
            .prepare_cached("INSERT INTO state_counted VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![area, link, first, last])?;
        let old = "DELETE FROM state_counted WHERE area_ref = ?1 AND link = ?2 AND last_no < ?3";
        self.db.prepare_cached(old)?.execute(params![area, link, sealed])?;
        if let Some(grade) = grade {
            let seconds = WINDOW_MS / 1_000;
            let (in_time, late) = if late { (0, seconds) } else { (seconds, 0) };
            let sql = "INSERT INTO state_seconds VALUES (?1, ?2, ?3, ?4) ON CONFLICT (area_ref, state)
                       DO UPDATE SET in_time = in_time + ?3, late = late + ?4";
            self.db.prepare_cached(sql)?.execute(params![area, words::grade(grade), in_time, late])?;
        }
        Ok(())
    }

    /// `area`: the province, 0 without one.
    pub fn count_rtts(
        &self,
        area: i64,
        network: NetworkId,
        technology: i64,
        more: &RttCounts,
    ) -> Result<(), StoreError> {
        if more.is_empty() {
            return Ok(());
        }
        let key = params![area, network.0, technology];
        let sql = "SELECT counts, sum_us FROM rtt_count WHERE area_ref = ?1 AND network_ref = ?2 AND technology = ?3";
        let known: Option<(Vec<u8>, i64)> =
            self.db.prepare_cached(sql)?.query_row(key, |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let unread =
            || StoreError::Content { table: "rtt_count", row: area, detail: "its counts cannot be read".into() };
        let mut all = match known {
            Some((bytes, sum_us)) => RttCounts::read(&bytes, sum_us).ok_or_else(unread)?,
            None => RttCounts::default(),
        };
        all.counts.iter_mut().zip(more.counts).for_each(|(count, more)| *count += more);
        all.sum_us = all.sum_us.saturating_add(more.sum_us);
        let sql = "INSERT OR REPLACE INTO rtt_count VALUES (?1, ?2, ?3, ?4, ?5)";
        let row = params![area, network.0, technology, all.sum_us.cast_signed(), all.bytes()];
        self.db.prepare_cached(sql)?.execute(row)?;
        Ok(())
    }

    /// Counts an interruption that has ended, once for each case, under the cause that is known now.
    pub fn count_ended(&self, one: &Interruption, case: CaseId) -> Result<(), StoreError> {
        if one.to_ms.is_none() || one.subject.kind == Kind::Remote {
            return Ok(());
        }
        let sql = "UPDATE case_file SET counted = 1 WHERE id = ?1 AND counted = 0";
        if self.db.prepare_cached(sql)?.execute([case.0])? == 0 {
            return Ok(());
        }
        let sql =
            "INSERT INTO ended VALUES (?1, ?2, ?3, 1) ON CONFLICT (place_ref, kind, cause) DO UPDATE SET n = n + 1";
        let (kind, cause) = (words::kind(one.subject.kind), words::cause(one.cause.kind));
        self.db.prepare_cached(sql)?.execute(params![one.subject.place.get(), kind, cause])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use phusong_coverage::Micros;

    #[test]
    fn a_window_is_counted_once_and_neighbours_are_one_range() {
        let shelf = Shelf::passing().expect("memory");
        let window = |no| HamletWindow { area: 7, link: false, no };
        for no in [5, 7, 6, 20, 5] {
            shelf.wait_to_count(window(no), 0).expect("a healthy database");
            for (window, _) in shelf.waiting(7, 10).expect("a healthy database") {
                shelf.count_window(window, Some(Grade::Dead), no == 20, 0).expect("a healthy database");
            }
        }
        let ask = |sql: &str| -> String { shelf.db.query_row(sql, [], |row| row.get(0)).expect("good SQL") };
        let ranges = "SELECT group_concat(first_no || '-' || last_no) FROM state_counted";
        assert_eq!(ask(ranges), "5-7,20-20");
        assert_eq!(ask("SELECT group_concat(state || ':' || in_time || '+' || late) FROM state_seconds"), "1:900+300");
        shelf.count_window(window(21), None, false, 10).expect("a healthy database");
        assert_eq!(ask(ranges), "20-21");
    }

    #[test]
    fn echoes_are_counted_by_the_bucket_that_holds_their_time() {
        let mut rtts = Rtts::default();
        for (ms, times) in [(19, 1), (30, 2), (150, 3), (30_000, 4)] {
            rtts.add(Micros::new(ms * 1_000), times);
        }
        let mut counts = RttCounts::default();
        counts.add(&rtts);
        assert_eq!(counts.counts, [1, 2, 0, 3, 0, 0, 0, 0, 0, 4]);
        let seconds = counts.sum_us as f64 / 1e6;
        assert!((seconds - 120.529).abs() < 3.0, "{seconds}");
        let shelf = Shelf::passing().expect("memory");
        for _ in 0..2 {
            shelf.count_rtts(0, NetworkId(1), 2, &counts).expect("a healthy database");
        }
        let read = shelf.db.query_row("SELECT counts, sum_us FROM rtt_count", [], |row| {
            Ok(RttCounts::read(&row.get::<_, Vec<u8>>(0)?, row.get(1)?))
        });
        let read = read.expect("one row").expect("its own bytes");
        assert_eq!((read.counts, read.sum_us), (counts.counts.map(|n| 2 * n), 2 * counts.sum_us));
    }
}
