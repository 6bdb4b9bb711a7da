//! The text format of Prometheus, version 0.0.4, from OpenMetrics: there a counter has `_total` in its name everywhere, and
//! there is no end mark.

use prometheus_client::registry::Registry;

/// The media type of the format.
pub(crate) const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All metrics of a registry in the text format.
pub(crate) fn encode(registry: &Registry) -> String {
    let mut openmetrics = String::new();
    // Writing to a string cannot fail.
    let _never = prometheus_client::encoding::text::encode(&mut openmetrics, registry).is_err();
    to_text(&openmetrics)
}

/// The same metrics in the text format.
fn to_text(openmetrics: &str) -> String {
    let mut text = String::with_capacity(openmetrics.len());
    let mut help = None;
    for line in openmetrics.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("EOF" | "UNIT"), ..) => {}
            // It comes before the type, which decides about the name.
            (Some("#"), Some("HELP"), Some(_), Some(about)) => help = Some(about),
            (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                let total = if kind == "counter" { "_total" } else { "" };
                let about = help.take().unwrap_or_default();
                text.push_str(&format!("# HELP {name}{total} {about}\n# TYPE {name}{total} {kind}\n"));
            }
            _ => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_have_their_suffix_everywhere() {
        let openmetrics = "# HELP a_b Some text.\n# TYPE a_b counter\na_b_total{x=\"1\"} 3\n\
                           # HELP c_bytes Bytes.\n# TYPE c_bytes gauge\n# UNIT c_bytes bytes\nc_bytes 4\n# EOF\n";
        assert_eq!(
            to_text(openmetrics),
            "# HELP a_b_total Some text.\n# TYPE a_b_total counter\na_b_total{x=\"1\"} 3\n\
             # HELP c_bytes Bytes.\n# TYPE c_bytes gauge\nc_bytes 4\n"
        );
    }
}
