//! The output of a job as HTML: a section for each step, numbered lines in blocks that browsers lay out when they are seen.
//!
//! Lines are numbered through the whole job in the order in which they were written, as in its raw log. A line of another step
//! than the one that began last says so: sections are never opened twice.

use super::ansi::push_html;
use super::html::push_escaped;
use super::mark::{Mark, size, took};
use crate::view::{LogLine, StepShape};

/// The lines of one block.
const BLOCK: u64 = 500;

/// The most steps that have sections of their own.
const MAX_SECTIONS: usize = 5_000;

/// What of a log is open.
#[derive(Debug, Clone)]
pub(super) struct LogHtml {
    /// How many lines there were.
    count: u64,
    /// The lines up to this one were sent before.
    skip: u64,
    /// Whether lines begin with their time.
    has_times: bool,
    /// The step whose section is open.
    section: Option<u32>,
    is_block_open: bool,
    /// The line that the last piece did not end: its step and its number.
    cut: Option<(u32, u64)>,
    steps: Vec<StepShape>,
    /// How the job ended; nothing while it runs.
    job_outcome: Option<String>,
}

impl LogHtml {
    /// A log of which nothing was read, of a job with these steps.
    pub(super) fn new(steps: Vec<StepShape>, job_outcome: Option<String>, has_times: bool) -> Self {
        Self {
            count: 0,
            skip: 0,
            has_times,
            section: None,
            is_block_open: false,
            cut: None,
            steps,
            job_outcome,
        }
    }

    /// The same log for who has its first lines.
    pub(super) fn after(self, skip: u64) -> Self {
        Self { skip, ..self }
    }

    /// How many lines there were.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Takes over what is known of the steps now.
    pub(super) fn set_steps(&mut self, steps: Vec<StepShape>) {
        self.steps = steps;
    }

    /// Appends lines, with the sections and blocks around them.
    pub(super) fn push(&mut self, lines: &[LogLine], into: &mut String) {
        for line in lines {
            if self.begins(line) {
                if self.has_not_begun(line.step) {
                    self.open_section(line.step, into);
                }
                self.open_block(into);
            }
            self.push_line(line, into);
        }
    }

    /// Appends lines for a page that has their section and block: of the step that is returned. Call it with lines of one step.
    pub(super) fn push_new(&mut self, lines: &[LogLine], into: &mut String) {
        for line in lines {
            if self.begins(line) && self.has_not_begun(line.step) {
                self.section = Some(line.step);
            }
            self.push_line(line, into);
        }
    }

    /// The step whose section takes a line.
    pub(super) fn section_of(&self, line: &LogLine) -> u32 {
        self.section.map_or(line.step, |open| open.max(line.step))
    }

    /// Whether no line has opened the section of a step, or a later one.
    pub(super) fn has_not_begun(&self, step: u32) -> bool {
        self.section.is_none_or(|open| step > open)
    }

    /// Whether nothing is known of a step.
    pub(super) fn lacks(&self, step: u32) -> bool {
        self.steps.iter().all(|known| known.number != step)
    }

    /// Whether a line is not the rest of one.
    fn begins(&self, line: &LogLine) -> bool {
        self.cut != Some((line.step, line.n))
    }

    fn push_line(&mut self, line: &LogLine, into: &mut String) {
        if self.begins(line) {
            self.count += 1;
            if self.count > self.skip {
                self.begin_line(line, into);
            }
        }
        self.cut = line.is_cut.then_some((line.step, line.n));
        if self.count > self.skip {
            push_html(into, &line.bytes);
            if !line.is_cut {
                into.push('\n');
            }
        }
    }

    fn begin_line(&self, line: &LogLine, into: &mut String) {
        into.push_str(&format!("<li id=L{}>", self.count));
        if self.has_times {
            let time = line.time.to_string();
            into.push_str("<i>");
            push_escaped(into, time.get(11..23).unwrap_or(&time));
            into.push_str("</i> ");
        }
        let is_foreign = self.section.is_some_and(|open| open != line.step);
        match &line.service {
            Some(service) => {
                into.push_str("<b>");
                push_escaped(into, service);
                into.push_str("</b> ");
            }
            None if is_foreign && line.step > 0 => into.push_str(&format!("<b>step {}</b> ", line.step)),
            None => {}
        }
    }

    /// Closes what is open and opens the section of a step, after those of steps without output before it.
    fn open_section(&mut self, step: u32, into: &mut String) {
        self.close_section(into);
        let begun = self.section.unwrap_or_default();
        let silent = self.steps.iter().filter(|known| known.number > begun && known.number < step);
        for silent in silent.take(MAX_SECTIONS).cloned().collect::<Vec<_>>() {
            self.push_section_start(silent.number, into);
            into.push_str("</details>");
        }
        self.section = Some(step);
        self.push_section_start(step, into);
    }

    fn close_section(&mut self, into: &mut String) {
        if std::mem::take(&mut self.is_block_open) {
            into.push_str("</ol>");
        }
        if self.section.is_some() {
            into.push_str("</details>");
        }
    }

