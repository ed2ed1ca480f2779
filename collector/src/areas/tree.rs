//! Whether the areas of a file are right together, and with those that are stored.
//!
//! In: a file whose areas are right by themselves, and all stored areas. Out: a [`Plan`] of which row each replaces and
//! which is its parent, or everything that is wrong: a code that is valid twice at a time, a parent that is missing or
//! not valid in the same time, a circle of parents, an area outside of the one above it. Stored areas are taken as
//! they are; only what the file brings can be wrong.

use super::problem::{AreaError, At, Problems};
use super::{AreaFile, NO_CRS, NewArea, Node, Validity};
use geo::{Coord, Rect};
use std::collections::{BTreeMap, HashMap};

/// How far an area's box may reach beyond that of the one above it [J]: borders are drawn by many hands. About 1 km.
const TOLERANCE_DEGREES: f64 = 0.01;

/// What becomes of the areas of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// For each: the row that it replaces.
    pub replaces: Vec<Option<i64>>,
    pub parents: Vec<Parent>,
}

/// The area above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parent {
    None,
    Stored(i64),
    /// The n-th of the file, from 0.
    New(usize),
}

/// An area as it will be: of the file, or stored and not replaced.
#[derive(Clone, Copy)]
enum Member<'a> {
    New(usize, &'a NewArea),
    Stored(&'a Node),
}

struct Tree<'a> {
    members: Vec<Member<'a>>,
    by_code: BTreeMap<&'a str, Vec<usize>>,
    parents: Vec<Option<usize>>,
}

pub fn check(file: &AreaFile, stored: &[Node]) -> Result<Plan, AreaError> {
    let mut problems = Problems::default();
    let same: HashMap<_, _> =
        stored.iter().map(|node| ((node.code.as_str(), node.validity.from_ms), node.id)).collect();
    let key = |area: &NewArea| same.get(&(area.code.as_str(), area.validity.from_ms)).copied();
    let replaces: Vec<Option<i64>> = file.areas.iter().map(key).collect();
    let mut tree = Tree::new(file, stored, &replaces);
    tree.check_validities(&mut problems);
    tree.find_parents(&replaces, &mut problems);
    let circles = tree.check_circles(&mut problems);
    // Whoever looks upwards in a circle never arrives.
    if !circles {
        tree.check_boxes(file.crs_said, &mut problems);
    }
    problems.finish(&file.name)?;
    let parents = (0..file.areas.len()).map(|n| match tree.parents[n].map(|parent| tree.members[parent]) {
        None => Parent::None,
        Some(Member::New(parent, _)) => Parent::New(parent),
        Some(Member::Stored(node)) => Parent::Stored(node.id),
    });
    Ok(Plan { parents: parents.collect(), replaces })
}

impl<'a> Member<'a> {
    fn code(self) -> &'a str {
        match self {
            Member::New(_, area) => &area.code,
            Member::Stored(node) => &node.code,
        }
    }

    fn validity(self) -> Validity {
        match self {
            Member::New(_, area) => area.validity,
            Member::Stored(node) => node.validity,
        }
    }

    fn at(self) -> Option<At> {
        match self {
            Member::New(_, area) => Some(area.at),
            Member::Stored(_) => None,
        }
    }

    fn polygon_box(self) -> Option<Rect<f64>> {
        let shape = match self {
            Member::New(_, area) => &area.shape,
            Member::Stored(node) => &node.shape,
        };
        shape.as_ref().map(super::Shape::bounds)
    }

    /// Its polygon's, or its centre.
    fn any_box(self) -> Option<Rect<f64>> {
        let centre = match self {
            Member::New(_, area) => area.centre,
            Member::Stored(node) => node.centre,
        };
        let point = || centre.map(|at| Coord { x: at.lon(), y: at.lat() }).map(|at| Rect::new(at, at));
        self.polygon_box().or_else(point)
    }
}

impl<'a> Tree<'a> {
    /// The members of the file come first, in its order.
    fn new(file: &'a AreaFile, stored: &'a [Node], replaces: &[Option<i64>]) -> Self {
        let replaced: std::collections::HashSet<i64> = replaces.iter().copied().flatten().collect();
        let new = file.areas.iter().enumerate().map(|(n, area)| Member::New(n, area));
        let kept = stored.iter().filter(|node| !replaced.contains(&node.id)).map(Member::Stored);
        let members: Vec<Member<'a>> = new.chain(kept).collect();
        let mut by_code: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (n, member) in members.iter().enumerate() {
            by_code.entry(member.code()).or_default().push(n);
        }
        let parents = vec![None; members.len()];
        Tree { members, by_code, parents }
    }

    fn check_validities(&self, problems: &mut Problems) {
        for (code, all) in &self.by_code {
            let mut sorted = all.clone();
            sorted.sort_by_key(|&n| (self.members[n].validity().from_ms, n));
            for pair in sorted.windows(2) {
                let [a, b] = [self.members[pair[0]], self.members[pair[1]]];
                if !a.validity().overlaps(b.validity()) {
                    continue;
                }
                // The later one of the file is at fault; what is stored is not.
                let (wrong, other) = if b.at().is_some() { (b, a) } else { (a, b) };
                let Some(at) = wrong.at() else { continue };
                let whose = other.at().map_or("the stored one".into(), |at| at.to_string());
                let reason = format!(
                    "it is valid {}, and {whose} of the same code {}: end the older one with valid_to on the day when \
                     the newer one begins",
                    wrong.validity(),
                    other.validity()
                );
                problems.add(at, Some(code), "code", reason);
            }
        }
    }

