//! Durations and byte sizes as people write them: `1h30m`, `64MiB`.

use std::time::Duration;

use super::Quoted;

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a duration: write it as \"90s\", \"5m\" or \"1h30m\"")]
pub(crate) struct DurationError(Quoted);

/// Why a text is not a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a size: write it as \"512KiB\", \"64MiB\", \"2g\" or a number of bytes")]
pub(crate) struct SizeError(Quoted);

/// Reads `90s`, `5m`, `1h30m`, `250ms`, `2d`; units from large to small, at least one.
///
/// # Errors
/// Says how a duration is written.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, DurationError> {
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

/// Parses `64MiB`, `512m`, `10KB`, `2G`, `512` (bytes); zero is invalid. A unit without a `b` or with an `i` is a power of 1024.
///
/// # Errors
/// Says how a size is written.
pub(crate) fn parse_size(text: &str) -> Result<u64, SizeError> {
    let wrong = || SizeError(Quoted::new(text));
    let written = text.trim();
    let digits = written.find(|c: char| !c.is_ascii_digit()).unwrap_or(written.len());
    let (number, unit) = written.split_at(digits);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "ki" | "kib" => 1 << 10,
        "kb" => 1_000,
        "m" | "mi" | "mib" => 1 << 20,
        "mb" => 1_000_000,
        "g" | "gi" | "gib" => 1 << 30,
        "gb" => 1_000_000_000,
        _ => return Err(wrong()),
    };
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    bytes.filter(|bytes| *bytes > 0).ok_or_else(wrong)
}

/// A size as [`parse_size`] reads it: `512MiB`.
pub(crate) fn format_size(bytes: u64) -> String {
    for (shift, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
        if bytes > 0 && bytes.trailing_zeros() >= shift {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    bytes.to_string()
}

/// A duration for messages: `0.4 s`, `41.2 s`, `1 m 45 s`, `2 h 03 m`.
pub(crate) fn format_duration(duration: Duration) -> String {
    let secs = duration.as_secs();
    if duration < Duration::from_secs(60) {
        // As many digits as are significant: 0.004 s, 0.04 s, 0.4 s.
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
        for text in
            ["512m", "512mi", "512MiB", "512M", "512Mi", "512mib", "536870912", "524288k", " 512 MiB "]
        {
            assert_eq!(parse_size(text), Ok(512 << 20), "{text}");
        }
        assert_eq!(parse_size("10KB"), Ok(10_000));
        for bytes in [1, 1023, 1024, 3 << 20, 8 << 30, 1_000_000] {
            assert_eq!(parse_size(&format_size(bytes)), Ok(bytes));
        }
        for text in ["", "0", "0k", "MiB", "1XiB", "-1", "1.5g", "g", "1t", "99999999999GiB"] {
            assert!(parse_size(text).is_err(), "{text}");
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
