//! `flwd.yaml`.

use std::fs;
use std::path::Path;

use super::{discover, job};
use crate::pipeline::folder::*;

fn aliases(root: &Path, text: &str) -> Aliases {
    fs::write(root.join("flwd.yaml"), text).unwrap();
    discover(root).unwrap().aliases
}

#[test]
fn n11_n14_good_aliases_stay_and_each_bad_one_has_its_code() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    job(root, "demo", "");
    job(root, "broken", "");
    job(root, "ops/db", "job: {id: database}\n");
    let found = aliases(
        root,
        "aliases:\n- {from: demo, to: hello-demo, description: Shortcut}\n- {from: demo, to: \":jobs\"}\n- {from: demo, to: Broken}\n\
         - {from: no/such/job, to: lost}\n- {from: demo, to: twice}\n- {from: broken, to: Twice}\n- {from: \"ops : db\", to: by-path}\n\
         - {from: 'ops\\db', to: by-path}\n- {from: DATABASE, to: by-id}\n- {from: demo, to: completion}\n- {from: demo, to: demo}\n\
         - {from: demo, to: ops/db}\n- {from: demo, to: two words}\n- {from: demo, to: \"-x\"}\n- {from: demo, to: ops.db}\n",
    );
    let valid: Vec<(&str, &str, &str)> = found
        .valid
        .iter()
        .map(|alias| (alias.name.as_str(), alias.target_path.as_str(), alias.target_id.as_str()))
        .collect();
    assert_eq!(
        valid,
        [
            ("Twice", "broken", "broken"),
            ("by-id", "ops/db", "database"),
            ("by-path", "ops/db", "database"),
            ("hello-demo", "demo", "demo"),
        ]
    );
    let codes: Vec<(&str, &str)> =
        found.invalid.iter().map(|(name, wrong)| (name.as_str(), wrong.code)).collect();
    assert_eq!(
        codes,
        [
            (":jobs", "alias.reserved"),
            ("broken", "alias.name.conflict"),
            ("completion", "alias.name.conflict"),
            ("demo", "alias.name.conflict"),
            ("lost", "alias.target.invalid"),
            ("ops.db", "alias.name.conflict"),
        ]
    );
    assert_eq!(found.invalid["lost"].detail, "`lost`: no job `no/such/job`");
    assert_eq!(found.collisions.keys().collect::<Vec<_>>(), ["twice"]);
    assert_eq!(found.collisions["twice"].len(), 2);
    let errors: Vec<&str> = found.errors.iter().map(|error| error.error.as_str()).collect();
    assert_eq!(
        errors,
        [
            "the alias `-x` must not start with `-`",
            "the alias `ops/db` must not have a `/`",
            "the alias `two words` must be one word"
        ]
    );
    assert_eq!(found.find("HELLO-demo").unwrap().description.as_deref(), Some("Shortcut"));
    assert_eq!(
        serde_json::to_string(found.find("by-id").unwrap()).unwrap(),
        r#"{"name":"by-id","target_path":"ops/db","target_id":"database"}"#
    );
}

#[test]
fn mistakes_of_the_file_are_errors_and_the_other_entries_stay() {
    let folder = tempfile::tempdir().unwrap();
    job(folder.path(), "demo", "");
    let found = aliases(
        folder.path(),
        "aliases:\n- {from: demo}\n- {from: demo, to: d, descripton: x}\n- {from: demo, to: e}\n- just text\nother: 1\n",
    );
    let names: Vec<&str> = found.valid.iter().map(|alias| alias.name.as_str()).collect();
    assert_eq!(names, ["d", "e"]);
    let errors: Vec<&str> = found.errors.iter().map(|error| error.error.as_str()).collect();
    assert_eq!(errors[0], "2:3: `to` of the alias is missing; an alias is such as `{from: demo, to: hello}`");
    assert!(
        errors[1].starts_with("3:23: unknown option `descripton` of an alias; did you mean `description`?"),
        "{errors:?}"
    );
    assert_eq!(errors.len(), 4, "{errors:?}");
    for (text, expected) in [
        ("a: [\n", "invalid YAML"),
        ("a: *b\n", "invalid YAML"),
        ("- x\n", "expected a mapping"),
        ("text", "expected a mapping"),
    ] {
        let found = aliases(folder.path(), text);
        assert!(
            found.valid.is_empty() && found.errors[0].error.contains(expected),
            "{text}: {:?}",
            found.errors
        );
        assert_eq!(found.errors[0].path, folder.path().join("flwd.yaml").display().to_string());
    }
    for text in ["", "# nothing\n", "aliases:\n", "aliases: []\n"] {
        assert_eq!(aliases(folder.path(), text), Aliases::default(), "{text:?}");
    }
    assert!(!aliases(folder.path(), &"x".repeat(300 << 10)).errors.is_empty());
}
