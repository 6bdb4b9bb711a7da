//! The traps that were found before the VM was built (`research/ecosystem.md` 1.3), one test each.

use quire::script::JobEnd;

use super::fake_host::{Bench, end_of, script_error};

#[tokio::test]
async fn trap_a_fresh_state_still_has_loaders_and_they_are_gone() {
    let body = "assert(not (load or loadfile or dofile or collectgarbage or warn or string.dump)) return 1";
    assert_eq!(end_of(body).await, JobEnd::Passed);
}

#[tokio::test]
async fn trap_no_coroutine_of_the_users_can_leak_a_pending_marker() {
    assert_eq!(end_of("return coroutine == nil and 1 or error('there')").await, JobEnd::Passed);
}

#[tokio::test]
async fn trap_waiting_in_a_callback_of_c_is_explained() {
    for call in [
        "table.sort({1, 2}, function() sh('out x') end)",
        "string.gsub('x', '.', function() sh('out x') end)",
        "('x'):gsub('.', function() sh('out x') end)",
    ] {
        let error = script_error(&format!("\n {call}")).await;
        let expected = "`sh` cannot be called inside table.sort or string.gsub callbacks, nor in `__close`: \
                        collect first, then loop";
        assert_eq!((error.message.as_str(), error.line), (expected, Some(2)), "{call}");
    }
    let error = script_error("('x'):gsub('.', function() local x = _G['read-file']('x') end)").await;
    assert!(error.message.starts_with("`read-file` cannot be called"), "{error:?}");
}

#[tokio::test]
async fn trap_waiting_works_in_pcall_xpcall_metamethods_and_iterators() {
    let body = "assert(pcall(sh, 'out x'))
        assert(xpcall(sh, function() end, 'out x'))
        local t = setmetatable({}, {__index = function() return sh('out y').stdout end})
        assert(t.x == 'y')
        for r in function(_, last) if not last then return sh('out z') end end do assert(r.stdout == 'z') end
        return 1";
    let bench = Bench::job(body).await;
    assert_eq!(bench.run("t").await, JobEnd::Passed);
    assert_eq!(bench.host.count(), 4);
}

#[tokio::test]
async fn caught_errors_of_primitives_are_strings() {
    let body = "local ok, e = pcall(secret, 'tokn')
        assert(e == 'secret `tokn` is not declared; there is `token`', e)
        local ok, e = pcall(sh, 'x', {env = 3})
        assert(type(e) == 'string')
        return 1";
    assert_eq!(end_of(body).await, JobEnd::Passed);
}

#[tokio::test]
async fn trap_a_result_after_a_yield_of_the_hook_is_whole() {
    let body = "local sum = 0
        for i = 1, 2e5 do sum = sum + i end
        local r = sh('out x')
        for i = 1, 2e5 do sum = sum + i end
        assert(r.stdout == 'x' and sum == 2 * (2e5 * (2e5 + 1) / 2))
        return {a = 1, b = 2}";
    assert_eq!(end_of(body).await, JobEnd::Passed);
}

#[tokio::test]
async fn trap_the_metatable_of_strings_is_locked() {
    let body = "assert(getmetatable('') == false)
        local ok = pcall(function() getmetatable('').__index = nil end)
        assert(not ok and ('x'):upper() == 'X')
        return 1";
    assert_eq!(end_of(body).await, JobEnd::Passed);
}

#[tokio::test]
async fn trap_a_decoy_metatable_can_be_indexed_by_a_printer() {
    let body = "local r = sh('exit 3') local mt = getmetatable(r)
        local seen = mt.__fennelview(r, function(t) return t.exit .. tostring(t.ok) end)
        assert(seen == '3false' and r.exit == 3) return 1";
    assert_eq!(end_of(body).await, JobEnd::Passed);
}

#[tokio::test]
async fn trap_fennel_mangles_globals_with_a_dash() {
    let body = "assert(__fnl_global__base64_2ddecode('aGk=') == 'hi' and __fnl_global__read_2dfile == j['read-file'])
        assert(not pcall(function() __fnl_global__read_2dfile = 1 end))
        return 1";
    assert_eq!(end_of(body).await, JobEnd::Passed);
}
