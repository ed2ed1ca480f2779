//! VN-2000, Vietnam's national reference system: from metres on a map to degrees of WGS 84.
//!
//! In: easting and northing of a zone. Out: latitude and longitude. VN-2000's ellipsoid has the dimensions of WGS 84's
//! and lies about 224 m beside it. The projection is the inverse of the transverse Mercator in Krüger's series to the
//! fourth order (C. F. F. Karney, "Transverse Mercator with an accuracy of a few nanometers", 2011, eq. 36), better
//! than a micrometre within any zone; the shift is EPSG:6960, good to 1 m by the registry.

/// The ellipsoid of WGS 84 and of VN-2000.
const A: f64 = 6_378_137.0;
const F: f64 = 1.0 / 298.257_223_563;
const E2: f64 = F * (2.0 - F);
const FALSE_EASTING: f64 = 500_000.0;

/// EPSG:6960 "VN-2000 to WGS 84 (2)", coordinate frame rotation: metres, seconds of arc, parts per million.
const SHIFT_M: [f64; 3] = [-191.904_414_29, -39.303_182_79, -111.450_328_35];
const TURN_S: [f64; 3] = [-0.009_288_36, 0.019_754_79, -0.004_273_72];
const SCALE_PPM: f64 = 0.252_906_278;

/// A zone of a transverse Mercator projection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Zone {
    /// In degrees east.
    pub meridian: f64,
    pub scale: f64,
}

/// Degrees (lat, lon) on the ellipsoid.
pub fn from_plane(zone: Zone, easting: f64, northing: f64) -> (f64, f64) {
    let n = F / (2.0 - F);
    let (n2, n3, n4) = (n * n, n * n * n, n * n * n * n);
    // The radius of the sphere whose meridian is as long as the ellipsoid's.
    let radius = A / (1.0 + n) * (1.0 + n2 / 4.0 + n4 / 64.0);
    let beta = [
        n / 2.0 - n2 * 2.0 / 3.0 + n3 * 37.0 / 96.0 - n4 / 360.0,
        n2 / 48.0 + n3 / 15.0 - n4 * 437.0 / 1_440.0,
        n3 * 17.0 / 480.0 - n4 * 37.0 / 840.0,
        n4 * 4_397.0 / 161_280.0,
    ];
    let (xi, eta) = (northing / (zone.scale * radius), (easting - FALSE_EASTING) / (zone.scale * radius));
    let (mut north, mut east) = (xi, eta);
    for (j, beta) in (1..).zip(beta) {
        let k = 2.0 * f64::from(j);
        north -= beta * (k * xi).sin() * (k * eta).cosh();
        east -= beta * (k * xi).cos() * (k * eta).sinh();
    }
    let conformal = north.sin() / east.sinh().hypot(north.cos());
    let lat = geodetic(conformal).atan();
    let lon = east.sinh().atan2(north.cos());
    (lat.to_degrees(), zone.meridian + lon.to_degrees())
}

/// The tangent of the latitude from the tangent of the conformal latitude, by Newton's method (Karney, eq. 19 to 21).
fn geodetic(conformal: f64) -> f64 {
    let e = E2.sqrt();
    let mut tau = conformal;
    // Three steps reach the last bit.
    for _ in 0..4 {
        let root = 1.0_f64.hypot(tau);
        let sigma = (e * (e * tau / root).atanh()).sinh();
        let reached = tau * 1.0_f64.hypot(sigma) - sigma * root;
        let slope = (1.0 + (1.0 - E2) * tau * tau) / (1.0_f64.hypot(reached) * (1.0 - E2) * root);
        tau += (conformal - reached) * slope;
    }
    tau
}

