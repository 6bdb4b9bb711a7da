//! What hooks and commands send over the socket, with contents that none of them would send.

use serde_json::{Value, json};

use super::Random;
use super::forge::Forge;

const ROUTES: [&str; 10] = [
    "/intents",
    "/events",
    "/runs/cancel",
    "/runs/rerun",
    "/runs/wait",
    "/watches",
    "/watches/remove",
    "/watches/now",
    "/notifications/retry",
    "/nothing",
];

const IDS: [&str; 10] =
    ["0", "app%239", "app#9", "app#-1", "app#", "#", "../..", "\0", "999999999999999999999", "x y"];

/// A request with a frame, of a matching length.
pub(super) fn request(forge: &Forge, random: &mut Random) -> Vec<u8> {
    let route = *random.pick::<&str>(&ROUTES);
    let mut frame = match route {
        "/intents" => intent(forge, random),
        "/events" => event(forge, random),
        "/watches" => {
            let url = "https://example.invalid/x";
            let watch = json!({"name": "w", "url": url, "branch": "main", "every_ms": 60000, "allow_private": false, "token": null});
            json!({"watches": [watch]})
        }
        "/runs/wait" => json!({"run": random.pick(&IDS)}),
        _ if route.starts_with("/runs/") => json!({"run": random.pick(&IDS), "by": "x"}),
        "/notifications/retry" => json!({"id": random.pick(&IDS)}),
        _ => json!({"name": "w"}),
    };
    for _ in 0..random.below(3) {
        change(&mut frame, random);
    }
    let mut body = frame.to_string();
    if random.one_in(10) {
        body = nested(random);
    }
    let kind = random.pick(&["application/json", "application/json", "text/plain"]);
    let length = body.len();
    let head = format!(
        "POST {route} HTTP/1.1\r\nhost: x\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n"
    );
    [head.into_bytes(), body.into_bytes()].concat()
}

/// An intent that is right but for its push, which has ended.
fn intent(forge: &Forge, random: &mut Random) -> Value {
    json!({
        "v": 1, "push": random.text(16, "0123456789abcdef"), "git_dir": git_dir(forge), "pid": 4_194_303, "started": 1,
        "boot": "00000000-0000-0000-0000-000000000000", "pusher": "someone", "options": ["ci.wait", "x"],
        "at": "2026-11-29T10:00:00.000Z", "updates": updates(random),
    })
}

fn event(forge: &Forge, random: &mut Random) -> Value {
    json!({
        "v": 1, "push": random.text(16, "0123456789abcdef"), "git_dir": git_dir(forge), "options": ["ci.wait"],
        "updates": updates(random),
    })
}

fn git_dir(forge: &Forge) -> String {
    forge.path("data/repos/app.git").display().to_string()
}

fn updates(random: &mut Random) -> Value {
    let count = *random.pick(&[0, 1, 1, 3, 500]);
    let one = |n: usize| json!({"ref": format!("refs/heads/none{n}"), "old": "0".repeat(40), "new": "1".repeat(40)});
    (0..count).map(one).collect()
}

/// Changes one member: another type, another size, absent, or one more.
fn change(frame: &mut Value, random: &mut Random) {
    let Some(members) = frame.as_object_mut() else { return };
    let names: Vec<String> = members.keys().cloned().collect();
    let Some(name) = (!names.is_empty()).then(|| random.pick(&names).clone()) else { return };
    if let Some(Value::Array(updates)) = members.get_mut(&name)
        && let Some(update) = updates.first_mut()
        && random.one_in(2)
    {
        return change(update, random);
    }
    let value = strange(random);
    match random.below(6) {
        0 => drop(members.shift_remove(&name)),
        1 => drop(members.insert("unknown".to_owned(), value)),
        _ => drop(members.insert(name, value)),
    }
}

fn strange(random: &mut Random) -> Value {
    let long = random.between(1, 100_000);
    let values = [
        Value::Null,
        json!(true),
        json!(-1),
        json!(1.5e300),
        json!(u64::MAX),
        json!(1),
        json!(""),
        json!("x".repeat(long)),
        json!("../../../etc"),
        json!("/etc/passwd\0"),
        json!("\u{1b}[31m\u{202e}\n"),
        json!("hex:zz"),
        json!("refs/heads/../../x"),
        json!([[[]]]),
        json!({"v": {}}),
        Value::from(vec![json!("x"); long / 20]),
    ];
    random.pick(&values).clone()
}

/// A text that is nested deeper than readers like.
fn nested(random: &mut Random) -> String {
    let (open, depth) = (random.pick(&["[", "{\"a\":", "[{\"v\":"]), random.between(100, 200_000));
    open.repeat(depth)
}
