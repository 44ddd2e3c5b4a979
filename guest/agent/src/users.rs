//! Users and groups of the root disk, read from its files at each use: a static binary has no name
//! service, and a capsule may add users at any time.

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

/// Finds a user by name.
pub fn find(name: &str) -> Option<User> {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let group = std::fs::read_to_string("/etc/group").unwrap_or_default();
    match parse(&passwd, &group, name) {
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

/// Name of a user id, or the number if it has none.
pub fn user_name(uid: u32) -> String {
    name_in("/etc/passwd", uid)
}

/// Name of a group id, or the number if it has none.
pub fn group_name(gid: u32) -> String {
    name_in("/etc/group", gid)
}

fn name_in(file: &str, id: u32) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines()
        .find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            let number = fields.nth(1)?;
            (number.parse() == Ok(id)).then(|| name.to_owned())
        })
        .unwrap_or_else(|| id.to_string())
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
    use super::parse;

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
}
