//! What compiles, what does not, and where a mistake is said to be.

use super::source_text::MAX_SOURCE;
use super::{BuiltinModule, Bundle, CompileFailure, CompileOptions, SourceFile, Sources, compile};
use crate::model::Diagnostic;

pub(super) const GLOBALS: [&str; 11] =
    ["assert", "error", "ipairs", "pairs", "pcall", "print", "require", "sh", "secret", "string", "table"];

pub(super) fn sources(entry: impl AsRef<[u8]>, lib: &[(&str, &str)]) -> Sources {
    let file = |path: &str, text: &[u8]| SourceFile { path: path.to_owned(), text: text.to_owned() };
    Sources {
        entry: file(".quire/ci.fnl", entry.as_ref()),
        lib: lib.iter().map(|(path, text)| file(&format!(".quire/lib/{path}"), text.as_bytes())).collect(),
        builtin: vec![BuiltinModule {
            name: "quire.util".into(),
            path: "fennel/quire/util.fnl".into(),
            text: "(fn twice [x] (.. x x))\n{: twice}".into(),
        }],
    }
}

pub(super) fn options() -> CompileOptions<'static> {
    CompileOptions { globals: &GLOBALS, host_modules: &["quire.ci"], ..CompileOptions::default() }
}

pub(super) fn bundle(entry: &str, lib: &[(&str, &str)]) -> Bundle {
    match compile(&sources(entry, lib), &options()) {
        Ok(bundle) => bundle,
        Err(CompileFailure::Invalid(found)) => panic!("{}", crate::model::render_all(&found)),
        Err(other) => panic!("{other}"),
    }
}

fn invalid(sources: &Sources) -> Vec<Diagnostic> {
    match compile(sources, &options()) {
        Err(CompileFailure::Invalid(found)) => found,
        other => panic!("{other:?}"),
    }
}

/// The mistakes of an entry as `line:column-end_column message`.
fn found(entry: &str) -> Vec<String> {
    found_in(&sources(entry, &[]))
}

fn found_in(sources: &Sources) -> Vec<String> {
    let line = |problem: &Diagnostic| match problem.span {
        Some(span) if span.line == span.end_line => {
            format!("{}-{}: {}", problem.place(), span.end_column, problem.message)
        }
        Some(_) | None => format!("{}: {}", problem.place(), problem.message),
    };
    let short = |line: String| line.replacen(".quire/", "", 1);
    invalid(sources).iter().map(line).map(short).collect()
}

fn hint(entry: &str) -> String {
    invalid(&sources(entry, &[])).remove(0).help.unwrap_or_default()
}

#[test]
fn entry_and_modules_become_lua_text() {
    let bundle = bundle(
        "(local ci (require :quire.ci))\n(local {: go} (require :a.b))\n(local same (require :lib.a.b))\n(ci:job :x [:quire/push] go)\n",
        &[("a/b.fnl", "{:go (fn [] (sh \"true\"))}"), ("c.lua", "return { \"é\" }"), ("notes.txt", "(")],
    );
    assert!(bundle.entry.lua.contains("require(\"a.b\")"), "{}", bundle.entry.lua);
    let names: Vec<_> = bundle.modules.iter().map(|module| module.name.as_str()).collect();
    assert_eq!(names, ["a.b", "c", "quire.util"]);
    assert_eq!(bundle.module("lib.a.b").unwrap().path, ".quire/lib/a/b.fnl");
    assert_eq!(bundle.module("c").unwrap().lua, "return { \"é\" }");
    assert_eq!(bundle.warnings, []);
    assert_eq!(Bundle::from_bytes(&bundle.to_bytes()), Some(bundle));
}

#[test]
fn an_entry_in_lua_is_taken_as_it_is_and_checked() {
    let mut lua = sources("local ci = require('quire.ci')\nreturn 1\n", &[]);
    lua.entry.path = ".quire/ci.lua".into();
    assert_eq!(compile(&lua, &options()).unwrap().entry.lua, "local ci = require('quire.ci')\nreturn 1\n");
    lua.entry.text = b"local x = 1\nlocal = 2\n".to_vec();
    assert_eq!(found_in(&lua), ["ci.lua:2:1-10: <name> expected near '='"]);
}

#[test]
fn empty_files_marks_and_line_ends_are_fine() {
    for text in [
        "",
        "\n\n",
        "; only a comment",
        ";; é\r\n",
        "\u{feff}(sh \"x\")",
        "#!/usr/bin/env quire\n(sh :x)\r\n",
    ] {
        let bundle = bundle(text, &[]);
        assert!(!bundle.entry.lua.contains('\r'), "{text:?}");
    }
    let text = bundle("(sh \"a\r\nb\")\r\n(sh :c)\r\n", &[]).entry.lua;
    assert!(text.contains("a\\nb") && text.lines().nth(2).unwrap().contains("\"c\""), "{text}");
}

