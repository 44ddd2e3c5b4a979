//! The routes, with Jupyter's names and shapes.

use super::actor::Command;
use super::channels;
use super::registry::{Gone, Kernel, Registry, Session, SPECIFICATIONS};
use crate::random;
use axum::body::Bytes;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Path, Request, State};
use axum::http::{header, HeaderValue, Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{json, Value};
use std::sync::Arc;

/// A cell, or what a client makes of it, may be so large.
const MOST_BYTES: usize = 64 << 20;

type Shared = State<Arc<Registry>>;

/// An answer that is no success, with the message.
struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"message": self.1, "reason": null}))).into_response()
    }
}

impl From<Gone> for Refusal {
    fn from(_: Gone) -> Self {
        Self(StatusCode::NOT_FOUND, "the kernel was shut down".to_owned())
    }
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        let why = format!("a kernel cannot be started: {error}");
        Self(StatusCode::INTERNAL_SERVER_ERROR, why)
    }
}

type Answer = Result<Response, Refusal>;

/// All of them.
pub fn routes(registry: Arc<Registry>) -> Router {
    let missing = || async {
        let why =
            "there is no such route; this server has kernels, kernelspecs and sessions below /api";
        Refusal(StatusCode::NOT_FOUND, why.to_owned())
    };
    let other = || async {
        let why = "this route takes other methods";
        Refusal(StatusCode::METHOD_NOT_ALLOWED, why.to_owned())
    };
    Router::new()
        .route(
            "/api",
            get(|| async { Json(json!({"version": env!("CARGO_PKG_VERSION")})) }),
        )
        .route("/api/status", get(status))
        .route("/api/kernelspecs", get(specifications))
        .route("/api/kernelspecs/{name}", get(specification))
        .route("/api/kernels", get(kernels).post(start))
        .route("/api/kernels/{id}", get(kernel).delete(end))
        .route("/api/kernels/{id}/interrupt", post(interrupt))
        .route("/api/kernels/{id}/restart", post(restart))
        .route("/api/kernels/{id}/channels", get(open))
        .route("/api/sessions", get(sessions).post(start_session))
        .route(
            "/api/sessions/{id}",
            get(session).patch(change_session).delete(end_session),
        )
        .fallback(missing)
        .method_not_allowed_fallback(other)
        .layer(axum::extract::DefaultBodyLimit::max(MOST_BYTES))
        .layer(middleware::from_fn(cross_origin))
        .with_state(registry)
}

/// The capsule's name is the right to enter, unless its ports are private: so any page may.
async fn cross_origin(request: Request, next: Next) -> Response {
    let mut response = if request.method() == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else {
        next.run(request).await
    };
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "*"),
        (
            header::ACCESS_CONTROL_ALLOW_METHODS,
            "GET, POST, PATCH, DELETE, OPTIONS",
        ),
    ] {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}

fn time(at: std::time::SystemTime) -> String {
    humantime::format_rfc3339_micros(at).to_string()
}

fn describe(kernel: &Kernel) -> Value {
    let state = kernel.state();
    json!({
        "id": kernel.id,
        "name": kernel.name,
        "last_activity": time(state.last_activity),
        "execution_state": state.execution,
        "connections": state.connections,
    })
}

fn find(registry: &Registry, id: &str) -> Result<Arc<Kernel>, Refusal> {
    let missing = || {
        Refusal(
            StatusCode::NOT_FOUND,
            format!("Kernel does not exist: {id}"),
        )
    };
    registry.kernel(id).ok_or_else(missing)
}

/// The body, or nothing at all.
fn read<T: for<'a> Deserialize<'a> + Default>(body: &[u8]) -> Result<T, Refusal> {
    if body.is_empty() {
        return Ok(T::default());
    }
    let wrong = |error| {
        Refusal(
            StatusCode::BAD_REQUEST,
            format!("the body cannot be read: {error}"),
        )
    };
    serde_json::from_slice(body).map_err(wrong)
}

#[derive(Default, Deserialize)]
struct KernelOrder {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    name: Option<String>,
}

fn name_of(order: &KernelOrder) -> Result<&str, Refusal> {
    let name = order.name.as_deref().filter(|name| !name.is_empty());
    let name = name.unwrap_or(SPECIFICATIONS[0]);
    if SPECIFICATIONS.contains(&name) {
        return Ok(name);
    }
    let known = SPECIFICATIONS.join(" and ");
    let why = format!("there is no kernel specification {name}, only {known}");
    Err(Refusal(StatusCode::NOT_FOUND, why))
}

async fn status(State(registry): Shared) -> Json<Value> {
    let states: Vec<_> = registry
        .kernels()
        .iter()
        .map(|kernel| kernel.state())
        .collect();
    let last = states.iter().map(|state| state.last_activity).max();
    Json(json!({
        "started": time(registry.started),
        "last_activity": time(last.unwrap_or(registry.started)),
        "connections": states.iter().map(|state| state.connections).sum::<usize>(),
        "kernels": states.len(),
    }))
}

fn specify(name: &str) -> Value {
    json!({
        "name": name,
        "spec": {
            "argv": [],
            "env": {},
            "display_name": "Python 3",
            "language": "python",
            "interrupt_mode": "signal",
            "metadata": {},
        },
        "resources": {},
    })
}

