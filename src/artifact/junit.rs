//! Test reports in JUnit's XML, as most test runners write them: how many tests passed, and why some have failed.
//!
//! The file is somebody else's. It is read up to a size and a depth; document types, and with them entities, are refused;
//! of the tests only numbers are kept, and of the failed ones the first few.

use std::borrow::Cow;

use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

/// The largest report that is read, in bytes.
pub(crate) const MAX_REPORT: u64 = 32 << 20;

/// The most elements inside each other.
const MAX_DEPTH: usize = 64;

/// The most failed tests of a report that are kept.
const MAX_FAILED: usize = 20;

/// How many tests there were, by how they ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TestCounts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
    /// How long they took, each for itself.
    pub(crate) duration_ms: u64,
}

/// What a report says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TestReport {
    pub(crate) counts: TestCounts,
    /// The first of the failed ones.
    pub(crate) failing: Vec<FailedTest>,
}

/// A test that has failed, as the report has it: nothing is shortened or redacted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FailedTest {
    /// The class, otherwise the suite.
    pub(crate) suite: String,
    pub(crate) name: String,
    pub(crate) message: String,
}

/// Why a file is not a test report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JunitError {
    #[error("it has no `testsuite`")]
    NotJunit,
    #[error("it declares a document type, which is not read")]
    DocumentType,
    #[error("it has more than {MAX_DEPTH} elements inside each other")]
    TooDeep,
    #[error("it is not well-formed XML: {0}")]
    Malformed(String),
}

/// A test that is being read.
#[derive(Default)]
struct Case {
    test: FailedTest,
    has_failed: bool,
    is_skipped: bool,
    millis: u64,
    /// What the elements of its failures hold.
    text: String,
}

struct Parser {
    /// The names of the elements around this place.
    open: Vec<String>,
    suites: Vec<String>,
    case: Option<Case>,
    report: TestReport,
}

impl TestReport {
    /// Reads a report.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, JunitError> {
        let text = String::from_utf8_lossy(bytes);
        let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
        reader.config_mut().allow_dangling_amp = true;
        let mut parser = Parser { open: Vec::new(), suites: Vec::new(), case: None, report: Self::default() };
        let mut has_root = false;
        loop {
            let event = reader.read_event().map_err(|error| JunitError::Malformed(error.to_string()))?;
            match event {
                Event::DocType(_) => return Err(JunitError::DocumentType),
                Event::Start(start) => {
                    has_root |= expect_root(&parser, &start)?;
                    parser.start(&start)?;
                }
                Event::Empty(start) => {
                    has_root |= expect_root(&parser, &start)?;
                    parser.start(&start)?;
                    parser.end();
                }
                Event::End(_) => parser.end(),
                Event::Text(text) => parser.text(&text.xml10_content()),
                Event::CData(text) => parser.text(&text.xml10_content()),
                Event::GeneralRef(name) => {
                    let known = name.resolve_char_ref().ok().flatten().map(String::from);
                    let known = known.or_else(|| resolve_xml_entity(&name).map(str::to_owned));
                    parser.text(&known.unwrap_or_else(|| format!("&{};", &*name)));
                }
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
                Event::Eof => break,
            }
        }
        match (has_root, parser.open.is_empty()) {
            (false, _) => Err(JunitError::NotJunit),
            (true, false) => Err(JunitError::Malformed("it ends within an element".to_owned())),
            (true, true) => Ok(parser.report),
        }
    }
}

/// Whether an element is the first one, which has to be a suite.
fn expect_root(parser: &Parser, start: &BytesStart<'_>) -> Result<bool, JunitError> {
    if !parser.open.is_empty() {
        return Ok(false);
    }
    match start.local_name().into_inner() {
        "testsuites" | "testsuite" => Ok(true),
        _ => Err(JunitError::NotJunit),
    }
}

impl Parser {
    fn start(&mut self, start: &BytesStart<'_>) -> Result<(), JunitError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(JunitError::TooDeep);
        }
        let name = start.local_name().into_inner().to_owned();
        match (&*name, &mut self.case) {
            ("testsuite", None) => self.suites.push(attribute(start, "name")),
            ("testcase", None) => {
                let class = attribute(start, "classname");
                let suite =
                    if class.is_empty() { self.suites.last().cloned().unwrap_or_default() } else { class };
                self.case = Some(Case {
                    test: FailedTest { suite, name: attribute(start, "name"), message: String::new() },
                    is_skipped: matches!(&*attribute(start, "status"), "notrun" | "skipped" | "disabled"),
                    millis: millis(&attribute(start, "time")),
                    ..Case::default()
                });
            }
            ("failure" | "error", Some(case)) => {
                case.has_failed = true;
                if case.test.message.is_empty() {
                    case.test.message = attribute(start, "message");
                }
            }
            ("skipped", Some(case)) => case.is_skipped = true,
            _ => {}
        }
        self.open.push(name);
        Ok(())
    }

    fn text(&mut self, text: &str) {
        let is_message = matches!(self.open.last().map(String::as_str), Some("failure" | "error"));
        if let Some(case) =
            self.case.as_mut().filter(|_| is_message && self.report.failing.len() < MAX_FAILED)
        {
            case.text.push_str(text);
        }
    }

    fn end(&mut self) {
        match self.open.pop().as_deref() {
            Some("testcase") => {
                // Elements of a test have other names.
                if let Some(case) = self.case.take() {
                    self.report.add(case);
                }
            }
            Some("testsuite") if self.case.is_none() => {
                self.suites.pop();
            }
            _ => {}
        }
    }
}