#[test]
fn all_mistakes_of_all_files_are_found_at_once() {
    let lib = [("a.fnl", "(fn go [x]\n  (prnt x))\n{: go}"), ("b.fnl", "{:a 1 :b}"), ("c.lua", "return (")];
    let text = "(local a (require :aa))\n(let [x])\n(print (foo bar) (bra))\n(fn [] (if))\n(par :x)\n";
    assert_eq!(
        found_in(&sources(text, &lib)),
        [
            "ci.fnl:1:19-22: there is no module `aa`",
            "ci.fnl:2:6-9: a name has no value",
            "ci.fnl:3:9-12: unknown identifier: foo",
            "ci.fnl:3:13-16: unknown identifier: bar",
            "ci.fnl:3:19-22: unknown identifier: bra",
            "ci.fnl:4:8-12: `if` has no body",
            "ci.fnl:5:2-5: `par` is not in this version of quire",
            "lib/a.fnl:2:4-8: unknown identifier: prnt",
            "lib/b.fnl:1:7-9: this key has no value",
            "lib/c.lua:1:1-9: unexpected symbol near <eof>",
        ]
    );
}

#[test]
fn a_name_that_a_failed_form_would_have_bound_is_not_a_second_mistake() {
    for text in [
        "(local x (let [y]))\n(print x x.y)",
        "(local {: x :b [z & rest]} (let [y]))\n(print x z rest)",
        "(fn x [a] (let [y]))\n(x 1)",
        "(macro x [a] (let [y]))\n(x 1)",
        "(import-macros {: x :y z} :nowhere)\n(x 1)\n(z 2)",
        "(import-macros m :nowhere)\n(m.x 1)",
    ] {
        assert_eq!(found(text).len(), 1, "{:?}", found(text));
    }
}

#[test]
fn spans_are_bytes_on_lines_with_other_characters() {
    assert_eq!(found("(print \"é→\" foo)"), ["ci.fnl:1:16-19: unknown identifier: foo"]);
    assert_eq!(found("(print \"é→\" (let [x]))"), ["ci.fnl:1:21-24: a name has no value"]);
    assert_eq!(found("(print \"é→\" ~foo)"), ["ci.fnl:1:19-20: invalid character: ~"]);
    let shown = invalid(&sources("(print 1)\n(print \"é\" foo)", &[])).remove(0).render();
    assert!(shown.contains("  2 | (print \"é\" foo)\n    |            ^^^\n"), "{shown}");
}

#[test]
fn what_cannot_be_read_has_a_place_and_a_hint() {
    assert_eq!(
        found("(print 1)\n(print (sh 2)\n\n(print 3)\n"),
        ["ci.fnl:2:1-2: expected closing delimiter )"]
    );
    assert_eq!(
        hint("(print 1\n(print 3)"),
        "what begins here is still open on line 2, where the next form begins"
    );
    assert_eq!(hint("  (print [1"), "what begins here is still open at the end of the file");
    assert_eq!(found("(print 1))"), ["ci.fnl:1:10-11: unexpected closing delimiter )"]);
    assert_eq!(
        found("(print foo) (print 1]"),
        [
            "ci.fnl:1:8-11: unknown identifier: foo",
            "ci.fnl:1:21-22: mismatched closing delimiter ], expected )"
        ]
    );
    assert_eq!(hint("(print {:a})"), "a table is `{:key value}`, a list is `[a b]`");
    assert_eq!(hint("(print {a = 1})"), "write `{:key \"value\"}`");
    assert_eq!(hint("(print [1)"), "`[` on line 1, column 8 is not closed before this");
    assert_eq!(hint("(local ci {})\n(ci:job test)"), "did you mean `:test`?");
    assert_eq!(found(&"(".repeat(300_000)).len(), 1);
    let deep = "(print ".repeat(300) + &")".repeat(300);
    assert!(found(&deep)[0].contains("nested"), "{:?}", found(&deep));
}

