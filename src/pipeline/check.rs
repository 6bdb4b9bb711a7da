//! Checks declared jobs against each other and finds every mistake at once.

use std::collections::HashMap;

use super::cycle::find_cycles;
use super::graph::{Job, JobGraph, JobOptions, Need};
use crate::event::Source;
use crate::model::{Diagnostic, JobId, Span, suggest};
use crate::schema::planned_input;

/// The most jobs that a pipeline may have.
const MAX_JOBS: usize = 10_000;

/// A job as a front-end declares it, with its places in the file.
#[derive(Debug, Clone)]
pub(crate) struct Declared {
    /// The id as written.
    pub(crate) id: String,
    /// The place of the id.
    pub(crate) id_span: Option<Span>,
    /// The place of the whole declaration.
    pub(crate) span: Option<Span>,
    /// What the job needs, as written.
    pub(crate) needs: Vec<DeclaredNeed>,
    /// What it says about itself, checked by the front-end.
    pub(crate) options: JobOptions,
}

/// A need as a front-end declares it.
#[derive(Debug, Clone)]
pub(crate) struct DeclaredNeed {
    /// The job's id or the source's name.
    pub(crate) name: String,
    /// Its place.
    pub(crate) span: Option<Span>,
}

/// The file that is checked, for the diagnostics.
struct File<'a> {
    name: &'a str,
    text: &'a str,
}

impl File<'_> {
    fn error(&self, span: Option<Span>, message: impl Into<String>) -> Diagnostic {
        let diagnostic = Diagnostic::error(self.name, message);
        match span {
            Some(span) => diagnostic.at(span, self.text),
            None => diagnostic,
        }
    }
}

impl JobGraph {
    /// Checks the declared jobs of one file, in their order.
    ///
    /// # Errors
    /// All mistakes: ids that are not ids or are used twice, needs that nobody has, cycles, jobs that nothing
    /// starts.
    pub(crate) fn check(declared: &[Declared], file: &str, text: &str) -> Result<Self, Vec<Diagnostic>> {
        let file = File { name: file, text };
        let mut wrong = Vec::new();
        if declared.len() > MAX_JOBS {
            wrong.push(file.error(
                None,
                format!("{} jobs are more than the {MAX_JOBS} that a pipeline may have", declared.len()),
            ));
            return Err(wrong);
        }
        let ids = check_ids(declared, &file, &mut wrong);
        let needs = check_needs(declared, &ids, &file, &mut wrong);
        check_cycles(declared, &needs, &file, &mut wrong);
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let jobs = declared.iter().zip(needs).filter_map(|(job, needs)| {
            let id = JobId::parse(&job.id).ok()?;
            Some(Job { id, needs, options: job.options.clone() })
        });
        Ok(Self { jobs: jobs.collect() })
    }
}

/// Checks the ids; returns where each one is declared first.
fn check_ids<'a>(
    declared: &'a [Declared],
    file: &File<'_>,
    wrong: &mut Vec<Diagnostic>,
) -> HashMap<&'a str, usize> {
    let mut ids: HashMap<&str, usize> = HashMap::new();
    for (index, job) in declared.iter().enumerate() {
        if let Err(error) = JobId::parse(&job.id) {
            let help = "an id is 1 to 64 letters, digits, `_`, `.` and `-`, and begins with a letter, a digit or `_`";
            wrong.push(file.error(job.id_span.or(job.span), error.to_string()).help(help));
        }
        if let Some(first) = ids.get(job.id.as_str()) {
            let place = declared.get(*first).and_then(|first| first.id_span.or(first.span));
            let help = match place {
                Some(place) => {
                    format!("it is declared first at {}:{}:{}", file.name, place.line, place.column)
                }
                None => "give each job an id of its own".to_owned(),
            };
            wrong.push(
                file.error(job.id_span.or(job.span), format!("there are two jobs called `{}`", job.id))
                    .help(help),
            );
        } else {
            ids.insert(&job.id, index);
        }
    }
    ids
}

/// Resolves what the jobs need.
fn check_needs(
    declared: &[Declared],
    ids: &HashMap<&str, usize>,
    file: &File<'_>,
    wrong: &mut Vec<Diagnostic>,
) -> Vec<Vec<Need>> {
    let mut all = Vec::with_capacity(declared.len());
    for job in declared {
        let mut needs = Vec::with_capacity(job.needs.len());
        for (place, need) in job.needs.iter().enumerate() {
            if job.needs.iter().take(place).any(|earlier| earlier.name == need.name) {
                let message = format!("`{}` is an input of `{}` twice", need.name, job.id);
                wrong.push(file.error(need.span, message).help("leave one of them out"));
                continue;
            }
            if let Some(source) = Source::NAMED.iter().find(|source| source.name() == need.name) {
                needs.push(Need::Source(source.clone()));
            } else if let Some(index) = ids.get(need.name.as_str()) {
                needs.push(Need::Job(*index));
            } else {
                wrong.push(unknown_need(need, ids, file));
            }
        }
        all.push(needs);
    }
    all
}

