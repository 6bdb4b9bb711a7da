//! Accepts connections and serves each in a task of its own.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::Semaphore;

use super::calls::Calls;
use super::limits::{DoorLimits, MAX_HEAD};
use super::open_connections::{Admission, Number, OpenConnections};
use super::progress::Progress;
use super::remote::Remote;
use super::request::{AnswerProblem, BodyLimits, gather, refusal};
use super::socket::{Seen, Socket};
use crate::app::{Code, Problem};
use crate::http::guarded::Guarded;
use crate::http::request_id::identified;
use crate::http::stream::OwnPlace;

/// How long to wait after a connection could not be accepted, because descriptors or memory have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How many refused connections are waited for at the same time.
const MAX_REFUSALS: usize = 64;

/// How often it is logged that connections cannot be accepted.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// The answer to a connection that cannot be served now.
const COME_AGAIN: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n\
    content-type: application/problem+json\r\n\r\n{\"type\":\"/problems/server.busy\",\"title\":\"Service Unavailable\",\"status\":503,\
    \"detail\":\"this server is busy\",\"code\":\"server.busy\",\"hint\":\"try again later\"}\n";

/// What connections come from.
#[derive(Debug)]
pub(crate) enum Listener {
    /// An address.
    Tcp(TcpListener),
    /// A Unix socket.
    Unix(UnixListener),
    /// Sockets of commands, to which the server connects.
    Calls(Calls),
}

type Connections = Arc<Mutex<OpenConnections<Arc<Progress>>>>;

impl Listener {
    async fn accept(&self) -> io::Result<(Socket, Remote)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                Ok((Socket::Tcp(stream), Remote::Address(address.ip())))
            }
            Self::Unix(listener) => of_user(listener.accept().await?.0),
            Self::Calls(calls) => of_user(calls.accept().await?),
        }
    }
}

/// A connection of a user of this machine.
fn of_user(stream: UnixStream) -> io::Result<(Socket, Remote)> {
    let user = stream.peer_cred()?.uid();
    Ok((Socket::Unix(stream), Remote::User(user)))
}

/// Serves what connects, until the runtime ends.
pub(crate) async fn serve(
    listener: Listener,
    (router, problems): (Router, AnswerProblem),
    limits: DoorLimits,
) {
    let connections = OpenConnections::new(limits, |progress: &Arc<Progress>| progress.is_waiting());
    let connections: Connections = Arc::new(Mutex::new(connections));
    let bodies = Arc::new(BodyLimits { most: limits.body, large: Semaphore::new(limits.large_bodies) });
    let refusals = Arc::new(Semaphore::new(MAX_REFUSALS));
    let mut logged: Option<tokio::time::Instant> = None;
    loop {
        let (socket, remote) = match listener.accept().await {
            Ok(accepted) => accepted,
            // The client has left already.
            Err(error) if is_of_the_client(&error) => continue,
            Err(error) => {
                if logged.is_none_or(|logged| logged.elapsed() > LOG_INTERVAL) {
                    logged = Some(tokio::time::Instant::now());
                    tracing::error!(%error, "a connection could not be accepted; connections without a request are closed");
                }
                if let Some(oldest) = lock(&connections).take_oldest_waiting() {
                    oldest.close();
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let progress = Arc::new(Progress::new(limits.timeouts));
        let admission = lock(&connections).admit(remote.peer(), Arc::clone(&progress));
        let number = match admission {
            Admission::Served(number) => number,
            Admission::InPlaceOf(number, oldest) => {
                oldest.close();
                number
            }
            Admission::Refused => {
                refuse(socket, &refusals);
                continue;
            }
        };
        let place = Arc::new(Place { connections: Arc::clone(&connections), number });
        let served = Served { router: router.clone(), problems, bodies: Arc::clone(&bodies), remote, place };
        tokio::spawn(converse(socket, progress, served));
        // What was accepted is read before it can be the oldest one of a flood.
        tokio::task::yield_now().await;
    }
}

/// Answers a connection that cannot be served, and waits a moment for the client to read that: to close a socket with an unread
/// request would take the answer back. Beyond a limit, connections are only closed.
fn refuse(socket: Socket, places: &Arc<Semaphore>) {
    let _gone = socket.try_write(COME_AGAIN).is_err();
    if let Ok(place) = Arc::clone(places).try_acquire_owned() {
        tokio::spawn(async move {
            socket.linger().await;
            drop(place);
        });
    }
}

/// Whether a failed accept(2) says something about one connection only.
fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, NotConnected, PermissionDenied};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | Interrupted | NotConnected | PermissionDenied
    )
}

fn lock(
    connections: &Mutex<OpenConnections<Arc<Progress>>>,
) -> std::sync::MutexGuard<'_, OpenConnections<Arc<Progress>>> {
    connections.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The place of a connection among the others, free when the connection is closed.
struct Place {
    connections: Connections,
    number: Number,
}

impl Place {
    /// Another connection can have the place from now on.
    fn release(&self) {
        let _was_there = lock(&self.connections).remove(self.number).is_some();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.release();
    }
}

/// Reports that an answer was given.
struct AnswerEnd(Arc<Progress>);

impl Drop for AnswerEnd {
    fn drop(&mut self) {
        self.0.end_answer();
    }
}

/// What a connection is served with.
#[derive(Clone)]
struct Served {
    router: Router,
    problems: AnswerProblem,
    bodies: Arc<BodyLimits>,
    remote: Remote,
    place: Arc<Place>,
}

