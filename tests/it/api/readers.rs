//! Who follows events, and leaves.

use std::time::{Duration, Instant};

use super::client::{Connection, connect_tcp, connect_unix, request};
use super::{Api, Door};

impl Api {
    /// How many readers of events the server counts.
    fn readers(&self) -> String {
        let metrics = self.raw(Door::Socket, &request(("GET", "/metrics"), "quire", &[], b""));
        let text = String::from_utf8(metrics.body).unwrap();
        let line = text.lines().find(|line| line.starts_with("quire_event_readers ")).unwrap();
        line.trim_start_matches("quire_event_readers ").to_owned()
    }
}

#[test]
fn a_client_that_leaves_a_stream_of_events_is_noticed_at_once() {
    let api = Api::new();
    for door in Door::BOTH {
        let mut stream: Box<dyn Connection> = match door {
            Door::Socket => Box::new(connect_unix(&api.world.path().join("data/server.sock"))),
            Door::Tcp => Box::new(connect_tcp(api.address())),
        };
        stream.write_all(&request(("GET", "/api/v1/events"), api.address(), &[], b"")).unwrap();
        stream.read_exact(&mut [0; 12]).unwrap();
        assert_eq!(api.readers(), "1", "{door:?}");
        drop(stream);
        let left = Instant::now();
        assert!(api.world.eventually(|_| api.readers() == "0"), "{door:?}");
        // The next comment would be in 15 s, and a look at the connection in 10.
        assert!(left.elapsed() < Duration::from_secs(5), "{door:?}: {:?}", left.elapsed());
    }
}
