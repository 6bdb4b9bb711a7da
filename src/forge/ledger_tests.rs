//! Tables for the rule: each row is a log, a ref, the reports, and the expected result.

use crate::model::CommitId;

use super::ledger::{Claim, How, Keys, Report, Seen, Verdict, baseline, compare};
use super::look::{LogId, LogPart, LogStart, Look};
use super::reflog::{Entry, Line, LineInfo, Mark};

/// The value of a letter; `0` is zero.
fn id(letter: char) -> CommitId {
    CommitId::from_bytes([if letter == '0' { 0 } else { letter as u8 }; 20])
}

fn letter(id: CommitId) -> char {
    if id.is_zero() { '0' } else { char::from(id.as_bytes()[0]) }
}

/// `ab5`: from a to b at second 5. `xx` is a damaged line, `ab5!` the end of a moved log, `ab5@p1` by push p1.
fn entry(place: usize, text: &str) -> Entry {
    let start = place as u64 * 100;
    let mark = Mark { start, end: start + 100, digest: [u8::try_from(place).unwrap(); 16] };
    if text == "xx" {
        return Entry { mark, line: None };
    }
    let (body, push) = text.split_once('@').unwrap_or((text, "jo"));
    let mut letters = body.chars();
    let (old, new) = (id(letters.next().unwrap()), id(letters.next().unwrap()));
    let rest = letters.as_str();
    let time = rest.trim_end_matches('!').parse().unwrap_or(0);
    let email = if push == "jo" { b"jo@home".to_vec() } else { format!("{push}@quire").into_bytes() };
    let info = LineInfo { time, zone: *b"+0000", name: b"Jo".to_vec(), email };
    Entry { mark, line: Some(Line { old, new, info, moved_here: rest.ends_with('!') }) }
}

/// `p1:ab` by push id, `~p1:ab` only intended, `p1:ab/5` in the second 5 and by no push id.
fn report(text: &str) -> Report {
    let (text, claim) = match text.strip_prefix('~') {
        Some(text) => (text, Claim::Intended),
        None => (text, Claim::Happened),
    };
    let (push, step) = text.split_once(':').unwrap();
    let (step, time) = step.split_once('/').map_or((step, None), |(step, time)| (step, time.parse().ok()));
    let mut letters = step.chars();
    Report {
        push: push.into(),
        old: id(letters.next().unwrap()),
        new: id(letters.next().unwrap()),
        email: time.is_none().then(|| format!("{push}@quire").into_bytes()),
        since: time.unwrap_or(0),
        until: time.unwrap_or(100),
        claim,
    }
}

/// One ref and what is stored of it.
#[derive(Default)]
struct World {
    seen: Seen,
    keys: Keys,
}

impl World {
    fn at(lines: &str, tip: char) -> Self {
        let (seen, keys) = baseline(&Self::default().look_at(1, lines, tip));
        Self { seen, keys: Keys::of(keys) }
    }

    fn look_at(&self, file: u64, lines: &str, tip: char) -> Look {
        let log = LogId { inode: file, birth: None };
        let mut entries: Vec<_> =
            lines.split_whitespace().enumerate().map(|(n, text)| entry(n, text)).collect();
        let from = match self.seen.cursor {
            Some(cursor) if cursor.log == log => {
                entries.retain(|entry| entry.mark.start >= cursor.offset);
                LogStart::Cursor(cursor)
            }
            Some(_) | None => LogStart::Beginning,
        };
        let log = (lines != "none").then_some(LogPart { log, from, entries });
        Look { tip: id(tip), log }
    }

    /// Looks, checks that looking again finds nothing, and stores.
    fn verdict(&mut self, file: u64, lines: &str, tip: char, reports: &str) -> Verdict {
        let reports: Vec<_> = reports.split_whitespace().map(report).collect();
        let verdict = compare(&self.seen, &self.keys, &self.look_at(file, lines, tip), &reports);
        self.seen = verdict.seen.clone();
        self.keys.apply(verdict.keys.clone());
        let again = compare(&self.seen, &self.keys, &self.look_at(file, lines, tip), &reports);
        assert_eq!((again.found, again.bound), (vec![], vec![]), "not idempotent: {lines}");
        assert_eq!(again.seen, self.seen);
        verdict
    }

