//! Reading `steps` of a `config.yaml`, and the order in which they run.

use std::path::{Component, Path};

use super::config::{ContainerConfig, Executor, StepConfig};
use super::read_config::{read_container, read_executor};
use crate::model::{Diagnostic, Quoted, suggest};
use crate::pipeline::argument::prose;
use crate::pipeline::cycle::find_cycles;
use crate::pipeline::graph::Need;
use crate::schema::job_folder::JOB_STEP;
use crate::schema::{Fields, Node};

/// Steps of one job, at most.
const MAX_STEPS: usize = 500;

/// The longest id of a step.
const MAX_ID: usize = 64;

/// The steps, each after those that it needs, otherwise in their order.
pub(super) fn read_steps(
    fields: &Fields<'_>,
    executor: Option<Executor>,
    container: &ContainerConfig,
) -> Vec<StepConfig> {
    let nodes = fields.list("steps", Ok);
    if nodes.len() > MAX_STEPS {
        fields.refuse_option("steps", format!("there are more than {MAX_STEPS} steps"), "a job has fewer");
        return Vec::new();
    }
    let mut steps: Vec<(&Node, StepConfig)> = Vec::new();
    let is_whole = fields.mistakes().count();
    for (number, node) in nodes.into_iter().enumerate() {
        let Some(step) = fields.inner(node, JOB_STEP.of, &JOB_STEP) else { continue };
        let Some(read) = read_step(&step, number, executor, container) else { continue };
        if steps.iter().any(|(_, other)| other.id == read.id) {
            let message = format!("the step {} is here already", Quoted::new(&read.id));
            fields.mistakes().note(node.error(message).help("the id of a step is unique in its job"));
            continue;
        }
        steps.push((node, read));
    }
    let needs = read_needs(fields, &steps);
    if fields.mistakes().count() > is_whole {
        return steps.into_iter().map(|(_, step)| step).collect();
    }
    let cycles = find_cycles(&needs);
    for cycle in &cycles {
        let names =
            cycle.iter().chain(cycle.first()).filter_map(|step| Some(steps.get(*step)?.1.id.as_str()));
        let names: Vec<&str> = names.collect();
        if let Some((node, _)) = cycle.first().and_then(|first| steps.get(*first)) {
            let message = format!("dependency cycle: {}", names.join(" → "));
            fields.mistakes().note(node.error(message).help("remove one of these needs"));
        }
    }
    in_order(steps.into_iter().map(|(_, step)| step).collect(), &needs)
}

fn read_step(
    step: &Fields<'_>,
    number: usize,
    executor: Option<Executor>,
    container: &ContainerConfig,
) -> Option<StepConfig> {
    let id = match step.get("id") {
        Some(_) => step.read("id", read_id)?,
        None => format!("step-{number:03}"),
    };
    if step.get("script").is_none() {
        step.refuse(format!("`script` of the step {} is missing", Quoted::new(&id)), JOB_STEP.example);
    }
    let own = step.table("container", &crate::schema::job_folder::JOB_CONTAINER);
    Some(StepConfig {
        name: prose(step, "name").unwrap_or_else(|| id.clone()),
        id,
        script: step.read("script", read_script)?,
        needs: step.texts("needs"),
        executor: step.read("executor", read_executor).or(executor),
        container: own.map_or_else(|| container.clone(), |own| read_container(&own, container)),
    })
}

fn read_id(node: &Node) -> Result<String, Diagnostic> {
    let id = node.as_text()?;
    let is_valid = (1..=MAX_ID).contains(&id.len())
        && id.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    if is_valid {
        return Ok(id);
    }
    let help = "use 1 to 64 letters, digits, `_`, `-` or `.`, starting with a letter, a digit or `_`";
    Err(node.error(format!("{} is not a valid id of a step", Quoted::new(&id))).help(help))
}

/// A path that leads to nothing outside of the job's folder by its text.
fn read_script(node: &Node) -> Result<String, Diagnostic> {
    let script = node.as_str()?;
    let is_inside =
        Path::new(script).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if script.is_empty() || script.contains('\0') || !is_inside {
        let message = format!("the script {} is not in the folder of the job", Quoted::new(script));
        return Err(node.error(message).help("write its path relative to that folder, without `..`"));
    }
    Ok(script.to_owned())
}

/// What each step needs, by places in the list; an unknown one is a mistake.
fn read_needs(fields: &Fields<'_>, steps: &[(&Node, StepConfig)]) -> Vec<Vec<Need>> {
    let ids = || steps.iter().map(|(_, step)| step.id.as_str());
    let of = |node: &Node, step: &StepConfig| {
        let needs = step.needs.iter().filter_map(|need| {
            let found = ids().position(|id| id == need);
            if found.is_none() {
                let message = format!(
                    "the step `{}` needs {}, which is no step of the job",
                    step.id,
                    Quoted::new(need)
                );
                let place = node.get("needs").unwrap_or(node);
                let wrong = place.error(message);
                fields.mistakes().note(match suggest(need, ids()) {
                    Some(near) => wrong.help(format!("did you mean `{near}`?")),
                    None => wrong.help(format!("steps are {}", ids().collect::<Vec<_>>().join(" "))),
                });
            }
            found.map(Need::Job)
        });
        needs.collect()
    };
    steps.iter().map(|(node, step)| of(node, step)).collect()
}

/// The steps, each after those that it needs; among those that may be next, the one that is written first. Steps of a cycle
/// are left out.
fn in_order(steps: Vec<StepConfig>, needs: &[Vec<Need>]) -> Vec<StepConfig> {
    let mut left: Vec<Option<StepConfig>> = steps.into_iter().map(Some).collect();
    let mut done = vec![false; left.len()];
    let mut ordered = Vec::with_capacity(left.len());
    loop {
        let is_done = |need: &Need| match need {
            Need::Job(step) => done.get(*step) == Some(&true),
            Need::Source(_) => true,
        };
        let next =
            left.iter().zip(needs).position(|(step, needs)| step.is_some() && needs.iter().all(is_done));
        let Some(next) = next else { return ordered };
        ordered.extend(left.get_mut(next).and_then(Option::take));
        if let Some(done) = done.get_mut(next) {
            *done = true;
        }
    }
}
