//! How Ansible reaches a host, as barque says it.

use std::collections::BTreeMap;

use barque_model::Sudo;

use super::groups::Variable;
use super::sources::Sources;
use super::value;
use crate::outline::{OutlineJump, OutlineSsh};

/// Variables of a host by name.
pub(super) type Effective<'tree> = BTreeMap<&'tree str, &'tree Variable>;

/// The first of `names` that has a value.
pub(super) fn first<'tree>(variables: &Effective<'tree>, names: &[&'static str]) -> Option<(&'static str, &'tree Variable)> {
    names.iter().find_map(|name| variables.get(name).map(|variable| (*name, *variable)))
}

/// Address and name of the host to connect to.
pub(super) const HOST: [&str; 2] = ["ansible_host", "ansible_ssh_host"];

const USER: [&str; 2] = ["ansible_user", "ansible_ssh_user"];
const PORT: [&str; 2] = ["ansible_port", "ansible_ssh_port"];
const KEY: [&str; 2] = ["ansible_ssh_private_key_file", "ansible_private_key_file"];
const SUDO_PASSWORD: [&str; 3] = ["ansible_become_password", "ansible_become_pass", "ansible_sudo_pass"];

/// User, port, key and sudo of a host.
pub(super) fn ssh(variables: &Effective<'_>, sources: &mut Sources) -> OutlineSsh {
    let mut text = |names: &[&'static str]| {
        let (name, variable) = first(variables, names)?;
        value::needed(name, variable, sources).map(str::to_owned)
    };
    let (user, key) = (text(&USER), text(&KEY));
    let port = first(variables, &PORT).and_then(|(name, variable)| value::number(name, variable, sources));
    let is_root = user.as_deref().is_none_or(|user| user == "root");
    let sudo = (!is_root && first(variables, &SUDO_PASSWORD).is_some()).then_some(Sudo::Password);
    OutlineSsh { address: None, user, port, key, jump: None, sudo }
}

/// A host of the group `bastion`.
pub(super) fn jump(name: &str, variables: &Effective<'_>, sources: &mut Sources) -> OutlineJump {
    let address = first(variables, &HOST).and_then(|(variable_name, variable)| value::needed(variable_name, variable, sources));
    let address = address.unwrap_or(name).to_owned();
    let OutlineSsh { user, port, key, .. } = ssh(variables, sources);
    OutlineJump { address, user, port, key }
}
