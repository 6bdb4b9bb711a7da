//! The jobs of a run as a graph: layers from left to right, and edges that never run behind a box.
//!
//! An edge over several layers passes a lane of its own in each layer between: it cannot be mistaken for an edge of a job there.
//! Edges that follow from others are left out. Of many jobs, those whose names begin alike share a box.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::graph_groups::boxes;
use super::html::{Html, escaped};
use super::mark::Mark;
use crate::view::JobShape;

/// Sizes: of a box, of a lane that an edge passes, and of the gaps between.
const BOX_HEIGHT: usize = 28;
const LANE_HEIGHT: usize = 10;
const GAP: usize = 12;
const COLUMN_GAP: usize = 44;
const CHARACTER: usize = 8;
const MAX_NAME: usize = 22;

/// How far the second box of a group looks out behind the first.
const BEHIND: usize = 3;

/// How often the order within layers is improved.
const SWEEPS: usize = 6;

/// A box of the picture: a job, or several.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) id: String,
    /// The ids of the boxes that it needs.
    pub(super) needs: Vec<String>,
    pub(super) mark: Mark,
    /// What is written in it, and what is said about it.
    pub(super) label: String,
    pub(super) title: String,
    /// What follows the address of the run in its link.
    pub(super) target: String,
    pub(super) is_group: bool,
}

impl Node {
    /// A job.
    pub(super) fn new(id: String, needs: Vec<String>, mark: Mark) -> Self {
        Self {
            label: id.clone(),
            title: format!("{id}: {}", mark.word),
            target: format!("/job/{id}"),
            is_group: false,
            id,
            needs,
            mark,
        }
    }

    /// A job as it is answered.
    pub(super) fn of(job: &JobShape) -> Self {
        Self::new(job.id.clone(), job.needs.clone(), Mark::of_word(job.word()))
    }
}

/// The layer of each box: behind all that it needs.
pub(super) fn layers(nodes: &[Node]) -> Vec<usize> {
    layers_of(&needed(nodes))
}

/// What each box needs, by places in the list.
fn needed(nodes: &[Node]) -> Vec<BTreeSet<usize>> {
    let place: BTreeMap<&str, usize> =
        nodes.iter().enumerate().map(|(place, node)| (node.id.as_str(), place)).collect();
    let needs_of = |node: &Node| node.needs.iter().filter_map(|id| place.get(id.as_str()).copied()).collect();
    nodes.iter().map(needs_of).collect()
}

fn layers_of(needs: &[BTreeSet<usize>]) -> Vec<usize> {
    let mut layers = vec![0; needs.len()];
    // A graph has no cycles; whatever else comes ends here, too.
    for _ in 0..needs.len() {
        let before = layers.clone();
        for (place, needed) in needs.iter().enumerate() {
            let layer = needed.iter().filter_map(|other| layers.get(*other)).max().map_or(0, |most| most + 1);
            if let Some(own) = layers.get_mut(place) {
                *own = layer.min(needs.len());
            }
        }
        if layers == before {
            break;
        }
    }
    layers
}

/// Something that has a place in a layer: a job, or an edge that passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Item {
    Job(usize),
    /// The edge with this number.
    Lane(usize),
}

/// Which jobs need which, by their places in the list.
struct Edges {
    /// The layer of each job.
    layers: Vec<usize>,
    /// From a job to one that needs it.
    pairs: Vec<(usize, usize)>,
}

/// Where everything is.
struct Layout {
    layers: Vec<Vec<Item>>,
    /// The middle of each item, from the top, by its layer.
    middles: BTreeMap<(usize, Item), usize>,
    height: usize,
}

impl Edges {
    fn of(nodes: &[Node]) -> Self {
        let needs = needed(nodes);
        let layers = layers_of(&needs);
        let reaches = |from: usize, to: usize| {
            let (mut waiting, mut seen) = (vec![to], BTreeSet::new());
            while let Some(next) = waiting.pop() {
                let needed = needs.get(next).into_iter().flatten().copied();
                for other in needed.filter(|other| next != to || *other != from) {
                    if other == from {
                        return true;
                    }
                    if seen.insert(other) {
                        waiting.push(other);
                    }
                }
            }
            false
        };
        let all =
            needs.iter().enumerate().flat_map(|(to, needed)| needed.iter().map(move |from| (*from, to)));
        let pairs = all.filter(|(from, to)| !reaches(*from, *to)).collect();
        Self { layers, pairs }
    }

    fn layer(&self, job: usize) -> usize {
        self.layers.get(job).copied().unwrap_or_default()
    }

    /// The items that an edge passes, with their layers.
    fn path(&self, edge: usize) -> Vec<(usize, Item)> {
        let Some((from, to)) = self.pairs.get(edge).copied() else { return Vec::new() };
        let (first, last) = (self.layer(from), self.layer(to));
        let between = (first + 1..last).map(|layer| (layer, Item::Lane(edge)));
        [(first, Item::Job(from))].into_iter().chain(between).chain([(last, Item::Job(to))]).collect()
    }
}

