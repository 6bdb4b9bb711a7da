//! The keeper of the server: kills it, stops it, freezes it, and starts it again. Kills runners, too.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Child;
use std::time::{Duration, Instant};

use quire::sys::lock;
use rustix::process::{Pid, Signal, kill_process};

use super::super::{Harm, Random};
use super::Storm;

/// How long the server may take to start, and to stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// A run, by its repository and number.
pub(super) type RunName = (String, u64);

/// The keeper under way.
pub(super) struct Keeper<'a> {
    storm: &'a Storm<'a>,
    random: Random,
    server: Option<Child>,
    /// Runs whose runner was killed.
    killed: BTreeSet<RunName>,
}

impl<'a> Keeper<'a> {
    /// Starts the server.
    pub(super) fn new(storm: &'a Storm<'a>, random: Random) -> Self {
        let mut keeper = Keeper { storm, random, server: None, killed: BTreeSet::new() };
        keeper.start();
        keeper
    }

    /// Harms the server until the time is over; it runs afterwards.
    pub(super) fn work(&mut self) {
        while !self.storm.is_over() {
            self.pause(100, self.storm.size.longest_peace_ms);
            let storm = self.storm;
            match self.random.below(10) {
                0..=6 if storm.disk.is_some() => storm.while_harmed(|| self.fill_disk()),
                0..=2 => storm.while_harmed(|| self.kill_and_start()),
                3 => storm.while_harmed(|| {
                    self.stop();
                    self.pause(0, 600);
                    self.start();
                }),
                4..=5 => storm.while_harmed(|| self.freeze()),
                _ => self.kill_runner(),
            }
            self.look_after_server();
        }
    }

    /// The runs whose runner was killed.
    pub(super) fn killed(&self) -> &BTreeSet<RunName> {
        &self.killed
    }

    fn pause(&mut self, from_ms: usize, to_ms: usize) {
        std::thread::sleep(Duration::from_millis(self.random.between(from_ms, to_ms) as u64));
    }

    fn kill(&mut self) {
        self.note_memory();
        let mut server = self.server.take().unwrap();
        server.kill().unwrap();
        server.wait().unwrap();
    }

    pub(super) fn kill_and_start(&mut self) {
        self.kill();
        let longest = *self.random.pick(&[0, 100, 500, 2000]);
        self.pause(0, longest);
        self.start();
    }

    /// Stops the server as an operator does.
    pub(super) fn stop(&mut self) {
        self.note_memory();
        let mut server = self.server.take().unwrap();
        signal(&server, Signal::TERM);
        let deadline = Instant::now() + PATIENCE;
        while server.try_wait().unwrap().is_none() {
            if Instant::now() > deadline {
                self.storm.harm(Harm::Hang, "the server does not stop by TERM");
                server.kill().unwrap();
                server.wait().unwrap();
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Longer than hooks wait, or shorter.
    fn freeze(&mut self) {
        signal(self.server.as_ref().unwrap(), Signal::STOP);
        let longest = *self.random.pick(&[50, 300, 2500]);
        self.pause(10, longest);
        signal(self.server.as_ref().unwrap(), Signal::CONT);
    }

    /// Fills the disk, for shorter or longer than hooks wait; the server may be killed meanwhile.
    fn fill_disk(&mut self) {
        let Some(disk) = &self.storm.disk else { return };
        disk.fill(&mut self.random);
        let longest = *self.random.pick(&[50, 500, 500, 3000]);
        self.pause(0, longest);
        if self.random.one_in(4) {
            self.kill();
            self.pause(0, 200);
            disk.free();
            self.start();
        }
        disk.free();
    }

    fn kill_runner(&mut self) {
        let runners = self.storm.live_runners();
        if runners.is_empty() {
            return;
        }
        let (name, lock) = self.random.pick(&runners).clone();
        if let Ok(Some(pid)) = lock::holder_pid(&lock)
            && lock::is_held(&lock).unwrap_or(false)
            && let Some(pid) = Pid::from_raw(pid.as_raw_pid())
            && kill_process(pid, Signal::KILL).is_ok()
        {
            self.killed.insert(name);
        }
    }

    /// Starts the server and waits until it answers.
    pub(super) fn start(&mut self) {
        let path = self.storm.world.path();
        let log = File::options().create(true).append(true).open(path.join("serve.log")).unwrap();
        let mut command = self.storm.world.command("quire");
        command.args(["serve", "--bind", "none"]).stdout(log.try_clone().unwrap()).stderr(log);
        self.server = Some(command.spawn().unwrap());
        let deadline = Instant::now() + PATIENCE;
        while !self.answers() {
            if let Some(status) = self.server.as_mut().unwrap().try_wait().unwrap() {
                self.storm.harm(Harm::Crash, &format!("the server did not start: {status}"));
                self.server = Some(command.spawn().unwrap());
            }
            if Instant::now() > deadline {
                self.storm.harm(Harm::Hang, "the server does not answer after its start");
                return;
            }
            std::thread::sleep(Duration::from_millis(3));
        }
    }

    fn answers(&self) -> bool {
        let Ok(mut stream) = UnixStream::connect(self.storm.world.path().join("data/server.sock")) else {
            return false;
        };
        let mut answer = [0; 12];
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").is_ok()
            && stream.read_exact(&mut answer).is_ok()
            && answer.ends_with(b"200")
    }

    /// Starts the server again when it has ended by itself.
    fn look_after_server(&mut self) {
        if let Some(status) = self.server.as_mut().unwrap().try_wait().unwrap() {
            self.storm.harm(Harm::Crash, &format!("the server has ended by itself: {status}"));
            self.start();
        }
    }

    pub(super) fn note_memory(&self) {
        self.storm.note_memory(self.server.as_ref().unwrap().id());
    }
}

impl Drop for Keeper<'_> {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _gone = server.kill().is_err();
            let _reaped = server.wait().is_err();
        }
    }
}

fn signal(server: &Child, signal: Signal) {
    let pid = Pid::from_raw(server.id().cast_signed()).unwrap();
    let _gone = kill_process(pid, signal).is_err();
}
