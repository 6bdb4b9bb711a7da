//! The lines that Lua reports at run time are those of the Fennel file, and hidden arguments carry exact places.

use mlua::{Function, Lua, Value};

use super::CallSpans;
use super::compile_tests::bundle;
use crate::model::Span;

/// Runs an entry in a plain Lua VM and gives the arguments of each call of `ci:job`.
///
/// The VM comes along, because the values live in it.
fn jobs(text: &str) -> (Lua, Vec<Vec<Value>>) {
    let lua = Lua::new();
    let calls = lua.create_table().unwrap();
    lua.globals().raw_set("calls", &calls).unwrap();
    let ci =
        "local ci = {} function ci.job(...) calls[#calls + 1] = table.pack(...) return ... end return ci";
    let ci: mlua::Table = lua.load(ci).eval().unwrap();
    let require = lua.create_function(move |_, _: String| Ok(ci.clone())).unwrap();
    lua.globals().raw_set("require", require).unwrap();
    let entry = bundle(text, &[]).entry;
    lua.load(&entry.lua).set_name(format!("@{}", entry.path)).exec().unwrap();
    let values = |call: mlua::Table| {
        let count: usize = call.get("n").unwrap();
        (1..=count).map(|index| call.get(index).unwrap()).collect()
    };
    let calls = calls.sequence_values::<mlua::Table>().map(|call| values(call.unwrap())).collect();
    (lua, calls)
}

fn spans_of(arguments: &[Value]) -> CallSpans {
    let text = arguments.last().and_then(Value::as_string).unwrap().to_str().unwrap().to_owned();
    CallSpans::parse(&text).unwrap_or_else(|| panic!("{text:?}"))
}

/// The text that a span of one line covers.
fn covered(text: &str, span: Span) -> &str {
    assert_eq!(span.line, span.end_line);
    let line = text.lines().nth(span.line as usize - 1).unwrap();
    &line[span.column as usize - 1..span.end_column as usize - 1]
}

#[test]
fn a_job_carries_the_places_of_its_arguments() {
    let text = "(local ci (require :quire.ci))\n(ci:job :é [:quire/push \"tset\" (ci.cron)]\n  {:image \"x\"}\n  (fn [] (sh \"é\")))\n";
    let text = text.replace("(ci.cron)", "(.. :a :b)");
    let (_lua, calls) = jobs(&text);
    let call = &calls[0];
    assert_eq!(call.len(), 6, "self, four arguments, places");
    let spans = spans_of(call);
    assert_eq!(spans.call, Span { line: 2, column: 1, end_line: 4, end_column: 21 });
    assert_eq!(covered(&text, spans.args[0].span), ":é");
    let items: Vec<_> = spans.args[1].items.iter().map(|span| covered(&text, span.span)).collect();
    assert_eq!(items, [":quire/push", "\"tset\"", "(.. :a :b)"]);
    assert_eq!(covered(&text, spans.args[2].span), "{:image \"x\"}");
    assert_eq!(covered(&text, spans.args[3].span), "(fn [] (sh \"é\"))");
}

#[test]
fn places_are_exact_in_loops_and_for_every_way_to_call() {
    let head = "(local ci (require :quire.ci))\n";
    for (body, first) in [
        ("(each [_ n (ipairs [:a :b])]\n  (ci:job n [:x] print))", "n"),
        ("(ci.job :a [:x] print)", ":a"),
        ("(: ci :job :a [:x] print)", ":a"),
        ("(let [q ci] (when true (q:job :a [:x] #(print $1))))", ":a"),
        ("(local t {: ci})\n(t.ci:job :a [:x] print)", ":a"),
        ("(macro j [n] `(let [c# ,(sym :ci)] (c#.job ,n [:x] print)))\n(ci:job \"q\" [:x] print)", "\"q\""),
    ] {
        let text = format!("{head}{body}");
        let (_lua, calls) = jobs(&text);
        let spans = spans_of(&calls[0]);
        assert_eq!(covered(&text, spans.args[0].span), first, "{body}");
        assert_eq!(covered(&text, spans.args[1].items[0].span), ":x", "{body}");
        assert!(!calls.is_empty());
    }
}