impl Layout {
    fn of(edges: &Edges) -> Self {
        let count = edges.layers.iter().max().map_or(0, |most| most + 1);
        let mut layers: Vec<Vec<Item>> = vec![Vec::new(); count];
        for job in 0..edges.layers.len() {
            if let Some(layer) = layers.get_mut(edges.layer(job)) {
                layer.push(Item::Job(job));
            }
        }
        let mut before: BTreeMap<(usize, Item), Vec<Item>> = BTreeMap::new();
        let mut after: BTreeMap<(usize, Item), Vec<Item>> = BTreeMap::new();
        for edge in 0..edges.pairs.len() {
            let path = edges.path(edge);
            for (layer, item) in path.iter().filter(|(_, item)| matches!(item, Item::Lane(_))) {
                if let Some(layer) = layers.get_mut(*layer) {
                    layer.push(*item);
                }
            }
            for (one, other) in path.iter().zip(path.iter().skip(1)) {
                before.entry(*other).or_default().push(one.1);
                after.entry(*one).or_default().push(other.1);
            }
        }
        for sweep in 0..SWEEPS {
            let forward = sweep % 2 == 0;
            for step in 1..count {
                let (layer, fixed) =
                    if forward { (step, step - 1) } else { (count - 1 - step, count - step) };
                let order: BTreeMap<Item, usize> = layers
                    .get(fixed)
                    .into_iter()
                    .flatten()
                    .enumerate()
                    .map(|(place, item)| (*item, place))
                    .collect();
                let near = if forward { &before } else { &after };
                if let Some(items) = layers.get_mut(layer) {
                    sort_by_neighbours(items, |item| near.get(&(layer, item)), &order);
                }
            }
        }
        Self::placed(layers)
    }

    fn placed(layers: Vec<Vec<Item>>) -> Self {
        let height_of = |item: &Item| if matches!(item, Item::Job(_)) { BOX_HEIGHT } else { LANE_HEIGHT };
        let total = |items: &Vec<Item>| {
            items.iter().map(|item| height_of(item) + GAP).sum::<usize>().saturating_sub(GAP)
        };
        let height = layers.iter().map(total).max().unwrap_or_default();
        let mut middles = BTreeMap::new();
        for (number, items) in layers.iter().enumerate() {
            let mut top = (height - total(items)) / 2;
            for item in items {
                middles.insert((number, *item), top + height_of(item) / 2);
                top += height_of(item) + GAP;
            }
        }
        Self { layers, middles, height }
    }

    fn middle(&self, at: (usize, Item)) -> usize {
        self.middles.get(&at).copied().unwrap_or_default()
    }
}

/// Sorts items by the middle of their neighbours' places; those without neighbours keep theirs.
fn sort_by_neighbours<'a>(
    items: &mut [Item],
    near: impl Fn(Item) -> Option<&'a Vec<Item>>,
    order: &BTreeMap<Item, usize>,
) {
    let own: BTreeMap<Item, usize> = items.iter().enumerate().map(|(place, item)| (*item, place)).collect();
    items.sort_by_key(|item| {
        let places: Vec<usize> =
            near(*item).into_iter().flatten().filter_map(|other| order.get(other).copied()).collect();
        let place = match places.len() {
            0 => own.get(item).copied().unwrap_or_default() * 100,
            count => places.iter().sum::<usize>() * 100 / count,
        };
        (place, *item)
    });
}

/// The picture of the jobs of the run at a path; nothing for too many of them.
pub(super) fn draw(jobs: &[Node], run_path: &str) -> Html {
    let nodes = boxes(jobs);
    if nodes.is_empty() {
        return Html::default();
    }
    let edges = Edges::of(&nodes);
    let layout = Layout::of(&edges);
    let longest = nodes.iter().map(|node| node.label.chars().count().min(MAX_NAME)).max().unwrap_or_default();
    let column = (longest + 4) * CHARACTER;
    let count = layout.layers.len();
    let width = count * column + count.saturating_sub(1) * COLUMN_GAP + 2 + BEHIND;
    let height = layout.height + 2 + BEHIND;
    let left = |layer: usize| layer * (column + COLUMN_GAP) + 1;
    let mut svg = format!(
        "<svg class=\"graph\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"group\" aria-label=\"Graph of the jobs\"><g class=\"edges\">"
    );
    for edge in 0..edges.pairs.len() {
        let path = edges.path(edge);
        let mut line = String::new();
        for (one, other) in path.iter().zip(path.iter().skip(1)) {
            let (from, to) = (left(one.0) + column, left(other.0));
            let (start, end) = (layout.middle(*one) + 1, layout.middle(*other) + 1);
            let bend = usize::midpoint(from, to);
            if line.is_empty() {
                let _infallible = write!(line, "M{from} {start}");
            }
            let _infallible = write!(line, "C{bend} {start} {bend} {end} {to} {end}");
            if matches!(other.1, Item::Lane(_)) {
                let _infallible = write!(line, "H{}", to + column);
            }
        }
        let _infallible = write!(svg, "<path d=\"{line}\"/>");
    }
    svg.push_str("</g>");
    for (place, node) in nodes.iter().enumerate() {
        let layer = edges.layer(place);
        let top = layout.middle((layer, Item::Job(place))) + 1 - BOX_HEIGHT / 2;
        push_box(&mut svg, node, (left(layer), top, column), run_path);
    }
    svg.push_str("</svg>");
    Html(svg)
}