impl Served {
    async fn answer(self, request: Request<Incoming>, progress: &Progress) -> Response<Body> {
        if !self.remote.is_admitted() {
            let text = "this socket is for the account of the server and root";
            let hint = "over TCP a token is enough: quire token new NAME --scope SCOPE makes one";
            return refusal(&Problem::new(Code::PeerRefused, text).hint(hint), self.problems);
        }
        let gathered = match gather(request, progress, &self.bodies).await {
            Ok(gathered) => gathered,
            Err(problem) => return refusal(&problem, self.problems),
        };
        let (mut request, _memory) = (gathered.request, gathered._memory);
        request.extensions_mut().insert(self.remote);
        let Ok(response) = TowerToHyperService::new(self.router).call(request).await;
        if response.extensions().get::<OwnPlace>().is_some() {
            self.place.release();
            progress.begin_stream();
        }
        response
    }
}

/// Answers the requests of a connection until it ends, is late, or has to make room.
async fn converse(socket: Socket, progress: Arc<Progress>, served: Served) {
    let socket = Arc::new(socket);
    let seen = Seen { socket: Arc::clone(&socket), progress: Arc::clone(&progress) };
    let answering = Arc::clone(&progress);
    let service = service_fn(move |request: Request<Incoming>| {
        let (served, progress) = (served.clone(), Arc::clone(&answering));
        async move {
            let headers = request.headers().clone();
            let response = identified(&headers, served.answer(request, &progress)).await;
            Ok::<_, Infallible>(response.map(|body: Body| Guarded::new(body, AnswerEnd(progress))))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // Timed by `Progress`, which also knows idle connections and clients that do not read.
        .header_read_timeout(None)
        // Who sends no more has its answer; who is gone is noticed by `Progress`, and when something is written.
        .half_close(true)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(seen), service);
    let ended = tokio::select! {
        ended = connection => ended,
        () = progress.is_over(|| socket.has_hung_up()) => return,
        () = async { progress.is_stream().await; socket.until_read_closed().await } => return,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection has failed");
    }
    socket.linger().await;
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::body::Bytes;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;
    use crate::http::door::limits::Timeouts;
    use crate::http::stream::streamed;

    #[tokio::test]
    async fn a_reader_that_does_not_read_is_cut_off_and_costs_bounded_memory() {
        let made = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&made);
        let stream = async move || {
            streamed(move |parts| async move {
                while parts.send(Bytes::from(vec![b'x'; 1 << 16])).await {
                    counted.fetch_add(1, Ordering::SeqCst);
                }
            })
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", get(stream));
        let timeouts = Timeouts { stall: Duration::from_millis(200), ..Timeouts::OF_DOORS };
        let limits = DoorLimits { timeouts, ..DoorLimits::public(1024) };
        let routes = (router, crate::http::problem::answer as AnswerProblem);
        let serving = tokio::spawn(serve(Listener::Tcp(listener), routes, limits));
        let mut deaf = TcpStream::connect(address).await.unwrap();
        deaf.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        deaf.readable().await.unwrap();
        // Nothing more is made once it has been closed, and what the system keeps can be read to a broken end.
        let mut seen = usize::MAX;
        while seen != made.load(Ordering::SeqCst) {
            seen = made.load(Ordering::SeqCst);
            tokio::time::timeout(Duration::from_secs(1), std::future::pending::<()>()).await.unwrap_err();
        }
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(20), deaf.read_to_end(&mut answer)).await;
        assert!(read.is_ok() && !answer.ends_with(b"0\r\n\r\n"), "it was not cut off");
        let made = made.load(Ordering::SeqCst);
        assert!((1..400).contains(&made), "{made} parts, which the system keeps");
        serving.abort();
    }

    /// How long a client is served that sends these pieces, with a pause before each but the first.
    async fn served_for(address: std::net::SocketAddr, pieces: &[&[u8]], pause: Duration) -> Duration {
        let begun = tokio::time::Instant::now();
        let (mut read, mut write) = TcpStream::connect(address).await.unwrap().into_split();
        let sending = async {
            for piece in pieces {
                write.write_all(piece).await?;
                tokio::time::sleep(pause).await;
            }
            std::future::pending::<io::Result<()>>().await
        };
        let mut answer = Vec::new();
        tokio::select! {
            _ = read.read_to_end(&mut answer) => {}
            _broken = sending => {}
        }
        assert!(!answer.starts_with(b"HTTP/1.1 2"), "it was not complete");
        begun.elapsed()
    }

    #[tokio::test]
    async fn a_head_and_a_body_that_trickle_end_in_a_bounded_time() {
        let millis = Duration::from_millis;
        let timeouts =
            Timeouts { head: millis(300), body: millis(300), whole_body: millis(900), ..Timeouts::OF_DOORS };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", axum::routing::post(async || "done"));
        let limits = DoorLimits { timeouts, ..DoorLimits::public(1024) };
        let routes = (router, crate::http::problem::answer as AnswerProblem);
        let serving = tokio::spawn(serve(Listener::Tcp(listener), routes, limits));
        let head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n".as_slice();
        let slow_head: Vec<&[u8]> = head.chunks(1).collect();
        let slow_body: Vec<&[u8]> = [head].into_iter().chain([b"x".as_slice(); 500]).collect();
        let cases: [(&[&[u8]], Duration); 4] = [
            (&[], timeouts.head),
            (&slow_head, timeouts.head),
            (&[head], timeouts.body),
            (&slow_body, timeouts.whole_body),
        ];
        for (pieces, least) in cases {
            let served = served_for(address, pieces, millis(20)).await;
            assert!(
                served >= least && served < least + Duration::from_secs(5),
                "{served:?} for {} pieces",
                pieces.len()
            );
        }
        serving.abort();
    }
}
