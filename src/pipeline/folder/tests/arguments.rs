//! Arguments: declared, given, resolved.

use std::path::Path;

use serde_json::{Value, json};

use super::{discover, job};
use crate::pipeline::argument::words::GivenWords;
use crate::pipeline::argument::*;

/// The arguments of a job, and what is wrong with their declaration.
fn declared(args: &str) -> (Vec<ArgSpec>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    job(folder.path(), "j", &format!("argspec:\n  args:\n{args}"));
    let found = discover(folder.path()).unwrap();
    let job = found.find("j").unwrap();
    (job.config.args.clone(), job.problems.iter().map(ToString::to_string).collect())
}

fn specs(args: &str) -> Vec<ArgSpec> {
    let (specs, problems) = declared(args);
    assert!(problems.is_empty(), "{problems:?}");
    specs
}

fn all() -> Vec<ArgSpec> {
    specs(
        "  - {name: name, required: true, minLength: 2, maxLength: 5}\n  - {name: count, type: integer, default: 1, minimum: -5, maximum: 10}\n\
         \x20 - {name: ratio, type: number, multipleOf: 0.1}\n  - {name: loud, type: boolean}\n\
         \x20 - {name: tags, type: array, items_enum: [a, b, c], minItems: 1, maxItems: 2}\n  - {name: ports, type: array, items_type: integer}\n\
         \x20 - {name: labels, type: object}\n  - {name: env, enum: [staging, prod]}\n  - {name: level, type: integer, enum: [1, 2]}\n\
         \x20 - {name: token, type: secret}\n  - {name: key, secret: true, minLength: 8}\n  - {name: where, type: directory}\n  - {name: what, format: file}\n",
    )
}

fn resolved(given: Value) -> Result<Resolved, Vec<(String, ArgErrorKind, String)>> {
    let Value::Object(given) = given else { panic!() };
    let wrong = |wrong: Vec<ArgError>| {
        wrong.into_iter().map(|wrong| (wrong.arg, wrong.kind, wrong.message)).collect()
    };
    resolve(&all(), given, Path::new("/")).map_err(wrong)
}

#[test]
fn every_declared_argument_has_a_value_and_secrets_are_apart() {
    let given = json!({"name": "Kim", "count": 5.0, "ratio": 0.3, "tags": ["a"], "labels": {"k": "v"}, "token": "xyz", "where": "tmp", "what": "etc/passwd"});
    let found = resolved(given).unwrap();
    let expected = json!({"name": "Kim", "count": 5, "ratio": 0.3, "loud": false, "tags": ["a"], "ports": [], "labels": {"k": "v"}, "env": "",
        "level": 0, "where": "tmp", "what": "etc/passwd"});
    assert_eq!(Value::Object(found.values.clone()), expected);
    assert_eq!(found.secrets.iter().collect::<Vec<_>>(), [(&"token".to_owned(), &"xyz".to_owned())]);
    let shown = Value::Object(found.shown(&all()));
    assert_eq!(
        (&shown["token"], &shown["key"], &shown["count"]),
        (&json!("[secret]"), &json!("[secret]"), &json!(5))
    );
    assert!(!shown.to_string().contains("xyz"));
}

#[test]
fn every_mistake_is_found_at_once_and_no_secret_is_shown() {
    use ArgErrorKind::{Rule, Unknown, WrongType};
    let wrong = resolved(json!({"nmae": 1, "count": 1.5, "ratio": "0.5", "loud": "true", "tags": ["a", "x"], "ports": [1, "2"], "labels": ["k=v"],
        "env": "prd", "level": 3, "token": 12345, "key": "hunter2", "where": "etc/passwd", "what": "none", "name": ""}))
    .unwrap_err();
    let expected = [
        ("nmae", Unknown, "unknown argument: nmae; did you mean `name`?"),
        ("name", Rule, "a value is required"),
        ("count", WrongType, "must be an integer"),
        ("ratio", WrongType, "must be a number"),
        ("loud", WrongType, "must be a boolean"),
        ("tags", Rule, "item value \"x\" not in items_enum"),
        ("ports", WrongType, "must be an array of integers"),
        ("labels", WrongType, "must be an object"),
        ("env", Rule, "value \"prd\" not in enum; did you mean `prod`?"),
        ("level", Rule, "value \"3\" not in enum"),
        ("token", WrongType, "must be a string"),
        ("key", Rule, "must have at least 8 characters"),
        ("where", Rule, "`etc/passwd` is not a directory"),
        ("what", Rule, "`none` is not a file"),
    ];
    let expected: Vec<_> =
        expected.map(|(arg, kind, message)| (arg.to_owned(), kind, message.to_owned())).into();
    assert_eq!(wrong, expected);
}

