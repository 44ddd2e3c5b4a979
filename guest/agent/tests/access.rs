//! Who may do what, and what `/init` changes.

#![allow(clippy::expect_used)] // a test ends where it fails

mod support;

use base64::prelude::{Engine, BASE64_STANDARD_NO_PAD};
use serde_json::json;
use sha2::{Digest, Sha256};
use support::Agent;

#[test]
fn without_a_token_everything_is_open() {
    let agent = Agent::start();
    let health = agent.get("/health");
    assert_eq!(
        (health.status, health.header("content-length")),
        (204, None)
    );
    let metrics = agent.get("/metrics").json();
    for name in [
        "ts",
        "cpu_count",
        "mem_total",
        "mem_used",
        "disk_total",
        "disk_used",
    ] {
        assert!(
            metrics[name].as_u64().is_some_and(|n| n > 0),
            "{name}: {metrics}"
        );
    }
    let mut missing = agent.get("/no/such/route");
    assert_eq!(
        (missing.status, missing.json()["code"].clone()),
        (404, json!(404))
    );
    assert_eq!(agent.get("/init").status, 405);
}

#[test]
fn a_token_closes_everything_but_health() {
    let mut agent = Agent::start();
    assert_eq!(
        agent.post("/init", &json!({"accessToken": "first"})).status,
        204
    );
    assert_eq!(agent.get("/health").status, 204);
    for target in ["/metrics", "/envs", "/files?path=/etc/passwd", "/nothing"] {
        let mut reply = agent.get(target);
        assert_eq!(
            (reply.status, reply.json()["code"].clone()),
            (401, json!(401)),
            "{target}"
        );
    }
    let unary = agent.post("/process.Process/List", &json!({}));
    assert_eq!(unary.status, 401);
    let other = json!({"accessToken": "second"});
    assert_eq!(agent.post("/init", &other).status, 401);
    let preflight = agent.send("OPTIONS", "/metrics", &[], b"");
    assert_eq!(preflight.header("access-control-allow-origin"), Some("*"));

    agent.token = Some("wrong".into());
    assert_eq!(agent.post("/init", &other).status, 401);
    agent.token = Some("first".into());
    assert_eq!(agent.get("/metrics").status, 200);
    assert_eq!(agent.post("/init", &other).status, 204);
    assert_eq!(agent.get("/metrics").status, 401);
    agent.token = Some("second".into());
    assert_eq!(agent.get("/metrics").status, 200);
}

#[test]
fn signed_links_open_the_file_they_name() {
    let mut agent = Agent::start();
    agent.post("/init", &json!({"accessToken": "t"}));
    let link = |operation: &str, expiration: &str| {
        let mut text = format!("/etc/passwd:{operation}::t");
        let mut query = String::from("/files?path=/etc/passwd");
        if !expiration.is_empty() {
            text += &format!(":{expiration}");
            query += &format!("&signature_expiration={expiration}");
        }
        let signature = BASE64_STANDARD_NO_PAD.encode(Sha256::digest(text));
        let escaped = signature.replace('+', "%2B").replace('/', "%2F");
        query + "&signature=v1_" + &escaped
    };
    let get = |target: &str| {
        let mut reply = agent.get(target);
        let message = reply.text();
        (reply.status, message)
    };
    assert_eq!(get(&link("read", "")).0, 200);
    assert_eq!(get(&link("read", "99999999999")).0, 200);
    for (target, message) in [
        (link("write", ""), "invalid signature"),
        (link("read", "1000"), "signature is already expired"),
        (
            "/files?path=/etc/passwd".into(),
            "missing signature query parameter",
        ),
    ] {
        let expected = json!({"code": 401, "message": message}).to_string();
        assert_eq!(get(&target), (401, expected));
    }
    agent.token = Some("t".into());
}

#[test]
fn the_environment_is_replaced_not_merged() {
    let agent = Agent::start();
    agent.post(
        "/init",
        &json!({"envVars": {"A": "1"}, "capsuleId": "cl-1"}),
    );
    assert_eq!(
        agent.get("/envs").json(),
        json!({"A": "1", "WRENN_SANDBOX": "true", "WRENN_SANDBOX_ID": "cl-1"})
    );
    agent.post("/init", &json!({"envVars": {"B": "2"}, "templateId": "tp"}));
    assert_eq!(
        agent.get("/envs").json(),
        json!({"B": "2", "WRENN_SANDBOX": "true", "WRENN_TEMPLATE_ID": "tp"})
    );
    assert_eq!(
        agent.post("/init", &json!({"envVars": {"B": 2}})).status,
        400
    );
    assert_eq!(agent.get("/envs").json()["B"], "2");
    assert_eq!(agent.send("POST", "/init", &[], b"{").status, 400);
}

#[test]
fn an_agent_that_is_no_init_never_shuts_its_machine_down() {
    let agent = Agent::start();
    assert_eq!(agent.send("POST", "/shutdown", &[], b"").status, 403);
    assert_eq!(agent.send("POST", "/quiesce", &[], b"").status, 204);
}