    /// Appends the beginning of a section. The end is `</details>`.
    pub(super) fn push_section_start(&self, step: u32, into: &mut String) {
        let known = self.steps.iter().find(|known| known.number == step);
        let mark = known.map(|step| Mark::of_word(step.outcome.as_deref().unwrap_or(&step.state)));
        let is_open = match (mark, &self.job_outcome) {
            (Some(mark), _) if mark.is_bad() || mark.class == "run" => true,
            // A script that fails does so behind its last step.
            (_, Some(outcome)) => {
                let has_failed_step = self
                    .steps
                    .iter()
                    .any(|step| step.outcome.as_deref().is_some_and(|word| Mark::of_word(word).is_bad()));
                let is_last = self.steps.last().is_none_or(|last| last.number == step);
                self.steps.len() <= 1 || (is_last && !has_failed_step && Mark::of_word(outcome).is_bad())
            }
            (_, None) => true,
        };
        into.push_str(&format!(
            "<details class=step data-step={step}{}><summary>",
            if is_open { " open" } else { "" }
        ));
        self.push_summary(step, into);
        into.push_str("</summary>");
    }

    /// Appends what stands above a section.
    fn push_summary(&self, step: u32, into: &mut String) {
        let Some(known) = self.steps.iter().find(|known| known.number == step) else {
            into.push_str(if step == 0 {
                "<span class=title>script</span>"
            } else {
                "<span class=title>step</span>"
            });
            return;
        };
        let mark = Mark::of_word(known.outcome.as_deref().unwrap_or(&known.state));
        into.push_str(&format!("<span class=dim>{step}</span> <span class=title>"));
        push_escaped(into, &crate::view::one_line(&known.title));
        into.push_str("</span> <span class=ends>");
        if let Some(exit) = known.exit.filter(|exit| *exit != 0) {
            into.push_str(&format!("exit {exit} "));
        }
        into.push_str(&format!("{mark} <span class=nums>{}</span></span>", took(known.duration_s)));
        if known.left_out_bytes > 0 {
            into.push_str(&format!("<span class=dim> {} left out</span>", size(known.left_out_bytes)));
        }
        if !known.masked.is_empty() {
            into.push_str("<span class=dim> masked: ");
            push_escaped(into, &known.masked.join(", "));
            into.push_str("</span>");
        }
    }

    fn open_block(&mut self, into: &mut String) {
        let is_full = self.count.is_multiple_of(BLOCK);
        if self.is_block_open && !is_full {
            return;
        }
        if self.is_block_open {
            into.push_str("</ol>");
        }
        into.push_str(&format!("<ol class=log start={}>", self.count + 1));
        self.is_block_open = true;
    }

    /// Closes what is open, and appends the sections of the steps that have written nothing.
    pub(super) fn finish(&mut self, into: &mut String) {
        let begun = self.section;
        self.close_section(into);
        let rest = self.steps.iter().filter(|step| begun.is_none_or(|begun| step.number > begun));
        for step in rest.take(MAX_SECTIONS) {
            self.push_section_start(step.number, into);
            into.push_str("</details>");
        }
        self.section = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Stream;
    use crate::model::Timestamp;

    fn line(step: u32, n: u64, text: &str, is_cut: bool) -> LogLine {
        LogLine {
            time: Timestamp::from_millis(1_795_219_199_007),
            job: Some("t".into()),
            step,
            service: None,
            n,
            stream: Stream::Stdout,
            bytes: text.into(),
            is_cut,
        }
    }

    #[test]
    fn lines_are_numbered_through_the_job_and_sections_open_once() {
        let lines = [
            line(0, 1, "script", false),
            line(1, 1, "a", false),
            line(2, 1, "b", false),
            line(1, 2, "late", false),
        ];
        let (mut log, mut html) = (LogHtml::new(Vec::new(), None, false), String::new());
        log.push(&lines, &mut html);
        log.finish(&mut html);
        for part in [
            "<li id=L1>script\n",
            "<ol class=log start=2><li id=L2>a",
            "<li id=L3>b\n<li id=L4><b>step 1</b> late",
        ] {
            assert!(html.contains(part), "{part}: {html}");
        }
        assert_eq!((html.matches("<details").count(), html.matches("</details>").count()), (3, 3));
        assert_eq!(html.matches("<ol").count(), html.matches("</ol>").count());
    }

    #[test]
    fn a_long_line_has_one_number_and_blocks_have_five_hundred() {
        let (mut log, mut html) = (LogHtml::new(Vec::new(), None, true), String::new());
        log.push(&[line(1, 1, "one ", true), line(1, 1, "line", false)], &mut html);
        assert!(html.ends_with("<li id=L1><i>23:59:59.007</i> one line\n"), "{html}");
        let lines: Vec<LogLine> = (2..=1200).map(|n| line(1, n, "x", false)).collect();
        log.push(&lines, &mut html);
        assert_eq!((log.count(), html.matches("<ol").count()), (1200, 3));
        assert!(html.contains("</ol><ol class=log start=501><li id=L501>"), "{html}");
        let (mut log, mut rest) = (LogHtml::new(Vec::new(), None, false).after(1198), String::new());
        log.push_new(&[vec![line(1, 1, "a", false)], lines].concat(), &mut rest);
        assert_eq!(rest, "<li id=L1199>x\n<li id=L1200>x\n");
    }
}
