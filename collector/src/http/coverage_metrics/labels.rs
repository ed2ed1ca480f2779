//! Label text of everything that has a name, made once for each state of the registry.
//!
//! In: a [`Registry`]. Out: pieces of text that lines are put together from. Refuses to know: figures. Names are composed
//! (NFC) and escaped. A hamlet is a leaf of the tree that is valid now; its commune is the area right above it, its
//! province the one above that. Two areas of one name are told apart by their codes.

use super::text::escaped;
use crate::store::derived::is_cellular;
use crate::store::views::{AreaNode, Registry, RegistryPlace};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write;
use unicode_normalization::UnicodeNormalization;

/// One hamlet.
#[derive(Debug)]
pub struct HamletText {
    /// `province="..",commune="..",hamlet=".."`.
    pub base: Box<str>,
    /// The rest of its information: `,hamlet_name="..",latitude="..",longitude=".."`.
    pub info: Box<str>,
    /// A probe stands there now.
    pub measured: bool,
}

#[derive(Debug)]
pub struct NetworkText {
    /// `network=".."`.
    pub text: Box<str>,
    pub cellular: bool,
}

impl NetworkText {
    /// Whether it is that of a network.
    pub fn names(&self, network: &str) -> bool {
        *self.text == *network_text(network)
    }
}

#[derive(Debug)]
pub struct ProbeText {
    /// `probe=".."`.
    pub probe: Box<str>,
    /// `,site="..",province="..",commune="..",hamlet=".."`.
    pub info: Box<str>,
}

/// Where a place is, now or then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Where {
    pub hamlet: Option<usize>,
    pub commune: usize,
    /// A probe stands there now.
    pub open: bool,
}

/// Hamlets, communes and networks are named by their position here.
#[derive(Debug, Default)]
pub struct Labels {
    pub hamlets: Vec<HamletText>,
    /// `commune=".."`; the first stands for places in none. Those with a hamlet come next.
    pub communes: Vec<Box<str>>,
    /// How many of them have a hamlet now.
    pub inhabited: usize,
    pub networks: HashMap<i64, NetworkText>,
    pub probes: Vec<(i64, ProbeText)>,
    pub places: HashMap<i64, Where>,
    by_area: HashMap<i64, usize>,
    /// `province=".."` of an area, by its row.
    provinces: HashMap<i64, Box<str>>,
}

