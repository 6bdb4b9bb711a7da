//! Fewer boxes for a graph with many jobs: those of one layer whose names begin alike are one box.

use std::collections::{BTreeMap, BTreeSet};

use super::graph::{Node, layers};
use super::mark::Mark;

/// With more boxes than this, jobs whose names begin alike share one.
pub(super) const MAX_SINGLE: usize = 40;

/// With more than this even so, all jobs of a layer share one. A drawing of more boxes is not made.
pub(super) const MAX_BOXES: usize = 200;

/// The largest graph that is looked at: jobs, and needs of all of them.
const MAX_JOBS: usize = 2_000;
const MAX_NEEDS: usize = 20_000;

/// The most characters of a shared beginning: the numbers behind it have to fit into the box.
const MAX_KEY: usize = 12;

/// Characters that end the first part of a name.
const ENDS: [char; 5] = ['-', '_', '.', '/', ':'];

/// The boxes of a drawing of these jobs; none when they are too many.
pub(super) fn boxes(jobs: &[Node]) -> Vec<Node> {
    let needs: usize = jobs.iter().map(|job| job.needs.len()).sum();
    if jobs.len() > MAX_JOBS || needs > MAX_NEEDS {
        return Vec::new();
    }
    if jobs.len() <= MAX_SINGLE {
        return jobs.to_vec();
    }
    let mut boxes = grouped(jobs, beginning);
    if boxes.len() > MAX_BOXES {
        boxes = grouped(jobs, |_| "");
    }
    if boxes.len() > MAX_BOXES { Vec::new() } else { boxes }
}

/// The first part of a name: `test` of `test-linux-7`, `shard` of `shard12`.
fn beginning(id: &str) -> &str {
    let end = id.find(|c: char| ENDS.contains(&c) || c.is_ascii_digit()).filter(|end| *end > 0);
    id.get(..end.unwrap_or(id.len())).unwrap_or(id)
}

/// Jobs of a layer whose keys are the same in one box, which needs what they need.
fn grouped(jobs: &[Node], key: impl Fn(&str) -> &str) -> Vec<Node> {
    let layers = layers(jobs);
    let mut groups: BTreeMap<(usize, &str), Vec<&Node>> = BTreeMap::new();
    for (job, layer) in jobs.iter().zip(&layers) {
        groups.entry((*layer, key(&job.id))).or_default().push(job);
    }
    let box_of: BTreeMap<&str, String> = groups
        .iter()
        .flat_map(|(group, members)| members.iter().map(move |job| (job.id.as_str(), name(*group, members))))
        .collect();
    let needs = |members: &[&Node]| -> Vec<String> {
        let needed: BTreeSet<&String> =
            members.iter().flat_map(|job| &job.needs).filter_map(|id| box_of.get(id.as_str())).collect();
        needed.into_iter().cloned().collect()
    };
    let node = |(group, members): (&(usize, &str), &Vec<&Node>)| match members.as_slice() {
        [job] => Node { needs: needs(members), ..(*job).clone() },
        _ => shared(name(*group, members), group.1, members, needs(members)),
    };
    groups.iter().map(node).collect()
}

/// What a box is called for others: no id of a job has a line feed.
fn name((layer, key): (usize, &str), members: &[&Node]) -> String {
    match members {
        [job] => job.id.clone(),
        _ => format!("{layer}\n{key}"),
    }
}

/// The box of several jobs: it looks like the worst of them, and leads to that one in the table.
fn shared(id: String, key: &str, jobs: &[&Node], needs: Vec<String>) -> Node {
    let rank = |mark: Mark| match (mark.class, mark.word) {
        ("bad", _) => 0,
        ("run", _) => 1,
        (_, "queued") => 2,
        ("ok", _) => 4,
        _ => 3,
    };
    let worst = jobs.iter().min_by_key(|job| rank(job.mark));
    let mark = worst.map_or(Mark::NONE, |job| job.mark);
    let count = jobs.iter().filter(|job| job.mark.word == mark.word).count();
    let total = jobs.len();
    let of = if count == total { format!("×{total}") } else { format!("{count}/{total}") };
    let shown: String = key.chars().take(MAX_KEY).collect();
    let name = if key.is_empty() { String::new() } else { format!("{shown}… ") };
    Node {
        label: format!("{name}{of}"),
        title: format!("{name}{total} jobs, {count} {}", mark.word),
        target: worst.map(|job| format!("#job-{}", job.id)).unwrap_or_default(),
        is_group: true,
        id,
        needs,
        mark,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(id: &str, needs: &[&str], word: &str) -> Node {
        let needs = needs.iter().map(|need| (*need).to_owned()).collect();
        Node::new(id.to_owned(), needs, Mark::of_word(word))
    }

    #[test]
    fn jobs_that_begin_alike_share_a_box_that_shows_the_worst() {
        let mut jobs = vec![job("build", &[], "passed")];
        for n in 0..60 {
            jobs.push(job(&format!("test-{n}"), &["build"], if n == 7 { "failed" } else { "passed" }));
        }
        let all: Vec<String> = (0..60).map(|n| format!("test-{n}")).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        jobs.push(job("report", &all, "skipped"));
        let boxes = boxes(&jobs);
        let labels: Vec<_> = boxes.iter().map(|node| node.label.as_str()).collect();
        assert_eq!(labels, ["build", "test… 1/60", "report"]);
        let [build, tests, report] = boxes.as_slice() else { panic!("{boxes:?}") };
        assert_eq!((tests.mark.word, tests.target.as_str()), ("failed", "#job-test-7"));
        assert_eq!((&tests.needs, &report.needs), (&vec![build.id.clone()], &vec![tests.id.clone()]));
    }

    #[test]
    fn few_jobs_have_boxes_of_their_own_and_far_too_many_have_none() {
        let many = |count: usize, name: fn(usize) -> String| {
            let jobs: Vec<Node> = (0..count).map(|n| job(&name(n), &[], "passed")).collect();
            boxes(&jobs).len()
        };
        let words = |n: usize| {
            let letter = |n: usize| char::from(b'a' + (n % 26) as u8);
            [letter(n), letter(n / 26), letter(n / 676)].iter().collect::<String>()
        };
        assert_eq!((many(40, words), many(150, words), many(1_000, words)), (40, 150, 1));
        assert_eq!((many(41, |n| format!("shard{n}")), many(MAX_JOBS + 1, words)), (1, 0));
        let chain: Vec<Node> = (0..300)
            .map(|n| {
                let before = (n > 0).then(|| format!("c{}", n - 1));
                job(&format!("c{n}"), &before.iter().map(String::as_str).collect::<Vec<_>>(), "passed")
            })
            .collect();
        assert!(boxes(&chain).is_empty(), "each is a layer of its own");
    }
}