#[test]
fn bounds_hold_at_their_ends_and_one_beyond() {
    for (given, message) in [
        (json!({"name": "ab"}), ""),
        (json!({"name": "éüößa"}), ""),
        (json!({"name": "a"}), "must have at least 2 characters"),
        (json!({"name": "abcdef"}), "must have at most 5 characters"),
        (json!({"name": "abc", "count": -5}), ""),
        (json!({"name": "abc", "count": -6}), "-6 is less than -5"),
        (json!({"name": "abc", "count": 11}), "11 is more than 10"),
        (json!({"name": "abc", "count": 1e300}), "must be an integer"),
        (json!({"name": "abc", "count": null}), "must be an integer"),
        (json!({"name": "abc", "ratio": 0.25}), "0.25 is not a multiple of 0.1"),
        (json!({"name": "abc", "tags": ["a", "b", "c"]}), "must have at most 2 items"),
        (json!({"name": "abc", "tags": []}), ""),
        (json!({"name": "a\0c"}), "must not have a NUL byte"),
        (json!({"name": "abc", "labels": {"": "x"}}), "the key of a pair is empty"),
        (json!({"name": "abc", "labels": {"k": 1}}), "must be an object of strings"),
        (json!({"name": "abc", "where": "x".repeat(100_000)}), "a text of 100000 bytes is not a directory"),
        (json!({"name": "abc", "labels": {"k": "x".repeat(100_000)}}), "the arguments together have "),
    ] {
        let found = resolved(given.clone())
            .map_err(|wrong| wrong.into_iter().map(|(.., message)| message).collect::<Vec<_>>());
        match found {
            Ok(_) => assert_eq!(message, "", "{given}"),
            Err(wrong) => {
                assert!(!message.is_empty() && wrong[0].starts_with(message), "{message}: {wrong:?}");
            }
        }
    }
}

#[test]
fn declarations_that_cannot_hold_are_found_with_their_places() {
    let (specs, problems) = declared(
        "  - {name: a, type: integer, default: 1.5}\n  - {name: b, type: boolean, default: \"yes\"}\n  - {name: c, secret: true, default: x}\n\
         \x20 - {name: d, type: strnig}\n  - {type: string}\n  - {name: a-b}\n  - {name: A.b}\n  - {name: PATH}\n  - {name: 1x}\n\
         \x20 - {name: e, enum: [x], default: y}\n  - {name: f, type: array, secret: true}\n  - {name: g, minimum: 5, maximum: 1}\n\
         \x20 - {name: h, type: array, items_type: object}\n  - {name: i, multipleOf: 0}\n  - {name: j, type: integer, format: file}\n  - text\n",
    );
    let expected = [
        "3:39: invalid default of `a`: must be an integer",
        "4:39: invalid default of `b`: must be a boolean",
        "5:29: default forbidden for secret; give the secret when the job is started",
        "6:21: unsupported type `strnig`; did you mean `string`?",
        "7:5: `name` of the argument is missing; an argument is such as `{name: env, type: string}`",
        "9:5: the argument `A.b` is here already; `a-b` and it would be the same variable, ARG_A_B",
        "10:12: `PATH` is a variable of the shell; the name of an argument becomes a shell variable; write it in small letters",
        "11:12: `1x` is not a valid name of an argument; use 1 to 64 letters, digits, `_`, `-` or `.`, starting with a letter or `_`",
        "12:35: invalid default of `e`: value \"y\" not in enum",
        "13:28: an array cannot be a secret; a secret is a string",
        "14:15: `minimum` is more than the largest allowed; no value would be valid",
        "15:40: expected `string`, `integer`, `number` or `boolean`, got `object`",
        "16:15: `multipleOf` must be more than 0; leave it out for any number",
        "17:30: `format: file` is for strings, and the argument is an integer; leave `format` out",
        "18:5: expected a mapping, got a string",
    ];
    for (place, start) in expected.iter().enumerate() {
        assert!(
            problems.get(place).is_some_and(|problem| problem.starts_with(start)),
            "{start}: {problems:#?}"
        );
    }
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    assert!(specs.iter().all(|spec| spec.default.is_none()));
}

#[test]
fn the_older_form_is_read_and_json_has_the_keys_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    job(
        folder.path(),
        "j",
        "arguments:\n  loud: {type: bool, default: true}\n  n: {type: int, required: true, description: How}\n  c: {choices: [x, 1]}\n",
    );
    let found = discover(folder.path()).unwrap();
    let config = &found.find("j").unwrap().config;
    assert!(config.has_args);
    assert_eq!(
        serde_json::to_value(&config.args).unwrap(),
        json!([
            {"name": "loud", "type": "boolean", "default": true},
            {"name": "n", "type": "integer", "required": true, "description": "How"},
            {"name": "c", "type": "string", "enum": ["x", "1"]},
        ])
    );
    let args = specs(
        "  - {name: a, type: array, items_type: string, default: \"x, y\"}\n  - {name: n, type: number, minimum: -1.5, multipleOf: 2}\n",
    );
    let value = serde_json::to_value(&args).unwrap();
    assert_eq!(
        value[0],
        json!({"name": "a", "type": "array", "default": ["x", "y"], "items_type": "string"})
    );
    assert_eq!(value[1], json!({"name": "n", "type": "number", "minimum": -1.5, "multipleOf": 2.0}));
    assert_eq!(serde_json::from_value::<Vec<ArgSpec>>(value).unwrap(), args);
}