#[test]
fn wrong_forms_have_their_place() {
    let mut wrong = Vec::new();
    for (text, expected) in [
        ("(fn go)", "ci.fnl:1:1-8: the parameters of a function are in `[…]`"),
        ("(let [x 1])", "ci.fnl:1:2-5: `let` has no body"),
        ("(print\n  ())", "ci.fnl:2:3-5: `()` calls nothing"),
        ("(local x 1)\n(set x 2)", "ci.fnl:2:6-7: `x` cannot be changed"),
        ("(print if)", "ci.fnl:1:8-10: `if` is a form, not a value"),
        ("(each [x])", "ci.fnl:1:"),
        ("(print {:a 1 :b})", "ci.fnl:1:14-16: this key has no value"),
        ("(print foo.bar.)", "ci.fnl:1:"),
    ] {
        let found = found(text);
        if found.len() != 1 || !found[0].starts_with(expected) {
            wrong.push(format!("{text}: {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn hints_name_what_was_probably_meant() {
    assert_eq!(hint("(prnit 1)"), "did you mean `print`?");
    assert_eq!(hint("(fn go [target] (print tagret))"), "did you mean `target`?");
    assert_eq!(hint("(loacl x 1)"), "did you mean `local`?");
    assert_eq!(hint("(require :quire.c)"), "did you mean `quire.ci`?");
    assert!(hint("(print quux)").contains("bind it"));
    assert_eq!(hint("(1 2)"), "a list is `[a b]`; `(f x)` calls `f`");
    assert_eq!(
        hint("(set x 1)"),
        "bind it with `local` or `let` before this, or require the module that has it"
    );
}

#[test]
fn files_that_are_not_text_or_not_modules_are_named() {
    let bytes = |text: &[u8]| found_in(&sources(text, &[]));
    assert_eq!(bytes(b"\xff\xfe(\0"), ["ci.fnl: the file is UTF-16 text"]);
    assert_eq!(bytes(b"\x1bLuaT"), ["ci.fnl: the file is compiled Lua, and only source text is read"]);
    assert_eq!(bytes(b"(print \"\xe9\")"), ["ci.fnl:1:9-10: the file is not UTF-8 text"]);
    let huge = vec![b' '; 50 * 1024 * 1024];
    assert_eq!(
        bytes(&huge),
        [format!("ci.fnl: the file has {} bytes, and at most {MAX_SOURCE} are read", huge.len())]
    );
    let names = sources("", &[("a.fnl", ""), ("a.lua", ""), ("quire/ci.fnl", "")]);
    assert_eq!(
        found_in(&names),
        [
            "lib/a.lua: the module `a` is in .quire/lib/a.fnl as well",
            "lib/quire/ci.fnl: the module would be called `quire.ci`, but names that begin with `quire` are quire's own",
        ]
    );
}

#[test]
fn macros_come_from_the_tree_and_their_mistakes_have_a_place() {
    let twice = "(fn twice [form] `(do ,form ,form))\n{: twice}";
    for (path, import) in [("m.fnlm", ":m"), ("m.fnl", ":m"), ("m.fnlm", ":lib.m"), ("deep/m.fnl", ":deep.m")]
    {
        let text = format!("(import-macros {{: twice}} {import})\n(twice (sh \"x\"))");
        let bundle = bundle(&text, &[(path, twice)]);
        assert_eq!(bundle.entry.lua.matches("sh(").count(), 2, "{}", bundle.entry.lua);
    }
    let marked = format!(";; fennel-ls: macro-file\n{twice}");
    assert!(bundle("(import-macros m :m)\n(m.twice (sh :x))", &[("m.fnl", &marked)]).module("m").is_none());
    let raising =
        "(fn bad [] (error \"boom\"))\n(fn worse [x] (assert-compile false \"no good\" x))\n{: bad : worse}";
    let text = "(import-macros m :m)\n(m.bad)\n(print\n  (m.worse (sh 1)))";
    assert_eq!(
        found_in(&sources(text, &[("m.fnlm", raising)])),
        ["ci.fnl:2:1-8: .quire/lib/m.fnlm:1: boom", "ci.fnl:4:12-18: no good"]
    );
    let broken = found_in(&sources("(import-macros m :m)\n(m.x)", &[("m.fnlm", "(fn x [] (list 1)\n")]));
    assert_eq!(broken, ["lib/m.fnlm:1:1-2: expected closing delimiter )"]);
    let missing = found_in(&sources("(import-macros m :nowhere)", &[]));
    assert_eq!(missing, ["ci.fnl:1:1-27: there is no module of macros `nowhere`"]);
}

#[test]
fn lua_that_lua_refuses_is_a_mistake_of_the_file() {
    assert_eq!(found("(print 1)\n(lua \"local = 1\")"), ["ci.fnl:2:1-18: <name> expected near '='"]);
    assert_eq!(
        found("(lua \"local x = '\\xff'\")"),
        ["ci.fnl: a `lua` form holds bytes that are not UTF-8 text"]
    );
    for depth in [100, 190, 199] {
        let nested = "(print ".repeat(depth) + &")".repeat(depth);
        match compile(&sources(&nested, &[]), &options()) {
            Ok(_) | Err(CompileFailure::Invalid(_)) => {}
            Err(other) => panic!("{depth}: {other}"),
        }
    }
    let many: String = (0..210).map(|number| format!("(local x{number} {number})\n")).collect();
    assert!(found(&many)[0].contains("too many local variables"), "{:?}", found(&many));
}

#[test]
fn warnings_are_kept_with_their_place() {
    let warnings = bundle("(print \"a\"\"b\")", &[]).warnings;
    assert_eq!(warnings.len(), 1);
    assert!(
        warnings[0].message.contains("expected whitespace")
            && warnings[0].place().starts_with(".quire/ci.fnl:1:11"),
        "{warnings:?}"
    );
}

#[test]
#[ignore = "prints figures; run it in release"]
fn figures() {
    let body = "(ci:job :a [:quire/push] (fn [{: sh}]\n  (let [r (sh \"make\")]\n    (when (not= r.exit 0)\n      (error :x)))))\n\n";
    let entry = format!("(local ci (require :quire.ci))\n{}", body.repeat(10));
    let mut times: Vec<_> = (0..30)
        .map(|_| {
            let start = std::time::Instant::now();
            let _bundle = bundle(&entry, &[]);
            start.elapsed()
        })
        .collect();
    times.sort();
    println!("load and compile 51 lines, 10 jobs: best {:?} median {:?}", times[0], times[15]);
    let long = body.repeat(MAX_SOURCE / body.len() / 10).replacen(
        "(ci:job",
        "(local ci (require :quire.ci))(ci:job",
        1,
    );
    let start = std::time::Instant::now();
    let result = compile(&sources(&long, &[]), &options());
    println!(
        "{} KiB of jobs: {:?} {:?}",
        long.len() / 1024,
        start.elapsed(),
        result.map(|b| b.entry.lua.len()).map_err(|e| e.to_string())
    );
    let start = std::time::Instant::now();
    let _node = crate::script::data::read("config.fnl", b"{:http {:bind :x}}");
    println!("config.fnl: {:?}", start.elapsed());
}

#[test]
fn literal_names_that_tables_of_quire_never_have_are_marked() {
    let job = |body: &str| format!("(local ci (require :quire.ci))\n(ci:job :t [:quire/push :b]\n  {body})");
    for (body, expected) in [
        ("(fn [{: shell}] shell)", "ci.fnl:3:11-16: the table of a job has no field `shell`"),
        ("(fn [j] (j.shell 1))", "ci.fnl:3:12-19: the table of a job has no field `shell`"),
        ("(lambda [{:inputs {:c x}}] x)", "ci.fnl:3:22-24: `c` is no input of `t`"),
        ("(fn [] (jobs :c))", "ci.fnl:3:16-18: `c` is no input of `t`"),
        (
            "(fn [{:inputs {:quire/push {: brnach}}}] brnach)",
            "ci.fnl:3:33-39: `:quire/push` has no field `brnach`",
        ),
        (
            "(fn [{: inputs}] (let [p inputs.quire/push] p.brnach))",
            "ci.fnl:3:47-55: `:quire/push` has no field `brnach`",
        ),
        ("(fn [] (let [r (sh :x)] (. r :code)))", "ci.fnl:3:32-37: the result of a step has no field `code`"),
        ("(fn [] (. (sh :x) :code))", "ci.fnl:3:21-26: the result of a step has no field `code`"),
        ("(fn [] (-> (sh :x) (. :code)))", "ci.fnl:3:10-32: the result of a step has no field `code`"),
        ("(fn [] (sh :x {:tiemout 1}))", "ci.fnl:3:18-26: unknown option `:tiemout` of `sh`"),
    ] {
        let text = job(body);
        let globals = [&GLOBALS[..], &["jobs"]].concat();
        let options = CompileOptions { globals: &globals, ..options() };
        let Err(CompileFailure::Invalid(found)) = compile(&sources(&text, &[]), &options) else {
            panic!("{body}")
        };
        let shown: Vec<String> = found
            .iter()
            .map(|problem| {
                let end = problem.span.unwrap().end_column;
                format!("{}-{end}: {}", problem.place(), problem.message).replacen(".quire/", "", 1)
            })
            .collect();
        assert_eq!(shown, [expected], "{body}");
    }
    for body in [
        "(fn [{: sh :inputs {:quire/push push :b {: any}}}] (let [{: exit : signal} (sh :x)] [exit signal push.tag any]))",
        "(fn [j] (set j.own 1) (tset j :other 2) [j.own j.other])",
        "(fn [] (var r (sh :x)) (set r {:code 1}) r.code)",
        "(fn [{: push}] push.brnach)",
        "(fn [] (let [r (sh :x) r {:code 1}] r.code))",
        "(fn [] (let [sh #{:code $}] (. (sh 1) :code)))",
    ] {
        let text = job(body).replace("{: push}", "{:inputs {:b push}}");
        bundle(&text, &[]);
    }
}
