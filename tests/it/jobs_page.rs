//! `docs/jobs.md` is followed: its files are written, its commands print what it says.

use std::fs;
use std::path::Path;

use super::stories::world::World;

/// The blocks of a page, each with the last line of text before it.
fn blocks(page: &str) -> Vec<(String, String)> {
    let (mut blocks, mut before, mut block) = (Vec::new(), String::new(), None::<String>);
    for line in page.lines() {
        match (&mut block, line.strip_prefix("```")) {
            (None, Some(_)) => block = Some(String::new()),
            (Some(_), Some(_)) => blocks.push((before.clone(), block.take().unwrap())),
            (Some(text), None) => *text += &format!("{line}\n"),
            (None, None) if !line.is_empty() => before = line.to_owned(),
            (None, None) => {}
        }
    }
    blocks
}

#[test]
fn every_block_of_the_page_about_jobs_does_what_it_says() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/jobs.md")).unwrap();
    let world = World::new();
    fs::write(world.path().join("token.txt"), "hunter22\n").unwrap();
    let mut commands = 0;
    for (before, block) in blocks(&page) {
        if let Some(file) = before.strip_prefix('`').and_then(|rest| rest.strip_suffix("`:")) {
            let path = world.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, block).unwrap();
            continue;
        }
        for part in block.split("$ ").skip(1) {
            let (command, expected) = part.split_once('\n').unwrap();
            let ended = world.run(world.command("sh").args(["-c", command]));
            assert_eq!(ended.exit, 0, "{command}: {}", ended.output);
            assert!(ended.output.starts_with(expected), "{command}: {}", ended.output);
            commands += 1;
        }
    }
    assert_eq!(commands, 3);
}