    /// The updates found, as `ab` (line), `ab+` (report), `ab?` (tip), with `@push`.
    fn find(&mut self, file: u64, lines: &str, tip: char, reports: &str) -> String {
        let verdict = self.verdict(file, lines, tip, reports);
        let shown = verdict.found.iter().map(|found| {
            let how = match found.how {
                How::Line => "",
                How::Report => "+",
                How::Tip => "?",
            };
            let push = found.push.as_ref().map(|push| format!("@{push}")).unwrap_or_default();
            format!("{}{}{how}{push}", letter(found.old), letter(found.new))
        });
        let pending = verdict.pending.then(|| "…".to_owned());
        shown.chain(pending).collect::<Vec<_>>().join(" ")
    }
}

#[test]
fn what_one_look_finds() {
    // (stored log, stored tip, log, tip, reports, found); the stored log `none` is a ref never seen.
    let rows = [
        ("none", '0', "0a1", 'a', "", "0a"),
        ("none", '0', "0a1 ab2 bc3", 'c', "", "0a ab bc"),
        ("0a1", 'a', "0a1 ab2 ba3 ab4", 'b', "", "ab ba ab"),
        // Equal to the second, and still four updates.
        ("0a1", 'a', "0a1 ab2 ba2 ab2 ba2", 'a', "", "ab ba ab ba"),
        // A line whose ref has not moved: under way, or killed.
        ("0a1", 'a', "0a1 ab2", 'a', "", "…"),
        ("none", '0', "0a1", '0', "", "…"),
        ("none", '0', "0a1 0b2", 'b', "", "0b"),
        // Three kills and one push are one update; each retry writes an equal line.
        ("0a1", 'a', "0a1 ab2 ab2 ab2 ab2", 'b', "", "ab"),
        ("0a1", 'a', "0a1 ab2 ac3", 'c', "", "ac"),
        ("0a1", 'a', "0a1 ab2 ac3 cb4", 'b', "", "ac cb"),
        // A hook says that it has happened.
        ("0a1", 'a', "0a1 ab2@p1", 'b', "p1:ab", "ab@p1"),
        ("0a1", 'a', "0a1 ab2@p1", 'b', "p1:ab p1:ab ~p1:ab", "ab@p1"),
        ("0a1", 'a', "0a1 ab2@p1 ab2@p2", 'b', "p2:ab", "ab@p2"),
        ("0a1", 'a', "0a1 ab2@p1 ab2@p2", 'b', "~p1:ab p2:ab", "ab@p2"),
        ("0a1", 'a', "0a1 ab2@p1 ba3@p2 ab4@p3", 'b', "p3:ab p1:ab", "ab@p1 ba ab@p3"),
        ("0a1", 'a', "0a1 ab2 ba3 ab4", 'b', "p1:ab/2 p3:ab/4", "ab@p1 ba ab@p3"),
        // The first that is reported is not the first that was announced.
        ("0a1", 'a', "0a1 ab2 ba2 ab2", 'b', "~p1:ab/2 ~p2:ba/2 p3:ab/2", "ab@p1 ba@p2 ab@p3"),
        ("0a1", 'a', "0a1 ab2 ab2", 'b', "~p1:ab/2 p2:ab/2", "ab@p2"),
        // Of equal tries the one that was reported, otherwise the last before the next step.
        ("0a1", 'a', "0a1 ab2", 'b', "p1:ab/2 ~p2:ab/2", "ab@p1"),
        ("0a1", 'a', "0a1 ab2", 'b', "~p1:ab/2 ~p2:ab/2", "ab@p2"),
        ("0a1", 'a', "0a1 ab2 ba3", 'a', "~p1:ab/2 ~p2:ba/3 ~p3:ab/3", "ab@p1 ba@p2"),
        ("0a1", 'a', "0a1 ab2 ba2 ab2", 'b', "p1:ab/2 p2:ba/2 ~p3:ab/2", "ab@p1 ba@p2 ab@p3"),
        // Announced in another order than moved.
        ("0a1", 'a', "0a1 ab2 ba2 ac2", 'c', "~p1:ac/2 ~p2:ab/2 ~p3:ba/2", "ab@p2 ba@p3 ac@p1"),
        // No line, but a report: the log was lost.
        ("0a1", 'a', "none", 'b', "p1:ab", "ab+@p1"),
        ("0a1", 'a', "none", 'a', "p1:ab p2:ba", "ab+@p1 ba+@p2"),
        ("0a1", 'a', "0a1 bc3", 'c', "p1:ab", "ab+@p1 bc"),
        ("0a1", 'a', "none", 'c', "p1:bc", "ab? bc+@p1"),
        // No line and no report: power cut, NULs, log removed.
        ("0a1", 'a', "0a1", 'b', "", "ab?"),
        ("0a1", 'a', "0a1 xx", 'b', "~p1:ab", "ab?@p1"),
        ("0a1", 'a', "0a1 xx bc3", 'c', "", "ab? bc"),
        ("0a1", 'a', "0a1 ab2 xx cd4", 'd', "", "ab bc? cd"),
        ("0a1", 'a', "0a1 ab2 xx", 'c', "", "ab bc?"),
        ("none", '0', "none", 'b', "", "0b?"),
        // Deleted: the log goes with the ref. Recreated: the new log begins with nothing.
        ("0a1", 'a', "none", '0', "", "a0?"),
        ("0a1", 'a', "none", '0', "p1:a0", "a0+@p1"),
        // An intent alone makes nothing; an intent names the push of what is found.
        ("0a1", 'a', "0a1", 'a', "~p1:ab", ""),
        ("0a1", 'a', "0a1 ab2", 'b', "~p1:ab/2", "ab@p1"),
        ("0a1", 'a', "0a1 ab2@p1", 'a', "~p1:ab", "…"),
        ("0a1", 'a', "0a1 aa2", 'a', "", ""),
        // A log that was moved here belongs to another ref up to the line with the rename.
        ("none", '0', "0a1 ab2 bb3!", 'b', "", "0b"),
        ("none", '0', "0a1 ab2 bb3! bc4", 'c', "", "0b bc"),
    ];
    for (stored, before, lines, tip, reports, expected) in rows {
        let mut world = if stored == "none" { World::default() } else { World::at(stored, before) };
        assert_eq!(
            world.find(1, lines, tip, reports),
            expected,
            "{stored} {before} → {lines} {tip} {reports}"
        );
    }
}

