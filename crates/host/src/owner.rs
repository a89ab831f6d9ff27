//! Users and groups by name, from `/etc/passwd` and `/etc/group` of the host's root.

use std::os::unix::fs::MetadataExt as _;

use barque_model::Owner;

use crate::context::HostContext;
use crate::error::HostError;

/// Names and numbers of a host's local users and groups.
///
/// The files are read directly: a static program has no name service switch, and all owners that barque writes are local.
#[derive(Debug, Clone, Default)]
pub(crate) struct Accounts {
    users: Vec<(String, u32)>,
    groups: Vec<(String, u32)>,
}

impl Accounts {
    pub(crate) fn read(context: &HostContext) -> Self {
        let table = |path: &str| fs_err::read_to_string(context.path(path)).map(|text| parse(&text)).unwrap_or_default();
        Self { users: table("/etc/passwd"), groups: table("/etc/group") }
    }

    pub(crate) fn has_user(&self, name: &str) -> bool {
        self.users.iter().any(|(user, _)| user == name)
    }

    pub(crate) fn has_group(&self, name: &str) -> bool {
        self.groups.iter().any(|(group, _)| group == name)
    }

    /// Numeric user and group of `owner`.
    pub(crate) fn ids(&self, owner: &Owner) -> Result<(u32, u32), HostError> {
        let missing = |kind: &str, name: &str| HostError::Refused {
            message: format!("the {kind} `{name}` does not exist"),
            hint: format!(
                "look with `getent {} {name}` on the host; `barque up` makes the users that components need",
                if kind == "user" { "passwd" } else { "group" }
            ),
        };
        let user = number(&self.users, &owner.user).ok_or_else(|| missing("user", &owner.user))?;
        let group = number(&self.groups, &owner.group).ok_or_else(|| missing("group", &owner.group))?;
        Ok((user, group))
    }

    /// The names of a file's owner; numbers where there is no name.
    pub(crate) fn owner(&self, metadata: &std::fs::Metadata) -> Owner {
        Owner { user: name(&self.users, metadata.uid()), group: name(&self.groups, metadata.gid()) }
    }
}

/// `name:password:number:…`, the first three fields of both files (passwd(5), group(5)).
fn parse(text: &str) -> Vec<(String, u32)> {
    let fields = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let number = fields.nth(1)?.parse().ok()?;
        Some((name.to_owned(), number))
    };
    text.lines().filter_map(fields).collect()
}

fn number(table: &[(String, u32)], name: &str) -> Option<u32> {
    let found = table.iter().find(|(known, _)| known == name).map(|(_, number)| *number);
    found.or_else(|| if name == "root" { Some(0) } else { name.parse().ok() })
}

fn name(table: &[(String, u32)], number: u32) -> String {
    let found = table.iter().find(|(_, known)| *known == number).map(|(name, _)| name.clone());
    found.unwrap_or_else(|| if number == 0 { "root".to_owned() } else { number.to_string() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_and_numbers() {
        let accounts = Accounts {
            users: parse("root:x:0:0:root:/root:/bin/sh\netcd:x:998:997::/:/x\n+\n"),
            groups: parse("root:x:0:\netcd:x:997:a,b\n"),
        };
        assert_eq!(accounts.ids(&Owner::of("etcd")).unwrap(), (998, 997));
        assert_eq!(accounts.ids(&Owner::root()).unwrap(), (0, 0));
        assert!(accounts.ids(&Owner::of("haproxy")).is_err());
        assert!(accounts.has_user("etcd") && !accounts.has_group("sshd"));
    }
}
