//! `:access` and `:protected`: who may do what with which repository, and which refs are protected.

use crate::model::{AccessRule, Diagnostic, JobId, May, ProtectedRule, RefPattern, RepoPattern, Subject};
use crate::schema::settings::{ACCESS_RULE, PROTECTED_RULE};
use crate::schema::{Fields, Node};

use super::http::is_user_name;

/// The most rules of one list.
const MAX_RULES: usize = 1000;

/// Reads `:access`.
pub(super) fn read_access(fields: &Fields<'_>) -> Vec<AccessRule> {
    items(fields, "access").filter_map(|node| access_rule(fields, node)).collect()
}

/// Reads `:protected`.
pub(super) fn read_protected(fields: &Fields<'_>) -> Vec<ProtectedRule> {
    items(fields, "protected").filter_map(|node| protected_rule(fields, node)).collect()
}

/// The rules of a list; one that is too long is a mistake.
fn items<'a>(fields: &Fields<'a>, name: &str) -> impl Iterator<Item = &'a Node> + use<'a> {
    let nodes = fields.list(name, Ok);
    if nodes.len() > MAX_RULES {
        fields.refuse_option(name, format!("`:{name}` has more than {MAX_RULES} rules"), "join some");
    }
    nodes.into_iter().take(MAX_RULES)
}

fn access_rule(fields: &Fields<'_>, node: &Node) -> Option<AccessRule> {
    let rule = fields.inner(node, ACCESS_RULE.of, &ACCESS_RULE)?;
    let (is_of_user, is_of_key) = (rule.get("user").is_some(), rule.get("key-of").is_some());
    if is_of_user == is_of_key {
        let what = if is_of_user { "names both `:user` and `:key-of`" } else { "names nobody" };
        rule.refuse(format!("this rule {what}"), "write `:user \"kim\"`, or `:key-of \"kim\"` for ssh only");
    }
    let subject = rule.read("user", user).map(Subject::User);
    let subject = subject.or_else(|| rule.read("key-of", user).map(Subject::KeyOf));
    let repos = repositories(&rule);
    if rule.get("may").is_none() {
        rule.refuse("this rule does not say what it allows", "add `:may :read`, `:write` or `:admin`");
    }
    let may = rule.word("may").and_then(May::parse);
    (is_of_user != is_of_key).then_some(AccessRule { subject: subject?, repos, may: may? })
}

fn protected_rule(fields: &Fields<'_>, node: &Node) -> Option<ProtectedRule> {
    let rule = fields.inner(node, PROTECTED_RULE.of, &PROTECTED_RULE)?;
    if rule.get("refs").is_none() {
        rule.refuse("this rule has no `:refs`", "add `:refs [\"refs/heads/main\"]`");
    }
    Some(ProtectedRule {
        repos: repositories(&rule),
        refs: rule.scope("refs", RefPattern::parse),
        required_jobs: rule.list("required-jobs", |node| node.parse(JobId::parse)),
    })
}

fn repositories(rule: &Fields<'_>) -> Vec<RepoPattern> {
    if rule.get("repos").is_none() {
        rule.refuse("this rule has no `:repos`", "add `:repos [\"site\" \"group/*\"]`, or `[\"*\"]` for all");
    }
    rule.scope("repos", RepoPattern::parse)
}

fn user(node: &Node) -> Result<String, Diagnostic> {
    let text = node.as_str()?;
    if is_user_name(text) {
        return Ok(text.to_owned());
    }
    Err(node.error("this is not the name of a user").help("write it as in `quire user add NAME`"))
}

#[cfg(test)]
mod tests {
    use crate::config::read;

    #[test]
    fn rules_are_read_with_all_their_mistakes() {
        let text = br#"{:access [{:user "kim" :repos ["site" "group/*"] :may :write} {:key-of "ada" :repos ["*"] :may :admin}]
            :protected [{:repos ["app"] :refs ["refs/heads/main" "refs/tags/*"] :required-jobs ["test"]}]}"#;
        let settings = read(text).unwrap();
        assert_eq!((settings.access.len(), settings.protected.len()), (2, 1));
        let text = r#"{:access [{:user "a b" :repos ["a*"] :may :wirte}
 {:repos [] :user "x" :key-of "x"} 3 {:usr "kim"}]
 :protected [{:repos ["app"] :refs ["main"] :required-jobs ["a b"]} {}]}"#;
        let wrong = read(text.as_bytes()).unwrap_err();
        let shown: Vec<String> =
            wrong.iter().map(|wrong| format!("{}: {}", wrong.place(), wrong.message)).collect();
        assert_eq!(
            shown,
            [
                "config.fnl:1:18: this is not the name of a user",
                "config.fnl:1:32: `a*` is not a pattern: write `name`, `group/name`, `group/*` or `*`",
                "config.fnl:1:43: expected `:read`, `:write` or `:admin`, got `wirte`",
                "config.fnl:2:2: this rule names both `:user` and `:key-of`",
                "config.fnl:2:2: this rule does not say what it allows",
                "config.fnl:2:10: an empty list grants nothing",
                "config.fnl:2:36: expected a table, got the number 3",
                "config.fnl:2:38: this rule names nobody",
                "config.fnl:2:38: this rule has no `:repos`",
                "config.fnl:2:38: this rule does not say what it allows",
                "config.fnl:2:39: unknown option `:usr` of a rule of `:access`",
                "config.fnl:3:37: `main` is not a full name: write `refs/heads/main`, or `refs/heads/release/*`",
                "config.fnl:3:61: `a b` is not a job id: ' ' is not allowed",
                "config.fnl:3:69: this rule has no `:refs`",
                "config.fnl:3:69: this rule has no `:repos`",
            ]
        );
    }
}
