//! What code that runs at compile time cannot do.

use std::time::{Duration, Instant};

use super::compile_tests::{bundle, options, sources};
use super::{CompileFailure, CompileLimits, CompileVmError, compile};

/// What an expression at compile time gives, as text.
fn at_compile_time(expression: &str) -> String {
    let text = format!("(macro probe [] (tostring {expression}))\n(print (probe))");
    match compile(&sources(&text, &[("data.fnl", "{:a 1}\n")]), &options()) {
        Ok(bundle) => bundle.entry.lua.lines().last().unwrap_or_default().trim().to_owned(),
        Err(CompileFailure::Invalid(found)) => found[0].message.clone(),
        Err(other) => panic!("{other}"),
    }
}

fn stopped(text: &str, limits: CompileLimits) -> CompileVmError {
    let start = Instant::now();
    let result = compile(&sources(text, &[]), &super::CompileOptions { limits, ..options() });
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    match result {
        Err(CompileFailure::Vm(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn macros_have_no_way_to_the_host() {
    for name in
        ["os", "debug", "package", "load", "loadfile", "dofile", "collectgarbage", "coroutine", "loadstring"]
    {
        assert!(at_compile_time(name).contains("unknown identifier"), "{name}: {}", at_compile_time(name));
    }
    for gone in ["io.popen", "io.write", "io.stderr", "string.dump", "_G.os", "_G.debug", "_G.load"] {
        assert_eq!(at_compile_time(gone), "return print(\"nil\")", "{gone}");
    }
    assert!(at_compile_time("(getmetatable \"\")").contains("Illegal metatable access"));
}

#[test]
fn macros_read_the_pushed_tree_and_nothing_else() {
    assert_eq!(
        at_compile_time("(: (io.open \".quire/lib/data.fnl\") :read :*a)"),
        "return print(\"{:a 1}\\n\")"
    );
    assert_eq!(at_compile_time("(: (io.open \".quire/lib/data.fnl\") :read)"), "return print(\"{:a 1}\")");
    assert!(at_compile_time("(io.open \"/etc/passwd\")").contains("unsafe file name"));
    assert!(at_compile_time("(io.open \"../x\")").contains("unsafe file name"));
    assert!(at_compile_time("(io.open \".quire/lib/data.fnl\" :w)").contains("unsafe file mode"));
    assert_eq!(at_compile_time("(io.open \"Cargo.toml\")"), "return print(\"nil\")");
}

#[test]
fn the_real_globals_of_the_vm_hold_nothing_either() {
    // `_SPECIALS` and scopes lead to functions whose upvalues are the compiler's; even those find nothing.
    for name in ["compile1", "dofile", "scopes"] {
        let reach = format!("(. (require :fennel.compiler) :{name})");
        assert_eq!(at_compile_time(&reach), "return print(\"nil\")", "{reach}");
    }
    let text = "(macro probe [] (tostring (require :os)))\n(probe)";
    assert!(matches!(compile(&sources(text, &[]), &options()), Err(CompileFailure::Invalid(_))));
}

#[test]
fn bytecode_is_refused_wherever_fennel_loads_text() {
    let lua = "return load(\"\\27Lua\")";
    let text = "(import-macros m :m)";
    let result = compile(&sources(text, &[("m.lua", lua)]), &options());
    assert!(matches!(result, Err(CompileFailure::Invalid(_))), "{result:?}");
    let result = compile(&sources("", &[("m.lua", "\u{1b}LuaT")]), &options());
    assert!(format!("{result:?}").contains("compiled Lua"), "{result:?}");
}

#[test]
fn endless_code_is_stopped_however_it_hides() {
    let limits = CompileLimits { time: Duration::from_millis(300), ..CompileLimits::default() };
    for text in [
        "(eval-compiler (while true nil))",
        "(macro m [] (while true nil))\n(m)",
        "(eval-compiler (while true (pcall (fn [] (while true nil)))))",
        "(eval-compiler (while true (xpcall (fn [] (while true nil)) (fn [] (while true nil)))))",
        "(eval-compiler (table.sort [3 2 1] (fn [] (while true nil))))",
        "(eval-compiler (local t (setmetatable {} {:__index (fn [] (while true nil))})) t.x)",
        "(macro m [] `(m))\n(m)",
    ] {
        let error = stopped(text, limits);
        assert!(matches!(error, CompileVmError::TimedOut(_)), "{text}: {error}");
    }
}

#[test]
fn finalizers_are_refused_because_no_hook_can_stop_them() {
    let found = at_compile_time("(setmetatable {} {:__gc (fn [] (while true nil))})");
    assert!(found.contains("__gc is not allowed"), "{found}");
}

#[test]
fn code_that_hoards_memory_is_stopped() {
    let limits = CompileLimits { memory: 16 * 1024 * 1024, time: Duration::from_secs(3) };
    for text in [
        "(eval-compiler (string.rep :x 1000000000))",
        "(macro m [] (local t []) (while true (table.insert t (string.rep :x 1000))))\n(m)",
        "(macro m [] (var s :x) (while true (set s (.. s s))))\n(m)",
        "(eval-compiler (let [t []] (while true (table.insert t {}))))",
        "(macro m [] (string.rep :x 100000000))\n(m)",
    ] {
        let error = stopped(text, limits);
        assert!(matches!(error, CompileVmError::OutOfMemory(_)), "{text}: {error}");
    }
}

#[test]
fn a_compilation_leaves_nothing_for_the_next_one() {
    let tamper = "(eval-compiler (set _SPECIALS.if nil) (set _G.x 1) (set string.rep nil))";
    assert!(compile(&sources(tamper, &[]), &options()).is_ok());
    bundle("(if (sh 1) (sh 2))", &[]);
}

#[test]
fn quires_own_modules_are_compiled_before_any_macro_runs() {
    let tamper = "(eval-compiler (set _SPECIALS.fn (fn [] \"bad()\")))";
    let own = compile(&sources(tamper, &[]), &options()).unwrap();
    assert!(!own.module("quire.util").unwrap().lua.contains("bad()"));
}
