//! The newest runs as bars: the height is how long a run took, shape and colour are how it ended.

use std::fmt::Write as _;

use super::html::{Html, escaped};
use super::mark::{Mark, took};
use crate::app::RunRow;
use crate::view::{JobShape, RunShape};

/// The size of a picture: width of a bar with the gap behind it, and height.
const STEP: usize = 7;
const WIDTH: usize = 5;
const HEIGHT: f64 = 28.0;

/// The lowest bar.
const LEAST: f64 = 3.0;

/// The highest bar is that of the longest run, and at most this many times as high as that of the median.
const CAP: f64 = 3.0;

/// One bar.
#[derive(Debug, Clone)]
pub(super) struct Bar {
    pub(super) number: u64,
    pub(super) mark: Mark,
    pub(super) seconds: Option<f64>,
}

impl Bar {
    /// The bar of a run.
    pub(super) fn of(row: &RunRow) -> Self {
        let millis = row.started_at.zip(row.finished_at);
        let seconds = millis.map(|(start, end)| (end.as_millis() - start.as_millis()) as f64 / 1000.0);
        Self { number: row.number, mark: Mark::of_run(row), seconds }
    }

    /// The bar of a job in the run of this number.
    pub(super) fn of_job(number: u64, job: &JobShape) -> Self {
        Self { number, mark: Mark::of_word(job.word()), seconds: job.duration_s }
    }

    /// The same of a run as it is answered.
    pub(super) fn of_shape(run: &RunShape) -> Self {
        Self { number: run.number, mark: Mark::of_word(run.word()), seconds: run.duration_s }
    }
}

/// A picture that is one thing to read, of bars from the oldest to the newest.
pub(super) fn picture(bars: &[Bar], what: &str) -> Html {
    let count = |class: &str| bars.iter().filter(|bar| bar.mark.class == class).count();
    let label = format!("{what}: {} passed, {} failed of {}", count("ok"), count("bad"), bars.len());
    draw(bars, &format!("role=\"img\" aria-label=\"{}\"", escaped(&label)), None)
}

/// A picture in which each bar leads to its run below a path.
pub(super) fn links(bars: &[Bar], path: &str) -> Html {
    draw(bars, "aria-label=\"Newest runs\" role=\"group\"", Some(path))
}

fn draw(bars: &[Bar], attributes: &str, path: Option<&str>) -> Html {
    if bars.is_empty() {
        return Html::default();
    }
    let mut lengths: Vec<f64> = bars.iter().filter_map(|bar| bar.seconds).collect();
    lengths.sort_by(f64::total_cmp);
    let median = lengths.get(lengths.len() / 2).copied().unwrap_or(1.0).max(0.001);
    let full = lengths.last().copied().unwrap_or(1.0).clamp(median, median * CAP);
    let width = bars.len() * STEP;
    let mut svg = format!(
        "<svg class=\"bars\" width=\"{width}\" height=\"28\" viewBox=\"0 0 {width} 28\" {attributes}>"
    );
    for (place, bar) in bars.iter().enumerate() {
        let part = bar.seconds.map_or(median / full, |seconds| (seconds / full).min(1.0));
        let height = (LEAST + part * (HEIGHT - LEAST)).round();
        let (left, top) = (place * STEP, HEIGHT - height);
        let right = left + WIDTH;
        // What has failed has a cut corner, what was not brought to its end is hollow.
        let shape = match bar.mark.class {
            "bad" => format!("M{left} 28V{top}l{WIDTH} 3V28z"),
            "off" => format!("M{left}.5 27.5V{}h4V27.5z", top + 0.5),
            _ => format!("M{left} 28V{top}H{right}V28z"),
        };
        let Bar { number, mark, seconds } = bar;
        let title = format!("#{number} {}, {}", mark.word, took(*seconds));
        let _infallible = match path {
            Some(path) => write!(
                svg,
                "<a href=\"{path}/run/{number}\" aria-label=\"{title}\"><title>{title}</title><rect x=\"{left}\" width=\"{STEP}\" height=\"28\" class=\"hit\"/><path class=\"{}\" d=\"{shape}\"/></a>",
                mark.class
            ),
            None => write!(svg, "<path class=\"{}\" d=\"{shape}\"/>", mark.class),
        };
    }
    svg.push_str("</svg>");
    Html(svg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirty_bars_fit_into_three_kilobytes_and_what_they_quote_is_text() {
        let bar = |number| Bar { number, mark: Mark::of_word("failed"), seconds: Some(number as f64) };
        let bars: Vec<Bar> = (0..30).map(bar).collect();
        let svg = picture(&bars, "\"><script>").to_string();
        assert!(svg.len() <= 3 << 10 && !svg.contains("<script"), "{}", svg.len());
        assert!(picture(&[], "x").is_empty());
        assert!(!links(&bars, "/a").to_string().contains("style"));
    }
}