/// What fits into a box. The end of a group is how many jobs it has.
fn shortened(label: &str) -> String {
    match label.chars().count() > MAX_NAME {
        true => label.chars().take(MAX_NAME - 1).chain(['…']).collect(),
        false => label.to_owned(),
    }
}

fn push_box(svg: &mut String, node: &Node, (left, top, width): (usize, usize, usize), run_path: &str) {
    let (mark, shown) = (node.mark, shortened(&node.label));
    let job = if node.is_group { String::new() } else { format!(" data-job=\"{}\"", escaped(&node.id)) };
    let (middle, text) = (top + BOX_HEIGHT / 2 + 4, left + 10);
    let class = if mark.word == "skipped" { "skipped" } else { mark.class };
    let behind = match node.is_group {
        true => format!(
            "<rect class=\"box {class}\" x=\"{}\" y=\"{}\" width=\"{width}\" height=\"{BOX_HEIGHT}\" rx=\"5\"/>",
            left + BEHIND,
            top + BEHIND
        ),
        false => String::new(),
    };
    let _infallible = write!(
        svg,
        "<a href=\"{run_path}{}\"{job} aria-label=\"{} {} {}\"><title>{}</title>{behind}\
         <rect class=\"box {class}\" x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{BOX_HEIGHT}\" rx=\"5\"/>\
         <text class=\"{}\" x=\"{text}\" y=\"{middle}\">{}</text><text x=\"{}\" y=\"{middle}\">{}</text></a>",
        escaped(&node.target),
        mark.glyph,
        escaped(&shown),
        mark.word,
        escaped(&node.title),
        mark.class,
        mark.glyph,
        text + 16,
        escaped(&shown)
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(of: &[(&str, &[&str])]) -> Vec<Node> {
        of.iter()
            .map(|(id, needs)| {
                let needs = needs.iter().map(|need| (*need).to_owned()).collect();
                Node::new((*id).to_owned(), needs, Mark::of_word("passed"))
            })
            .collect()
    }

    const SHAPE: &[(&str, &[&str])] = &[
        ("lint", &[]),
        ("fmt", &[]),
        ("build", &[]),
        ("test", &["build"]),
        ("docs", &["build"]),
        ("mirror", &["test", "docs", "lint", "fmt", "build"]),
    ];

    #[test]
    fn an_edge_over_several_layers_has_a_lane_of_its_own() {
        let edges = Edges::of(&nodes(SHAPE));
        assert_eq!(edges.layers, [0, 0, 0, 1, 1, 2]);
        assert!(!edges.pairs.contains(&(2, 5)), "it follows from others: {:?}", edges.pairs);
        let layout = Layout::of(&edges);
        let middle = layout.layers.get(1).unwrap();
        assert_eq!(middle.iter().filter(|item| matches!(item, Item::Lane(_))).count(), 2);
        let places: Vec<usize> = middle.iter().map(|item| layout.middle((1, *item))).collect();
        assert!(places.windows(2).all(|pair| pair[1] - pair[0] >= LANE_HEIGHT), "{places:?}");
    }

    #[test]
    fn what_a_picture_quotes_is_text_and_too_many_jobs_have_none() {
        let hostile = "\"/><script>alert(1)</script>";
        let svg = draw(&nodes(&[(hostile, &[]), ("b", &[hostile])]), "/foo/run/1").to_string();
        assert!(
            !svg.contains("<script") && !svg.contains("style=") && svg.contains("data-job=\"b\""),
            "{svg}"
        );
        let many = (0..10_000).map(|n| Node::new(n.to_string(), Vec::new(), Mark::NONE));
        assert!(draw(&many.collect::<Vec<_>>(), "/").is_empty() && draw(&[], "/").is_empty());
        let many = (0..500).map(|n| Node::new(format!("x{n}{hostile}"), Vec::new(), Mark::NONE));
        let svg = draw(&many.collect::<Vec<_>>(), "/foo/run/1").to_string();
        assert!(svg.contains("x… ×500") && !svg.contains("<script"), "{svg}");
        // A cycle cannot be pushed; a picture of one ends all the same.
        assert!(!draw(&nodes(&[("a", &["b"]), ("b", &["a"])]), "/").is_empty());
    }
}
