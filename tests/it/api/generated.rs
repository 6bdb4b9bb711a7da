//! A client that a public generator makes of the document.

use std::fs;

use super::{Api, Door};

const LIST: &str = r#"
import sys
from made import Client
from made.api.runs import get_run, list_runs

client = Client(base_url=sys.argv[1])
for run in list_runs.sync(client=client, repo="foo"):
    whole = get_run.sync(run.id, client=client)
    print(run.repo, run.number, run.outcome, [job.id for job in run.jobs], whole.jobs[0].steps[0].title)
"#;

#[test]
fn a_client_that_is_generated_from_the_document_lists_the_runs() {
    let api = Api::new();
    let folder = api.world.path();
    fs::write(folder.join("openapi.json"), api.get(Door::Socket, "/openapi.json").body).unwrap();
    fs::write(folder.join("list.py"), LIST).unwrap();
    let said = api.shell(
        "python3 -m openapi_python_client generate --path openapi.json --output-path made --meta none 2>&1",
    );
    assert!(!said.contains("WARNING"), "{said}");
    let listed = api.shell(&format!("python3 list.py http://{}", api.address()));
    assert_eq!(listed, "foo 1 passed ['test', 'pack'] echo tested\n");
}
