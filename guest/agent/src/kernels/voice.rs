//! What a kernel says to its clients: replies to one, everything else to all.

use super::clients::Clients;
use super::wire::{quote, Asked, Writer};

/// Content or metadata without anything in it, or no parent.
pub const NOTHING: &str = "{}";

/// Clients, and what each message to them needs.
pub struct Voice {
    /// Who listens.
    pub clients: Clients,
    writer: Writer,
    /// Header of what was asked last: what is printed in between belongs to it.
    parent: String,
}

impl Voice {
    /// `session` names the kernel's life, in each of its headers.
    pub fn new(session: String) -> Self {
        Self {
            clients: Clients::default(),
            writer: Writer::new(session),
            parent: NOTHING.to_owned(),
        }
    }

    /// From now on all belongs to that.
    pub fn turn_to(&mut self, asked: &Asked) {
        asked.header.get().clone_into(&mut self.parent);
    }

    /// To everybody.
    pub fn publish(&mut self, kind: &str, content: &str, metadata: &str) {
        let parent = std::mem::take(&mut self.parent);
        self.tell(&parent, kind, content, metadata);
        self.parent = parent;
    }

    /// Jupyter's word for what it does, to everybody.
    pub fn status(&mut self, word: &str) {
        self.publish("status", &state(word), NOTHING);
    }

    /// The reply to whoever asked; a message that has none is left without.
    pub fn reply(&mut self, asked: &Asked, content: &str) {
        let Some(kind) = asked.reply_kind() else {
            return;
        };
        let parent = asked.header.get();
        let message = self
            .writer
            .message(&asked.channel, &kind, parent, content, NOTHING);
        self.clients.answer(asked.client, message);
    }

    /// Answers what needs no kernel.
    pub fn answer(&mut self, asked: &Asked, content: &str) {
        let parent = asked.header.get();
        self.tell(parent, "status", &state("busy"), NOTHING);
        self.reply(asked, content);
        self.tell(parent, "status", &state("idle"), NOTHING);
    }

    /// Tells a client that what it asked for did not happen, in a way that each one understands.
    pub fn fail(&mut self, asked: &Asked, name: &str, why: &str) {
        let (name, why) = (quote(name), quote(why));
        let error = format!(r#""ename":{name},"evalue":{why},"traceback":[{why}]"#);
        let parent = asked.header.get();
        self.tell(parent, "status", &state("busy"), NOTHING);
        self.tell(parent, "error", &format!("{{{error}}}"), NOTHING);
        self.reply(asked, &format!(r#"{{"status":"error",{error}}}"#));
        self.tell(parent, "status", &state("idle"), NOTHING);
    }

    fn tell(&mut self, parent: &str, kind: &str, content: &str, metadata: &str) {
        let message = self
            .writer
            .message("iopub", kind, parent, content, metadata);
        self.clients.tell(&message);
    }
}

fn state(word: &str) -> String {
    format!(r#"{{"execution_state":"{word}"}}"#)
}
