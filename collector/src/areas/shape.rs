//! Polygons of areas: right ones only.
//!
//! In: rings as a file has them. Out: a [`Shape`] in degrees of WGS 84, to 7 decimals (1 cm), or what is wrong and
//! where. A ring neither crosses nor touches itself; rings do not cross each other; a hole lies in its outline. Parts
//! of one area may touch. Limits: [`VERTICES`]; [`PAIRS`] of segments are compared.

use super::crs::Crs;
use super::problem::too_many_vertices;
use super::{NO_CRS, VERTICES};
use geo::line_intersection::{LineIntersection, line_intersection};
use geo::{
    BoundingRect, Centroid, Coord, InteriorPoint, Intersects, Line, LineString, MultiPolygon, Point, Polygon, Rect,
};
use geojson::{Geometry, GeometryValue, Position};
use phusong_coverage::Place;
use rstar::primitives::{GeomWithData, Rectangle};
use rstar::{AABB, RTree};

/// Pairs of segments whose boxes meet. A coast has about three for each vertex; a web of crossing lines has millions.
const PAIRS: usize = 20_000_000;

/// The outline of an area.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    polygons: MultiPolygon<f64>,
    bounds: Rect<f64>,
}

/// One side of a ring.
#[derive(Debug, Clone, Copy)]
struct Segment {
    polygon: usize,
    ring: usize,
    number: usize,
    /// How many the ring has.
    of: usize,
    line: Line<f64>,
}

type Boxed = GeomWithData<Rectangle<[f64; 2]>, usize>;

impl Shape {
    /// From the rings of a file; `said` tells whether a person or the file named the reference system.
    pub(super) fn new(polygons: &[Vec<Vec<Position>>], crs: Crs, said: bool) -> Result<Self, String> {
        let vertices: usize = polygons.iter().flatten().map(Vec::len).sum();
        if vertices > VERTICES {
            return Err(too_many_vertices());
        }
        let mut whole = Vec::new();
        for (p, rings) in polygons.iter().enumerate() {
            let mut lines = Vec::new();
            for (r, ring) in rings.iter().enumerate() {
                let line = ring_in_degrees(ring, crs, said);
                lines.push(line.map_err(|reason| format!("{}: {reason}", name(p, r)))?);
            }
            if lines.is_empty() {
                return Err(format!("polygon {} has no ring", p + 1));
            }
            let outline = lines.remove(0);
            whole.push(Polygon::new(outline, lines));
        }
        let polygons = MultiPolygon::new(whole);
        let bounds = polygons.bounding_rect().ok_or("it has no polygon")?;
        check_crossings(&polygons)?;
        check_holes(&polygons)?;
        Ok(Shape { polygons, bounds })
    }

    /// From the store.
    pub fn parse(text: &str) -> Result<Self, String> {
        let geometry: Geometry = text.parse().map_err(|e: geojson::Error| e.to_string())?;
        let polygons = match &geometry.value {
            GeometryValue::MultiPolygon { .. } => MultiPolygon::try_from(&geometry.value),
            _ => Polygon::try_from(&geometry.value).map(MultiPolygon::from),
        };
        let polygons = polygons.map_err(|e| e.to_string())?;
        let bounds = polygons.bounding_rect().ok_or("it is empty")?;
        Ok(Shape { polygons, bounds })
    }

    /// For the store.
    pub fn to_geojson(&self) -> String {
        let value = match &self.polygons.0[..] {
            [one] => GeometryValue::from(one),
            _ => GeometryValue::from(&self.polygons),
        };
        Geometry::new(value).to_string()
    }

    pub fn bounds(&self) -> Rect<f64> {
        self.bounds
    }

    pub fn vertices(&self) -> usize {
        let rings = self.polygons.iter().flat_map(|p| std::iter::once(p.exterior()).chain(p.interiors()));
        rings.map(|ring| ring.0.len() - 1).sum()
    }

    /// Whether a place lies in it; its border belongs to it.
    pub fn contains(&self, place: Place) -> bool {
        let at = Point::new(place.lon(), place.lat());
        self.bounds.intersects(&at) && self.polygons.intersects(&at)
    }

    /// A point inside: the centre of gravity, if that lies inside.
    pub fn centre(&self) -> Option<Place> {
        let gravity = self.polygons.centroid().filter(|at| self.polygons.intersects(at));
        let at = gravity.or_else(|| self.polygons.interior_point())?;
        Place::new(rounded(at.y()), rounded(at.x())).ok()
    }
}

/// As people count: from 1, the outline is ring 1.
fn name(polygon: usize, ring: usize) -> String {
    format!("polygon {}, ring {}", polygon + 1, ring + 1)
}

fn rounded(degrees: f64) -> f64 {
    (degrees * 1e7).round() / 1e7
}

