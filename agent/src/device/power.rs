//! The supply of the device, as far as the kernel tells it.
//!
//! In: the under-voltage alarm of a Raspberry Pi (`/sys/class/hwmon/*/in0_lcrit_alarm` of `rpi_volt`) and
//! `/sys/class/power_supply`. Out: a [`PowerReading`], or nothing where the device knows nothing. Refuses to know: when
//! to look; the caller compares. Limits: 32 entries of each directory.

use phusong_protocol::PowerReading;
use std::path::{Path, PathBuf};

const ENTRIES: usize = 32;

/// The files that tell about the supply, found once at the start.
#[derive(Debug, Clone, Default)]
pub struct Supply {
    undervoltage: Option<PathBuf>,
    mains: Vec<PathBuf>,
    battery: Option<PathBuf>,
}

impl Supply {
    pub fn find(sys: &Path) -> Self {
        let mut supply = Supply::default();
        for dir in entries(&sys.join("class/hwmon")) {
            if word(&dir.join("name")).as_deref() == Some("rpi_volt") {
                supply.undervoltage = Some(dir.join("in0_lcrit_alarm"));
            }
        }
        for dir in entries(&sys.join("class/power_supply")) {
            match word(&dir.join("type")).as_deref() {
                Some("Mains" | "USB") => supply.mains.push(dir.join("online")),
                Some("Battery" | "UPS") => supply.battery = Some(dir.join("capacity")),
                _ => {}
            }
        }
        supply
    }

    /// Whether there is anything to watch.
    pub fn is_known(&self) -> bool {
        self.undervoltage.is_some() || !self.mains.is_empty() || self.battery.is_some()
    }

    pub fn read(&self) -> PowerReading {
        let flag = |file: &PathBuf| word(file).and_then(|w| w.parse::<u8>().ok()).map(|n| n != 0);
        let mains: Vec<bool> = self.mains.iter().filter_map(flag).collect();
        PowerReading {
            mains: (!mains.is_empty()).then(|| mains.contains(&true)),
            undervoltage: self.undervoltage.as_ref().and_then(flag),
            battery_ratio: self.battery.as_ref().and_then(|f| word(f)?.parse::<f32>().ok()).map(|p| p / 100.0),
        }
    }
}

/// Whether a change is worth a sample: every flag, and each tenth of the battery.
pub fn differs(before: &PowerReading, now: &PowerReading) -> bool {
    let tenth = |ratio: Option<f32>| ratio.map(|r| (r * 10.0).floor() as i32);
    before.mains != now.mains
        || before.undervoltage != now.undervoltage
        || tenth(before.battery_ratio) != tenth(now.battery_ratio)
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let Ok(list) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = list.take(ENTRIES).filter_map(|e| e.ok().map(|e| e.path())).collect();
    paths.sort();
    paths
}

fn word(file: &Path) -> Option<String> {
    std::fs::read_to_string(file).ok().map(|text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mains_and_undervoltage_are_read_where_the_kernel_shows_them() {
        let sys = std::env::temp_dir().join(format!("phusong-power-{}", std::process::id()));
        let write = |file: &str, text: &str| {
            let path = sys.join(file);
            std::fs::create_dir_all(path.parent().expect("has a parent")).expect("temp is writable");
            std::fs::write(path, text).expect("temp is writable");
        };
        assert!(!Supply::find(&sys).is_known());
        write("class/hwmon/hwmon1/name", "rpi_volt\n");
        write("class/hwmon/hwmon1/in0_lcrit_alarm", "1\n");
        write("class/power_supply/ac/type", "Mains\n");
        write("class/power_supply/ac/online", "0\n");
        write("class/power_supply/bat/type", "Battery\n");
        write("class/power_supply/bat/capacity", "73\n");
        let read = Supply::find(&sys).read();
        assert_eq!(read, PowerReading { mains: Some(false), undervoltage: Some(true), battery_ratio: Some(0.73) });
        let mut later = read.clone();
        later.battery_ratio = Some(0.71);
        assert!(!differs(&read, &later));
        later.mains = Some(true);
        assert!(differs(&read, &later));
        std::fs::remove_dir_all(&sys).expect("own directory");
    }
}