#[test]
fn a_pending_line_counts_once_its_ref_has_moved() {
    let mut world = World::at("0a1", 'a');
    assert_eq!(world.find(1, "0a1 ab2", 'a', ""), "…");
    assert_eq!(world.find(1, "0a1 ab2", 'b', ""), "ab");
    assert_eq!(world.find(1, "0a1 ab2 bc3", 'b', ""), "…");
    assert_eq!(world.find(1, "0a1 ab2 bc3 bd4", 'd', ""), "bd");
    // Said too late, and against what the ref shows.
    assert_eq!(world.find(1, "0a1 ab2 bc3 bd4 db5", 'b', "p1:bc/3"), "db bc+@p1");
    // It waited, and then the ref moved by an update whose line was lost.
    assert_eq!(world.find(1, "0a1 ab2 bc3 bd4 db5 bc6", 'b', ""), "…");
    assert_eq!(world.find(1, "0a1 ab2 bc3 bd4 db5 bc6 xx", 'e', ""), "be?");
    let mut never = World::default();
    assert_eq!(never.find(1, "0a1", '0', ""), "…");
    assert_eq!(never.find(1, "0a1 xx", 'b', ""), "0b?");
}

#[test]
fn a_file_that_git_has_rewritten_brings_no_line_twice() {
    let mut world = World::at("0a1", 'a');
    assert_eq!(world.find(1, "0a1 ab2 ab2", 'b', ""), "ab");
    assert_eq!(world.find(2, "0a1 ab2 ab2", 'b', ""), "", "gc");
    assert_eq!(world.find(3, "0a1 ab2 ab2 ba2 ab2", 'b', ""), "ba ab", "gc with news");
    assert_eq!(world.find(4, "ab2 ba2 ab2", 'b', ""), "", "expire");
    assert_eq!(world.find(5, "", 'b', ""), "", "expire all");
    assert_eq!(world.find(5, "bc7", 'c', ""), "bc");
    assert_eq!(world.find(6, "none", 'c', ""), "", "log removed");
    assert_eq!(world.find(7, "cd8", 'd', ""), "cd");
    assert_eq!(world.find(8, "de9", 'e', ""), "de", "and its line lost in between");
}

