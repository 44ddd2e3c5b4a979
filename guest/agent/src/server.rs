//! The HTTP server: routes, and who may use them.

use crate::auth::SignedLink;
use crate::connect::{json_response, read_whole, refuse};
use crate::identity::{Identity, InitError};
use crate::metrics::Metrics;
use crate::processes::Processes;
use crate::reaper::Reaper;
use crate::rpc_error::RpcError;
use crate::users::{self, User};
use crate::watchers::Watchers;
use crate::{boot, bridge, download, drain, files, filesystem, process_rpc, upload};
use axum::body::Body;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::{header, HeaderMap, Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use axum::Router;
use base64::prelude::{Engine, BASE64_STANDARD};
use serde_json::json;
use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{signal, SignalKind};

const WORKERS: usize = 2;

/// What this program is on its machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// PID 1 of a capsule.
    Init,
    /// A program among others.
    ByHand,
}

/// Everything the routes work with.
pub struct Agent {
    /// Who this capsule is.
    pub identity: Identity,
    /// What runs in it.
    pub processes: Arc<Processes>,
    /// Who asks for changes of its files.
    pub watchers: Watchers,
    metrics: Metrics,
    role: Role,
}

impl Agent {
    /// Where relative paths and processes start.
    pub fn base_directory(&self, user: &User) -> PathBuf {
        self.identity
            .default_directory()
            .map_or_else(|| user.home.clone(), PathBuf::from)
    }

    /// The user a request names, or the default one.
    pub fn user(&self, headers: &HeaderMap) -> Result<User, RpcError> {
        let name = headers
            .get(header::AUTHORIZATION)
            .and_then(|v| v.to_str().ok())
            .and_then(|v| v.strip_prefix("Basic "))
            .and_then(|v| BASE64_STANDARD.decode(v).ok())
            .and_then(|v| String::from_utf8(v).ok())
            .and_then(|v| v.split(':').next().map(str::to_owned))
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| self.identity.default_user());
        users::find(&name)
            .ok_or_else(|| RpcError::unauthenticated(format!("user '{name}' does not exist")))
    }
}

/// Serves until the program is ended.
pub fn run(address: SocketAddr, role: Role) -> std::io::Result<()> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()?
        .block_on(serve(address, role))
}

async fn serve(address: SocketAddr, role: Role) -> std::io::Result<()> {
    let reaper = Arc::new(Reaper::default());
    let mut children = signal(SignalKind::child())?;
    let reaping = Arc::clone(&reaper);
    tokio::spawn(async move {
        while children.recv().await.is_some() {
            reaping.reap();
        }
    });
    let agent = Arc::new(Agent {
        identity: Identity::default(),
        processes: Arc::new(Processes::new(reaper)),
        watchers: Watchers::default(),
        metrics: Metrics::default(),
        role,
    });
    let listener = TcpListener::bind(address).await?;
    if role == Role::ByHand {
        println!("{}", listener.local_addr()?);
    }
    let service = routes(agent).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener.tap_io(at_once), service).await
}

/// For answers that are small and waited for.
pub fn at_once(stream: &mut TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        eprintln!("wrenn-guest-agent: cannot set TCP_NODELAY: {error}");
    }
}

fn routes(agent: Arc<Agent>) -> Router {
    Router::new()
        .route("/health", get(|| async { StatusCode::NO_CONTENT }))
        .route("/metrics", get(metrics))
        .route("/envs", get(variables))
        .route("/files", get(download).post(upload))
        .route("/init", post(init))
        .route("/quiesce", post(quiesce))
        .route("/shutdown", post(shut_down))
        .route("/bridge", get(open_bridge))
        .route("/process.Process/{method}", post(process_call))
        .route("/filesystem.Filesystem/{method}", post(filesystem_call))
        .fallback(|| async { refuse(StatusCode::NOT_FOUND, "there is no such route") })
        .method_not_allowed_fallback(|| async {
            refuse(
                StatusCode::METHOD_NOT_ALLOWED,
                "this route takes other methods",
            )
        })
        .layer(axum::extract::DefaultBodyLimit::disable())
        .layer(middleware::from_fn_with_state(Arc::clone(&agent), guard))
        .layer(middleware::from_fn(drain::uploads))
        .layer(middleware::from_fn(cross_origin))
        .with_state(agent)
}

/// Lets browsers in, as clients expect; the token is what protects.
async fn cross_origin(request: Request, next: Next) -> Response {
    let preflight = request.method() == Method::OPTIONS;
    let mut response = if preflight {
        StatusCode::NO_CONTENT.into_response()
    } else {
        next.run(request).await
    };
    for (name, value) in [
        ("access-control-allow-origin", "*"),
        (
            "access-control-allow-methods",
            "GET, HEAD, POST, PUT, PATCH, DELETE",
        ),
        ("access-control-allow-headers", "*"),
        (
            "access-control-expose-headers",
            "Connect-Timeout-Ms, Grpc-Status, Grpc-Message",
        ),
        ("access-control-max-age", "7200"),
    ] {
        response
            .headers_mut()
            .insert(name, header::HeaderValue::from_static(value));
    }
    response
}

