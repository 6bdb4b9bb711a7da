//! Accepts connections and serves each in a task of its own.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;

use super::limits::{DoorLimits, MAX_HEAD, MAX_LARGE_BODIES};
use super::open_connections::{Admission, Number, OpenConnections, Peer};
use super::progress::Progress;
use super::request::{BodyLimits, gather};
use super::socket::{Seen, Socket};
use crate::http::guarded::Guarded;
use crate::http::request_id::identified;
use crate::http::stream::OwnPlace;

/// How long to wait after a connection could not be accepted, because descriptors or memory have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How often it is logged that connections cannot be accepted.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// The answer to a connection that cannot be served now.
const COME_AGAIN: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n\
    content-type: text/plain; charset=utf-8\r\n\r\nthis server is busy; try again later\n";

/// What connections come from.
#[derive(Debug)]
pub enum Listener {
    /// An address.
    Tcp(TcpListener),
    /// A Unix socket.
    Unix(UnixListener),
}

type Connections = Arc<Mutex<OpenConnections<Arc<Progress>>>>;

impl Listener {
    async fn accept(&self) -> io::Result<(Socket, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                Ok((Socket::Tcp(stream), Peer::at(address.ip())))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                let user = stream.peer_cred()?.uid();
                Ok((Socket::Unix(stream), Peer::User(user)))
            }
        }
    }
}

/// Serves what connects, until the runtime ends.
pub async fn serve(listener: Listener, router: Router, limits: DoorLimits) {
    let connections = OpenConnections::new(limits, |progress: &Arc<Progress>| progress.is_waiting());
    let connections: Connections = Arc::new(Mutex::new(connections));
    let bodies = Arc::new(BodyLimits { most: limits.body, large: Semaphore::new(MAX_LARGE_BODIES) });
    let mut logged: Option<tokio::time::Instant> = None;
    loop {
        let (socket, peer) = match listener.accept().await {
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
        let progress = Arc::new(Progress::new());
        let admission = lock(&connections).admit(peer, Arc::clone(&progress));
        let number = match admission {
            Admission::Served(number) => number,
            Admission::InPlaceOf(number, oldest) => {
                oldest.close();
                number
            }
            Admission::Refused => {
                let _gone = socket.try_write(COME_AGAIN).is_err();
                continue;
            }
        };
        let place = Place { connections: Arc::clone(&connections), number };
        tokio::spawn(converse(socket, progress, (router.clone(), Arc::clone(&bodies)), place));
        // What was accepted is read before it can be the oldest one of a flood.
        tokio::task::yield_now().await;
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

/// Answers the requests of a connection until it ends, is late, or has to make room.
async fn converse(
    socket: Socket,
    progress: Arc<Progress>,
    (router, bodies): (Router, Arc<BodyLimits>),
    place: Place,
) {
    let place = Arc::new(place);
    let socket = Arc::new(socket);
    let seen = Seen { socket: Arc::clone(&socket), progress: Arc::clone(&progress) };
    let router = TowerToHyperService::new(router);
    let answering = Arc::clone(&progress);
    let service = service_fn(move |request: Request<Incoming>| {
        let (router, progress, bodies) = (router.clone(), Arc::clone(&answering), Arc::clone(&bodies));
        let place = Arc::clone(&place);
        async move {
            let headers = request.headers().clone();
            let response = identified(&headers, async {
                match gather(request, &progress, &bodies).await {
                    Ok(gathered) => match router.call(gathered.request).await {
                        Ok(answer) => answer,
                        Err(never) => match never {},
                    },
                    Err(refusal) => refusal,
                }
            });
            let response = response.await;
            if response.extensions().get::<OwnPlace>().is_some() {
                place.release();
            }
            Ok::<_, std::convert::Infallible>(
                response.map(|body: Body| Guarded::new(body, AnswerEnd(progress))),
            )
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
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection has failed");
    }
    socket.linger().await;
}
