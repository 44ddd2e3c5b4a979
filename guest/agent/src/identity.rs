//! Who this capsule is: set by the host after every boot and resume, before user code can notice.

use crate::auth::Token;
use base64::prelude::{Engine, BASE64_STANDARD};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, UNIX_EPOCH};

const CLOCK_TOLERANCE: Duration = Duration::from_millis(1);
const ENTROPY_LIMIT_BYTES: usize = 512;

// Linux include/uapi/linux/random.h
const RNDADDENTROPY: libc::c_ulong = 0x4008_5203;
const RNDRESEEDCRNG: libc::c_ulong = 0x5207;

/// What the last `/init` said.
#[derive(Clone, Default)]
struct Facts {
    variables: BTreeMap<String, String>,
    default_user: Option<String>,
    default_directory: Option<String>,
}

/// The capsule's identity; thread-safe.
#[derive(Default)]
pub struct Identity {
    facts: RwLock<Facts>,
    /// What callers must show.
    pub token: Token,
}

/// An `/init` that cannot be carried out.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// It makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The kernel refused.
    #[error("{0}: {1}")]
    Refused(&'static str, io::Error),
}

impl Identity {
    /// Variables every process gets.
    pub fn variables(&self) -> BTreeMap<String, String> {
        self.read().variables
    }

    /// Who runs what names no user.
    pub fn default_user(&self) -> String {
        self.read()
            .default_user
            .unwrap_or_else(|| "root".to_owned())
    }

    /// Where processes start that name no directory.
    pub fn default_directory(&self) -> Option<String> {
        self.read().default_directory
    }

    /// Takes time, entropy, identity and environment; the old environment is replaced, so that a
    /// capsule made from a snapshot does not inherit its maker's.
    ///
    /// `own_machine` is false when the agent runs by hand: it must not set the clock of a machine
    /// that is not its own.
    pub fn init(&self, message: &Value, own_machine: bool) -> Result<(), InitError> {
        let field = |name: &str| message.get(name).and_then(Value::as_str);
        if own_machine {
            if let Some(time) = field("timestamp") {
                set_clock(time)?;
            }
            if let Some(entropy) = field("entropy") {
                reseed(entropy)?;
            }
        }
        let mut variables = BTreeMap::new();
        variables.insert("WRENN_SANDBOX".to_owned(), "true".to_owned());
        for (name, variable) in [
            ("capsuleId", "WRENN_SANDBOX_ID"),
            ("templateId", "WRENN_TEMPLATE_ID"),
        ] {
            if let Some(value) = field(name) {
                variables.insert(variable.to_owned(), value.to_owned());
            }
        }
        if let Some(given) = message.get("envVars").and_then(Value::as_object) {
            for (name, value) in given {
                let value = value.as_str().ok_or_else(|| {
                    InitError::Invalid(format!("variable {name} has a value that is no text"))
                })?;
                variables.insert(name.clone(), value.to_owned());
            }
        }
        // A resume mostly finds its own marks; writing them would fault in more memory.
        if own_machine && marks(&variables) != marks(&self.variables()) {
            write_marks(&variables)?;
        }
        *self.facts.write().unwrap_or_else(PoisonError::into_inner) = Facts {
            variables,
            default_user: field("defaultUser").map(str::to_owned),
            default_directory: field("defaultWorkdir").map(str::to_owned),
        };
        if let Some(token) = field("accessToken") {
            self.token.set(token);
        }
        Ok(())
    }

    fn read(&self) -> Facts {
        self.facts
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// What the files say that tell programs where they are.
fn marks(variables: &BTreeMap<String, String>) -> [(&'static str, &str); 3] {
    ["WRENN_SANDBOX", "WRENN_SANDBOX_ID", "WRENN_TEMPLATE_ID"]
        .map(|name| (name, variables.get(name).map_or("", String::as_str)))
}

fn write_marks(variables: &BTreeMap<String, String>) -> Result<(), InitError> {
    for (name, value) in marks(variables) {
        std::fs::write(format!("/run/wrenn/.{name}"), value)
            .map_err(|e| InitError::Refused("writing the marks in /run/wrenn", e))?;
    }
    Ok(())
}

/// Sets the clock unless it is right already (`clock_settime(2)`).
fn set_clock(time: &str) -> Result<(), InitError> {
    let wanted = humantime::parse_rfc3339(time)
        .map_err(|e| InitError::Invalid(format!("timestamp {time}: {e}")))?;
    let now = std::time::SystemTime::now();
    let off = wanted
        .duration_since(now)
        .unwrap_or_else(|_| now.duration_since(wanted).unwrap_or_default());
    if off <= CLOCK_TOLERANCE {
        return Ok(());
    }
    let since = wanted
        .duration_since(UNIX_EPOCH)
        .map_err(|_| InitError::Invalid(format!("timestamp {time} is before 1970")))?;
    let spec = libc::timespec {
        tv_sec: since.as_secs().cast_signed(),
        tv_nsec: i64::from(since.subsec_nanos()),
    };
    // SAFETY: the struct is initialised.
    if unsafe { libc::clock_settime(libc::CLOCK_REALTIME, &raw const spec) } != 0 {
        return Err(InitError::Refused(
            "clock_settime",
            io::Error::last_os_error(),
        ));
    }
    Ok(())
}

#[repr(C)]
struct RandPoolInfo {
    entropy_count: libc::c_int,
    buf_size: libc::c_int,
    buf: [u8; ENTROPY_LIMIT_BYTES],
}

/// Feeds the kernel's generator and makes it start anew (random(4)): two guests restored from one
/// snapshot would otherwise draw the same numbers.
fn reseed(base64: &str) -> Result<(), InitError> {
    use std::os::fd::AsRawFd;
    let bytes = BASE64_STANDARD
        .decode(base64)
        .map_err(|e| InitError::Invalid(format!("entropy is not base64: {e}")))?;
    if bytes.len() > ENTROPY_LIMIT_BYTES {
        return Err(InitError::Invalid(format!(
            "entropy has {} bytes, at most {ENTROPY_LIMIT_BYTES} are taken",
            bytes.len()
        )));
    }
    let mut pool = RandPoolInfo {
        entropy_count: libc::c_int::try_from(bytes.len() * 8).unwrap_or(0),
        buf_size: libc::c_int::try_from(bytes.len()).unwrap_or(0),
        buf: [0; ENTROPY_LIMIT_BYTES],
    };
    pool.buf[..bytes.len()].copy_from_slice(&bytes);
    let random = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/urandom")
        .map_err(|e| InitError::Refused("opening /dev/urandom", e))?;
    // SAFETY: the struct has the layout of struct rand_pool_info and buf_size lies within it; the
    // second request takes no argument.
    let (added, reseeded) = unsafe {
        (
            libc::ioctl(random.as_raw_fd(), RNDADDENTROPY, &raw const pool),
            libc::ioctl(random.as_raw_fd(), RNDRESEEDCRNG, 0),
        )
    };
    if added != 0 || reseeded != 0 {
        return Err(InitError::Refused("reseeding", io::Error::last_os_error()));
    }
    Ok(())
}
