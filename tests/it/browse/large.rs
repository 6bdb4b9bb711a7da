//! What large repositories cost, and what happens at the limits.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use super::markup::{all_text, read};
use super::{Site, connect_tcp, request};

/// How long a page of something large may take on a busy machine, with a slow build.
const PATIENCE: Duration = Duration::from_secs(10);

impl Site {
    fn timely(&self, path: &str) -> String {
        let start = Instant::now();
        let page = self.page(path);
        assert!(start.elapsed() < PATIENCE, "{path}: {:?}", start.elapsed());
        assert!(page.len() < 4 << 20, "{path}: {}", page.len());
        page
    }

    /// The processes of git that the server has started.
    fn gits(&self) -> usize {
        let children = format!("/proc/{0}/task", self.world.server_pid());
        let tasks = std::fs::read_dir(children).unwrap().filter_map(Result::ok);
        let listed = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
        let pids: Vec<String> =
            listed.flat_map(|pids| pids.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect();
        let is_git = |pid: &&String| {
            std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("git"))
        };
        pids.iter().filter(is_git).count()
    }
}

#[test]
fn a_folder_of_100_000_files_and_10_000_refs_have_pages() {
    let site = Site::prepared(|site| {
        let blob = site.shell("printf 'x\\n' | git --git-dir $T/data/repos/foo.git hash-object -w --stdin");
        let entry = |index: u32| format!("100644 blob {}\tf{index:06}\n", blob.trim());
        let entries: String = (0..100_000).map(entry).collect();
        std::fs::write(site.world.path().join("entries"), entries).unwrap();
        let tree = site.git("mktree <$T/entries");
        let main = site.git(&format!("commit-tree -m all {tree}"));
        site.git(&format!("update-ref refs/heads/main {main}"));
        let packed: String = (0..10_000).map(|index| format!("{main} refs/heads/b{index:04}\n")).collect();
        std::fs::write(site.git_dir().join("packed-refs"), format!("# pack-refs with: sorted \n{packed}"))
            .unwrap();
    });
    let tree = site.timely("/foo/tree/main");
    assert!(
        all_text(&tree).contains("Entries 1 to 1000 of 100000")
            && tree.contains("f000999")
            && !tree.contains("f001000")
    );
    assert!(site.timely("/foo/tree/main?from=99500").contains("f099999"));
    assert!(all_text(&site.timely("/foo/tree/main?from=200000")).contains("nothing in this folder"));
    assert!(all_text(&site.timely("/foo/refs")).contains("10001 branches"));
    site.timely("/foo/refs?branches=9990");
    for path in ["/foo", "/foo/tree/b9999", "/foo/log/b5000", "/foo/blob/main/f050000"] {
        site.timely(path);
    }
    let commit = site.timely(&format!("/foo/commit/{}", site.git("rev-parse main")));
    assert!(all_text(&commit).contains("Cut at 1000 of 100000 files"), "{}", all_text(&commit));
    let found = site.timely("/foo/search?q=x");
    assert!(all_text(&found).contains("500 lines") && all_text(&found).contains("Cut"));
}

#[test]
fn a_large_file_is_streamed_and_git_ends_with_its_client() {
    let site = Site::new();
    // 200 MB of zeros, which are a few hundred KB in the repository.
    site.shell(
        "git init -q c && cd c && truncate -s 200M big && printf '%02000000d\\n' 0 >long && yes line | head -n 30000 >lines &&
         git -c core.bigFileThreshold=1m -c core.compression=1 add -A && git commit -qm big && git push -q ../data/repos/foo.git HEAD:main",
    );
    let blob = all_text(&site.timely("/foo/blob/main/big"));
    assert!(blob.contains("Files are shown up to 1.0 MB") && blob.contains("200 MB"), "{blob}");
    assert!(all_text(&site.timely("/foo/blob/main/long")).contains("Files are shown up to"));
    assert!(all_text(&site.timely("/foo/blob/main/lines")).contains("Cut at 20000 of 30000 lines"));
    assert!(all_text(&site.timely("/foo/blame/main/lines")).contains("Cut at 10000 lines"));
    read(&site.timely("/foo/blame/main/big"));
    assert!(
        all_text(&site.timely(&format!("/foo/commit/{}", site.git("rev-parse main")))).contains("Too large")
    );
    let memory = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", site.world.server_pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    let before = memory();
    let answer = site.answer("/foo/raw/main/big", &[]);
    assert_eq!((answer.status, answer.body.len()), (200, 200 << 20));
    assert!(memory() - before < 40 << 10, "{} KiB more", memory() - before);
    // A client that goes while git writes, and one that never reads.
    let mut stream = connect_tcp(&site.address);
    stream.write_all(&request(("GET", "/foo/raw/main/big"), &site.address, &[], b"")).unwrap();
    stream.read_exact(&mut [0; 1000]).unwrap();
    assert_eq!(site.gits(), 1);
    drop(stream);
    assert!(site.world.eventually(|_| site.gits() == 0), "git goes on without its client");
}

#[test]
fn slow_clients_hold_no_place_and_a_full_queue_is_busy() {
    let site = Site::new();
    site.shell("git init -q c && cd c && truncate -s 60M big && git add -A && git commit -qm big && git push -q ../data/repos/foo.git HEAD:main");
    let slow = || {
        let mut stream = connect_tcp(&site.address);
        stream.write_all(&request(("GET", "/foo/raw/main/big"), &site.address, &[], b"")).unwrap();
        stream.read_exact(&mut [0; 100]).unwrap();
        stream
    };
    // Clients that do not read give their places to others, and stay in the queue, which has an end.
    let mut clients: Vec<_> = (0..2).map(|_| slow()).collect();
    assert_eq!(site.gits(), 2);
    assert_eq!(site.status("/foo/archive/main.zip"), 200);
    clients.extend((2..18).map(|_| slow()));
    let answer = site.answer("/foo/archive/main.zip", &[("accept", "text/html")]);
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
    site.page("/foo/tree/main");
    drop(clients);
    assert!(site.world.eventually(|_| site.gits() == 0));
    assert_eq!(site.status("/foo/archive/main.zip"), 200);
}
