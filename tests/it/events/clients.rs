//! The events of one run, as curl, Python and a browser read them.

use super::{Forge, printed, texts};
use crate::engine::skip;

const STEPS: &str = "(ci:job :t [:quire/push] (fn [] (print \"from the script\") (sh \"echo one; printf prompt; sleep 0.2; echo ' answered'; echo err >&2\") (sh \"true\")))
(ci:job :after [:t] (fn [] (sh \"exit 3\")))";

#[test]
fn curl_and_python_read_the_same_events_in_every_framing() {
    let forge = Forge::new();
    forge.push(STEPS, "");
    assert_eq!(forge.outcome(1), "failed");
    let url = forge.url(1, "events");
    let sse = forge.curl(&["-i", &url]);
    assert!(sse.starts_with("HTTP/1.1 200") && sse.contains("content-type: text/event-stream"), "{sse}");
    let data: Vec<&str> = sse.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    let ids: Vec<String> =
        sse.lines().filter_map(|line| line.strip_prefix("id: ")).map(str::to_owned).collect();
    assert_eq!(ids, (1..=data.len()).map(|id| id.to_string()).collect::<Vec<_>>());
    let lines = forge.curl(&["-H", "Accept: application/x-ndjson", &url]);
    assert_eq!(lines.lines().collect::<Vec<_>>(), data);
    assert_eq!(printed(forge.reader(&["follow", "foo#1", "header", "4,2"])), lines);
    let expected = ["from the script", "one", "prompt", " answered", "err"];
    let mut read = texts(&lines);
    read.sort_by_key(|text| expected.iter().position(|known| known == text));
    assert_eq!(read, expected, "{lines}");
    let kinds: Vec<&str> = sse.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!((kinds[0], kinds[1], kinds[2]), ("run.queued", "pipeline.evaluated", "run.started"));
    assert_eq!(kinds.iter().filter(|kind| **kind == "step.finished").count(), 3);
    assert_eq!(kinds.last(), Some(&"run.finished"));
    // From any place in it, until nothing follows.
    let count = data.len();
    let rest = forge.curl(&["-H", &format!("Last-Event-ID: {}", count - 2), &url]);
    assert_eq!(
        rest.lines().filter_map(|line| line.strip_prefix("data: ")).collect::<Vec<_>>(),
        data[count - 2..]
    );
    for (after, status, code) in [
        (count.to_string(), "204", ""),
        ((count + 1).to_string(), "400", "cursor.ahead"),
        ("x".to_owned(), "400", "request.invalid"),
        ("99999999999999999999999".to_owned(), "400", "request.invalid"),
    ] {
        for answer in [
            forge.curl(&["-w", "%{http_code}", &format!("{url}?after={after}")]),
            forge.curl(&["-w", "%{http_code}", "-H", &format!("Last-Event-ID: {after}"), &url]),
        ] {
            assert!(answer.ends_with(status) && answer.contains(code), "{after}: {answer}");
        }
    }
}

#[test]
fn a_run_that_is_cancelled_in_the_queue_is_queued_and_finished() {
    let forge = Forge::new();
    std::fs::write(forge.world.path().join("data/config.fnl"), "{:limits {:runs 1}}").unwrap();
    forge.push_step("sleep 30", "");
    forge.until_started();
    forge.shell("cd foo && git push -q origin HEAD:other 2>&1");
    let reader = forge.reader(&["follow", "foo#2", "header", "100"]);
    forge.shell("quire cancel 'foo#2' && quire cancel 'foo#1'");
    let read = printed(reader);
    let last = read.lines().last().unwrap();
    assert!(
        last.contains("\"kind\":\"run.finished\"") && last.contains("\"outcome\":\"cancelled\""),
        "{read}"
    );
    assert_eq!(printed(forge.reader(&["follow", "foo#2", "lines", "100"])), read);
}

#[test]
fn all_runs_are_followed_from_now_on() {
    let mut forge = Forge::new();
    let url = format!("http://127.0.0.1:{}/api/v1/events?repo=foo", forge.port);
    forge.world.background(&format!("exec curl -sSN --max-time 20 '{url}' >$T/news"));
    let news = forge.world.path().join("news");
    let has = |text: &str| std::fs::read_to_string(&news).is_ok_and(|news| news.contains(text));
    assert!(forge.world.eventually(|_| has(":\n")), "a comment comes at once");
    forge.push_step("true", "");
    assert!(forge.world.eventually(|_| has("event: run.finished\n")), "{}", forge.world.serve_log());
    let news = std::fs::read_to_string(&news).unwrap();
    let kinds: Vec<&str> = news.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!(kinds, ["run.queued", "run.started", "run.finished"]);
    assert!(!news.contains("\nid:") && !news.contains("\"steps\":[{"), "{news}");
}

#[test]
fn all_runs_are_followed_also_those_that_are_skipped_or_broken_when_they_are_recorded() {
    let mut forge = Forge::new();
    forge.push_step("true", "-o ci.wait");
    let url = format!("http://127.0.0.1:{}/api/v1/events", forge.port);
    forge.world.background(&format!("exec curl -sSN --max-time 20 '{url}' >$T/news"));
    let path = forge.world.path().join("news");
    let news = || std::fs::read_to_string(&path).unwrap_or_default();
    assert!(forge.world.eventually(|_| news() == ":\n\n"));
    forge.push_step("echo skipped", "-o ci.skip");
    assert!(forge.world.eventually(|_| news().contains("\"outcome\":\"skipped\"")), "{}", news());
    let kinds: Vec<String> =
        news().lines().filter_map(|line| line.strip_prefix("event: ")).map(str::to_owned).collect();
    assert_eq!(kinds, ["run.finished"]);
}

/// A page that follows a run, and writes the numbers and kinds that it has heard into its own text.
const PAGE: &str = "<body><script>const seen=[];const source=new EventSource('URL');
const kinds='run.queued run.started run.finished pipeline.evaluated job.started job.finished step.started step.finished log'.split(' ');
for(const kind of kinds)source.addEventListener(kind,event=>{seen.push(event.lastEventId+' '+kind);document.body.textContent=seen.join(',');});
</script></body>";

#[test]
fn a_browser_follows_a_run_with_its_event_source() {
    let browsers = ["chromium", "chromium-browser", "google-chrome"];
    let is_there = |name: &&&str| std::process::Command::new(name).arg("--version").output().is_ok();
    let Some(browser) = browsers.iter().find(is_there) else {
        assert!(std::env::var_os("QUIRE_REQUIRE_BROWSER").is_none(), "no Chromium: dev/setup installs it");
        return skip("no Chromium");
    };
    let forge = Forge::new();
    forge.push_step("echo one; echo two", "-o ci.wait");
    let page = forge.world.path().join("page.html");
    std::fs::write(&page, PAGE.replace("URL", &forge.url(1, "events"))).unwrap();
    let expected: Vec<String> = forge
        .curl(&[&forge.url(1, "events")])
        .split("\n\n")
        .filter_map(|event| {
            let id = event.lines().find_map(|line| line.strip_prefix("id: "))?;
            Some(format!("{id} {}", event.lines().find_map(|line| line.strip_prefix("event: "))?))
        })
        .collect();
    let shown = forge.shell(&format!(
        "timeout 60 {browser} --headless --no-sandbox --disable-gpu --disable-web-security --user-data-dir=$T/browser \
         --virtual-time-budget=8000 --dump-dom file://{} 2>/dev/null",
        page.display()
    ));
    assert!(shown.contains(&expected.join(",")), "{shown}\nexpected {expected:?}");
}
