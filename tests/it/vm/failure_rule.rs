//! A failure you look at is yours; a failure you ignore fails the job.

use quire::script::{JobEnd, JobFailure, StepFault};

use super::fake_host::{Bench, end_of, script_error};

async fn fault(body: &str) -> (u32, StepFault) {
    let end = end_of(body).await;
    let JobEnd::Failed(JobFailure::Step(step)) = end else { panic!("{body}: {end:?}") };
    assert_eq!((step.exit, step.title.as_str()), (3, "exit 3"), "{body}");
    (step.step, step.fault)
}

#[tokio::test]
async fn a_failure_whose_exit_status_was_not_checked_fails_the_job() {
    for body in [
        "sh('exit 3')",
        "sh('exit 3') return 1",
        "return sh('exit 3') and nil",
        "j.sh({'exit', 3})",
        "sh('exit 3') sh('out x')",
        "sh('exit 3') log('x')",
        "sh('exit 3') secret('token')",
        "sh('exit 3') pcall(sh, 'out x')",
        "pcall(function() sh('exit 3') sh('out x') end) return 1",
        "sh('exit 3') pcall(log, 'x') pcall(sh, 'out x') return {exit = 0}",
        "local r = sh('exit 3') for k, v in pairs(r) do end",
        "local r = sh('exit 3') local c = {} for k, v in pairs(r) do c[k] = v end return c.exit == 3",
        "local r = sh('exit 3') print(r) print(tostring(r))",
        "local r = sh('exit 3') json = j['json-encode'](r) return 1",
        "local r = sh('exit 3') local out = r.stdout, r.stderr, r.duration, r.signal",
        "local r = sh('exit 3') rawset(r, 'exit', 0) return r.exit",
        "local r = sh('exit 3') return {result = r}",
        "local r = sh('exit 3') getmetatable(r).__fennelview(r, function() return '' end)",
    ] {
        assert_eq!(fault(body).await, (1, StepFault::Ignored), "{body}");
    }
}

#[tokio::test]
async fn the_next_primitive_does_not_run_after_an_ignored_failure() {
    let bench = Bench::job("sh('out 1') sh('exit 3') sh('out 2')").await;
    let JobEnd::Failed(failure) = bench.run("t").await else { panic!() };
    assert_eq!(
        failure.to_string(),
        ".quire/ci.fnl:1: step 2 `exit 3` failed with exit status 3, and its exit status was not checked"
    );
    assert_eq!(bench.host.count(), 2);
}

#[tokio::test]
async fn a_failure_whose_exit_status_was_checked_is_handled() {
    for body in [
        "local r = sh('exit 3') if r.exit ~= 0 then log('x') end",
        "local r = sh('exit 3') if not r.ok then sh('out x') end",
        "local key = 'exit' local r = sh('exit 3') assert(r[key] == 3) return 1",
        // What (let [{: exit : stdout} (sh …)] …) compiles to.
        "local _1_ = sh('exit 3') local exit, stdout = _1_.exit, _1_.stdout return stdout",
        "assert(sh('exit 3').ok == false) return 'x'",
        // Caught, and then looked at.
        "local r = sh('exit 3') pcall(sh, 'out x') assert(r.exit == 3) sh('out y') return 1",
        "local r = sh('exit 3') local e = r.exit return {result = r}",
    ] {
        assert_eq!(end_of(body).await, JobEnd::Passed, "{body}");
    }
}

#[tokio::test]
async fn a_failed_result_that_is_returned_fails_the_job_also_when_checked() {
    for body in
        ["local r = sh('exit 3') local e = r.exit return r", "local r = sh('exit 3') return r.ok or r"]
    {
        assert_eq!(fault(body).await, (1, StepFault::Returned), "{body}");
    }
    assert_eq!(fault("return sh('exit 3')").await, (1, StepFault::Ignored));
    let returned = JobEnd::Failed(JobFailure::Returned { what: "a table with :exit 4".into() });
    assert_eq!(end_of("return {exit = 4}").await, returned);
    assert_eq!(
        end_of("local r = sh('exit 3') local c = {} for k, v in pairs(r) do c[k] = v end return r.ok or c")
            .await,
        JobEnd::Failed(JobFailure::Returned { what: "a table with :exit 3".into() })
    );
    for body in ["return {exit = 0}", "return {exit = 'x'}", "return sh('out x')", "return 3"] {
        assert_eq!(end_of(body).await, JobEnd::Passed, "{body}");
    }
}

#[tokio::test]
async fn a_job_that_returns_false_or_nil_and_a_problem_fails_with_it() {
    for (body, what) in [
        ("return false", "false; a job that has nothing to do returns nil"),
        ("sh('out x') return sh('out x').stdout == 'y'", "false; a job that has nothing to do returns nil"),
        ("return false, 'it broke'", "false: it broke"),
        ("return nil, 'it broke'", "nil and an error: it broke"),
        ("sh('out x') return nil, {code = 3}", "nil and an error: error value {\"code\":3}"),
        ("return pcall(error, 'inner')", "false: inner"),
        ("return pcall(secret, 'tokn')", "false: secret `tokn` is not declared; there is `token`"),
    ] {
        let JobEnd::Failed(failure) = end_of(body).await else { panic!("{body}") };
        assert_eq!(failure.to_string(), format!("the job returned {what}"), "{body}");
    }
    for body in ["return true, 'fine'", "log('x') return nil, nil", "log('x') return nil, false"] {
        assert_eq!(end_of(body).await, JobEnd::Passed, "{body}");
    }
    assert_eq!(end_of("return nil, nil").await, JobEnd::Skipped);
}

