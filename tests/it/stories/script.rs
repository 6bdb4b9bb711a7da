//! The language of the stories.
//!
//! A story is read line by line. `#` begins a comment; empty lines part. A line that is indented by four spaces
//! belongs to the line above it that is not: the content of a file, or what a command prints.
//!
//! | line                      | what it does                                                                        |
//! | ------------------------- | ----------------------------------------------------------------------------------- |
//! | `file PATH`               | writes a file below the story's folder; `$T` in it is that folder                   |
//! | `needs containers`        | skipped where no container can be run; otherwise there is `localhost/busybox`, and `$ENGINE` |
//! | `needs root`              | skipped unless the user is root                                                  |
//! | `repo NAME`               | `quire repo new NAME`, and a working copy `./NAME` whose `origin` it is             |
//! | `commit NAME MESSAGE`     | commits everything in the working copy `./NAME`                                     |
//! | `push NAME ARGS…`         | `git push origin ARGS…` there, as over ssh: knowing nothing of the data folder      |
//! | `serve ARGS…`             | starts `quire serve --bind none ARGS…`, with variables `A=b`; waits until it serves   |
//! | `stop`                    | ends it by TERM                                                                     |
//! | `kill -9 serve`           | ends it by KILL                                                                     |
//! | `wait RUN OUTCOME`        | waits until the run is there and has ended, and says how that must be               |
//! | `$ COMMAND`               | `sh -c` in the story's folder; `quire` is in its `PATH`, `$T` its folder            |
//! | `eventually $ COMMAND`    | the same until it prints what is expected, for at most [`super::world::PATIENCE`]   |
//! | `background $ COMMAND`    | the same beside the story; `$! COMMAND…` is not waited for                          |
//! | `exits N`                 | below the block: the exit code, when it is not 0                                    |
//!
//! What a `$` command prints, on both streams, is compared with the block below it; no block means nothing at all.
//! Other lines are compared when they have a block. `…` as a line stands for any lines, also none; within a line for any text.
//! What differs from run to run is replaced before: see [`super::pattern`].

/// One line of a story, with its block.
#[derive(Debug)]
pub(super) struct Line {
    /// Where it stands, from 1.
    pub number: usize,
    /// The line itself.
    pub text: String,
    /// What is indented below it, without the indentation.
    pub block: Option<Vec<String>>,
    /// The exit code that it must have.
    pub exit: i32,
    /// The range of line numbers of the block, for a new one.
    pub block_lines: (usize, usize),
}

/// Reads a story.
pub(super) fn parse(text: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut blanks = 0;
    for (index, raw) in text.lines().enumerate() {
        let number = index + 1;
        if raw.trim().is_empty() {
            blanks += 1;
            continue;
        }
        if let Some(content) = raw.strip_prefix("    ") {
            let line = lines.last_mut().unwrap_or_else(|| panic!("line {number} belongs to nothing"));
            let block = line.block.get_or_insert_default();
            if !block.is_empty() {
                block.extend(std::iter::repeat_n(String::new(), blanks));
            }
            block.push(content.to_owned());
            line.block_lines.1 = number;
        } else if let Some(code) = raw.strip_prefix("exits ") {
            let line = lines.last_mut().unwrap_or_else(|| panic!("line {number} belongs to nothing"));
            line.exit = code.trim().parse().unwrap_or_else(|_| panic!("line {number}: `{code}` is no code"));
        } else if !raw.starts_with('#') {
            let text = raw.trim_end().to_owned();
            lines.push(Line { number, text, block: None, exit: 0, block_lines: (number, number) });
        }
        blanks = 0;
    }
    lines
}

#[test]
fn blocks_belong_to_the_line_above_and_keep_their_empty_lines() {
    let lines = parse("# c\nfile a\n    x\n\n      y\n\n$ cmd\n    out\nexits 2\n");
    let shown: Vec<_> =
        lines.iter().map(|line| (line.text.as_str(), line.block.clone(), line.exit)).collect();
    let block = |lines: &[&str]| Some(lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>());
    assert_eq!(shown, [("file a", block(&["x", "", "  y"]), 0), ("$ cmd", block(&["out"]), 2)]);
}
