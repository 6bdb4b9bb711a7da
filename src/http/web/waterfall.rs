//! Where the time of a run went: a row for each job, with what it waited, what it ran, and its steps.

use std::fmt::Write as _;

use super::html::{Html, escaped};
use super::mark::{Mark, took};

/// The most rows of a picture.
const MAX_ROWS: usize = 60;

/// The most steps of a row that have notches.
const MAX_NOTCHES: usize = 100;

/// Sizes.
const ROW: usize = 20;
const LABEL: usize = 190;
const WIDTH: usize = 520;
const RIGHT: usize = 80;
const MAX_NAME: usize = 22;

/// A job with its times in milliseconds since the run was queued.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) id: String,
    pub(super) needs: Vec<String>,
    pub(super) mark: Mark,
    /// When everything that it needs had ended.
    pub(super) ready: i64,
    pub(super) start: i64,
    pub(super) end: i64,
    /// When its steps began.
    pub(super) steps: Vec<i64>,
}

/// The picture of the jobs that have begun, of the run at a path.
pub(super) fn draw(lines: &[Line], run_path: &str) -> Html {
    let mut lines: Vec<&Line> = lines.iter().collect();
    lines.sort_by_key(|line| (line.start, line.end));
    lines.truncate(MAX_ROWS);
    let Some(last) = lines.iter().map(|line| line.end).max() else { return Html::default() };
    let total = last.max(1);
    let critical = critical_path(&lines);
    let at = |millis: i64| LABEL + (millis.clamp(0, total) as f64 / total as f64 * WIDTH as f64) as usize;
    let (width, height) = (LABEL + WIDTH + RIGHT, lines.len() * ROW + 4);
    let mut svg = format!(
        "<svg class=\"fall\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"group\" aria-label=\"Times of the jobs\">"
    );
    for (place, line) in lines.iter().enumerate() {
        let top = place * ROW + 4;
        let (ready, start, end) = (at(line.ready), at(line.start), at(line.end));
        let (mark, id) = (line.mark, escaped(&line.id));
        let shown: String = line.id.chars().take(MAX_NAME).collect();
        let lasted = took(Some((line.end - line.start) as f64 / 1000.0));
        let waited = took(Some((line.start - line.ready).max(0) as f64 / 1000.0));
        let _infallible = write!(
            svg,
            "<a href=\"{run_path}/job/{id}\" data-job=\"{id}\" aria-label=\"{} {} {lasted} {}\"><title>{id}: {}, waited {waited}, ran {lasted}</title>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\
             <rect class=\"needs\" x=\"{LABEL}\" y=\"{}\" width=\"{}\" height=\"2\"/>\
             <rect class=\"wait\" x=\"{ready}\" y=\"{}\" width=\"{}\" height=\"6\"/>\
             <rect class=\"bar {}\" x=\"{start}\" y=\"{top}\" width=\"{}\" height=\"14\" rx=\"2\"/>",
            escaped(&shown),
            mark.glyph,
            mark.word,
            mark.word,
            LABEL - 8,
            top + 11,
            escaped(&shown),
            top + 6,
            ready - LABEL,
            top + 4,
            start.saturating_sub(ready),
            mark.class,
            (end - start).max(2),
        );
        for step in line.steps.iter().skip(1).take(MAX_NOTCHES) {
            let _infallible = write!(svg, "<path class=\"notch\" d=\"M{}.5 {top}v14\"/>", at(*step));
        }
        if critical.contains(&line.id.as_str()) {
            let _infallible = write!(
                svg,
                "<rect class=\"critical\" x=\"{}.5\" y=\"{}.5\" width=\"{}\" height=\"16\" rx=\"3\"/>",
                start.saturating_sub(2),
                top - 2,
                (end - start).max(2) + 3
            );
        }
        let _infallible =
            write!(svg, "<text x=\"{}\" y=\"{}\">{} {lasted}</text></a>", end + 7, top + 11, mark.glyph);
    }
    svg.push_str("</svg>");
    Html(svg)
}

/// The jobs without which the run would have ended earlier: from the last one back, what was waited for.
fn critical_path<'a>(lines: &[&'a Line]) -> Vec<&'a str> {
    let mut path = Vec::new();
    let mut next = lines.iter().max_by_key(|line| line.end).copied();
    while let Some(line) = next.filter(|_| path.len() < lines.len()) {
        path.push(line.id.as_str());
        let needed = lines.iter().filter(|other| line.needs.contains(&other.id));
        next = needed.max_by_key(|other| other.end).copied();
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: &str, needs: &[&str], (ready, start, end): (i64, i64, i64)) -> Line {
        let needs = needs.iter().map(|need| (*need).to_owned()).collect();
        Line {
            id: id.to_owned(),
            needs,
            mark: Mark::of_word("passed"),
            ready,
            start,
            end,
            steps: vec![start],
        }
    }

    #[test]
    fn the_critical_path_leads_back_from_the_last_job() {
        let lines = [
            line("lint", &[], (0, 0, 6)),
            line("build", &[], (0, 0, 41)),
            line("test", &["build"], (41, 42, 105)),
            line("docs", &["build"], (41, 42, 72)),
        ];
        assert_eq!(critical_path(&lines.iter().collect::<Vec<_>>()), ["test", "build"]);
        let svg = draw(&lines, "/foo/run/1").to_string();
        assert_eq!(svg.matches("class=\"critical\"").count(), 2);
        assert!(!svg.contains("style=") && draw(&[], "/").is_empty());
    }
}
