//! Messages of Jupyter's protocol as clients see them: JSON texts with a header each.

use axum::extract::ws::Utf8Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::fmt::Write;
use std::time::SystemTime;

/// Said in each header.
const VERSION: &str = "5.3";

/// What a client sends.
#[derive(Deserialize)]
pub struct Request {
    /// `shell`, `control` or `stdin`.
    #[serde(default)]
    channel: Option<String>,
    /// The whole header, which becomes the parent of what it leads to.
    header: Box<RawValue>,
    /// What is to be done.
    content: Box<RawValue>,
    /// For widgets.
    #[serde(default)]
    metadata: Option<Box<RawValue>>,
}

/// The parts of a header that matter here.
#[derive(Deserialize)]
struct Header {
    msg_type: String,
    #[serde(default)]
    session: String,
}

/// The parts of an execution's content that matter here.
#[derive(Deserialize)]
struct Execution {
    #[serde(default = "yes")]
    stop_on_error: bool,
}

fn yes() -> bool {
    true
}

/// A request that was read, with what is asked of it again and again.
pub struct Asked {
    /// The connection that it came from.
    pub client: u64,
    /// `execute_request` and the like.
    pub kind: String,
    /// Whose it is; connections may share one.
    pub session: String,
    /// Where its reply goes.
    pub channel: String,
    /// Becomes `parent_header`.
    pub header: Box<RawValue>,
    content: Box<RawValue>,
    metadata: Option<Box<RawValue>>,
}

impl Asked {
    /// Reads a message.
    pub fn parse(client: u64, text: &str) -> Result<Self, serde_json::Error> {
        let request: Request = serde_json::from_str(text)?;
        let header: Header = serde_json::from_str(request.header.get())?;
        Ok(Self {
            client,
            kind: header.msg_type,
            session: header.session,
            channel: request.channel.unwrap_or_else(|| "shell".to_owned()),
            header: request.header,
            content: request.content,
            metadata: request.metadata,
        })
    }

    /// The type of its reply; messages of widgets have none.
    pub fn reply_kind(&self) -> Option<String> {
        let name = self.kind.strip_suffix("_request")?;
        Some(format!("{name}_reply"))
    }

    /// Whether an error ends what the same session asked for after it.
    pub fn stops_on_error(&self) -> bool {
        self.kind == "execute_request"
            && serde_json::from_str::<Execution>(self.content.get()).is_ok_and(|e| e.stop_on_error)
    }

    /// Whether a shutdown is to be followed by a start.
    pub fn wants_restart(&self) -> bool {
        #[derive(Deserialize)]
        struct Shutdown {
            #[serde(default)]
            restart: bool,
        }
        serde_json::from_str::<Shutdown>(self.content.get()).is_ok_and(|s| s.restart)
    }

    /// The same for the kernel: one line.
    pub fn to_kernel(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Line<'a> {
            r#type: &'a str,
            content: serde_json::Value,
            #[serde(skip_serializing_if = "Option::is_none")]
            metadata: Option<&'a serde_json::Value>,
        }
        // Parsed again, because a client's own JSON may have line breaks between its parts.
        let parsed = |raw: &RawValue| serde_json::from_str::<serde_json::Value>(raw.get());
        let metadata = self.metadata.as_deref().and_then(|m| parsed(m).ok());
        let line = Line {
            r#type: &self.kind,
            content: parsed(&self.content).unwrap_or_default(),
            metadata: metadata.as_ref(),
        };
        let mut bytes = serde_json::to_vec(&line).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }
}

/// What a kernel says.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct Said {
    /// It is there; the content is the reply to a `kernel_info_request`.
    #[serde(default)]
    pub ready: Option<String>,
    /// To all who listen: the type.
    #[serde(default)]
    pub publish: Option<String>,
    /// Whether it waits until that was taken, so that what it prints next comes after it.
    #[serde(default)]
    pub waits: bool,
    /// What was asked is done.
    #[serde(default)]
    pub reply: Option<String>,
    /// From now on an interruption ends what was asked. A cell that is shown to all begins with that.
    #[serde(default)]
    pub began: Option<String>,
    /// It ends because a cell asked it to.
    #[serde(default)]
    pub ending: Option<String>,
    /// Of the message.
    pub content: Box<RawValue>,
    /// Of the message.
    #[serde(default)]
    pub metadata: Option<Box<RawValue>>,
}

/// Writes a kernel's messages.
pub struct Writer {
    session: String,
    count: u64,
}

impl Writer {
    /// A name for the kernel's life, in each of its headers.
    pub fn new(session: String) -> Self {
        Self { session, count: 0 }
    }

    /// A message as a client gets it. Parent and content are JSON, the metadata too.
    pub fn message(
        &mut self,
        channel: &str,
        kind: &str,
        parent: &str,
        content: &str,
        metadata: &str,
    ) -> Utf8Bytes {
        self.count += 1;
        let id = format!("{}_{}", self.session, self.count);
        let date = humantime::format_rfc3339_micros(SystemTime::now());
        let mut text = String::with_capacity(content.len() + parent.len() + 512);
        // Kinds and channels are words of ours or a kernel's own, never a client's text.
        let (kind, channel) = (quote(kind), quote(channel));
        let session = &self.session;
        // Writing into a string cannot fail.
        let _ = write!(
            text,
            r#"{{"channel":{channel},"header":{{"msg_id":"{id}","msg_type":{kind},"username":"kernel","session":"{session}","date":"{date}","version":"{VERSION}"}},"msg_id":"{id}","msg_type":{kind},"parent_header":{parent},"metadata":{metadata},"content":{content},"buffers":[]}}"#
        );
        text.into()
    }
}

/// A text as JSON.
pub fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::{Asked, Writer};
    use serde_json::{json, Value};

    #[test]
    fn a_request_is_one_line_for_the_kernel_whatever_its_layout() {
        let text = "{\"channel\":\"shell\",\n\"header\":{\"msg_id\":\"1\",\n \"msg_type\":\"execute_request\"},\
                    \"content\":{\n\"code\":\"a\\nb\"\n}}";
        let asked = Asked::parse(7, text).expect("valid");
        assert_eq!(asked.reply_kind().as_deref(), Some("execute_reply"));
        assert!(asked.stops_on_error());
        let line = asked.to_kernel();
        assert_eq!(line.iter().filter(|b| **b == b'\n').count(), 1);
        let parsed: Value = serde_json::from_slice(&line).expect("valid");
        assert_eq!(
            parsed,
            json!({"type": "execute_request", "content": {"code": "a\nb"}})
        );
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"header":{},"content":{}}"#,
            r#"{"header":{"msg_type":"x"}}"#,
        ] {
            assert!(Asked::parse(1, text).is_err(), "{text}");
        }
    }

    #[test]
    fn messages_carry_the_header_of_what_they_answer() {
        let mut writer = Writer::new("s".to_owned());
        let text = writer.message(
            "iopub",
            "stream",
            r#"{"msg_id":"1"}"#,
            r#"{"text":"x"}"#,
            "{}",
        );
        let message: Value = serde_json::from_str(&text).expect("valid");
        assert_eq!(message["parent_header"]["msg_id"], "1");
        assert_eq!(message["msg_type"], "stream");
        assert_eq!(message["header"]["msg_type"], "stream");
        assert_eq!(message["content"]["text"], "x");
        assert_ne!(writer.message("iopub", "stream", "{}", "{}", "{}"), text);
    }
}
