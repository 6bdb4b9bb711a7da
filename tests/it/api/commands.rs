//! What commands print as JSON: the shapes of the interface, and the same values wherever they are asked.

use serde_json::Value;

use super::Api;

/// Commands that read, the shape of what they print or of its items, and the members that are left out before values are
/// compared: those that name the door, or that the comparison itself changes.
const READS: [(&str, &str, &[&str]); 1] = [
    // The folder of a repository is of no use elsewhere.
    ("repo list", "Repo", &["/clone/path"]),
];

/// Where commands are given.
#[derive(Debug, Clone, Copy)]
enum From {
    /// On the machine of the data folder, with a server or without one.
    Here,
    /// Elsewhere, with a token.
    Elsewhere,
}

impl Api {
    /// What a command prints as JSON, of which each item has a shape.
    fn printed(&self, from: From, (command, shape): (&str, &str)) -> Value {
        let server = match from {
            From::Here => String::new(),
            From::Elsewhere => format!("--server http://{}", self.address()),
        };
        let text = self.shell(&format!("export QUIRE_TOKEN=$(cat boss); quire {command} --json {server}"));
        let value: Value =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{from:?} {command}: {error}\n{text}"));
        for item in items(&value) {
            let checked = self.contract.check_shape(shape, item);
            checked.unwrap_or_else(|wrong| panic!("{from:?} {command}: {wrong}"));
        }
        value
    }

    /// The JSON of all commands that read, without what may differ.
    fn all_printed(&self, from: From) -> Vec<(&'static str, Value)> {
        let printed = |(command, shape, left_out): (&'static str, &str, &[&str])| {
            let mut value = self.printed(from, (command, shape));
            assert!(!items(&value).is_empty(), "{command} lists nothing");
            for item in items_mut(&mut value) {
                left_out.iter().for_each(|place| remove(item, place));
            }
            (command, value)
        };
        READS.into_iter().map(printed).collect()
    }
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice)
}

fn items_mut(value: &mut Value) -> &mut [Value] {
    if value.is_array() {
        return value.as_array_mut().unwrap();
    }
    std::slice::from_mut(value)
}

/// Removes the member at a place like `/clone/path`.
fn remove(value: &mut Value, place: &str) {
    let (above, name) = place.rsplit_once('/').unwrap();
    value.pointer_mut(above).and_then(Value::as_object_mut).unwrap().remove(name);
}

#[test]
fn commands_that_read_print_the_same_json_with_a_server_without_one_and_elsewhere() {
    let mut api = Api::with_notifications();
    api.shell("quire repo new group/bar && quire token new boss --scope admin,repos:read >boss 2>/dev/null");
    let served = api.all_printed(From::Here);
    for ((command, elsewhere), (_, served)) in api.all_printed(From::Elsewhere).iter().zip(&served) {
        assert_eq!(elsewhere, served, "{command} --server");
    }
    api.world.end_server("TERM");
    for ((command, offline), (_, served)) in api.all_printed(From::Here).iter().zip(&served) {
        assert_eq!(offline, served, "{command} without a server");
    }
}

#[test]
fn repositories_that_no_server_has_seen_are_listed_as_over_http() {
    let api = Api::new();
    api.shell("quire --data never repo new one && quire --data never repo new two && cp -a never/repos/one.git never/repos/copy.git");
    let listed = "quire --data never repo list --json 2>said";
    let value: Value = serde_json::from_str(&api.shell(listed)).unwrap();
    let names: Vec<_> = items(&value).iter().map(|repo| repo["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["two", "one"]);
    for repo in items(&value) {
        api.contract.check_shape("Repo", repo).unwrap();
        assert_eq!(repo["visibility"], "public");
    }
    assert_eq!(api.shell("cut -d' ' -f1-4 said"), "warning: copy: copy of\n");
    api.shell("echo '{:http {:visibility :unlisted}}' >never/config.fnl");
    let value: Value = serde_json::from_str(&api.shell(listed)).unwrap();
    assert_eq!(value[0]["visibility"], "unlisted", "what the next server will say");
}
