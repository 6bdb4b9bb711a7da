//! What a shell reads before a script: the variables and functions of each level, and the arguments under their own names.

use std::fmt::Write as _;

use serde_json::Value;

use crate::model::shell_word;
use crate::pipeline::argument::Resolved;
use crate::pipeline::folder::FolderJob;

/// Variables that bash does not let be set.
const READ_ONLY: [&str; 7] = ["BASHOPTS", "BASH_VERSINFO", "EUID", "GROUPS", "PPID", "SHELLOPTS", "UID"];

/// The text for bash. It does not hold for programs that the script starts.
pub(super) fn bash(job: &FolderJob, resolved: &Resolved) -> String {
    let mut text = "unset BASH_ENV\n".to_owned();
    for level in job.levels() {
        for kind in ["vars", "libs"] {
            let folder = shell_word(&level.join(kind).to_string_lossy());
            let _infallible = writeln!(
                text,
                "for __quire_file in {folder}/*.sh; do [ -r \"$__quire_file\" ] && . \"$__quire_file\"; done"
            );
        }
    }
    text.push_str("unset __quire_file\n");
    for (argument, value) in &resolved.values {
        let Some(name) = shell_name(argument) else { continue };
        let line = match value {
            Value::Array(items) => {
                let items: Vec<String> = items.iter().map(|item| word(&plain(item))).collect();
                format!("declare -a {name}=({})", items.join(" "))
            }
            Value::Object(members) => {
                let members: Vec<String> = members
                    .iter()
                    .map(|(key, value)| format!("[{}]={}", word(key), word(&plain(value))))
                    .collect();
                format!("declare -A {name}=({})", members.join(" "))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                format!("export {name}={}", word(&plain(value)))
            }
        };
        text.push_str(&line);
        text.push('\n');
    }
    for secret in resolved.secrets.keys() {
        let Some(name) = shell_name(secret) else { continue };
        let _infallible =
            writeln!(text, "IFS= read -r -d '' {name} <\"$RUN_DIR\"/secrets/{} || :", word(secret));
    }
    text
}

/// The text for PowerShell, which gets the path of the script.
pub(super) fn powershell(job: &FolderJob, resolved: &Resolved) -> String {
    let mut text = "param([string]$TargetScript)\n".to_owned();
    for level in job.levels() {
        for kind in ["vars", "libs"] {
            let folder = quoted(&level.join(kind).to_string_lossy());
            let _infallible = writeln!(
                text,
                "Get-ChildItem -Path (Join-Path {folder} '*.ps1') -ErrorAction SilentlyContinue | Sort-Object Name | ForEach-Object {{ . $_.FullName }}"
            );
        }
    }
    for (argument, value) in &resolved.values {
        if let Some(name) = shell_name(argument) {
            let json = quoted(&value.to_string());
            let _infallible = writeln!(text, "${name} = ConvertFrom-Json {json}");
        }
    }
    for secret in resolved.secrets.keys() {
        if let Some(name) = shell_name(secret) {
            let file = quoted(secret);
            let _infallible =
                writeln!(text, "${name} = Get-Content -Raw (Join-Path $env:RUN_DIR \"secrets\" {file})");
        }
    }
    text.push_str(". $TargetScript\nexit $LASTEXITCODE\n");
    text
}

/// The variable of an argument; none when no shell could have it.
fn shell_name(argument: &str) -> Option<String> {
    let name: String = argument.chars().map(|c| if matches!(c, '-' | '.') { '_' } else { c }).collect();
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let is_name = begins && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (is_name && !READ_ONLY.contains(&name.as_str())).then_some(name)
}

/// A value as the text that a shell has of it.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

fn word(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
