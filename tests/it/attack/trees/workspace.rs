//! What a step leaves in its workspace, and how the run ends then.

use super::super::{Attack, Harm, Random};
use super::ground::{Ground, clear};
use crate::engine;

/// What a step does, in a shell in the workspace; `$OUTSIDE` is the folder outside.
struct Deed {
    name: &'static str,
    script: &'static str,
    /// Whether it leaves what nobody can remove.
    stays: bool,
}

const DEEDS: [Deed; 16] = [
    Deed { name: "deep", script: "perl -e 'for (1..$ENV{DEEP}) { mkdir q(d); chdir q(d) or die }'", stays: false },
    Deed {
        name: "every byte",
        script: "perl -e 'for (1..255) { my $n = chr; next if $n eq q(/) or $n eq q(.);
                   open F, q(>), $n; mkdir qq(x$n); open F, q(>), qq(x$n/$n) }'",
        stays: false,
    },
    Deed { name: "long names", script: "perl -e 'mkdir chr($_) x 255 for 97..122; chdir q(a) x 255; open F, q(>), chr(255) x 255'", stays: false },
    Deed { name: "links", script: "ln -s \"$OUTSIDE\" out; ln -s out out2; ln -s a b; ln -s b a; ln -s / root; ln -s /dev/zero zero; ln -s . self; ln -s .. up; mkdir f; ln -s \"$OUTSIDE\"/folder f/in", stays: false },
    Deed { name: "hard links", script: "ln \"$OUTSIDE\"/file hard; mkdir r; ln \"$OUTSIDE\"/folder/file r/hard; chmod 500 r", stays: false },
    Deed { name: "special files", script: "mkfifo fifo; mknod zero c 1 5; mknod null c 1 3; perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => q(sock), Listen => 1)'", stays: false },
    Deed { name: "immutable", script: "mkdir i; touch i/file before; chattr +i i/file i; mkdir z; touch z/after; chattr +a z", stays: true },
    Deed { name: "read-only", script: "mkdir -p r/s; touch r/file r/s/file; chmod 0 r/s r", stays: false },
    Deed { name: "mounts", script: "mkdir m n o; mount -t tmpfs -o size=1m none m; touch m/file; mount --bind \"$OUTSIDE\" n; mount -t proc proc o", stays: true },
    Deed { name: "mounted over", script: "mount --bind \"$OUTSIDE\" \"$PWD\"", stays: true },
    Deed { name: "a file mounted", script: "touch f; mount --bind \"$OUTSIDE\"/file f; mkdir d; mount --bind d d; touch d/x", stays: true },
    Deed { name: "many files", script: "perl -e 'for my $d (1..$ENV{MANY} / 500) { mkdir $d; for (1..500) { open F, q(>), qq($d/$_) } }'", stays: false },
    Deed { name: "one wide folder", script: "perl -e 'for (1..$ENV{MANY}) { open F, q(>), $_ }'", stays: false },
    Deed {
        name: "a folder that is a link at times",
        script: "mkdir d; touch d/file; ln -s \"$OUTSIDE\" l
                 setsid perl -e 'my $e = time + 5; while (time < $e) { rename q(d), q(x); rename q(l), q(d); rename q(d), q(l); rename q(x), q(d) }' >/dev/null 2>&1 &",
        stays: false,
    },
    Deed { name: "replaced by a link", script: "cd ..; mv work elsewhere; ln -s \"$OUTSIDE\" work; rm -rf elsewhere", stays: false },
    Deed { name: "removed", script: "rm -rf \"$PWD\"; touch ../log/more", stays: false },
];

/// How the run ends after the deed.
#[derive(Debug, Clone, Copy)]
enum End {
    /// By itself.
    Passes,
    /// By `quire cancel`.
    Cancelled,
    /// The runner is killed.
    RunnerKilled,
    /// Runner and server are killed, and the server is started again.
    BothKilled,
}

#[test]
fn whatever_a_step_leaves_in_its_workspace_harms_nobody() {
    if !rustix::process::geteuid().is_root() {
        return engine::skip("only root can mount");
    }
    let mut attack = Attack::new("workspace", 1);
    while let Some(mut random) = attack.next_round() {
        let is_long = attack.is_long();
        let mut deeds: Vec<&Deed> = DEEDS.iter().collect();
        random.shuffle(&mut deeds);
        let mut ground = Ground::new(&mut attack);
        for deed in deeds.iter().take(if is_long { 6 } else { 3 }) {
            do_it(&mut ground, deed, &mut random, is_long);
        }
    }
    attack.finish();
}

fn do_it(ground: &mut Ground<'_>, deed: &Deed, random: &mut Random, is_long: bool) {
    let end = *random.pick(&[End::Passes, End::Passes, End::Cancelled, End::RunnerKilled, End::BothKilled]);
    let what = format!("{} ({end:?})", deed.name);
    let done = ground.world.path().join("done");
    let (deep, many) = if is_long { (random.between(1000, 30_000), 50_000) } else { (3000, 2000) };
    let stays = if matches!(end, End::Passes) { "" } else { "sleep 1000" };
    let outside = ground.outside();
    let script = format!(
        "export DEEP={deep} MANY={many} OUTSIDE='{}'\n(\n{}\n)\ntouch '{}'\n{stays}",
        outside.display(),
        deed.script,
        done.display()
    );
    let Some(number) = ground.push(&script) else { return };
    if !ground.waits_for_tree(|| done.exists()) {
        ground.harm(Harm::Hang, &format!("{what}: the step does not come to its end"));
    }
    std::fs::remove_file(&done).unwrap_or_default();
    let expected = match end {
        End::Passes => "passed",
        End::Cancelled => {
            ground.shell(&format!("quire cancel 'foo#{number}'"));
            "cancelled"
        }
        End::RunnerKilled => {
            ground.kill_runner(number);
            "interrupted"
        }
        End::BothKilled => {
            ground.kill_server();
            ground.kill_runner(number);
            ground.start();
            "interrupted"
        }
    };
    match ground.outcome(number, &what) {
        Some(outcome) if outcome != expected => {
            ground.harm(Harm::Wrong, &format!("{what}: the run is {outcome}, not {expected}"));
        }
        Some(_) | None => {}
    }
    ground.check(number, &what);
    let work = ground.run_dir(number).join("work");
    if deed.stays {
        clear_only(ground, number);
    } else if work.symlink_metadata().is_ok() {
        ground.harm(Harm::Wrong, &format!("{what}: the workspace is left"));
    }
}

/// Removes what is left of one run.
fn clear_only(ground: &Ground<'_>, number: u64) {
    clear(&ground.run_dir(number));
    let run = ground.run_dir(number);
    ground.shell(&format!("chattr -R -f -i -a '{0}/work'; rm -rf '{0}/work'", run.display()));
}
