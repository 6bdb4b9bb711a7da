//! Rules of `:notify` that say the same.

use crate::schema::settings::RULE;
use crate::schema::{Fields, Node};

/// Refuses a rule that says the same as one before it.
pub(super) fn refuse_repeated(notify: &Fields<'_>, rules: &[Node]) {
    let words = |node: &Node| -> Vec<String> {
        let items = node.as_list().map_or_else(|_| vec![node], |items| items.iter().collect());
        items.into_iter().filter_map(|item| item.as_str().ok().map(str::to_owned)).collect()
    };
    let said = |rule: &Node| -> Vec<Option<Vec<String>>> {
        RULE.names().map(|name| rule.get(name).map(words)).collect()
    };
    for (index, rule) in rules.iter().enumerate() {
        let Some(first) = rules.iter().take(index).find(|first| said(first) == said(rule)) else { continue };
        let place = rule.get("to").unwrap_or(rule);
        let (line, column) = first.span.map_or((0, 0), |span| (span.line, span.column));
        let help = format!("the same rule stands at line {line}, column {column}; remove one of the two");
        notify.mistakes().note(place.error("duplicate rule").help(help));
    }
}

#[cfg(test)]
mod tests {
    use crate::config::read;

    #[test]
    fn a_rule_that_is_there_twice_is_a_mistake_and_two_for_one_target_are_not() {
        let with = |rules: &str| {
            format!("{{:notify {{:targets {{:a {{:slack \"https://x\"}}}} :rules [{rules}]}}}}")
        };
        assert!(read(with("{:to :a :on [:passed]} {:to :a} {:to :a :repos [\"x\"]}").as_bytes()).is_ok());
        let wrong =
            read(with("{:to :a} {:to :a :on [:failed]}\n{:on [:failed] :to :a}").as_bytes()).unwrap_err();
        let wrong: Vec<_> =
            wrong.iter().map(|wrong| format!("{}: {}", wrong.place(), wrong.message)).collect();
        assert_eq!(wrong, ["config.fnl:2:20: duplicate rule"]);
    }
}