fn ring_in_degrees(ring: &[Position], crs: Crs, said: bool) -> Result<LineString<f64>, String> {
    let (Some(first), Some(last)) = (ring.first(), ring.last()) else { return Err("it is empty".into()) };
    if ring.len() < 4 {
        return Err(format!("it has {} positions; a closed ring has at least 4", ring.len()));
    }
    if first.as_slice()[..2] != last.as_slice()[..2] {
        let [x, y] = [first.as_slice()[0], first.as_slice()[1]];
        return Err(format!("it is not closed: its last position must be its first, [{x}, {y}]"));
    }
    let mut line: Vec<Coord<f64>> = Vec::with_capacity(ring.len());
    for (number, position) in ring.iter().enumerate() {
        let at = position.as_slice();
        let place = crs.place(at[0], at[1]).map_err(|reason| {
            let hint = if said { "" } else { NO_CRS };
            format!("position {}: {reason}{hint}", number + 1)
        })?;
        let coord = Coord { x: rounded(place.lon()), y: rounded(place.lat()) };
        if line.last() != Some(&coord) {
            line.push(coord);
        }
    }
    if line.len() < 4 {
        return Err("fewer than 3 of its positions differ".into());
    }
    Ok(LineString::new(line))
}

fn segments(polygons: &MultiPolygon<f64>) -> Vec<Segment> {
    let mut all = Vec::new();
    for (polygon, shape) in polygons.iter().enumerate() {
        for (ring, line) in std::iter::once(shape.exterior()).chain(shape.interiors()).enumerate() {
            let of = line.lines().len();
            let sides = line.lines().enumerate();
            all.extend(sides.map(|(number, line)| Segment { polygon, ring, number, of, line }));
        }
    }
    all
}

fn check_crossings(polygons: &MultiPolygon<f64>) -> Result<(), String> {
    let all = segments(polygons);
    let corners = |line: &Line<f64>| ([line.start.x, line.start.y], [line.end.x, line.end.y]);
    let boxed = |(number, segment): (usize, &Segment)| {
        let (a, b) = corners(&segment.line);
        Boxed::new(Rectangle::from_corners(a, b), number)
    };
    let tree = RTree::bulk_load(all.iter().enumerate().map(boxed).collect());
    let mut pairs = 0;
    for (number, a) in all.iter().enumerate() {
        let (from, to) = corners(&a.line);
        for near in tree.locate_in_envelope_intersecting(&AABB::from_corners(from, to)) {
            if near.data <= number {
                continue;
            }
            pairs += 1;
            if pairs > PAIRS {
                return Err("its lines are too entangled to be checked: simplify it".into());
            }
            meeting(a, &all[near.data])?;
        }
    }
    Ok(())
}

/// Whether two sides may meet as they do.
fn meeting(a: &Segment, b: &Segment) -> Result<(), String> {
    let Some(meeting) = line_intersection(a.line, b.line) else { return Ok(()) };
    let same_ring = (a.polygon, a.ring) == (b.polygon, b.ring);
    let neighbours = same_ring && (b.number - a.number == 1 || b.number - a.number == a.of - 1);
    let (at, allowed) = match meeting {
        LineIntersection::SinglePoint { intersection, is_proper } => {
            (intersection, if same_ring { neighbours } else { !is_proper })
        }
        LineIntersection::Collinear { intersection } => (intersection.start, a.polygon != b.polygon),
    };
    if allowed {
        return Ok(());
    }
    let (one, other) = (name(a.polygon, a.ring), name(b.polygon, b.ring));
    let whom = if same_ring { "itself".to_owned() } else { other };
    Err(format!(
        "{one}: it crosses or touches {whom} at [{:.6}, {:.6}]: redraw it there (QGIS: Fix geometries)",
        at.x, at.y
    ))
}

