//! The supply of the device: what the kernel, a pin or a program tells of it.
//!
//! In: the under-voltage alarm of a Raspberry Pi (`/sys/class/hwmon/*/in0_lcrit_alarm` of `rpi_volt`),
//! `/sys/class/power_supply`, a GPIO line, what a program said. Out: a [`PowerReading`], or nothing where the device
//! knows nothing, and whether it is worth a sample. Refuses to know: when to look. Limits: 32 entries of each directory.
//!
//! A pin or a program that is configured speaks for the mains alone: behind a UPS the kernel sees power for ever.

mod command;
mod gpio;

pub use command::ask;
pub use gpio::Line;

use crate::config::PowerConfig;
use crate::spool::Urgency;
use phusong_protocol::PowerReading;
use std::path::{Path, PathBuf};

const ENTRIES: usize = 32;
/// Between samples of an alarm that lasts: six of them stand in the minute that makes it the cause of a silence.
const AGAIN_MS: u64 = 10_000;

/// The files that tell about the supply, found once at the start.
#[derive(Debug, Clone, Default)]
pub struct Supply {
    undervoltage: Option<PathBuf>,
    mains: Vec<PathBuf>,
    battery: Option<PathBuf>,
    line: Option<Line>,
    has_command: bool,
}

impl Supply {
    pub fn find(sys: &Path, config: &PowerConfig) -> Self {
        let mut supply = Supply { has_command: !config.command.is_empty(), ..Supply::default() };
        supply.line = config.gpio.map(|number| Line::new(sys, number, config.gpio_active_low));
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
        let has_input = self.line.is_some() || self.has_command;
        has_input || self.undervoltage.is_some() || !self.mains.is_empty() || self.battery.is_some()
    }

    /// `said` is what the program said last.
    pub fn read(&self, said: Option<bool>) -> PowerReading {
        let flag = |file: &PathBuf| word(file).and_then(|w| w.parse::<u8>().ok()).map(|n| n != 0);
        let inputs: Vec<bool> = if self.line.is_some() || self.has_command {
            // Whoever says that the mains are gone is believed.
            let all = [self.line.as_ref().and_then(Line::read), said.filter(|_| self.has_command)];
            let known: Vec<bool> = all.into_iter().flatten().collect();
            if known.is_empty() { known } else { vec![!known.contains(&false)] }
        } else {
            self.mains.iter().filter_map(flag).collect()
        };
        PowerReading {
            mains: (!inputs.is_empty()).then(|| inputs.contains(&true)),
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

/// Whether this look is worth a sample, and how urgent it is: `before` is the last one that was, and when.
pub fn worth(before: Option<&(PowerReading, u64)>, now: &PowerReading, now_mono_ms: u64) -> Option<Urgency> {
    match before {
        None => Some(Urgency::Urgent),
        Some((last, _)) if differs(last, now) => Some(Urgency::Urgent),
        Some((_, at)) if now.undervoltage == Some(true) && now_mono_ms.saturating_sub(*at) >= AGAIN_MS => {
            Some(Urgency::Batched)
        }
        Some(_) => None,
    }
}

/// Whether the mains went away between two looks: the device may have seconds left.
pub fn is_last_gasp(before: Option<&PowerReading>, now: &PowerReading) -> bool {
    now.mains == Some(false) && before.is_none_or(|before| before.mains != Some(false))
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

    struct Sys(PathBuf);

    impl Sys {
        fn new(name: &str) -> Self {
            Sys(std::env::temp_dir().join(format!("phusong-power-{name}-{}", std::process::id())))
        }

        fn write(&self, file: &str, text: &str) {
            let path = self.0.join(file);
            std::fs::create_dir_all(path.parent().expect("has a parent")).expect("temp is writable");
            std::fs::write(path, text).expect("temp is writable");
        }
    }

    impl Drop for Sys {
        fn drop(&mut self) {
            // Nothing is left to be said when a directory in temp stays.
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn mains_and_undervoltage_are_read_where_the_kernel_shows_them() {
        let sys = Sys::new("kernel");
        let none = PowerConfig::default();
        assert!(!Supply::find(&sys.0, &none).is_known());
        sys.write("class/hwmon/hwmon1/name", "rpi_volt\n");
        sys.write("class/hwmon/hwmon1/in0_lcrit_alarm", "1\n");
        sys.write("class/power_supply/ac/type", "Mains\n");
        sys.write("class/power_supply/ac/online", "0\n");
        sys.write("class/power_supply/bat/type", "Battery\n");
        sys.write("class/power_supply/bat/capacity", "73\n");
        let read = Supply::find(&sys.0, &none).read(None);
        assert_eq!(read, PowerReading { mains: Some(false), undervoltage: Some(true), battery_ratio: Some(0.73) });
        let mut later = read.clone();
        later.battery_ratio = Some(0.71);
        assert!(!differs(&read, &later));
        later.mains = Some(true);
        assert!(differs(&read, &later));
    }

    #[test]
    fn a_pin_or_a_program_speaks_for_the_mains_and_the_kernel_does_not() {
        let sys = Sys::new("inputs");
        sys.write("class/power_supply/usb/type", "USB\n");
        sys.write("class/power_supply/usb/online", "1\n");
        sys.write("class/gpio/gpio17/value", "0\n");
        let config = |gpio: Option<u32>, gpio_active_low: bool, command: &[&str]| PowerConfig {
            gpio,
            gpio_active_low,
            command: command.iter().map(|part| (*part).to_owned()).collect(),
            ..PowerConfig::default()
        };
        for (config, said, wanted) in [
            (config(None, false, &[]), None, Some(true)),
            (config(Some(17), false, &[]), None, Some(false)),
            (config(Some(17), true, &[]), None, Some(true)),
            // A line that is not there says nothing, and the kernel is not asked instead.
            (config(Some(18), false, &[]), None, None),
            (config(None, false, &["ups"]), Some(false), Some(false)),
            (config(None, false, &["ups"]), None, None),
            (config(Some(17), true, &["ups"]), Some(false), Some(false)),
            (config(Some(18), true, &["ups"]), Some(true), Some(true)),
        ] {
            assert_eq!(Supply::find(&sys.0, &config).read(said).mains, wanted, "{config:?} {said:?}");
        }
    }

    #[test]
    fn an_alarm_that_lasts_is_said_again_and_mains_that_fail_are_the_last_gasp() {
        let reading = |mains, undervoltage| PowerReading { mains, undervoltage, battery_ratio: None };
        let good = reading(Some(true), Some(false));
        let low = reading(Some(true), Some(true));
        assert_eq!(worth(None, &good, 0), Some(Urgency::Urgent));
        assert_eq!(worth(Some(&(good.clone(), 0)), &good, 99_999), None);
        assert_eq!(worth(Some(&(good.clone(), 0)), &low, 10), Some(Urgency::Urgent));
        assert_eq!(worth(Some(&(low.clone(), 0)), &low, 9_999), None);
        assert_eq!(worth(Some(&(low.clone(), 0)), &low, 10_000), Some(Urgency::Batched));
        assert!(
            is_last_gasp(Some(&good), &reading(Some(false), None)) && is_last_gasp(None, &reading(Some(false), None))
        );
        assert!(!is_last_gasp(Some(&good), &low) && !is_last_gasp(Some(&good), &reading(None, None)));
    }
}
