//! Scripts that mean harm: what they can reach, and whom they can hurt.

use quire::script::{EvaluationError, JobEnd, globals};

use super::fake_host::{Bench, end_of, evaluate, script_error};

#[tokio::test]
async fn what_is_not_in_the_sandbox_is_absent() {
    let body = "for _, name in ipairs {'io', 'debug', 'coroutine', 'package', 'load', 'loadfile', 'dofile',
          'loadstring', 'collectgarbage', 'warn'} do assert(_G[name] == nil, name) end
        for _, name in ipairs {'execute', 'getenv', 'exit', 'remove', 'rename', 'tmpname', 'setlocale'} do
          assert(os[name] == nil, name) end
        assert(os.time() > 0 and os.date('%Y') and os.clock())
        assert(string.dump == nil and ('').dump == nil)
        return 1";
    assert_eq!(end_of(body).await, JobEnd::Passed);
    let error = script_error("\n io.open('/etc/passwd')").await;
    assert_eq!(error.message, "attempt to index a nil value (global 'io')");
    assert!(error.help.unwrap().contains("`read-file`"));
    let here = globals().map(|name| format!("assert(_G['{name}'] ~= nil, '{name}')\n")).collect::<String>();
    assert_eq!(evaluate(&here).await.unwrap(), []);
}

#[tokio::test]
async fn bytecode_is_not_a_module() {
    let error = evaluate("\u{1b}Lua").await.unwrap_err().to_string();
    assert!(error.contains("attempt to load a binary chunk"), "{error}");
}

#[tokio::test]
async fn nothing_of_quires_can_be_changed_for_another_job() {
    let bench = Bench::read(
        "ci.job('bad', {'quire/push'}, function(j)
           local function refused(f, ...) local ok, e = pcall(f, ...) assert(not ok, 'was possible') return e end
           local evil = function() error('evil') end
           for _, name in ipairs {'sh', 'pcall', 'string', 'require', '_G', 'base64-decode'} do
             refused(function() _G[name] = evil end)
             refused(rawset, _G, name, evil)
           end
           for _, api in ipairs {string, table, math, os, utf8, require('quire.ci'), require('quire.primitives')} do
             refused(function() api.job = evil end)
             refused(rawset, api, 'job', evil)
             refused(setmetatable, api, {})
             refused(table.insert, api, evil)
             local _, real = pairs(api)
             refused(function() real.format = evil end)
             local mt = getmetatable(api)
             if type(mt) == 'table' then mt.__index = evil end
           end
           refused(setmetatable, _G, {})
           local result = sh('exit 3')
           refused(function() getmetatable(result).__fennelview = evil end)
           assert(result.exit == 3)
           assert(getmetatable('') == false)
           j.sh = evil
           j.inputs.x = evil
           _G.mine = 'shared'
           log('done')
         end)
         ci.job('good', {'quire/push'}, function(j)
           assert(string.format('%d', 3) == '3' and ('x'):rep(2) == 'xx' and table.concat({1}) == '1')
           assert(j.sh('out x').ok and sh('out y').exit == 0 and mine == 'shared')
         end)",
    )
    .await;
    assert_eq!(bench.run("bad").await, JobEnd::Passed);
    assert_eq!(bench.run("good").await, JobEnd::Passed);
}

#[tokio::test]
async fn finalizers_are_refused() {
    let error = script_error("\n setmetatable({}, {__gc = function() while true do end end})").await;
    assert_eq!((error.message.as_str(), error.line), ("`__gc` is not available in a pipeline", Some(2)));
}

#[tokio::test]
async fn deep_recursion_is_an_error_of_the_job() {
    for body in [
        "\n local function f() return 1 + f() end f()",
        "\n local t = setmetatable({}, {}) local mt = {} mt.__index = function(t, k) return t[k .. 'x'] end
           local u = setmetatable({}, mt) local x = u.a",
        "\n local s = '' for _ = 1, 300 do s = s .. '(' end local x = string.rep('x', 10):gsub('.', function() error(s) end)",
    ] {
        let bench = Bench::job(body).await;
        let end = bench.run("t").await;
        assert!(matches!(end, JobEnd::Failed(_)), "{body}: {end:?}");
    }
    let error = script_error("\n local function f() return 1 + f() end\n f()").await;
    assert!(error.message.contains("stack overflow"), "{error:?}");
    assert!(error.message.len() < 500, "{error:?}");
}

#[tokio::test]
async fn a_memory_hog_is_the_runs_end_and_a_caught_one_is_nobodys() {
    for body in [
        "local s = string.rep('x', 1e9)",
        "local t = {} for i = 1, 1e9 do t[i] = {} end",
        "local s = 'x' while true do s = s .. s end",
    ] {
        let bench = Bench::read(&format!(
            "ci.job('t', {{'quire/push'}}, function(j) {body} end)
             ci.job('other', {{'quire/push'}}, function(j) sh('out x') end)"
        ))
        .await;
        assert_eq!(bench.run("t").await, JobEnd::OutOfMemory, "{body}");
        assert_eq!(bench.run("other").await, JobEnd::Passed, "{body}");
    }
    let caught = "assert(not pcall(string.rep, 'x', 1e9)) return 1";
    assert_eq!(end_of(caught).await, JobEnd::Passed);
    let end = evaluate("local s = string.rep('x', 1e9)").await.unwrap_err();
    assert_eq!(end, EvaluationError::OutOfMemory);
}

#[tokio::test]
async fn the_hosts_bytes_count_as_memory_too() {
    let body = "local t = {} for i = 1, 100 do t[i] = j['base64'](string.rep('x', 1e6)) end";
    assert_eq!(end_of(body).await, JobEnd::OutOfMemory);
}