/// Rings do not cross here any more: one vertex of a hole tells where all of it lies.
fn check_holes(polygons: &MultiPolygon<f64>) -> Result<(), String> {
    for (p, polygon) in polygons.iter().enumerate() {
        let outline = Polygon::new(polygon.exterior().clone(), Vec::new());
        for (r, hole) in polygon.interiors().iter().enumerate() {
            if !hole.0.first().is_some_and(|vertex| outline.intersects(vertex)) {
                return Err(format!("{}: it is a hole outside of its outline, ring 1", name(p, r + 1)));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(polygons: &str) -> Result<Shape, String> {
        let rings: Vec<Vec<Vec<Vec<f64>>>> = serde_json::from_str(polygons).expect("numbers");
        let position = |at: Vec<f64>| Position::from([at[0], at[1]]);
        let ring = |ring: Vec<Vec<f64>>| ring.into_iter().map(position).collect();
        let rings: Vec<Vec<_>> = rings.into_iter().map(|p| p.into_iter().map(ring).collect()).collect();
        Shape::new(&rings, Crs::Wgs84, false)
    }

    #[test]
    fn right_polygons_are_taken() {
        for (what, polygons) in [
            ("a square", "[[[[0,0],[4,0],[4,4],[0,4],[0,0]]]]"),
            ("a hole", "[[[[0,0],[4,0],[4,4],[0,4],[0,0]],[[1,1],[2,1],[2,2],[1,1]]]]"),
            ("a hole that touches", "[[[[0,0],[4,0],[4,4],[0,4],[0,0]],[[0,1],[2,1],[2,2],[0,1]]]]"),
            ("parts that touch", "[[[[0,0],[4,0],[4,4],[0,0]]],[[[0,0],[4,0],[4,-4],[0,0]]]]"),
            ("a vertex twice", "[[[[0,0],[4,0],[4,0],[4,4],[0,4],[0,0]]]]"),
            ("a vertex on a straight side", "[[[[0,0],[2,0],[4,0],[4,4],[0,4],[0,0]]]]"),
        ] {
            let good = shape(polygons).unwrap_or_else(|e| panic!("{what}: {e}"));
            assert_eq!(Shape::parse(&good.to_geojson()), Ok(good), "{what}");
        }
    }

    #[test]
    fn each_wrong_polygon_is_refused_with_what_is_wrong_and_where() {
        for (polygons, reason) in [
            ("[]", "it has no polygon"),
            ("[[]]", "polygon 1 has no ring"),
            ("[[[[0,0],[4,0],[0,0]]]]", "polygon 1, ring 1: it has 3 positions; a closed ring has at least 4"),
            (
                "[[[[0,0],[4,0],[4,4],[0,4]]]]",
                "polygon 1, ring 1: it is not closed: its last position must be its first, [0, 0]",
            ),
            ("[[[[0,0],[4,0],[4,0],[0,0]]]]", "polygon 1, ring 1: fewer than 3 of its positions differ"),
            (
                "[[[[0,0],[4,4],[4,0],[0,4],[0,0]]]]",
                "polygon 1, ring 1: it crosses or touches itself at [2.000000, 2.000000]: redraw it there (QGIS: Fix \
                 geometries)",
            ),
            (
                "[[[[0,0],[4,0],[4,4],[2,4],[2,6],[2,4],[0,4],[0,0]]]]",
                "polygon 1, ring 1: it crosses or touches itself at [2.000000, 4.000000]: redraw it there (QGIS: Fix \
                 geometries)",
            ),
            (
                "[[[[0,0],[4,0],[4,4],[0,4],[0,0]],[[1,1],[5,1],[5,2],[1,1]]]]",
                "polygon 1, ring 1: it crosses or touches polygon 1, ring 2 at [4.000000, 1.000000]: redraw it there \
                 (QGIS: Fix geometries)",
            ),
            (
                "[[[[0,0],[4,0],[4,4],[0,4],[0,0]],[[5,5],[6,5],[6,6],[5,5]]]]",
                "polygon 1, ring 2: it is a hole outside of its outline, ring 1",
            ),
            (
                "[[[[0,0],[4,0],[4,91],[0,0]]]]",
                "polygon 1, ring 1: position 3: (4, 91) are no degrees; if the file is not in WGS 84, say in what \
                 with --crs",
            ),
        ] {
            assert_eq!(shape(polygons), Err(reason.to_owned()), "{polygons}");
        }
    }

    #[test]
    fn the_centre_lies_inside_and_the_border_belongs_to_the_area() {
        let crescent = shape("[[[[0,0],[10,0],[10,10],[0,10],[0,9],[9,9],[9,1],[0,1],[0,0]]]]").expect("right");
        let centre = crescent.centre().expect("it has one");
        assert!(crescent.contains(centre), "{centre}");
        let place = |lat, lon| Place::new(lat, lon).expect("on the earth");
        assert!(crescent.contains(place(0.0, 5.0)) && !crescent.contains(place(5.0, 5.0)));
        assert_eq!(crescent.vertices(), 8);
    }

    #[test]
    fn a_ring_of_as_many_vertices_as_allowed_is_checked_and_one_more_is_refused() {
        let ring = |vertices: usize| -> Vec<Position> {
            let at = |n: usize| {
                let angle = (n % (vertices - 1)) as f64 / (vertices - 1) as f64 * std::f64::consts::TAU;
                // Jagged, so that no two neighbours lie on one line.
                let radius = if n.is_multiple_of(2) { 1.0 } else { 1.001 };
                Position::from([105.0 + radius * angle.cos(), 21.0 + radius * angle.sin()])
            };
            (0..vertices).map(at).collect()
        };
        let most = Shape::new(&[vec![ring(VERTICES - 1)]], Crs::Wgs84, false).expect("right");
        assert_eq!(most.vertices(), VERTICES - 2);
        let more = Shape::new(&[vec![ring(VERTICES + 1)]], Crs::Wgs84, false);
        assert_eq!(more, Err("more than 200000 vertices: simplify it, 10 m are fine enough".to_owned()));
    }
}