impl Labels {
    pub fn new(registry: &Registry) -> Self {
        let names = Names::new(registry);
        let mut labels = Labels { communes: vec![r#"commune="""#.into()], inhabited: 1, ..Labels::default() };
        let mut communes: HashMap<String, usize> = HashMap::from([(String::new(), 0)]);
        let stays = stays(registry);
        let tree = &registry.tree;
        let mut leaves: Vec<&AreaNode> = tree.nodes().iter().filter(|node| tree.is_leaf(node)).collect();
        leaves.sort_by(|a, b| a.code.cmp(&b.code));
        let mut by_code: HashMap<&str, usize> = HashMap::new();
        for node in leaves {
            let (province, commune) = names.above(node.parent_ref);
            labels.commune(&mut communes, commune);
            by_code.insert(&node.code, labels.hamlets.len());
            labels.hamlets.push(hamlet(node, province, commune, stays.get(node.code.as_str()).copied()));
        }
        labels.inhabited = labels.communes.len();
        for area in &registry.areas {
            if let Some(at) = by_code.get(area.code.as_str()) {
                labels.by_area.insert(area.id, *at);
            }
            let name = names.by_code.get(area.code.as_str()).map_or("", String::as_str);
            labels.provinces.insert(area.id, format!(r#"province="{}""#, escaped(name)).into());
        }
        for place in &registry.places {
            let hamlet = place.area.and_then(|area| labels.by_area.get(&area).copied());
            let above = place.area.and_then(|area| names.parents.get(&area).copied().flatten());
            let commune = labels.commune(&mut communes, names.above(above).1);
            labels.places.insert(place.id, Where { hamlet, commune, open: place.open });
        }
        let network = |(id, name): &(i64, String)| {
            (*id, NetworkText { text: network_text(name).into(), cellular: is_cellular(name) })
        };
        labels.networks = registry.networks.iter().map(network).collect();
        labels.probes = labels.probe_texts(registry);
        labels
    }

    /// Without a province: areas are numbered from 1.
    pub fn province(&self, area: i64) -> &str {
        self.provinces.get(&area).map_or(r#"province="""#, |text| text)
    }

    pub fn hamlet_of_area(&self, area: i64) -> Option<usize> {
        self.by_area.get(&area).copied()
    }

    fn commune(&mut self, known: &mut HashMap<String, usize>, name: &str) -> usize {
        if let Some(at) = known.get(name) {
            return *at;
        }
        let at = self.communes.len();
        self.communes.push(format!(r#"commune="{}""#, escaped(name)).into());
        known.insert(name.to_owned(), at);
        at
    }

    fn probe_texts(&self, registry: &Registry) -> Vec<(i64, ProbeText)> {
        let open = registry.places.iter().filter(|place| place.open);
        let stands: HashMap<i64, i64> = open.map(|place| (place.probe, place.id)).collect();
        let text = |id: i64, name: &str, site: &str| {
            let at = stands.get(&id).and_then(|place| self.places.get(place)).and_then(|at| at.hamlet);
            let nowhere = r#"province="",commune="",hamlet="""#;
            let base = at.map_or(nowhere, |at| &self.hamlets[at].base);
            ProbeText {
                probe: format!(r#"probe="{}""#, escaped(name)).into(),
                info: format!(r#",site="{}",{base}"#, escaped(site)).into(),
            }
        };
        registry.probes.iter().map(|probe| (probe.id, text(probe.id, &probe.name, &probe.site))).collect()
    }
}

/// Names of areas that tell them apart.
struct Names<'a> {
    by_code: HashMap<&'a str, String>,
    codes: HashMap<i64, &'a str>,
    parents: HashMap<i64, Option<i64>>,
}

impl<'a> Names<'a> {
    fn new(registry: &'a Registry) -> Self {
        // Later rows of a code hold its newer name; those of now count before all others.
        let all = registry.areas.iter().map(|area| (area.code.as_str(), area.name.as_str()));
        let now = registry.tree.nodes().iter().map(|node| (node.code.as_str(), node.name.as_str()));
        let mut by_code: HashMap<&str, String> = all.chain(now).map(|(code, name)| (code, nfc(name))).collect();
        let above: HashSet<i64> = registry.areas.iter().filter_map(|area| area.parent_ref).collect();
        let upper = registry.areas.iter().filter(|area| above.contains(&area.id));
        let mut bearers: BTreeMap<String, HashSet<&str>> = BTreeMap::new();
        for area in upper {
            let name = by_code.get(area.code.as_str()).cloned().unwrap_or_default();
            bearers.entry(name).or_default().insert(&area.code);
        }
        for (name, codes) in bearers.iter().filter(|(_, codes)| codes.len() > 1) {
            for code in codes {
                by_code.insert(code, format!("{name} ({code})"));
            }
        }
        Names {
            by_code,
            codes: registry.areas.iter().map(|area| (area.id, area.code.as_str())).collect(),
            parents: registry.areas.iter().map(|area| (area.id, area.parent_ref)).collect(),
        }
    }

    fn name(&self, area: i64) -> &str {
        self.codes.get(&area).and_then(|code| self.by_code.get(code)).map_or("", String::as_str)
    }

    /// Province and commune of what lies right below an area.
    fn above(&self, area: Option<i64>) -> (&str, &str) {
        let Some(area) = area else { return ("", "") };
        let province = self.parents.get(&area).copied().flatten();
        (province.map_or("", |province| self.name(province)), self.name(area))
    }
}

/// Where probes stand now, by the hamlet's code.
fn stays(registry: &Registry) -> HashMap<&str, &RegistryPlace> {
    let codes: HashMap<i64, &str> = registry.areas.iter().map(|area| (area.id, area.code.as_str())).collect();
    let open = registry.places.iter().filter(|place| place.open);
    open.filter_map(|place| Some((*codes.get(&place.area?)?, place))).collect()
}

fn hamlet(node: &AreaNode, province: &str, commune: &str, stay: Option<&RegistryPlace>) -> HamletText {
    let (province, commune, code) = (escaped(province), escaped(commune), escaped(&node.code));
    let at = node.lat.zip(node.lon).or_else(|| stay.map(|place| (place.lat, place.lon)));
    let mut info = format!(r#",hamlet_name="{}""#, escaped(&nfc(&node.name)));
    let written = match at {
        Some((lat, lon)) => write!(info, r#",latitude="{lat}",longitude="{lon}""#),
        None => write!(info, r#",latitude="",longitude="""#),
    };
    written.expect("a String takes everything");
    HamletText {
        base: format!(r#"province="{province}",commune="{commune}",hamlet="{code}""#).into(),
        info: info.into(),
        measured: stay.is_some(),
    }
}

fn network_text(name: &str) -> String {
    format!(r#"network="{}""#, escaped(&nfc(name)))
}

fn nfc(text: &str) -> String {
    text.nfc().collect()
}
