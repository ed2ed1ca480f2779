//! What the area tree and the registry fill in where a person left it out: a hamlet's own point, a site's name.
//!
//! In: a hamlet's code, a position, or neither. Out: where the probe stands and of which site it is, and what was
//! assumed. Refuses to know: how areas came in, what is registered. Limits: those of the tree.

use crate::areas::{Shape, normal};
use crate::store::{AreaRow, Readers, Standing};
use anyhow::{Context, bail};
use phusong_coverage::Place;
use phusong_protocol::SiteId;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use unicode_normalization::UnicodeNormalization;

const SITE_CHARS: usize = 32;

/// What is known of areas and sites.
pub struct Known {
    areas: Vec<AreaRow>,
    by_code: HashMap<String, Vec<usize>>,
    by_id: HashMap<i64, usize>,
    sites: BTreeSet<String>,
}

/// Where a probe stands, and what nobody said of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stands {
    pub standing: Option<Standing>,
    /// The hamlet whose own point is taken for the position.
    pub point_of: Option<String>,
}

impl Known {
    pub fn read(data_dir: &Path) -> anyhow::Result<Self> {
        let reader = Readers::of(data_dir).connect()?;
        let areas = reader.areas()?;
        let mut by_code: HashMap<String, Vec<usize>> = HashMap::new();
        for (number, area) in areas.iter().enumerate() {
            by_code.entry(area.code.clone()).or_default().push(number);
        }
        let by_id = areas.iter().enumerate().map(|(number, area)| (area.id, number)).collect();
        let active = reader.probes()?.into_iter().filter(|row| row.retired_ms.is_none());
        Ok(Known { by_code, by_id, sites: active.map(|row| row.site).collect(), areas })
    }

    pub fn stand(
        &self,
        at: Option<Place>,
        hamlet: Option<String>,
        supply: Option<String>,
        ms: i64,
    ) -> anyhow::Result<Stands> {
        let (at, point_of) = match (at, &hamlet) {
            (Some(at), _) => (at, None),
            (None, Some(code)) => {
                let (at, name) = self.point(code, ms)?;
                (at, Some(name))
            }
            (None, None) if supply.is_some() => bail!("a supply is one of a place: give its hamlet, or its position"),
            (None, None) => return Ok(Stands { standing: None, point_of: None }),
        };
        Ok(Stands { standing: Some(Standing { at, hamlet, supply }), point_of })
    }

    /// The site that a probe without one belongs to: the only one, else that of its commune.
    pub fn site(&self, hamlet: Option<&str>, ms: i64) -> anyhow::Result<SiteId> {
        if let (1, Some(only)) = (self.sites.len(), self.sites.first()) {
            return Ok(only.parse()?);
        }
        let Some(code) = hamlet else {
            let there = if self.sites.is_empty() { "there is no site yet" } else { "there are several sites" };
            bail!("{there}: say one with --site, or name the hamlet")
        };
        let hamlet = self.area(code, ms)?;
        let commune = hamlet.parent_ref.and_then(|id| self.by_id.get(&id)).map(|number| &self.areas[*number]);
        let Some(commune) = commune else {
            bail!(
                "nothing lies above {} {}, so its commune is not known: say the site with --site",
                hamlet.code,
                hamlet.name
            )
        };
        let name = slug(&commune.name);
        name.parse().with_context(|| format!("`{}` gives no name for a site: say one with --site", commune.name))
    }

    /// The area of this code at this time, else one of another time, which the registry will refuse and explain.
    fn area(&self, code: &str, ms: i64) -> anyhow::Result<&AreaRow> {
        let code = normal(code);
        let all = self.by_code.get(&code).map(Vec::as_slice).unwrap_or_default();
        let valid = |row: &&AreaRow| {
            row.valid_from_ms.is_none_or(|from| from <= ms) && row.valid_to_ms.is_none_or(|to| to > ms)
        };
        let rows = || all.iter().map(|number| &self.areas[*number]);
        let found = rows().find(valid).or_else(|| rows().next());
        found.with_context(|| format!("there is no area {code}; `areas list` shows those that are"))
    }

    /// A point that stands for a hamlet, and its name.
    fn point(&self, code: &str, ms: i64) -> anyhow::Result<(Place, String)> {
        let area = self.area(code, ms)?;
        let own = area.lat.zip(area.lon).and_then(|(lat, lon)| Place::new(lat, lon).ok());
        let of_shape = || Shape::parse(area.geometry.as_deref()?).ok()?.centre();
        let at = own.or_else(of_shape);
        let at =
            at.with_context(|| format!("area {} has no point: give the position with --lat and --lon", area.code))?;
        Ok((at, format!("{} {}", area.label, area.name).trim().to_owned()))
    }
}

/// "Thanh Định" -> "thanh-dinh".
pub fn slug(name: &str) -> String {
    // After taking letters apart, what is left of a Vietnamese one beside its marks is ASCII; but for đ.
    let plain = name.nfd().filter_map(|c| match c {
        'đ' | 'Đ' => Some('d'),
        c if c.is_ascii_alphanumeric() => Some(c.to_ascii_lowercase()),
        '\u{300}'..='\u{36f}' => None,
        _ => Some('-'),
    });
    let text: String = plain.collect();
    let words: Vec<&str> = text.split('-').filter(|word| !word.is_empty()).collect();
    let joined = words.join("-");
    joined[..joined.len().min(SITE_CHARS)].trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vietnamese_name_becomes_a_site_s_name() {
        let cases = [
            ("Thanh Định", "thanh-dinh"),
            ("Đồng Hỷ", "dong-hy"),
            ("Xã Quảng Bạch (cũ)", "xa-quang-bach-cu"),
            ("Ea H'Leo", "ea-h-leo"),
            ("Nguyễn Ngọc Ưỡng", "nguyen-ngoc-uong"),
            ("  ", ""),
            ("A very long name of a commune indeed", "a-very-long-name-of-a-commune-in"),
        ];
        for (name, expected) in cases {
            assert_eq!(slug(name), expected, "{name}");
            assert_eq!(slug(&name.nfd().collect::<String>()), expected, "{name}, taken apart");
        }
    }
}