/// From degrees of VN-2000 to degrees of WGS 84, both on the ellipsoid.
pub fn to_wgs84(lat: f64, lon: f64) -> (f64, f64) {
    let (sin, cos) = lat.to_radians().sin_cos();
    let (east_sin, east_cos) = lon.to_radians().sin_cos();
    let normal = A / (1.0 - E2 * sin * sin).sqrt();
    let [x, y, z] = [normal * cos * east_cos, normal * cos * east_sin, normal * (1.0 - E2) * sin];
    let [turn_x, turn_y, turn_z] = TURN_S.map(|seconds| (seconds / 3_600.0).to_radians());
    let scale = 1.0 + SCALE_PPM * 1e-6;
    let x2 = SHIFT_M[0] + scale * (x + turn_z * y - turn_y * z);
    let y2 = SHIFT_M[1] + scale * (y - turn_z * x + turn_x * z);
    let z2 = SHIFT_M[2] + scale * (z + turn_y * x - turn_x * y);
    // Bowring's formula, exact to less than a micrometre this near to the ellipsoid.
    let b = A * (1.0 - F);
    let away = x2.hypot(y2);
    let (sin, cos) = (z2 * A).atan2(away * b).sin_cos();
    let second = E2 / (1.0 - E2);
    let lat = (z2 + second * b * sin.powi(3)).atan2(away - E2 * A * cos.powi(3));
    (lat.to_degrees(), y2.atan2(x2).to_degrees())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points computed with PROJ 9.5.1 (`tmerc`, then `helmert` with `convention=coordinate_frame`): zone, northing,
    /// easting, latitude, longitude.
    const KNOWN: [(f64, f64, f64, f64, f64, f64); 8] = [
        (106.5, 0.9999, 2_385_000.0, 430_000.0, 21.559_073_778, 105.826_011_783),
        (105.75, 0.9999, 2_510_000.25, 550_000.5, 22.688_671_529, 106.238_545_466),
        (105.5, 0.9999, 2_530_123.456, 480_000.0, 22.871_036_310, 105.306_993_510),
        (107.75, 0.9999, 1_776_543.21, 542_345.67, 16.062_570_152, 108.147_610_692),
        (104.5, 0.9999, 1_000_000.0, 540_000.0, 9.042_658_100, 104.865_634_023),
        (105.0, 0.9996, 2_420_000.0, 650_000.0, 21.876_725_003, 106.453_732_408),
        (111.0, 0.9996, 1_200_000.0, 300_000.0, 10.849_010_609, 109.172_220_882),
        (103.0, 0.9999, 2_460_000.0, 400_000.0, 22.234_995_903, 102.031_818_204),
    ];

    #[test]
    fn known_points_come_out_where_another_program_puts_them_within_a_millimetre() {
        for (meridian, scale, northing, easting, lat, lon) in KNOWN {
            let (own_lat, own_lon) = from_plane(Zone { meridian, scale }, easting, northing);
            let (own_lat, own_lon) = to_wgs84(own_lat, own_lon);
            // 1e-8 degrees are 1.1 mm.
            let off = (own_lat - lat).abs().max((own_lon - lon).abs());
            assert!(off < 1e-8, "{meridian}: {own_lat}, {own_lon}: off by {off}");
        }
    }

    /// Forward by the classical series in powers of the distance from the meridian (J. P. Snyder, "Map projections",
    /// 1987, eq. 8-9 to 8-10 and 3-21): another way than [`from_plane`]'s, good to a millimetre within 2 degrees.
    fn to_plane(zone: Zone, lat: f64, lon: f64) -> (f64, f64) {
        let phi = lat.to_radians();
        let (sin, cos, tan) = (phi.sin(), phi.cos(), phi.tan());
        let second = E2 / (1.0 - E2);
        let normal = A / (1.0 - E2 * sin * sin).sqrt();
        let (t, c, a) = (tan * tan, second * cos * cos, (lon - zone.meridian).to_radians() * cos);
        let (e4, e6) = (E2 * E2, E2 * E2 * E2);
        let arc = A
            * ((1.0 - E2 / 4.0 - 3.0 * e4 / 64.0 - 5.0 * e6 / 256.0) * phi
                - (3.0 * E2 / 8.0 + 3.0 * e4 / 32.0 + 45.0 * e6 / 1_024.0) * (2.0 * phi).sin()
                + (15.0 * e4 / 256.0 + 45.0 * e6 / 1_024.0) * (4.0 * phi).sin()
                - 35.0 * e6 / 3_072.0 * (6.0 * phi).sin());
        let east = a
            + (1.0 - t + c) * a.powi(3) / 6.0
            + (5.0 - 18.0 * t + t * t + 72.0 * c - 58.0 * second) * a.powi(5) / 120.0;
        let north = a * a / 2.0
            + (5.0 - t + 9.0 * c + 4.0 * c * c) * a.powi(4) / 24.0
            + (61.0 - 58.0 * t + t * t + 600.0 * c - 330.0 * second) * a.powi(6) / 720.0;
        (FALSE_EASTING + zone.scale * normal * east, zone.scale * (arc + normal * tan * north))
    }

    #[test]
    fn what_was_projected_by_another_series_comes_back() {
        for zone in [Zone { meridian: 105.75, scale: 0.9999 }, Zone { meridian: 105.0, scale: 0.9996 }] {
            for lat in 8..24 {
                for lon in -15..=15 {
                    let (lat, lon) = (f64::from(lat), zone.meridian + f64::from(lon) / 10.0);
                    let (easting, northing) = to_plane(zone, lat, lon);
                    let (own_lat, own_lon) = from_plane(zone, easting, northing);
                    let off = (own_lat - lat).abs().max((own_lon - lon).abs());
                    assert!(off < 3e-8, "{lat}, {lon}: off by {off}");
                }
            }
        }
    }

    #[test]
    fn vn_2000_lies_about_224_metres_beside_wgs_84() {
        let (lat, lon) = to_wgs84(21.85, 105.57);
        let (north, east) = ((lat - 21.85) * 110_740.0, (lon - 105.57) * 103_390.0);
        assert!((200.0..250.0).contains(&north.hypot(east)), "{north}, {east}");
    }
}