fn words(words: &[&str]) -> Result<GivenWords, Vec<String>> {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let (given, wrong) = read_words(&all(), &words);
    if wrong.is_empty() { Ok(given) } else { Err(wrong.iter().map(ToString::to_string).collect()) }
}

#[test]
fn words_become_values_of_their_types() {
    let given = words(&[
        "--name",
        "alice",
        "--count=-3",
        "--ratio",
        "0.5",
        "--loud",
        "--tags",
        "a",
        "--tags=b",
        "--ports",
        "80",
        "--labels",
        "k=v=w",
        "--labels",
        "x=",
    ])
    .unwrap();
    assert_eq!(
        Value::Object(given.values),
        json!({"name": "alice", "count": -3, "ratio": 0.5, "loud": true, "tags": ["a", "b"], "ports": [80], "labels": {"k": "v=w", "x": ""}})
    );
    for (given, expected) in [
        (&["--loud", "false"][..], false),
        (&["--loud=no"], false),
        (&["--loud", "--name", "x"], true),
        (&["--loud", "--"], true),
    ] {
        assert_eq!(words(given).unwrap().values["loud"], json!(expected), "{given:?}");
    }
    // A value may look like a flag that the job does not have.
    assert_eq!(words(&["--name", "--y"]).unwrap().values["name"], json!("--y"));
    assert_eq!(words(&["--name="]).unwrap().values["name"], json!(""));
}

#[test]
fn every_wrong_word_is_reported() {
    assert_eq!(
        words(&[
            "extra",
            "--nmae",
            "x",
            "--count",
            "many",
            "--loud=perhaps",
            "--labels",
            "pair",
            "--labels",
            "=v",
            "--name",
            "--count",
            "1",
            "-x",
            "--",
            "y"
        ])
        .unwrap_err(),
        [
            "unexpected word `extra`: arguments are written --name VALUE",
            "unknown flag: --nmae; did you mean `--name`?",
            "argument count must be an integer, got \"many\"",
            "argument loud must be a boolean, got \"perhaps\"",
            "labels: invalid pair \"pair\", expected k=v",
            "labels: the key of a pair is empty; write --labels KEY=VALUE",
            "name: a value is missing; write --name VALUE",
            "unexpected word `-x`: arguments are written --name VALUE",
            "unexpected word `y`: arguments are written --name VALUE",
        ]
    );
    assert_eq!(words(&["--token"]).unwrap_err(), ["token: a value is missing; write --token VALUE"]);
    assert_eq!(
        words(&["--token", "-", "--key", "-"]).unwrap_err(),
        ["key: only one argument can be read from standard input"]
    );
}

#[test]
fn what_holds_one_value_is_given_once() {
    for (given, wrong) in [
        (&["--name", "x", "--name=x"][..], "name: --name is given twice"),
        (&["--loud", "--loud"], "loud: --loud is given twice"),
        (&["--count", "1", "--count", "2"], "count: --count is given twice"),
        (&["--token", "-", "--token", "xyz"], "token: --token is given twice"),
        (&["--labels", "a=1", "--labels", "a=2"], "labels: the key `a` is given twice"),
    ] {
        assert_eq!(words(given).unwrap_err(), [wrong], "{given:?}");
    }
    assert_eq!(words(&["--tags", "a", "--tags", "a"]).unwrap().values["tags"], json!(["a", "a"]));
}

#[test]
fn a_secret_comes_from_elsewhere_or_with_a_warning() {
    let given = words(&["--token", "env:TOKEN", "--key=@key.txt"]).unwrap();
    assert!(given.values.is_empty() && given.warnings.is_empty());
    assert_eq!(given.secrets["token"], SecretWord::Variable("TOKEN".into()));
    assert_eq!(given.secrets["key"], SecretWord::File("key.txt".into()));
    let given = words(&["--token", "xyz"]).unwrap();
    assert_eq!((given.secrets.len(), &given.values["token"]), (0, &json!("xyz")));
    assert!(
        given.warnings[0].starts_with("the value of --token is in the list of processes"),
        "{:?}",
        given.warnings
    );
    assert!(!given.warnings[0].contains("xyz"));
}

#[test]
fn a_secret_that_looks_like_a_place_is_written_behind_text() {
    for (word, value) in [
        ("text:@home", "@home"),
        ("text:env:HOME", "env:HOME"),
        ("text:-", "-"),
        ("text:text:x", "text:x"),
        ("text:", ""),
        ("-h", "-h"),
        ("--nothing", "--nothing"),
    ] {
        let given = words(&["--token", word]).unwrap();
        assert_eq!((given.secrets.len(), &given.values["token"]), (0, &json!(value)), "{word}");
    }
    for word in ["@", "env:"] {
        let wrong = words(&["--token", word]).unwrap_err();
        assert!(wrong[0].contains(&format!("--token text:{word} for the text itself")), "{wrong:?}");
    }
    // Only a secret has places.
    assert_eq!(words(&["--name", "text:@x"]).unwrap().values["name"], json!("text:@x"));
}