#[test]
fn a_ref_deleted_and_recreated_unseen_is_two_updates() {
    let mut world = World::at("0a1", 'a');
    assert_eq!(world.find(2, "0b2 bc3", 'c', ""), "a0? 0b bc");
    assert_eq!(world.find(3, "0c4", 'c', "p1:c0 p2:0c"), "c0+@p1 0c@p2");
    assert_eq!(world.find(9, "none", '0', ""), "c0?");
    assert_eq!(world.find(3, "0c4", 'c', ""), "0c", "the same inode, the same line");
}

#[test]
fn recreated_within_a_second_by_the_same_hand_needs_a_report() {
    // The documented limit: nothing on disk distinguishes this from a file that gc has rewritten.
    let mut world = World::default();
    assert_eq!(world.find(1, "0a1", 'a', ""), "0a");
    assert_eq!(world.find(2, "0a1", 'a', ""), "");
    let mut world = World::default();
    assert_eq!(world.find(1, "0a1@p1", 'a', "p1:0a"), "0a@p1");
    assert_eq!(world.find(2, "0a1@p3", 'a', "p2:a0 p3:0a"), "a0+@p2 0a@p3");
}

#[test]
fn a_renamed_branch_leaves_its_history_behind() {
    let mut old = World::at("0a1 ab2", 'b');
    assert_eq!(old.find(1, "none", '0', ""), "b0?");
    // Seen between the move of the log and the move of the ref.
    let mut new = World::at("0x1", 'x');
    assert_eq!(new.find(2, "0a1 ab2", '0', ""), "x0? …");
    assert_eq!(new.find(2, "0a1 ab2 bb3!", 'b', ""), "0b");
    // Over an existing branch, seen afterwards.
    let mut over = World::at("0x1", 'x');
    assert_eq!(over.find(2, "0a1 ab2 bb3! bc4", 'c', ""), "xb bc");
    // Twice in one second, with one value.
    let mut twice = World::at("0a1 aa2!", 'a');
    assert_eq!(twice.find(2, "0b1 ba1 aa2!", 'a', ""), "");
    assert_eq!(twice.find(3, "0c1 ca1 aa2! ab3", 'b', ""), "ab");
}

/// Two pushes announced one step, and git took one of them. Which one, its late report says.
#[test]
fn a_late_report_of_what_another_push_had_only_announced_is_not_a_second_update() {
    let bound = |verdict: &Verdict| -> Vec<(u64, String)> {
        verdict.bound.iter().map(|bound| (bound.serial, bound.push.clone())).collect()
    };
    let mut world = World::at("0a1", 'a');
    assert_eq!(world.find(1, "0a1 ab2", 'b', "~p1:ab/2 ~p2:ab/2"), "ab@p2");
    let verdict = world.verdict(1, "0a1 ab2", 'b', "p1:ab/2");
    assert_eq!((verdict.found.len(), bound(&verdict)), (0, vec![(0, "p1".to_owned())]));
    // Also when the ref has moved on, and only once: what a push has reported is its own.
    let mut world = World::at("0a1", 'a');
    assert_eq!(world.find(1, "0a1 ab2", 'b', "~p1:ab/2 ~p2:ab/2"), "ab@p2");
    assert_eq!(world.find(1, "0a1 ab2 bc3", 'c', ""), "bc");
    let verdict = world.verdict(1, "0a1 ab2 bc3", 'c', "p1:ab/2");
    assert_eq!((verdict.found.len(), bound(&verdict)), (0, vec![(0, "p1".to_owned())]));
    assert_eq!(world.find(1, "0a1 ab2 bc3", 'c', "p3:ab/2"), "ab+@p3");
    // The log was lost: two reports are two updates.
    let mut world = World::at("0a1", 'a');
    assert_eq!(world.find(1, "none", 'b', "p1:ab"), "ab+@p1");
    assert_eq!(world.find(1, "none", 'b', "p2:ab"), "ba? ab+@p2");
}