    fn find_parents(&mut self, replaces: &[Option<i64>], problems: &mut Problems) {
        let replaced = replaces.iter().enumerate().filter_map(|(n, id)| id.map(|id| (id, n)));
        let mut rows: HashMap<i64, usize> = replaced.collect();
        let kept = self.members.iter().enumerate();
        rows.extend(kept.filter_map(|(n, member)| match member {
            Member::Stored(node) => Some((node.id, n)),
            Member::New(..) => None,
        }));
        let zeros: HashMap<&str, &str> =
            self.by_code.keys().map(|code| (code.trim_start_matches('0'), *code)).collect();
        for n in 0..self.members.len() {
            match self.members[n] {
                Member::Stored(node) => self.parents[n] = node.parent.and_then(|id| rows.get(&id).copied()),
                Member::New(_, area) => {
                    let Some(code) = &area.parent else { continue };
                    match self.above(code, area.validity) {
                        Ok(parent) => self.parents[n] = Some(parent),
                        Err(None) => {
                            let close = zeros.get(code.trim_start_matches('0'));
                            let hint = close.map_or("import it before, or in the same file".into(), |close| {
                                format!("there is {close:?}; a spreadsheet may have cut zeros off")
                            });
                            let reason = format!("there is no area {code:?}: {hint}");
                            problems.add(area.at, Some(&area.code), "parent", reason);
                        }
                        Err(Some(when)) => {
                            let reason = format!(
                                "area {code:?} is valid {when}, and this one {}: no day is common to both",
                                area.validity
                            );
                            problems.add(area.at, Some(&area.code), "parent", reason);
                        }
                    }
                }
            }
        }
    }

    /// The area of a code that is valid at some time of another's validity; the latest, if there are several.
    fn above(&self, code: &str, validity: Validity) -> Result<usize, Option<Validity>> {
        let all = self.by_code.get(code).ok_or(None)?;
        let common = all.iter().copied().filter(|&n| self.members[n].validity().overlaps(validity));
        let latest = common.max_by_key(|&n| self.members[n].validity().from_ms);
        latest.ok_or_else(|| all.first().map(|&n| self.members[n].validity()))
    }

    fn check_circles(&self, problems: &mut Problems) -> bool {
        // 0: not seen; else the walk that came by first.
        let mut seen = vec![0; self.members.len()];
        let mut found = false;
        for start in 0..self.members.len() {
            let (mut n, walk) = (start, start + 1);
            while seen[n] == 0 {
                seen[n] = walk;
                match self.parents[n] {
                    Some(parent) => n = parent,
                    None => break,
                }
            }
            if seen[n] != walk || self.parents[n].is_none() {
                continue;
            }
            found = true;
            let circle = self.circle(n);
            let codes: Vec<&str> = circle.iter().chain(&circle[..1]).map(|&n| self.members[n].code()).collect();
            let ours = circle.iter().find_map(|&n| self.members[n].at().map(|at| (at, self.members[n].code())));
            if let Some((at, code)) = ours {
                let reason = format!("a circle: {}; one of them must lie in none of the others", codes.join(" in "));
                problems.add(at, Some(code), "parent", reason);
            }
        }
        found
    }

    /// All of a circle, once around.
    fn circle(&self, start: usize) -> Vec<usize> {
        let mut all = vec![start];
        let mut at = self.parents[start];
        while let Some(n) = at.filter(|&n| n != start) {
            all.push(n);
            at = self.parents[n];
        }
        all
    }

    fn check_boxes(&self, crs_said: bool, problems: &mut Problems) {
        for n in 0..self.members.len() {
            let member = self.members[n];
            let Some(own) = member.any_box() else { continue };
            let mut above = self.parents[n];
            while let Some(up) = above.filter(|&up| self.members[up].polygon_box().is_none()) {
                above = self.parents[up];
            }
            let Some((up, outer)) = above.and_then(|up| Some((self.members[up], self.members[up].polygon_box()?)))
            else {
                continue;
            };
            if within(own, outer) {
                continue;
            }
            let (own_text, outer_text) = (show(own), show(outer));
            match (member.at(), up.at()) {
                (Some(at), _) => {
                    let turned = Rect::new(turn(own.min()), turn(own.max()));
                    let hint = match (within(turned, outer), crs_said) {
                        (true, _) => "; latitude and longitude are exchanged",
                        (false, true) => "",
                        (false, false) => NO_CRS,
                    };
                    let reason =
                        format!("it lies in {own_text}, outside of {}, which is {outer_text}{hint}", up.code());
                    problems.add(at, Some(member.code()), "geometry", reason);
                }
                (None, Some(at)) => {
                    let reason = format!("it is {outer_text}, and {} below it lies in {own_text}", member.code());
                    problems.add(at, Some(up.code()), "geometry", reason);
                }
                (None, None) => {}
            }
        }
    }
}

fn turn(at: Coord<f64>) -> Coord<f64> {
    Coord { x: at.y, y: at.x }
}

fn within(inner: Rect<f64>, outer: Rect<f64>) -> bool {
    let reach = TOLERANCE_DEGREES;
    inner.min().x >= outer.min().x - reach
        && inner.min().y >= outer.min().y - reach
        && inner.max().x <= outer.max().x + reach
        && inner.max().y <= outer.max().y + reach
}

/// A box for people.
fn show(of: Rect<f64>) -> String {
    let (min, max) = (of.min(), of.max());
    if min == max {
        return format!("{:.4} N {:.4} E", min.y, min.x);
    }
    format!("{:.4} to {:.4} N, {:.4} to {:.4} E", min.y, max.y, min.x, max.x)
}
