//! Job folders over `/api/v1`.

use std::fs;

use serde_json::json;

use super::{Api, Door};

const CONFIG: &str = "interpreter: sh
argspec: {args: [{name: name, required: true}, {name: token, secret: true}]}
";

#[test]
fn a_job_folder_is_listed_planned_and_run() {
    let api = Api::new();
    let folder = api.world.path().join("data/scripts/greet");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("config.yaml"), CONFIG).unwrap();
    fs::write(folder.join("000_hello"), "echo hello $ARG_NAME").unwrap();
    for (number, door) in [(1, Door::Socket), (2, Door::Socket)] {
        assert_eq!(api.get(door, "/jobs").json()[0]["id"], "greet");
        let plan =
            api.post(door, "/plans", &json!({"job": "greet", "args": {"name": "Kim", "token": "hunter22"}}));
        assert_eq!(plan.json()["args"], json!({"name": "Kim", "token": "[secret]"}));
        let wrong = [
            (json!({"job": "greet"}), 422),
            (json!({"job": "greet", "args": {"name": 5}}), 422),
            (json!({"job": "greet", "args": {"name": "Kim", "color": "red"}}), 422),
            (json!({"job": "greet", "ref": "main", "args": {"name": "Kim"}}), 400),
            (json!({"repo": "foo", "source": "x"}), 400),
            (json!({"job": "absent"}), 404),
            (json!({"job": "greet", "source": "absent"}), 404),
            (json!({}), 400),
        ];
        for (body, status) in wrong {
            let answer = api.post(door, "/runs", &body);
            assert_eq!(answer.status, status, "{body}: {}", String::from_utf8_lossy(&answer.body));
        }
        let run =
            api.post(door, "/runs", &json!({"job": "greet", "args": {"name": "Kim", "token": "hunter22"}}));
        assert_eq!(
            (run.status, &run.json()["repo"], &run.json()["number"]),
            (201, &json!("quire/jobs"), &json!(number))
        );
        let id = run.json()["id"].as_str().unwrap().to_owned();
        assert_eq!(api.get(door, &format!("/runs/{id}/wait")).json()["outcome"], "passed");
        let log = api.get(door, &format!("/runs/{id}/jobs/greet/log"));
        assert_eq!(String::from_utf8_lossy(&log.body), "hello Kim\n");
        let shown = [api.get(door, &format!("/runs/{id}")), api.get(door, &format!("/runs/{id}/events"))];
        assert!(shown.iter().all(|answer| !String::from_utf8_lossy(&answer.body).contains("hunter22")));
        // What jobs of the operator print is for nobody who has not said who it is.
        assert_eq!(api.get(Door::Tcp, &format!("/runs/{id}")).status, 404);
        assert_eq!(api.get(Door::Tcp, "/jobs").status, 401);
        assert_eq!(
            api.post(Door::Tcp, "/runs", &json!({"job": "greet", "args": {"name": "Kim"}})).status,
            401
        );
    }
}
