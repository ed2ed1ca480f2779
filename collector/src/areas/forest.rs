//! Which hamlet a position lies in.
//!
//! In: all areas. Out: for a place and a moment the hamlet that holds it: the leaf, valid at that moment, whose polygon
//! contains it; else the one, of those without polygon, whose centre is nearest and within its radius. Where polygons
//! overlap, the one with the nearer centre, to the metre; then the one with the smaller code. Limits: a linear search; some thousands of areas.

use super::{Shape, Validity};
use geo::{Distance, Haversine, Point};
use phusong_coverage::Place;
use std::collections::HashMap;

/// An area as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub id: i64,
    pub code: String,
    pub parent: Option<i64>,
    pub validity: Validity,
    pub centre: Option<Place>,
    pub radius_m: Option<f64>,
    pub shape: Option<Shape>,
}

/// All areas.
#[derive(Debug, Default)]
pub struct Forest {
    nodes: Vec<Node>,
    /// When an area has others below it.
    children: HashMap<i64, Vec<Validity>>,
}

impl Forest {
    pub fn new(nodes: Vec<Node>) -> Self {
        let mut children: HashMap<i64, Vec<Validity>> = HashMap::new();
        for node in &nodes {
            if let Some(parent) = node.parent {
                children.entry(parent).or_default().push(node.validity);
            }
        }
        Forest { nodes, children }
    }

    pub fn find(&self, at: Place, ms: i64) -> Option<i64> {
        let leaves = || self.nodes.iter().filter(|node| node.validity.holds_at(ms) && !self.has_children(node.id, ms));
        let inside = leaves().filter(|node| node.shape.as_ref().is_some_and(|shape| shape.contains(at)));
        let order = |node: &&Node| (away(node, at).map(|m| m.round() as i64), node.code.clone());
        let around = || {
            let without = leaves().filter(|node| node.shape.is_none());
            let near = without.filter(|node| away(node, at).zip(node.radius_m).is_some_and(|(m, most)| m <= most));
            near.min_by_key(order)
        };
        inside.min_by_key(order).or_else(around).map(|node| node.id)
    }

    fn has_children(&self, id: i64, ms: i64) -> bool {
        self.children.get(&id).is_some_and(|all| all.iter().any(|validity| validity.holds_at(ms)))
    }
}

/// Metres from an area's centre.
fn away(node: &Node, at: Place) -> Option<f64> {
    let point = |place: Place| Point::new(place.lon(), place.lat());
    node.centre.map(|centre| Haversine.distance(point(centre), point(at)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::areas::day_of;

    fn place(lat: f64, lon: f64) -> Place {
        Place::new(lat, lon).expect("on the earth")
    }

    fn square(lat: f64, lon: f64, side: f64) -> Shape {
        let (n, e) = (lat + side, lon + side);
        Shape::parse(&format!(
            r#"{{"type":"Polygon","coordinates":[[[{lon},{lat}],[{e},{lat}],[{e},{n}],[{lon},{n}],[{lon},{lat}]]]}}"#
        ))
        .expect("a square")
    }

    fn node(id: i64, parent: Option<i64>, shape: Option<Shape>) -> Node {
        let centre = shape.as_ref().and_then(Shape::centre);
        Node { id, code: format!("{id:02}"), parent, validity: Validity::default(), centre, radius_m: None, shape }
    }

    #[test]
    fn a_polygon_goes_before_a_radius_and_a_radius_ends() {
        let dot = |id, lat, lon, radius_m| Node {
            centre: Some(place(lat, lon)),
            radius_m: Some(radius_m),
            ..node(id, Some(1), None)
        };
        let forest = Forest::new(vec![
            node(1, None, Some(square(21.0, 105.0, 1.0))),
            node(2, Some(1), Some(square(21.0, 105.0, 0.1))),
            dot(3, 21.105, 105.05, 2_000.0),
            dot(4, 21.12, 105.05, 500.0),
        ]);
        for (lat, lon, wanted, why) in [
            (21.0999, 105.05, Some(2), "inside the polygon, though the third's centre is near"),
            (21.11, 105.05, Some(3), "556 m from the third"),
            (21.118, 105.05, Some(4), "222 m from the fourth, 1,446 m from the third"),
            (21.13, 105.05, None, "1,112 m from the fourth, too far from all"),
            (21.9, 105.9, None, "in the commune, which is no leaf"),
            (20.0, 105.0, None, "outside of all"),
        ] {
            assert_eq!(forest.find(place(lat, lon), 0), wanted, "{why}");
        }
    }

    #[test]
    fn on_a_common_border_and_where_polygons_overlap_the_answer_is_one_and_always_the_same() {
        let west = node(7, None, Some(square(21.0, 105.0, 0.1)));
        let east = node(5, None, Some(square(21.0, 105.1, 0.1)));
        let within = node(9, None, Some(square(21.02, 105.02, 0.02)));
        for nodes in [vec![west.clone(), east.clone(), within.clone()], vec![within, east, west]] {
            let forest = Forest::new(nodes);
            assert_eq!(forest.find(place(21.05, 105.1), 0), Some(5), "as far from both centres: the smaller code");
            assert_eq!(forest.find(place(21.03, 105.03), 0), Some(9), "its centre is nearer");
        }
    }

    #[test]
    fn what_is_a_leaf_depends_on_the_time() {
        let day = day_of("2025-07-01").expect("a day");
        let from = |from_ms| Validity { from_ms, to_ms: None };
        let commune = node(1, None, Some(square(21.0, 105.0, 1.0)));
        let hamlet = Node { validity: from(Some(day)), ..node(2, Some(1), Some(square(21.0, 105.0, 0.1))) };
        let forest = Forest::new(vec![commune, hamlet]);
        let at = place(21.05, 105.05);
        assert_eq!(forest.find(at, day - 1), Some(1), "it had no hamlets then");
        assert_eq!(forest.find(at, day), Some(2));
    }
}
