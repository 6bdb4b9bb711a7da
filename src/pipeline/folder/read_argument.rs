//! Reading `argspec` and `arguments` of a `config.yaml`.

use crate::model::Diagnostic;
use crate::pipeline::argument::{ArgSpec, MAX_ARGUMENTS, argument_name, read_argument, read_old_argument};
use crate::schema::job_folder::{ARGSPEC, ARGUMENT, OLD_ARGUMENT};
use crate::schema::{Fields, Node};

/// Variables that shells and the loader use themselves.
const TAKEN: [&str; 37] = [
    "_",
    "BASHPID",
    "BASH_ARGC",
    "BASH_ARGV",
    "BASH_LINENO",
    "BASH_SOURCE",
    "BASH_VERSINFO",
    "DIRSTACK",
    "FUNCNAME",
    "GROUPS",
    "LINENO",
    "OPTARG",
    "OPTIND",
    "PIPESTATUS",
    "RANDOM",
    "SECONDS",
    "RUN_DIR",
    "DATA_DIR",
    "QUIRE_RUN_DIR",
    "QUIRE_ARGS_JSON",
    "FLWD_RUN_DIR",
    "FLWD_ARGS_JSON",
    "FLOWD_RUN_DIR",
    "PATH",
    "HOME",
    "IFS",
    "ENV",
    "BASH_ENV",
    "SHELLOPTS",
    "BASHOPTS",
    "PS4",
    "UID",
    "EUID",
    "PPID",
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "LD_AUDIT",
];

/// The arguments of a `config.yaml` or of an add-on's job, and whether it declares any.
pub(crate) fn read_arguments(fields: &Fields<'_>) -> (Vec<ArgSpec>, bool) {
    let listed = fields.table("argspec", &ARGSPEC).map(|argspec| {
        let nodes = argspec.list("args", Ok);
        let read = nodes.into_iter().filter_map(|node| {
            let fields = argspec.inner(node, ARGUMENT.of, &ARGUMENT)?;
            let name = fields.read("name", name);
            if fields.get("name").is_none() {
                fields.refuse("`name` of the argument is missing", ARGUMENT.example);
            }
            Some((node, read_argument(&fields, name?)))
        });
        read.collect::<Vec<_>>()
    });
    let old = || {
        if fields.options().find("arguments").is_none() {
            return Vec::new();
        }
        let read = fields.entries("arguments").iter().filter_map(|(key, node)| {
            let name = fields.value("arguments", name(key))?;
            Some((key, read_old_argument(&fields.inner(node, OLD_ARGUMENT.of, &OLD_ARGUMENT)?, name)))
        });
        read.collect()
    };
    let has_old = fields.options().find("arguments").is_some();
    let read = listed.filter(|listed| !listed.is_empty());
    let read = read.or_else(|| has_old.then(old)).unwrap_or_default();
    if read.len() > MAX_ARGUMENTS {
        fields.refuse(format!("there are more than {MAX_ARGUMENTS} arguments"), "a job takes fewer");
    }
    let mut specs: Vec<ArgSpec> = Vec::new();
    for (node, spec) in read.into_iter().take(MAX_ARGUMENTS) {
        match specs.iter().find(|other| variable(&other.name) == variable(&spec.name)) {
            Some(other) => {
                let message = format!("the argument `{}` is here already", spec.name);
                let help =
                    format!("`{}` and it would be the same variable, {}", other.name, variable(&spec.name));
                fields.mistakes().note(node.error(message).help(help));
            }
            None => specs.push(spec),
        }
    }
    let has_args = !specs.is_empty();
    (specs, has_args)
}

/// The environment variable of an argument.
fn variable(name: &str) -> String {
    format!("ARG_{}", name.replace(['-', '.'], "_").to_ascii_uppercase())
}

fn name(node: &Node) -> Result<String, Diagnostic> {
    let name = argument_name(node)?;
    if TAKEN.contains(&name.as_str()) {
        let help = "the name of an argument becomes a shell variable; write it in small letters";
        return Err(node.error(format!("`{name}` is a variable of the shell")).help(help));
    }
    Ok(name)
}
