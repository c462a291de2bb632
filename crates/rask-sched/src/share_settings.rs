//! What an administrator may say about a share of clients.

use std::str::FromStr;
use std::sync::Arc;

/// How a share is served.
#[derive(Clone, Debug, PartialEq)]
pub struct ShareSettings {
    pub name: Arc<str>,
    /// A share of weight 3 is given three times the work of one of weight 1.
    pub weight: f64,
    /// Most tasks in flight.
    pub tasks_max: Option<u32>,
    /// When so many bytes are held for it, no more are read in or made from nothing.
    pub bytes_max: Option<u64>,
}

impl Default for ShareSettings {
    fn default() -> Self {
        ShareSettings::named("")
    }
}

/// Why a description of a share is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    #[error(
        "a share is written as NAME:weight=3,tasks=100,memory=10GiB (each optional), not {0:?}"
    )]
    Form(String),
    #[error("share {0:?}: {1:?} is none of weight, tasks and memory")]
    Key(String, String),
    #[error("share {0:?}: a weight is a number from 0.000001 to 1000000, not {1:?}")]
    Weight(String, String),
    #[error(
        "share {0:?}: tasks is how many may be in flight, at least 1, not {1:?}: with none, nothing \
         of the share could ever run"
    )]
    Tasks(String, String),
    #[error(
        "share {0:?}: memory is a number of bytes above 0, as in 10GiB, not {1:?}: with none, \
         nothing of the share could ever run"
    )]
    Memory(String, String),
    #[error("share {0:?} is described twice")]
    Twice(String),
}

impl ShareSettings {
    /// A share that is served as one among equals.
    pub fn named(name: &str) -> Self {
        ShareSettings {
            name: name.into(),
            weight: 1.0,
            tasks_max: None,
            bytes_max: None,
        }
    }

    /// Several descriptions; no share may be named twice.
    pub fn try_all<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Vec<Self>, ShareError> {
        let mut shares: Vec<ShareSettings> = Vec::new();
        for text in texts {
            let share: ShareSettings = text.parse()?;
            if shares.iter().any(|known| known.name == share.name) {
                return Err(ShareError::Twice(share.name.to_string()));
            }
            shares.push(share);
        }
        Ok(shares)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), ShareError> {
        let name = self.name.to_string();
        let wrong = |error: fn(String, String) -> ShareError| {
            let (name, value) = (name.clone(), value.to_owned());
            move || error(name, value)
        };
        match key {
            "weight" => {
                let weight = value.parse().ok();
                let weight = weight.filter(|weight| (WEIGHT_MIN..=WEIGHT_MAX).contains(weight));
                self.weight = weight.ok_or_else(wrong(ShareError::Weight))?;
            }
            "tasks" => {
                let count = value.parse().ok().filter(|count| *count > 0);
                self.tasks_max = Some(count.ok_or_else(wrong(ShareError::Tasks))?);
            }
            "memory" => {
                let bytes = parse_bytes(value).filter(|bytes| *bytes > 0);
                self.bytes_max = Some(bytes.ok_or_else(wrong(ShareError::Memory))?);
            }
            _ => return Err(ShareError::Key(name, key.to_owned())),
        }
        Ok(())
    }
}

/// Beyond these the sums of work by weight would lose their last microseconds.
const WEIGHT_MIN: f64 = 1e-6;
const WEIGHT_MAX: f64 = 1e6;

impl FromStr for ShareSettings {
    type Err = ShareError;

    /// As in `team-a:weight=3,tasks=100,memory=10GiB`.
    fn from_str(text: &str) -> Result<Self, ShareError> {
        let form = || ShareError::Form(text.to_owned());
        let (name, described) = text.rsplit_once(':').ok_or_else(form)?;
        if name.is_empty() {
            return Err(form());
        }
        let mut share = ShareSettings::named(name);
        for part in described.split(',').filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').ok_or_else(form)?;
            share.set(key.trim(), value.trim())?;
        }
        Ok(share)
    }
}

/// A number of bytes, with or without a unit.
fn parse_bytes(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return None,
    };
    if let Ok(count) = number.parse::<u64>() {
        return count.checked_mul(factor);
    }
    let count: f64 = number.parse().ok()?;
    Some((count * factor as f64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_read_as_it_is_written() {
        let share: ShareSettings = "team-a:weight=2.5, tasks=100, memory=1.5 GiB"
            .parse()
            .unwrap();
        assert_eq!(&*share.name, "team-a");
        assert_eq!((share.weight, share.tasks_max), (2.5, Some(100)));
        assert_eq!(share.bytes_max, Some(3 << 29));
        let plain: ShareSettings = "guests:".parse().unwrap();
        assert_eq!(plain, ShareSettings::named("guests"));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let refused = [
            "team-a",
            ":weight=1",
            "a:weight",
            "a:weight=0",
            "a:weight=nan",
            "a:tasks=0",
            "a:memory=0",
            "a:memory=10 apples",
            "a:speed=1",
        ];
        for text in refused {
            assert!(text.parse::<ShareSettings>().is_err(), "{text:?}");
        }
        let twice = ["a:weight=1", "a:weight=2"].into_iter();
        assert_eq!(
            ShareSettings::try_all(twice),
            Err(ShareError::Twice("a".to_owned()))
        );
    }
}
