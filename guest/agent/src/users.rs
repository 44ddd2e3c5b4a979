//! Users and groups of the root disk, read from its files at each use: a static binary has no name
//! service, and a capsule may add users at any time.

use std::collections::HashMap;
use std::path::PathBuf;

/// Somebody processes can run as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub name: String,
    /// Numeric id.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Home folder.
    pub home: PathBuf,
    /// Supplementary groups, the primary one included.
    pub groups: Vec<u32>,
}

impl User {
    /// Makes this process, which is root's, run as this user for good. To be called while the process
    /// has one thread; may be called between fork and exec.
    pub fn replace_root(&self) -> std::io::Result<()> {
        let check = |result: i32| match result {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        };
        // SAFETY: the calls take numbers, and a list together with its length.
        unsafe {
            check(libc::setgroups(self.groups.len(), self.groups.as_ptr()))?;
            check(libc::setgid(self.gid))?;
            check(libc::setuid(self.uid))
        }
    }
}

/// Whether this process is root's.
pub fn is_superuser() -> bool {
    // SAFETY: geteuid always succeeds.
    unsafe { libc::geteuid() == 0 }
}

/// Finds a user by name.
pub fn find(name: &str) -> Option<User> {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let group = std::fs::read_to_string("/etc/group").unwrap_or_default();
    match parse(&passwd, &group, name).or_else(|| by_number(&passwd, &group, name)) {
        // An image without a passwd file still has a superuser.
        None if name == "root" => Some(User {
            name: name.to_owned(),
            uid: 0,
            gid: 0,
            home: PathBuf::from("/root"),
            groups: vec![0],
        }),
        found => found,
    }
}

/// Somebody given as `uid` or `uid:gid`, as container images do it; needs no entry anywhere.
fn by_number(passwd: &str, group: &str, text: &str) -> Option<User> {
    let (uid, gid) = match text.split_once(':') {
        Some((uid, gid)) => (uid.parse().ok()?, Some(gid.parse().ok()?)),
        None => (text.parse::<u32>().ok()?, None),
    };
    let known = passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.len() >= 6 && fields[2].parse() == Ok(uid))
        .and_then(|fields| parse(passwd, group, fields[0]));
    let mut user = known.unwrap_or_else(|| User {
        name: uid.to_string(),
        uid,
        gid: 0,
        home: PathBuf::from("/"),
        groups: vec![0],
    });
    if let Some(gid) = gid {
        user.gid = gid;
        user.groups = vec![gid];
    }
    Some(user)
}

/// Names of all users and groups at one moment.
pub struct Names {
    users: HashMap<u32, String>,
    groups: HashMap<u32, String>,
}

impl Names {
    /// As they are now.
    pub fn read() -> Self {
        Self {
            users: names_in("/etc/passwd"),
            groups: names_in("/etc/group"),
        }
    }

    /// Name of a user, or the number if it has none.
    pub fn user(&self, uid: u32) -> String {
        self.users
            .get(&uid)
            .cloned()
            .unwrap_or_else(|| uid.to_string())
    }

    /// Name of a group, or the number if it has none.
    pub fn group(&self, gid: u32) -> String {
        self.groups
            .get(&gid)
            .cloned()
            .unwrap_or_else(|| gid.to_string())
    }
}

/// Names by number; of several for one number, the first counts (passwd(5)).
fn names_in(file: &str) -> HashMap<u32, String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let mut names = HashMap::new();
    for line in text.lines() {
        let mut fields = line.split(':');
        if let (Some(name), Some(number)) = (fields.next(), fields.nth(1)) {
            if let Ok(number) = number.parse() {
                names.entry(number).or_insert_with(|| name.to_owned());
            }
        }
    }
    names
}

fn parse(passwd: &str, group: &str, name: &str) -> Option<User> {
    let line: Vec<&str> = passwd
        .lines()
        .map(|l| l.split(':').collect::<Vec<_>>())
        .find(|fields| fields.len() >= 6 && fields[0] == name)?;
    let (uid, gid) = (line[2].parse().ok()?, line[3].parse().ok()?);
    let mut groups = vec![gid];
    for fields in group.lines().map(|l| l.split(':').collect::<Vec<_>>()) {
        if fields.len() >= 4 && fields[3].split(',').any(|member| member == name) {
            if let Ok(id) = fields[2].parse() {
                if !groups.contains(&id) {
                    groups.push(id);
                }
            }
        }
    }
    Some(User {
        name: name.to_owned(),
        uid,
        gid,
        home: PathBuf::from(line[5]),
        groups,
    })
}

#[cfg(test)]
mod tests {
    use super::{by_number, parse};

    #[test]
    fn supplementary_groups_are_found() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nann:x:1000:1000::/home/ann:/bin/sh\n";
        let group = "root:x:0:\nsudo:x:27:bob,ann\nann:x:1000:\nx:x:9:anna\n";
        let user = parse(passwd, group, "ann").expect("known");
        assert_eq!((user.uid, user.gid), (1000, 1000));
        assert_eq!(user.groups, vec![1000, 27]);
        assert_eq!(user.home.to_str(), Some("/home/ann"));
        assert!(parse(passwd, group, "bob").is_none());
    }

    #[test]
    fn a_number_is_a_user_whether_or_not_it_has_a_name() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nann:x:1000:1001::/home/ann:/bin/sh\n";
        let group = "sudo:x:27:ann\n";
        let ann = by_number(passwd, group, "1000").expect("a number");
        assert_eq!((ann.name.as_str(), ann.gid), ("ann", 1001));
        assert_eq!(ann.groups, vec![1001, 27]);
        let other = by_number(passwd, group, "1000:5").expect("two numbers");
        assert_eq!((other.uid, other.gid, other.groups), (1000, 5, vec![5]));
        let unknown = by_number(passwd, group, "65532").expect("a number");
        assert_eq!((unknown.uid, unknown.gid), (65532, 0));
        assert_eq!(unknown.home.to_str(), Some("/"));
        for wrong in ["ann", "", "1000:ann", "-1", "1:2:3", "4294967296"] {
            assert!(by_number(passwd, group, wrong).is_none(), "{wrong}");
        }
    }
}
