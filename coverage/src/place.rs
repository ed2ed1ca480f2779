//! Places: the fixed position of one probe. A probe that moved has a new place.
//!
//! In: degrees (WGS 84). Out: a [`Place`] that lies on the earth. Refuses to know: which probe, since when; that is
//! the registry's.

use std::fmt;

/// A place in the store's numbering. It says nothing by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlaceId(i64);

/// A position on the earth, in degrees.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Place {
    lat: f64,
    lon: f64,
}

/// Why two numbers are no place.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum PlaceError {
    #[error("latitude {0} must lie between -90 and 90 degrees")]
    Latitude(f64),
    #[error("longitude {0} must lie between -180 and 180 degrees")]
    Longitude(f64),
}

impl PlaceId {
    pub const fn new(id: i64) -> Self {
        PlaceId(id)
    }

    pub const fn get(self) -> i64 {
        self.0
    }
}

impl Place {
    pub fn new(lat: f64, lon: f64) -> Result<Self, PlaceError> {
        // NaN lies in no range and is refused with the others.
        if !(-90.0..=90.0).contains(&lat) {
            return Err(PlaceError::Latitude(lat));
        }
        if !(-180.0..=180.0).contains(&lon) {
            return Err(PlaceError::Longitude(lon));
        }
        Ok(Place { lat, lon })
    }

    pub const fn lat(self) -> f64 {
        self.lat
    }

    pub const fn lon(self) -> f64 {
        self.lon
    }
}

/// Five decimals: about one metre.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.5}, {:.5}", self.lat, self.lon)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_lies_on_the_earth_and_nothing_else_is_one() {
        let na_chen = Place::new(22.281, 106.454).expect("it lies in Vietnam");
        assert_eq!(na_chen.to_string(), "22.28100, 106.45400");
        assert_eq!(Place::new(90.1, 0.0), Err(PlaceError::Latitude(90.1)));
        assert_eq!(Place::new(0.0, -180.5), Err(PlaceError::Longitude(-180.5)));
        assert!(matches!(Place::new(f64::NAN, 0.0), Err(PlaceError::Latitude(_))));
    }
}