#[test]
fn a_late_report_names_an_update_that_is_known() {
    let mut world = World::at("0a1", 'a');
    assert_eq!(world.find(1, "0a1 ab2@p1 ba3 ab4@p3", 'b', ""), "ab ba ab");
    let verdict = world.verdict(1, "0a1 ab2@p1 ba3 ab4@p3", 'b', "p3:ab p1:ab");
    let bound: Vec<_> = verdict.bound.iter().map(|bound| (bound.serial, bound.push.as_str())).collect();
    assert_eq!((verdict.found.len(), bound), (0, vec![(2, "p3"), (0, "p1")]));
    assert_eq!(world.find(1, "0a1 ab2@p1 ba3 ab4@p3", 'b', "p1:ab p3:ab"), "");
    // The value was seen before its report: the log was lost.
    assert_eq!(world.find(1, "0a1 ab2@p1 ba3 ab4@p3", 'c', ""), "bc?");
    let verdict = world.verdict(1, "0a1 ab2@p1 ba3 ab4@p3", 'c', "p4:bc");
    assert_eq!((verdict.found.len(), verdict.bound[0].serial), (0, 3));
}

#[test]
fn only_so_many_updates_are_kept() {
    let mut world = World::at("0a1", 'a');
    let lines: String = std::iter::repeat_n("ab2 ba3 ", 60).collect();
    assert_eq!(world.verdict(1, &format!("0a1 {lines}"), 'a', "").found.len(), 120);
    assert_eq!(world.seen.recent.len(), super::ledger::MAX_RECENT);
    assert_eq!(world.seen.recent.last().unwrap().serial, 119);
}

#[test]
fn a_repository_that_is_adopted_has_no_news() {
    let mut world = World::at("0a1 ab2", 'b');
    assert_eq!(world.find(1, "0a1 ab2", 'b', ""), "");
    assert_eq!(world.find(2, "0a1 ab2", 'b', ""), "", "after gc");
    assert_eq!(world.find(2, "0a1 ab2 ba3", 'a', ""), "ba");
    let mut without_log = World::at("none", 'b');
    assert_eq!(without_log.find(1, "ba3", 'a', ""), "ba");
}

#[test]
fn chains_of_any_shape_are_idempotent_and_end_at_the_tip() {
    // Every log of up to four lines over two values, damaged lines too, with every tip.
    let texts = ["0a1", "ab1", "ba1", "b01", "xx", "aa1!"];
    for number in 0..texts.len().pow(4) {
        let lines: Vec<_> =
            (0..4).map(|place| texts[number / texts.len().pow(place) % texts.len()]).collect();
        for tip in ['0', 'a', 'b', 'c'] {
            let mut world = World::at("0a1", 'a');
            let verdict = world.verdict(1, &format!("0a1 {}", lines.join(" ")), tip, "p1:ab ~p2:ba p3:bc");
            assert_eq!(verdict.seen.value, id(tip));
            let chain = verdict.found.iter().filter(|found| found.push.is_none());
            assert!(chain.clone().all(|found| found.old != found.new));
        }
    }
}

