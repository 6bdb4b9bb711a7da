// A repository as people have them: folders, a README, a history with merges and renames, branches and tags, and runs of them.
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { failing, passing } from "./pipelines.js";

const README = `# store

An append-only store that **replays** what was written, in order.

[Documentation](docs/format.md) · [the code](src/store.rs) · ![a picture](docs/logo.png)

## Use

\`\`\`rust
let store = Store::open("facts")?;
store.append(b"one")?;
\`\`\`

| call | cost |
| --- | ---: |
| \`append\` | one \`fsync\` |
| \`replay\` | a read of the file |

- [x] facts in order
- [ ] facts that are removed

> Nothing is written twice.
`;

const RUST = `//! Facts, one after the other.

use std::fs::File;
use std::io::{self, Read, Write};

/// The largest fact, in bytes.
const MAX: usize = 1 << 20;

pub struct Store {
    file: File,
    count: u64,
}

impl Store {
    /// Adds a fact; it is on disk when this returns.
    pub fn append(&mut self, fact: &[u8]) -> io::Result<u64> {
        if fact.len() > MAX {
            return Err(io::Error::other(format!("a fact of {} bytes is too large", fact.len())));
        }
        self.file.write_all(&(fact.len() as u32).to_le_bytes())?;
        self.file.write_all(fact)?;
        self.file.sync_data()?;
        self.count += 1; // A line that is much longer than a page is wide, because somebody has written down here why the count is kept at all and did not break it.
        Ok(self.count)
    }
}
`;

const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAoAAAAKCAYAAACNMs+9AAAAFUlEQVR42mNkYPhfz0AEYBxVSF+FABJADveWkH6oAAAAAElFTkSuQmCC";

// Pushes it; the branches `main` and `topic/replay` have runs.
export async function sample(world, name) {
  const root = join(world.path, "work", name);
  let day = 1;
  const write = async (files) => {
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), text);
    }
  };
  const commit = async (subject, author = "Ada") => {
    const at = `2026-11-${String(day++).padStart(2, "0")}T10:00:00Z`;
    await writeFile(join(world.path, "subject"), subject);
    await world.sh(`cd ${name} && git add -A && GIT_AUTHOR_NAME="${author}" GIT_AUTHOR_DATE=${at} GIT_COMMITTER_DATE=${at} git commit -q --allow-empty -F $W/subject`);
  };
  await world.sh(`quire repo new ${name} && quire repo describe ${name} "Append-only store" && git init -q -b main ${name} && cd ${name} && git remote add origin $QUIRE_DATA/repos/${name}.git`);
  await write({ "README.md": README, ".quire/ci.fnl": passing, "src/log.rs": RUST.replace("self.count += 1", "self.count = self.count + 1"), "LICENSE": "Do what you like.\n" });
  await commit("Begin");
  await write({ "docs/format.md": "# Format\n\nLength, then bytes.\n", "docs/logo.png": Buffer.from(PNG, "base64"), "check.sh": "#!/bin/sh\ncargo test\n", "Makefile": "all:\n\tcargo build\n" });
  await world.sh(`cd ${name} && chmod +x check.sh && ln -s docs/format.md FORMAT`);
  await commit("Describe the format", "Grace Hopper");
  await world.sh(`cd ${name} && git mv src/log.rs src/store.rs`);
  await commit("A log is a store");
  await write({ "src/store.rs": RUST, "src/very/deep/in/here/a-file-with-a-name-that-is-longer-than-most-names-of-files-are.txt": "deep\n", "data.bin": Buffer.from([0, 1, 2, 255]), "Cargo.toml": "[package]\nname = \"store\" # a name\nversion = \"0.1.0\"\n" });
  await commit("Count the facts with one operator, and say in a subject that is far too long for a line of seventy-two characters why that is so and what else was thought of");
  await world.sh(`cd ${name} && git tag v0.1 && git tag -a -m "The first one that works" v0.2 && git checkout -q -b topic/replay`);
  await write({ "src/replay.rs": "pub fn replay() {}\n", "src/store.rs": RUST.replace("1 << 20", "1 << 24").replace("    count: u64,\n", "    count: u64,\n    replayed: bool,\n"), ".quire/ci.fnl": failing });
  await commit("Replay twice", "Grace Hopper");
  await world.sh(`cd ${name} && git checkout -q main && git checkout -q -b fix/a-branch-with-a-name-that-nobody-would-like-to-type && git rm -q LICENSE`);
  await write({ "docs/format.md": "# Format\n\nLength in four bytes, then the bytes.\n" });
  await commit("No licence");
  const at = "2026-11-20T10:00:00Z";
  await world.sh(`cd ${name} && git checkout -q main && GIT_AUTHOR_DATE=${at} GIT_COMMITTER_DATE=${at} git merge -q --no-ff -m "Merge a fix" fix/a-branch-with-a-name-that-nobody-would-like-to-type
    git update-index --add --cacheinfo 160000,$(git rev-parse HEAD),vendor/other
    printf '[submodule "other"]\n\tpath = vendor/other\n\turl = https://example.org/other.git\n' >.gitmodules && git add .gitmodules && GIT_AUTHOR_DATE=2026-11-21T10:00:00Z GIT_COMMITTER_DATE=2026-11-21T10:00:00Z git commit -q -m "Take another along"
    git push -q -o ci.wait origin main 2>&1; git push -q -o ci.wait origin topic/replay 2>&1 || true; git push -q -o ci.skip origin --all 2>&1; git push -q -o ci.skip origin --tags 2>&1`);
}
