//! `docs/phantom_ci.md` is followed literally: its commands are a story in which `/srv` and `~` are folders of the test.

use std::fs;
use std::path::Path;

use super::stories::follow;
use super::stories::pattern::redact;

/// What the page takes for granted.
const BEFORE: &str = r#"$ mkdir -p srv home/.local/bin
$ git init -q -b main srv/work && mkdir srv/work/workflow
file srv/work/workflow/main.toml
    [0]
    run = "echo hello"
$ cp srv/work/workflow/main.toml srv/work/workflow/next.toml && git -C srv/work add -A && git -C srv/work commit -qm first && git -C srv/work branch next
$ git clone -q --bare srv/work srv/site.git
"#;

/// What a login shell of Debian does when the folder is there.
const PATH: &str = "PATH=~/.local/bin:$PATH;";

#[test]
fn every_command_of_the_page_does_what_it_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/phantom_ci.md");
    let page = fs::read_to_string(&path).unwrap();
    let block = page.split("```console\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let mut story = BEFORE.to_owned();
    for line in block.lines() {
        let line = line.replace("/srv/", "$T/srv/");
        let step = match line.strip_prefix("$ ") {
            Some("phantom_ci &") => {
                format!("background $ {PATH} echo $$ > pid; exec phantom_ci > out 2> log")
            }
            Some("kill %1") => {
                "$ kill $(cat pid)\neventually $ sed 's/.*) \\(.\\).*/\\1/' /proc/$(cat pid)/stat\n    Z"
                    .to_owned()
            }
            // What runs meanwhile is there in a moment.
            Some(command)
                if ["repo", "jobs", "logs"]
                    .iter()
                    .any(|word| command.starts_with(&format!("phantom_ci {word}"))) =>
            {
                format!("eventually $ {PATH} {command}")
            }
            Some(command) => format!("$ {PATH} {command}"),
            None => format!("    {}", redact(&line.replace("~/", "$T/home/"), "/nowhere", "ada").join("\n")),
        };
        story.push_str(&format!("{step}\n"));
    }
    follow(&path, &story);
}
