use std::fs;
use std::path::Path;

use serde_json::json;

use super::*;

pub(super) fn job(root: &Path, path: &str, config: &str) {
    let folder = root.join(path).join("config.d");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("config.yaml"), config).unwrap();
}

fn ids(found: &Discovery) -> Vec<&str> {
    found.jobs.iter().map(|job| job.id.as_str()).collect()
}

fn errors(found: &Discovery) -> Vec<String> {
    let root = found.root.display().to_string();
    found.errors.iter().map(|error| format!("{}: {}", error.path.replace(&root, ""), error.error)).collect()
}

const DEMO: &str = "version: v1\njob: {id: demo, name: Demo, summary: Greets somebody}\ninterpreter: bash\nenv: {GREETING: hello}\n\
    argspec:\n  args:\n    - {name: name, type: string, required: true, description: Who}\n    - {name: tags, type: array, items_type: string}\n\
    \x20   - {name: loud, type: boolean}\n    - {name: count, type: integer, default: 1}\n    - {name: secret_token, type: string, format: secret}\n";

#[test]
fn jobs_are_found_in_both_layouts_at_any_depth() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    assert!(discover(&root.join("missing")).unwrap().jobs.is_empty());
    job(root, "demo", DEMO);
    job(root, "ops/db/backup", "interpreter: bash\n");
    fs::create_dir_all(root.join("flat")).unwrap();
    fs::write(root.join("flat/Config.YAML"), "interpreter: sh\n").unwrap();
    // Not a job: the configuration of something else.
    fs::create_dir_all(root.join("flat/data")).unwrap();
    fs::write(root.join("flat/data/config.yaml"), "server: {port: 80}\n").unwrap();
    job(root, ".hidden", "interpreter: sh\n");
    let found = discover(root).unwrap();
    assert_eq!(ids(&found), ["demo", "flat", "ops.db.backup"]);
    assert!(errors(&found).is_empty(), "{:?}", found.errors);
    for name in ["ops.db.backup", "ops/db/backup", "OPS.Db/Backup"] {
        assert_eq!(found.find(name).unwrap().path, "ops/db/backup", "{name}");
    }
    let words = ["ops", "db", "backup", "--x", "1"];
    assert!(matches!(found.find_words(&words), Some((Found::Job(job), 3)) if job.id == "ops.db.backup"));
    let demo = found.find("demo").unwrap();
    assert_eq!((demo.name.as_str(), demo.summary.as_deref()), ("Demo", Some("Greets somebody")));
    assert_eq!(demo.config.args.len(), 5);
    assert_eq!(
        serde_json::to_value(&demo.config.args[4]).unwrap(),
        json!({"name": "secret_token", "type": "string", "format": "secret", "secret": true})
    );
}