#[tokio::test]
async fn check_false_switches_the_rule_off() {
    for body in [
        "sh('exit 3', {check = false}) sh('out x')",
        "return sh('exit 3', {check = false})",
        "local r = sh('exit 3', {check = false}) assert(rawget(r, 'exit') == 3 and r.ok == false) return r",
    ] {
        assert_eq!(end_of(body).await, JobEnd::Passed, "{body}");
    }
}

#[tokio::test]
async fn check_true_raises_at_once() {
    assert_eq!(fault("sh('exit 3', {check = true}) sh('out x')").await, (1, StepFault::Checked));
    assert_eq!(
        fault("local ok, e = pcall(sh, 'exit 3', {check = true}) error(e)").await,
        (1, StepFault::Checked)
    );
    let caught = "local ok, e = pcall(sh, 'exit 3', {check = true}) sh('out x')
        assert(not ok and e == 'step 1 `exit 3` failed with exit status 3', e) return 1";
    assert_eq!(end_of(caught).await, JobEnd::Passed);
}

#[tokio::test]
async fn results_show_what_they_have() {
    let all = "local r = sh('exit 137')
        local names = {}
        for name in pairs(r) do names[#names + 1] = name end
        table.sort(names)
        assert(table.concat(names, ' ') == 'duration exit ok signal stderr stdout', table.concat(names, ' '))
        assert(r.exit == 137 and r.signal == 9 and r.duration == 1.5 and r.truncated == nil)
        local good = sh('truncated')
        assert(good.exit == 0 and good.ok == true and good.truncated == true and good.signal == nil)
        assert(type(getmetatable(good)) == 'table' and type(getmetatable(r)) == 'table')
        assert(not pcall(setmetatable, r, {}))
        return 1";
    assert_eq!(end_of(all).await, JobEnd::Passed);
    let JobEnd::Failed(failure) = end_of("sh('exit 137')").await else { panic!() };
    assert_eq!(
        failure.to_string(),
        ".quire/ci.fnl:1: step 1 `exit 137` was ended by signal 9 (exit 137), and its exit status was not checked"
    );
}

#[tokio::test]
async fn a_large_output_is_there_when_it_is_asked_for() {
    let all = "local function read(r)
            local out = r.stdout
            assert(#out == 300000 and out:sub(-3) == 'xxx' and r.stdout == out and r.stderr == '')
            assert(not pcall(function() return r.weather end))
        end
        local function names(r)
            local found = {}
            for name, value in pairs(r) do found[#found + 1] = name .. #tostring(value) end
            table.sort(found)
            return table.concat(found, ' ')
        end
        local good = sh('large 300000')
        read(good)
        read(good)
        assert(names(sh('large 300000')) == 'duration3 exit1 ok4 stderr0 stdout300000')
        local bad = sh('exit 3 large 300000')
        read(bad)
        assert(bad.exit == 3)
        local other = sh('exit 3 large 300000')
        assert(names(other) == 'duration3 exit1 ok5 stderr0 stdout300000', names(other))
        assert(other.exit == 3)
        local changed = sh('large 300000')
        changed.stdout = 'mine'
        assert(changed.stdout == 'mine' and j['json-decode'](j['json-encode'](changed)).stdout == 'mine')
        assert(#j['json-decode'](j['json-encode'](sh('large 300000'))).stdout == 300000)
        for turn = 1, 200 do sh('large 1000000') end
        return 1";
    assert_eq!(end_of(all).await, JobEnd::Passed);
}

#[tokio::test]
async fn a_large_output_is_an_output_of_the_job_as_far_as_that_has_room() {
    for (size, is_kept) in [(300_000, true), (2_000_000, false)] {
        let bench = Bench::job(&format!("return sh('large {size}')")).await;
        assert_eq!(bench.run("t").await, JobEnd::Passed);
        let json = bench.vm.outputs_json("t").unwrap();
        assert_eq!(json.map(|json| json["stdout"].as_str().unwrap().len()).ok(), is_kept.then_some(size));
    }
}

#[tokio::test]
async fn a_failed_result_keeps_its_exit_wherever_json_is_made_of_it() {
    let bench = Bench::job(
        "local r = sh('exit 3') log(j['json-encode']({list = {r}})) local e = r.exit return {deep = {r}}",
    )
    .await;
    // The log itself comes after an unlooked failure.
    assert!(matches!(bench.run("t").await, JobEnd::Failed(JobFailure::Step(_))));
    let bench = Bench::job("local r = sh('exit 3') local e = r.exit log(r) return {deep = {r}}").await;
    assert_eq!(bench.run("t").await, JobEnd::Passed);
    let json = bench.vm.outputs_json("t").unwrap().unwrap();
    let expected = r#"{"deep":[{"duration":1.5,"exit":3,"ok":false,"stderr":"","stdout":""}]}"#;
    assert_eq!(json.to_string(), expected);
    assert_eq!(bench.host.lines(), ["step 1 `exit 3` failed with exit status 3"]);
}

#[tokio::test]
async fn a_result_that_is_raised_is_described() {
    let error = script_error("local r = sh('exit 3')\n local e = r.exit\n error(r)").await;
    assert_eq!(error.message, "step 1 `exit 3` failed with exit status 3");
}

#[tokio::test]
async fn a_job_that_shows_and_does_nothing_is_skipped() {
    for body in [
        "",
        "return nil",
        "local s = secret('token')",
        "local p = jobs('quire/push')",
        "local h = hash('x') .. base64('y')",
        "local sh = j.sh",
    ] {
        assert_eq!(end_of(body).await, JobEnd::Skipped, "{body}");
    }
    for body in [
        "return {}",
        "log('x')",
        "print('x')",
        "sh('out x')",
        "j['write-file']('a', 'b')",
        "pcall(j['read-file'], 'nothing')",
    ] {
        assert_eq!(end_of(body).await, JobEnd::Passed, "{body}");
    }
}