impl TestReport {
    fn add(&mut self, case: Case) {
        let counts = &mut self.counts;
        counts.duration_ms = counts.duration_ms.saturating_add(case.millis);
        if !case.has_failed {
            let count = if case.is_skipped { &mut counts.skipped } else { &mut counts.passed };
            *count += 1;
            return;
        }
        counts.failed += 1;
        if self.failing.len() < MAX_FAILED {
            let (mut test, text) = (case.test, case.text.trim().to_owned());
            if test.message.trim().is_empty() || text.contains(test.message.trim()) {
                test.message = text;
            } else if !text.is_empty() {
                test.message = format!("{}\n{text}", test.message.trim());
            }
            self.failing.push(test);
        }
    }
}

fn attribute(start: &BytesStart<'_>, name: &str) -> String {
    // A malformed list of attributes has no value of this name.
    let Ok(Some(found)) = start.try_get_attribute(name) else { return String::new() };
    let value =
        found.normalized_value(XmlVersion::Implicit1_0).unwrap_or_else(|_| Cow::Borrowed(&*found.value));
    value.trim().to_owned()
}

/// Seconds as runners write them, some with commas between thousands.
fn millis(text: &str) -> u64 {
    let seconds: f64 = text.replace(',', "").parse().unwrap_or_default();
    let millis = (seconds * 1_000.0).round();
    if millis.is_finite() && millis > 0.0 && millis < 1e15 { millis as u64 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_summed_up() {
        let report = TestReport::parse(
            br#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites><testsuite name="suite &amp; co"><properties/>
<testcase name="ok" classname="a.B" time="1.5"/>
<testcase name="slow" time="1,000.25"><system-out>failure <![CDATA[<failure/>]]></system-out></testcase>
<testcase name="skip"><skipped message="later"/></testcase>
<testcase name="off" status="notrun"/>
<testcase name="bad &lt;b&gt;" classname="a.B"><failure message="1 != 2" type="x">at line 3: 1 != 2 &#65;&unknown;</failure></testcase>
<testcase name="worse"><error message="boom"><![CDATA[trace <x>]]></error></testcase>
<testcase name="worst"><failure/></testcase>
</testsuite></testsuites>"#,
        )
        .unwrap();
        assert_eq!(report.counts, TestCounts { passed: 2, failed: 3, skipped: 2, duration_ms: 1_001_750 });
        let test = |suite: &str, name: &str, message: &str| FailedTest {
            suite: suite.to_owned(),
            name: name.to_owned(),
            message: message.to_owned(),
        };
        assert_eq!(
            report.failing,
            [
                test("a.B", "bad <b>", "at line 3: 1 != 2 A&unknown;"),
                test("suite & co", "worse", "boom\ntrace <x>"),
                test("suite & co", "worst", ""),
            ]
        );
    }

    #[test]
    fn what_is_not_a_report_is_refused() {
        let bomb =
            "<!DOCTYPE x [<!ENTITY a \"aaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]><testsuite name=\"&b;\"/>";
        let deep = "<testsuite>".repeat(MAX_DEPTH + 1);
        for (text, expected) in [
            ("", JunitError::NotJunit),
            ("<html/>", JunitError::NotJunit),
            ("<project><testsuite/></project>", JunitError::NotJunit),
            (bomb, JunitError::DocumentType),
            (&deep, JunitError::TooDeep),
        ] {
            assert_eq!(TestReport::parse(text.as_bytes()), Err(expected), "{text}");
        }
        for text in
            ["<testsuite>", "<testsuite></x>", "<testsuite><testcase name='</testsuite>", "<testsuite/><x"]
        {
            assert!(TestReport::parse(text.as_bytes()).is_err(), "{text}");
        }
        let at_limit = format!("{}{}", "<testsuite>".repeat(MAX_DEPTH), "</testsuite>".repeat(MAX_DEPTH));
        assert!(TestReport::parse(at_limit.as_bytes()).is_ok());
    }

    #[test]
    fn a_report_of_very_many_tests_is_read_and_little_of_it_is_kept() {
        let mut text = "<testsuite>".to_owned();
        for number in 0..200_000 {
            text.push_str(&format!("<testcase name=\"{number}\"><failure>no</failure></testcase>"));
        }
        text.push_str("</testsuite>");
        let report = TestReport::parse(text.as_bytes()).unwrap();
        assert_eq!((report.counts.failed, report.failing.len()), (200_000, MAX_FAILED));
        let hostile = b"<testsuite><testcase name='\x1b[2J\xff' time='-1e999'/><testcase time='NaN' name=''/></testsuite>";
        assert_eq!(TestReport::parse(hostile).unwrap().counts.passed, 2);
    }
}
