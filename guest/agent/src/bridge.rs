//! Connects the host to a port of this machine, also one that listens on loopback only: the request
//! is upgraded to a plain byte stream.

use crate::connect::refuse;
use axum::body::Body;
use axum::http::{header, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::net::TcpStream;

const PROTOCOL: &str = "wrenn-tcp";

/// Answers 101 and joins the two streams, or says why not.
pub async fn open(port: u16, request: Request<Body>) -> Response<Body> {
    let asked = request
        .headers()
        .get(header::UPGRADE)
        .is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(PROTOCOL.as_bytes()));
    if !asked {
        return refuse(
            StatusCode::UPGRADE_REQUIRED,
            "ask for an upgrade to wrenn-tcp",
        );
    }
    if port == crate::PORT || port == 0 {
        return refuse(StatusCode::FORBIDDEN, "this port is not for users");
    }
    let Some(mut service) = connect(port).await else {
        return refuse(StatusCode::BAD_GATEWAY, "nothing listens on this port");
    };
    tokio::spawn(async move {
        if let Ok(upgraded) = hyper::upgrade::on(request).await {
            // Whichever side breaks off, both are closed; there is nobody to tell.
            let _ = tokio::io::copy_bidirectional(&mut TokioIo::new(upgraded), &mut service).await;
        }
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(
        header::CONNECTION,
        header::HeaderValue::from_static("upgrade"),
    );
    headers.insert(header::UPGRADE, header::HeaderValue::from_static(PROTOCOL));
    response
}

async fn connect(port: u16) -> Option<TcpStream> {
    for address in [
        SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        SocketAddr::from((Ipv6Addr::LOCALHOST, port)),
    ] {
        if let Ok(stream) = TcpStream::connect(address).await {
            if stream.set_nodelay(true).is_ok() {
                return Some(stream);
            }
        }
    }
    None
}