/// Refuses whoever may not pass.
async fn guard(
    State(agent): State<Arc<Agent>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    let host_only = matches!(path, "/init" | "/quiesce" | "/shutdown" | "/bridge");
    if host_only && agent.role == Role::Init && is_inside(peer) {
        return refuse(StatusCode::FORBIDDEN, "only the host may do this");
    }
    let shown = request
        .headers()
        .get("x-access-token")
        .and_then(|v| v.to_str().ok());
    if path == "/health" || agent.identity.token.admits(shown) {
        return next.run(request).await;
    }
    if path == "/files" {
        let query = query_of(&request);
        let of = |name: &str| query.get(name).map(String::as_str);
        let admitted = agent.identity.token.admits_link(&SignedLink {
            path: of("path").unwrap_or_default(),
            operation: if request.method() == Method::GET {
                "read"
            } else {
                "write"
            },
            username: of("username").unwrap_or_default(),
            signature: of("signature"),
            expiration: of("signature_expiration"),
        });
        return match admitted {
            Ok(()) => next.run(request).await,
            Err(error) => refuse(StatusCode::UNAUTHORIZED, &error.to_string()),
        };
    }
    refuse(
        StatusCode::UNAUTHORIZED,
        "X-Access-Token is missing or wrong",
    )
}

/// Whether a caller is a process of this very machine: over loopback, or over any other address the
/// machine has. The kernel lets a socket be bound to its own addresses only (bind(2)).
fn is_inside(peer: SocketAddr) -> bool {
    peer.ip().is_loopback() || UdpSocket::bind((peer.ip(), 0)).is_ok()
}

fn query_of(request: &Request) -> HashMap<String, String> {
    axum::extract::Query::<HashMap<String, String>>::try_from_uri(request.uri())
        .map(|q| q.0)
        .unwrap_or_default()
}

fn file_query(request: &Request) -> files::Query {
    let mut query = query_of(request);
    files::Query {
        path: query.remove("path"),
        username: query.remove("username"),
        offset: query.remove("offset"),
    }
}

async fn metrics(State(agent): State<Arc<Agent>>) -> Response {
    json_response(StatusCode::OK, &agent.metrics.sample())
}

async fn variables(State(agent): State<Arc<Agent>>) -> Response {
    json_response(StatusCode::OK, &json!(agent.identity.variables()))
}

async fn download(State(agent): State<Arc<Agent>>, request: Request) -> Response {
    let query = file_query(&request);
    download::download(&agent, &query, request.headers())
        .await
        .unwrap_or_else(IntoResponse::into_response)
}

async fn upload(State(agent): State<Arc<Agent>>, request: Request) -> Response {
    let query = file_query(&request);
    upload::upload(&agent, &query, request)
        .await
        .unwrap_or_else(IntoResponse::into_response)
}

async fn init(State(agent): State<Arc<Agent>>, body: Body) -> Response {
    let bytes = match read_whole(body).await {
        Ok(bytes) => bytes,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let message = if bytes.is_empty() {
        json!({})
    } else {
        match serde_json::from_slice(&bytes) {
            Ok(message) => message,
            Err(error) => return refuse(StatusCode::BAD_REQUEST, &error.to_string()),
        }
    };
    match agent.identity.init(&message, agent.role == Role::Init) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error @ InitError::Invalid(_)) => refuse(StatusCode::BAD_REQUEST, &error.to_string()),
        Err(error @ InitError::Refused(..)) => {
            refuse(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string())
        }
    }
}

/// Writes back what is dirty, so that a pause finds little to save twice (sync(2)).
async fn quiesce() -> Response {
    // SAFETY: sync takes nothing and always succeeds.
    let synced = tokio::task::spawn_blocking(|| unsafe { libc::sync() }).await;
    match synced {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

async fn shut_down(State(agent): State<Arc<Agent>>) -> Response {
    if agent.role != Role::Init {
        return refuse(StatusCode::FORBIDDEN, "this agent does not own its machine");
    }
    tokio::spawn(async {
        // The answer goes out first.
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        tokio::task::spawn_blocking(|| boot::power_off())
            .await
            .unwrap_or_else(|_| std::process::abort())
    });
    StatusCode::NO_CONTENT.into_response()
}

async fn open_bridge(request: Request) -> Response {
    let port = query_of(&request).get("port").and_then(|p| p.parse().ok());
    match port {
        Some(port) => bridge::open(port, request).await,
        None => refuse(
            StatusCode::BAD_REQUEST,
            "port must be a number from 1 to 65535",
        ),
    }
}

async fn process_call(
    State(agent): State<Arc<Agent>>,
    Path(method): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    process_rpc::call(agent, &method, headers, body).await
}

async fn filesystem_call(
    State(agent): State<Arc<Agent>>,
    Path(method): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    filesystem::call(agent, &method, headers, body).await
}

#[cfg(test)]
mod tests {
    use super::is_inside;
    use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

    fn from(address: impl Into<IpAddr>) -> bool {
        is_inside(SocketAddr::new(address.into(), 1234))
    }

    #[test]
    fn a_caller_on_any_own_address_is_inside() {
        assert!(from(Ipv4Addr::LOCALHOST));
        assert!(from(Ipv4Addr::new(127, 3, 2, 1)));
        // Documentation addresses (RFC 5737) belong to no machine.
        assert!(!from(Ipv4Addr::new(192, 0, 2, 1)));
        let socket = UdpSocket::bind("0.0.0.0:0").expect("socket");
        // Without a route there is no further own address to try.
        if socket.connect("192.0.2.1:9").is_ok() {
            assert!(from(socket.local_addr().expect("bound").ip()));
        }
    }
}
