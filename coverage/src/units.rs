//! Quantities as types, so that dBm is never added to dBm, nor bits taken for bytes, nor milliseconds for
//! microseconds.
//!
//! In and out: bare numbers, only by name (`Dbm::new`, `.get()`). Conversions that lose something say so in their
//! name.

use std::ops::{Add, Neg, Sub};

/// A level: power over one milliwatt, logarithmic.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Dbm(f32);

/// A ratio: gain, loss, or the difference of two levels.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Db(f32);

/// A duration in microseconds; round-trip times are measured in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(u64);

/// A duration in milliseconds; event time is counted in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(u64);

/// A rate; link speeds are bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BitsPerSecond(u64);

/// An amount; data budgets are bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(u64);

impl Dbm {
    pub const fn new(dbm: f32) -> Self {
        Dbm(dbm)
    }

    pub const fn get(self) -> f32 {
        self.0
    }
}

impl Db {
    pub const fn new(db: f32) -> Self {
        Db(db)
    }

    pub const fn get(self) -> f32 {
        self.0
    }
}

/// A level after a gain or an offset is a level.
impl Add<Db> for Dbm {
    type Output = Dbm;
    fn add(self, gain: Db) -> Dbm {
        Dbm(self.0 + gain.0)
    }
}

/// A level after a loss is a level.
impl Sub<Db> for Dbm {
    type Output = Dbm;
    fn sub(self, loss: Db) -> Dbm {
        Dbm(self.0 - loss.0)
    }
}

/// The distance of two levels is a ratio. (Their sum has no meaning and does not compile.)
impl Sub for Dbm {
    type Output = Db;
    fn sub(self, other: Dbm) -> Db {
        Db(self.0 - other.0)
    }
}

impl Add for Db {
    type Output = Db;
    fn add(self, other: Db) -> Db {
        Db(self.0 + other.0)
    }
}

impl Neg for Db {
    type Output = Db;
    fn neg(self) -> Db {
        Db(-self.0)
    }
}

impl Micros {
    pub const fn new(us: u64) -> Self {
        Micros(us)
    }

    pub const fn get(self) -> u64 {
        self.0
    }

    /// Whole milliseconds, the rest cut off.
    pub const fn to_millis_floor(self) -> Millis {
        Millis(self.0 / 1_000)
    }

    /// Seconds, for exposition formats that want base units.
    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl Millis {
    pub const fn new(ms: u64) -> Self {
        Millis(ms)
    }

    pub const fn get(self) -> u64 {
        self.0
    }

    pub const fn to_micros(self) -> Micros {
        Micros(self.0.saturating_mul(1_000))
    }
}

impl BitsPerSecond {
    pub const fn new(bps: u64) -> Self {
        BitsPerSecond(bps)
    }

    pub const fn get(self) -> u64 {
        self.0
    }

    /// The rate of an amount over a time; `None` over no time.
    pub fn of(amount: Bytes, over: Micros) -> Option<Self> {
        let bits = u128::from(amount.0) * 8 * 1_000_000;
        let rate = bits.checked_div(u128::from(over.0))?;
        Some(BitsPerSecond(u64::try_from(rate).unwrap_or(u64::MAX)))
    }
}

impl Bytes {
    pub const fn new(bytes: u64) -> Self {
        Bytes(bytes)
    }

    pub const fn get(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_move_by_ratios_and_their_distance_is_a_ratio() {
        let level = Dbm::new(-104.0);
        assert_eq!((level + Db::new(6.0)).get(), -98.0);
        assert_eq!((level - Db::new(2.5)).get(), -106.5);
        assert_eq!((level - Dbm::new(-110.0)).get(), 6.0);
        assert_eq!((-(Db::new(1.0) + Db::new(2.0))).get(), -3.0);
    }

    #[test]
    fn a_rate_counts_bits_and_has_no_value_over_no_time() {
        let rate = BitsPerSecond::of(Bytes::new(125_000), Millis::new(1_000).to_micros());
        assert_eq!(rate, Some(BitsPerSecond::new(1_000_000)));
        assert_eq!(BitsPerSecond::of(Bytes::new(1), Micros::new(0)), None);
        assert_eq!(BitsPerSecond::of(Bytes::new(u64::MAX), Micros::new(1)), Some(BitsPerSecond::new(u64::MAX)));
    }

    #[test]
    fn microseconds_become_milliseconds_only_by_cutting_off() {
        assert_eq!(Micros::new(1_999).to_millis_floor(), Millis::new(1));
        assert_eq!(Micros::new(2_500_000).as_seconds(), 2.5);
    }
}
