//! Durations and byte sizes as people write them: `1h30m`, `64MiB`.

use std::time::Duration;

use super::Quoted;

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a duration: write it as \"90s\", \"5m\" or \"1h30m\"")]
pub struct DurationError(Quoted);

/// Why a text is not a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a size: write it as \"512KiB\", \"64MiB\" or \"2GiB\"")]
pub struct ByteSizeError(Quoted);

/// Reads `90s`, `5m`, `1h30m`, `250ms`, `2d`; units from large to small, at least one.
///
/// # Errors
/// Says how a duration is written.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let wrong = || DurationError(Quoted::new(text));
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    let mut last_unit = u64::MAX;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let millis: u64 = match unit.trim() {
            "ms" => 1,
            "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        if millis >= last_unit {
            return Err(wrong());
        }
        last_unit = millis;
        let count: u64 = number.parse().map_err(|_| wrong())?;
        total += Duration::from_millis(count.checked_mul(millis).ok_or_else(wrong)?);
        rest = tail;
    }
    Ok(total)
}

/// Reads `64MiB`, `10KB`, `2G`, `512` (bytes).
///
/// # Errors
/// Says how a size is written.
pub fn parse_byte_size(text: &str) -> Result<u64, ByteSizeError> {
    let wrong = || ByteSizeError(Quoted::new(text));
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim() {
        "" | "B" => 1,
        "KiB" | "K" => 1 << 10,
        "KB" => 1_000,
        "MiB" | "M" => 1 << 20,
        "MB" => 1_000_000,
        "GiB" | "G" => 1 << 30,
        "GB" => 1_000_000_000,
        _ => return Err(wrong()),
    };
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).ok_or_else(wrong)
}

/// A duration for people: `0.4 s`, `41.2 s`, `1 m 45 s`, `2 h 03 m`.
pub fn format_duration(duration: Duration) -> String {
    let secs = duration.as_secs();
    if duration < Duration::from_secs(60) {
        // As many digits as say something: 0.004 s, 0.04 s, 0.4 s.
        let digits = match duration.as_millis() {
            0..10 => 3,
            10..100 => 2,
            _ => 1,
        };
        format!("{:.digits$} s", duration.as_secs_f64())
    } else if secs < 3600 {
        format!("{} m {:02} s", secs / 60, secs % 60)
    } else {
        format!("{} h {:02} m", secs / 3600, secs % 3600 / 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(parse_duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_duration("1h 30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        for text in ["", "90", "s", "1x", "1m1h", "-1s", "1.5h", "99999999999999999999d"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(parse_byte_size("64MiB"), Ok(64 << 20));
        assert_eq!(parse_byte_size("512"), Ok(512));
        for text in ["", "MiB", "1XiB", "-1", "99999999999GiB"] {
            assert!(parse_byte_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_for_people() {
        for (millis, text) in [(4, "0.004 s"), (42, "0.04 s"), (412, "0.4 s"), (3210, "3.2 s")] {
            assert_eq!(format_duration(Duration::from_millis(millis)), text);
        }
        assert_eq!(format_duration(Duration::from_secs(105)), "1 m 45 s");
        assert_eq!(format_duration(Duration::from_secs(7380)), "2 h 03 m");
    }
}