#[test]
fn lives_of_a_ref_that_nobody_saw_are_found_by_their_intents() {
    let rows = [
        // Made and deleted; made, deleted and made again; twice over.
        ("none", '0', "none", '0', "~p1:0a ~p2:a0", "0a?@p1 a0?@p2"),
        ("none", '0', "0a3", 'a', "~p1:0a/1 ~p2:a0/2 ~p3:0a/3", "0a?@p1 a0?@p2 0a@p3"),
        ("0a1", 'a', "0a3", 'a', "~p2:a0/2 ~p3:0a/3", "a0?@p2 0a@p3"),
        ("0a1", 'a', "0b3 bc4", 'c', "~p1:ab/1 ~p2:b0/2 ~p3:0b/3 ~p4:bc/4", "ab?@p1 b0?@p2 0b@p3 bc@p4"),
        ("0a1", 'a', "none", '0', "~p1:ab ~p2:ba ~p3:ab ~p4:b0", "ab?@p1 ba?@p2 ab?@p3 b0?@p4"),
        // A refused or killed push is not part of a chain; of equal tries the last one is.
        ("none", '0', "none", '0', "~p1:0a ~p2:0a ~p3:a0", "0a?@p2 a0?@p3"),
        ("none", '0', "none", '0', "~p1:0a ~p2:ab ~p3:a0", "0a?@p1 a0?@p3"),
        ("none", '0', "none", '0', "~p1:0a ~p2:0b ~p3:a0", "0a?@p1 a0?@p3"),
        ("none", '0', "none", '0', "~p1:0a", ""),
        ("0a1", 'a', "none", '0', "~p1:ab", "a0?"),
        ("0a1", 'a', "none", '0', "~p1:ab ~p2:a0", "a0?@p2"),
        ("none", '0', "0a1", 'a', "~p1:0a/1 ~p2:a0/2", "0a@p1"),
        ("none", '0', "0a1 ab3", 'b', "~p1:0a/1 ~p2:a0/2 ~p3:ab/3", "0a@p1 ab@p3"),
        ("none", '0', "0a4", 'a', "~p1:0a/1 ~p2:a0/2 ~p3:0a/3 ~p4:0a/4", "0a?@p1 a0?@p2 0a@p4"),
        ("0a1", 'a', "0a1 ab2 ba3", 'a', "~p2:ab/2 ~p3:ba/3 ~p4:ab/3 ~p5:a0/3", "ab@p2 ba@p3"),
        // Some were reported, some moves had no hook.
        ("none", '0', "none", '0', "p1:0a", "0a+@p1 a0?"),
        ("none", '0', "none", '0', "p1:0a ~p2:b0", "0a+@p1 ab? b0?@p2"),
        ("none", '0', "0a3", 'a', "p1:0a/1 p2:a0/2", "0a+@p1 a0+@p2 0a"),
        ("0a1", 'a', "none", '0', "~p2:b0", "ab? b0?@p2"),
        // Lines that were lost: what was announced leads over them.
        ("0a1", 'a', "0a1 xx xx", 'c', "~p1:ab ~p2:bc", "ab?@p1 bc?@p2"),
        ("0a1", 'a', "0a1 xx xx cd4", 'd', "~p1:ab/2 ~p2:bc/3 ~p4:cd/4", "ab?@p1 bc?@p2 cd@p4"),
        // Another ref was renamed to one that was made and deleted.
        ("none", '0', "0a1 ab2 bb3!", 'b', "~p1:0c/1 ~p2:c0/2", "0c?@p1 c0?@p2 0b"),
    ];
    for (stored, before, lines, tip, reports, expected) in rows {
        let mut world = if stored == "none" { World::default() } else { World::at(stored, before) };
        // What git writes for a new life of a ref is another file.
        let file = if stored == "none" || lines.starts_with(stored) { 1 } else { 2 };
        assert_eq!(
            world.find(file, lines, tip, reports),
            expected,
            "{stored} {before} → {lines} {tip} {reports}"
        );
    }
}

#[test]
fn recreated_within_a_second_by_the_same_hand_is_found_by_intents() {
    let mut world = World::default();
    assert_eq!(world.find(1, "0a1", 'a', "~p1:0a/1"), "0a@p1");
    assert_eq!(world.find(2, "0a1", 'a', "~p2:a0/1 ~p3:0a/1"), "a0?@p2 0a@p3");
    assert_eq!(world.find(3, "0a1", 'a', ""), "", "gc");
}