fn unknown_need(need: &DeclaredNeed, ids: &HashMap<&str, usize>, file: &File<'_>) -> Diagnostic {
    if let Some(instead) = planned_input(&need.name) {
        let message = format!("the source `{}` is not in this version of quire", need.name);
        return file.error(need.span, message).help(instead);
    }
    let message = format!("no job or source is called `{}`", need.name);
    let diagnostic = file.error(need.span, message);
    let sources = Source::NAMED.map(|source| source.name());
    match suggest(&need.name, ids.keys().copied().chain(sources)) {
        Some(near) => diagnostic.help(format!("did you mean `:{near}`?")),
        None if need.name.starts_with("quire/") => {
            diagnostic.help(format!("the sources are `:{}`", sources.join("` and `:")))
        }
        None => {
            diagnostic.help("a job needs event sources such as `:quire/push`, and other jobs by their ids")
        }
    }
}

/// Reports dependency cycles. A job that needs a source or an acyclic job is reachable, so no cycle means all are.
fn check_cycles(declared: &[Declared], needs: &[Vec<Need>], file: &File<'_>, wrong: &mut Vec<Diagnostic>) {
    for cycle in find_cycles(needs) {
        let jobs: Vec<&Declared> = cycle.iter().filter_map(|index| declared.get(*index)).collect();
        let names: Vec<&str> = jobs.iter().chain(jobs.first()).map(|job| job.id.as_str()).collect();
        let message = format!("dependency cycle: {}", names.join(" → "));
        let span = jobs.first().and_then(|job| job.id_span.or(job.span));
        let help = match jobs.as_slice() {
            [_] => "a job cannot depend on itself; remove it from its own inputs",
            _ => "remove one of these dependencies",
        };
        wrong.push(file.error(span, message).help(help));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(id: &str, needs: &[&str]) -> Declared {
        let needs = needs.iter().map(|name| DeclaredNeed { name: (*name).to_owned(), span: None }).collect();
        Declared { id: id.to_owned(), id_span: None, span: None, needs, options: JobOptions::default() }
    }

    fn messages(jobs: &[Declared]) -> Vec<String> {
        JobGraph::check(jobs, "ci.fnl", "").unwrap_err().into_iter().map(|wrong| wrong.message).collect()
    }

    #[test]
    fn a_graph_keeps_the_order_of_the_file() {
        let graph = JobGraph::check(&[job("b", &["a"]), job("a", &["quire/push"])], "f", "").unwrap();
        assert_eq!(graph.jobs()[0].needs, [Need::Job(1)]);
        assert_eq!(graph.need_names(&graph.jobs()[0]), ["a"]);
        assert_eq!(graph.jobs()[1].needs, [Need::Source(Source::Push)]);
    }

    #[test]
    fn all_mistakes_are_found_at_once() {
        let jobs = [
            job("a b", &["quire/push"]),
            job("test", &["quire/push"]),
            job("test", &["quire/push"]),
            job("docs", &["tset"]),
            job("x", &["y"]),
            job("y", &["z"]),
            job("z", &["x"]),
            job("me", &["me"]),
            job("nightly", &["quire/cron"]),
            job("button", &["quire/manual"]),
            job("twice", &["quire/push", "test", "quire/push"]),
        ];
        assert_eq!(
            messages(&jobs),
            [
                "`a b` is not a job id: ' ' is not allowed",
                "there are two jobs called `test`",
                "no job or source is called `tset`",
                "the source `quire/cron` is not in this version of quire",
                "`quire/push` is an input of `twice` twice",
                "dependency cycle: x → y → z → x",
                "dependency cycle: me → me",
            ]
        );
    }

    #[test]
    fn near_names_are_suggested() {
        let wrong =
            JobGraph::check(&[job("test", &["quire/psuh"]), job("docs", &["tset"])], "f", "").unwrap_err();
        let help: Vec<_> = wrong.iter().filter_map(|wrong| wrong.help.as_deref()).collect();
        assert_eq!(help, ["did you mean `:quire/push`?", "did you mean `:test`?"]);
    }
}