#[test]
fn a_call_made_by_a_macro_has_the_place_of_the_macro() {
    let text = "(local ci (require :quire.ci))\n(macro j [n] `(ci:job ,n [:x] print))\n(j :a)\n";
    let (_lua, calls) = jobs(text);
    let spans = spans_of(&calls[0]);
    assert_eq!((spans.call.line, spans.call.column), (3, 1));
    assert_eq!(spans.args.len(), 3);
}

#[test]
fn arguments_that_give_several_values_are_not_cut() {
    let text = "(local ci (require :quire.ci))\n(local u table.unpack)\n(ci:job (u [:a [:x] print]))\n(ci:job :b (values [:y] print))\n(fn f [...] (ci:job :c ...))\n(f [:z] nil print)\n(ci:job :d (u []))";
    let (_lua, calls) = jobs(text);
    let counts: Vec<_> = calls.iter().map(Vec::len).collect();
    assert_eq!(counts, [5, 5, 6, 3]);
    assert_eq!(covered(text, spans_of(&calls[1]).args[0].span), ":b");
    assert_eq!(covered(text, spans_of(&calls[2]).args[1].span), "...");
}

/// The line that an error in the function `run` of a module is reported on.
fn line_of(body: &str) -> u32 {
    let text = format!("(fn run [x]\n{body})\n{{: run}}");
    let entry = bundle(&text, &[]).entry;
    let lua = Lua::new();
    lua.globals().raw_set("sh", lua.create_function(|_, _: Value| Ok(())).unwrap()).unwrap();
    let module: mlua::Table = lua
        .load(&entry.lua)
        .set_name(format!("@{}", entry.path))
        .eval()
        .unwrap_or_else(|e| panic!("{e}\n{}", entry.lua));
    let problem = module.get::<Function>("run").unwrap().call::<()>(()).unwrap_err().to_string();
    let line = problem.split_once(".quire/ci.fnl:").and_then(|(_, rest)| rest.split(':').next());
    line.and_then(|line| line.parse().ok()).unwrap_or_else(|| panic!("{problem}\n{}", entry.lua))
}

/// How often a text's calls of `sh` are marked with their place.
fn marked(text: &str) -> usize {
    bundle(text, &[]).entry.lua.matches("\\1@").count()
}

#[test]
fn calls_of_primitives_have_their_place_unless_the_name_is_the_users() {
    assert_eq!(marked("(fn [{: sh}]\n (sh \"a\" {:cwd :b})\n (sh (.. \"a\" \"b\")))"), 2);
    assert_eq!(marked("(fn [c]\n (c.sh \"a\") (secret :x))"), 1);
    assert_eq!(marked("(fn sh [...] (print ...))\n(sh 1 2)"), 0);
    assert_eq!(marked("(local sh print)\n(sh 1 2)"), 0);
    assert_eq!(marked("(fn [f]\n (sh (f)))"), 0);
}

#[test]
fn macros_of_fennel_may_name_the_globals_table() {
    bundle("(lambda f [a] a)\n(case (f 1) {:a x} (sh x) [y] (sh y))", &[]);
}

#[test]
fn lines_that_are_not_exact_are_known() {
    // A line only grows: what Lua evaluates after an inner form is reported no earlier than that form.
    for (body, line, reported) in [
        ("(-> 1\n  (x.y)\n  (sh))", 3, 4),
        ("(for [i 1\n (x 1)]\n  (sh 1))", 3, 2),
        ("(local {: a\n  : b}\n  x)\n(sh a)", 4, 2),
        ("(x (if (sh 1)\n  (sh 1)\n  (sh 2)))", 2, 4),
    ] {
        let found = line_of(body);
        assert_eq!(found, reported, "{body}");
        assert_ne!(found, line, "{body}");
    }
}

