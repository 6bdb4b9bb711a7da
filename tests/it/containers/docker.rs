//! What holds by podman holds by docker: the same tests, run with a docker of their own; and what only docker has, a
//! daemon that can be absent.

use crate::docker::Docker;

use super::{Boxes, ends, engine, killed, pull, same, secrets, services, users};

/// A test for each test that is run again.
macro_rules! also_by_docker {
    ($($module:ident :: $name:ident)*) => {
        $(#[test] fn $name() { engine::by_docker($module::$name); })*
    };
}

also_by_docker! {
    ends::bombs_end_in_their_container
    ends::a_cancelled_run_takes_its_containers_along_also_those_that_ignore_signals
    ends::what_a_step_leaves_behind_ends_with_its_container
    ends::limits_and_users_are_those_of_the_host
    killed::a_container_whose_client_was_killed_is_gone_at_the_end_of_the_run
    killed::a_container_whose_runner_was_killed_is_removed_and_look_alikes_are_left_alone
    killed::the_next_server_removes_what_killed_ones_have_left
    killed::a_run_whose_script_ignores_the_stop_takes_its_containers_along
    killed::n67_a_name_that_another_container_has_is_a_conflict_and_that_one_stays
    pull::images_are_pulled_by_tag_and_digest_and_pinned
    pull::a_registry_that_is_down_is_said_and_one_that_hangs_ends_by_cancel_or_by_the_clock
    same::what_is_asked_for_means_the_same_by_every_engine
    same::folders_of_the_host_are_seen_as_policy_opened_them
    same::the_volumes_of_an_image_are_a_services_own_and_go_with_it
    same::a_volume_has_the_owner_of_the_image_and_root_may_hand_it_over
    secrets::a_secret_is_in_no_argument_list_and_as_a_file_not_in_inspect
    secrets::what_the_engine_would_obey_does_not_reach_its_client
    services::a_service_has_a_log_and_goes_with_the_job_also_with_a_cancelled_one
    services::a_service_that_dies_or_is_not_there_fails_the_job_and_says_so
    services::why_a_service_is_not_ready_is_in_the_reason
    services::a_service_that_crashed_in_a_passed_job_is_reported_with_its_own_exit
    services::services_end_at_once_also_when_they_have_not_begun_or_share_a_network
    services::a_job_that_waits_for_a_service_that_never_gets_ready_can_be_cancelled
    users::the_users_of_one_run_work_on_its_files_at_the_same_time
}

const BOXED: &str = r#"(ci:job :before [:quire/push] (fn [{: sh}] (sh "touch ran")))
   (ci:job :boxed [:quire/push] {:image "localhost/busybox"} (fn [{: sh}] (sh "true")))"#;

/// What the server says when its engine cannot be used: in the push, in the run, and before anything has started.
fn is_unavailable(server: &[&str], why: &str) {
    let mut boxes = Boxes::serving("{}", server);
    let run = boxes.push(BOXED);
    let shown = boxes.ends(&run, "failed");
    let said = "reason    container.runtime.unavailable: docker does not work here: ";
    let reason = shown.lines().find(|line| line.starts_with(said)).unwrap_or_else(|| panic!("{shown}"));
    assert!(reason.contains(why), "{reason}");
    assert!(!shown.contains("touch ran"), "nothing starts: {shown}");
    boxes.nothing_left(&run);
    let mut doctor = boxes.world.command("quire");
    for (name, value) in server.iter().filter_map(|variable| variable.split_once('=')) {
        doctor.env(name, value.replace("$T", boxes.world.path().to_str().unwrap()));
    }
    let said = boxes.world.run(doctor.arg("doctor")).output;
    let line =
        said.lines().find(|line| line.contains("docker does not work: ")).unwrap_or_else(|| panic!("{said}"));
    assert!(line.starts_with("warning") && line.contains(why), "{said}");
}

#[test]
fn a_daemon_that_cannot_be_asked_is_said_before_anything_starts() {
    engine::by_docker(|| {
        is_unavailable(
            &["DOCKER_HOST=unix://$T/nobody.sock"],
            "Cannot connect to the Docker daemon at unix:///",
        );
        is_unavailable(&["DOCKER_HOST=nonsense://x"], "nvalid bind address format: nonsense://x");
    });
}

#[test]
fn a_daemon_that_is_killed_under_a_step_is_said_and_the_next_one_has_nothing_of_it() {
    engine::by_docker(|| {
        let mut boxes = Boxes::new("{}").unwrap();
        let run = boxes.push(
            r#"(ci:job :long [:quire/push]
                 (fn [{: container}] (container "localhost/busybox" "touch began; sleep 600")))"#,
        );
        boxes.appears(&run, "began");
        engine::with_docker(Docker::kill);
        let shown = boxes.ends(&run, "failed");
        assert!(
            shown.contains("container.runtime.unavailable: docker does not work here: Cannot connect to"),
            "{shown}"
        );
        boxes.no_process_left(&run);
        engine::with_docker(Docker::start_again);
        boxes.nothing_left(&run);
        let again = boxes.push(BOXED);
        boxes.ends(&again, "passed");
        boxes.nothing_left(&again);
    });
}

#[test]
fn what_docker_does_not_start_is_said_with_its_own_word_alone() {
    engine::by_docker(|| {
        let mut boxes = Boxes::new("{:limits {:jobs 1}}").unwrap();
        let run = boxes.push(
            r#"(ci:job :memory [:quire/push] {:allow-failure true}
                 (fn [{: container}] (container "localhost/busybox" "true" {:memory "4KiB"})))
               (ci:job :user [:quire/push] {:allow-failure true}
                 (fn [{: container}] (container "localhost/busybox" "true" {:user "nobody-here"})))
               (ci:job :service [:quire/push] {:image "localhost/busybox" :services {:a {:image "localhost/busybox" :cmd "true" :user "nobody-here"}}}
                 (fn [{: sh}] (sh "true")))"#,
        );
        let shown = boxes.ends(&run, "failed");
        let said = "container.start.failed: docker did not start the container: ";
        assert!(shown.contains(&format!("{said}Minimum memory limit allowed is 6MB.")), "{shown}");
        assert_eq!(shown.matches(&format!("{said}unable to find user nobody-here: ")).count(), 2, "{shown}");
        boxes.nothing_left(&run);
    });
}