async fn specifications() -> Json<Value> {
    let all: serde_json::Map<_, _> = SPECIFICATIONS
        .iter()
        .map(|name| ((*name).to_owned(), specify(name)))
        .collect();
    Json(json!({"default": SPECIFICATIONS[0], "kernelspecs": all}))
}

async fn specification(Path(name): Path<String>) -> Answer {
    let order = KernelOrder {
        id: None,
        name: Some(name),
    };
    Ok(Json(specify(name_of(&order)?)).into_response())
}

async fn kernels(State(registry): Shared) -> Json<Value> {
    Json(
        registry
            .kernels()
            .iter()
            .map(|kernel| describe(kernel))
            .collect(),
    )
}

async fn start(State(registry): Shared, body: Bytes) -> Answer {
    let order: KernelOrder = read(&body)?;
    let kernel = registry.start(name_of(&order)?)?;
    let location = [(header::LOCATION, format!("/api/kernels/{}", kernel.id))];
    Ok((StatusCode::CREATED, location, Json(describe(&kernel))).into_response())
}

async fn kernel(State(registry): Shared, Path(id): Path<String>) -> Answer {
    Ok(Json(describe(&*find(&registry, &id)?)).into_response())
}

async fn end(State(registry): Shared, Path(id): Path<String>) -> Answer {
    find(&registry, &id)?.wait_for(Command::End).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn interrupt(State(registry): Shared, Path(id): Path<String>) -> Answer {
    find(&registry, &id)?.wait_for(Command::Interrupt).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn restart(State(registry): Shared, Path(id): Path<String>) -> Answer {
    let kernel = find(&registry, &id)?;
    kernel.wait_for(Command::Restart).await?;
    Ok(Json(describe(&kernel)).into_response())
}

async fn open(
    State(registry): Shared,
    Path(id): Path<String>,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Answer {
    let kernel = find(&registry, &id)?;
    let refused = |error: axum::extract::ws::rejection::WebSocketUpgradeRejection| {
        Refusal(StatusCode::BAD_REQUEST, error.body_text())
    };
    let upgrade = upgrade.map_err(refused)?;
    let client = registry.client();
    Ok(upgrade
        .max_message_size(MOST_BYTES)
        .max_frame_size(MOST_BYTES)
        .on_upgrade(move |socket| channels::join(socket, client, kernel)))
}

#[derive(Default, Deserialize)]
struct SessionOrder {
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    kernel: Option<KernelOrder>,
}

fn describe_session(session: &Session) -> Value {
    json!({
        "id": session.id,
        "path": session.path,
        "name": session.name,
        "type": session.kind,
        "kernel": describe(&session.kernel),
        "notebook": {"path": session.path, "name": session.name},
    })
}

/// A kernel that is named by its id, or a new one.
fn kernel_for(registry: &Registry, order: &KernelOrder) -> Result<Arc<Kernel>, Refusal> {
    match order.id.as_deref() {
        Some(id) => find(registry, id),
        None => Ok(registry.start(name_of(order)?)?),
    }
}

async fn sessions(State(registry): Shared) -> Json<Value> {
    Json(registry.sessions().iter().map(describe_session).collect())
}

async fn start_session(State(registry): Shared, body: Bytes) -> Answer {
    let order: SessionOrder = read(&body)?;
    let path = order.path.unwrap_or_default();
    let known = registry.sessions().iter().find(|s| s.path == path).cloned();
    let session = match known {
        Some(session) => session, // as Jupyter does: one for each path
        None => {
            let session = Session {
                id: random::uuid()?,
                path,
                name: order.name.unwrap_or_default(),
                kind: order.kind.unwrap_or_else(|| "notebook".to_owned()),
                kernel: kernel_for(&registry, &order.kernel.unwrap_or_default())?,
            };
            registry.sessions().push(session.clone());
            session
        }
    };
    Ok((StatusCode::CREATED, Json(describe_session(&session))).into_response())
}

fn find_session(registry: &Registry, id: &str) -> Result<Session, Refusal> {
    let missing = || Refusal(StatusCode::NOT_FOUND, format!("Session not found: {id}"));
    registry
        .sessions()
        .iter()
        .find(|s| s.id == id)
        .cloned()
        .ok_or_else(missing)
}

async fn session(State(registry): Shared, Path(id): Path<String>) -> Answer {
    Ok(Json(describe_session(&find_session(&registry, &id)?)).into_response())
}

async fn change_session(State(registry): Shared, Path(id): Path<String>, body: Bytes) -> Answer {
    let order: SessionOrder = read(&body)?;
    let mut session = find_session(&registry, &id)?;
    if let Some(wanted) = order.kernel {
        session.kernel = kernel_for(&registry, &wanted)?;
    }
    session.path = order.path.unwrap_or(session.path);
    session.name = order.name.unwrap_or(session.name);
    session.kind = order.kind.unwrap_or(session.kind);
    for each in registry.sessions().iter_mut().filter(|s| s.id == id) {
        each.clone_from(&session);
    }
    Ok(Json(describe_session(&session)).into_response())
}

async fn end_session(State(registry): Shared, Path(id): Path<String>) -> Answer {
    let session = find_session(&registry, &id)?;
    registry.sessions().retain(|s| s.id != id);
    session.kernel.wait_for(Command::End).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