#[test]
fn errors_at_run_time_name_their_line() {
    for (body, line) in [
        ("(sh 1)\n(error :x)\n(sh 2)", 3),
        ("(sh 1)\n(error :x)", 3),
        ("(sh 1)\n(. nil :y)\n(sh 2)", 3),
        ("(let [a 1]\n  (sh a)\n  (sh x.y)\n  (sh 3))", 4),
        ("(let [a 1\n      b x.y]\n  (sh b))", 3),
        ("(let [a 1\n      b\n      (error :x)]\n  (sh b))", 4),
        ("(when true\n  (sh 1)\n  (error :x))", 4),
        ("(if (sh 1)\n    (sh 2)\n    (sh 3)\n    (sh 4)\n    (x 5))", 6),
        ("(if (sh 1)\n    (sh 2)\n    (x 3)\n    (sh 4)\n    (sh 5))", 4),
        ("(each [_ v (ipairs [1])]\n  (sh v)\n  (x v))", 4),
        ("(sh 1\n  (sh 2)\n  (x 3)\n  (sh 4))", 4),
        ("(sh {:a 1\n  :b [1\n  (x 2)]\n  :c (sh 3)})", 4),
        ("(x 1\n  (fn []\n    (sh 2)\n    (sh 3)))", 2),
        ("(x 1\n  #(do\n    (sh 2)\n    (sh $1)))", 2),
        ("(sh (fn []\n    (sh 2)\n    (sh 3)))\n(x 1)", 5),
        ("(local f (fn []\n  (sh 1)\n  (x 2)))\n(f)\n(sh 3)", 4),
        ("((fn []\n  (sh 1)\n  (x 2)))\n(sh 3)", 4),
        ("(-> 1\n  (sh)\n  (x))", 4),
        ("(.. :a\n  (x 1)\n  :b)", 3),
        ("(and 1\n  (x 1)\n  :b)", 3),
        ("(+ 1\n  x.y\n  2)", 3),
        ("(local a (do (sh 1)\n  (x 2)))\n(sh a)", 3),
        ("(: x\n  :go)", 2),
        ("(sh 1)\n(x:go 1\n  2)", 3),
        ("(sh 1)\n(set x.y\n 1)", 3),
        ("(sh 1\n x.y)", 3),
        ("(sh {:a 1\n  :b x.y})", 3),
        ("{:a 1\n :b (x)}", 3),
        ("(values 1\n (x))", 3),
        ("(local a\n  (.. :a x))\n(sh a)", 3),
        ("(each [k v (pairs\n  (x 1))]\n  (sh 1))", 3),
        ("(while (sh 1)\n (x))\n(while (x)\n (sh 1))", 4),
        ("(let [r (sh 1)\n q (x r)]\n {:a 1\n :b (sh q)})", 3),
        ("(sh (let [a 1]\n  (sh a)\n  (x a)))", 4),
        ("(icollect [_ v (ipairs [1])]\n (x v))", 3),
        ("(doto {}\n (tset :a 1)\n (x))", 4),
        ("(case 1\n  2 (sh 1)\n  1 (x 1))", 4),
    ] {
        assert_eq!(line_of(body), line, "{body}");
    }
}

#[test]
fn an_error_before_a_later_macro_of_fennel_has_its_own_line() {
    for form in [
        "(case-try (values 1 2)\n (1 y) (+ y 1)\n (catch _ 9))",
        "(match-try (values 1 2)\n (1 z) z\n (catch _ 3))",
        "((partial + 1) 2)",
    ] {
        let lines = form.lines().count() as u32;
        let text = format!("(local a {form})\n(fn boom []\n (error :x)\n nil)\n(local b {form})\n(boom)");
        let lua = Lua::new();
        lua.globals().raw_set("print", lua.create_function(|_, _: Value| Ok(())).unwrap()).unwrap();
        let entry = bundle(&text, &[]).entry;
        let failed = lua.load(&entry.lua).set_name("@ci").exec().unwrap_err().to_string();
        assert!(failed.contains(&format!("ci:{}: x", lines + 2)), "{form}: {failed}");
    }
}
