//! System users.

use barque_plan::{Observed, User};

use crate::command::Command;
use crate::context::HostContext;
use crate::error::HostError;
use crate::owner::Accounts;

/// Where distributions keep the program that refuses logins.
const NOLOGIN: [&str; 2] = ["/usr/sbin/nologin", "/sbin/nologin"];

/// Observes the user and its group.
pub(crate) fn observe(accounts: &Accounts, wanted: &User) -> Observed {
    if accounts.has_user(&wanted.name) && accounts.has_group(&wanted.name) { Observed::User } else { Observed::Absent }
}

/// What of a user is there although its group is not, or of a group although its user is not: then it is not barque's alone.
pub(crate) fn half(accounts: &Accounts, wanted: &User) -> Option<&'static str> {
    match (accounts.has_user(&wanted.name), accounts.has_group(&wanted.name)) {
        (true, false) => Some("a user without a group of its name"),
        (false, true) => Some("a group without a user of its name"),
        _ => None,
    }
}

/// Says what of user and group is still there.
pub(crate) fn remains(context: &HostContext, wanted: &User) -> Option<String> {
    let accounts = Accounts::read(context);
    match (accounts.has_user(&wanted.name), accounts.has_group(&wanted.name)) {
        (true, _) => Some("the user is still there".to_owned()),
        (false, true) => Some("the group is still there".to_owned()),
        (false, false) => None,
    }
}

/// Removes the user and its group, which barque had made; both may be gone.
pub(crate) async fn remove(context: &HostContext, wanted: &User) -> Result<Vec<String>, HostError> {
    let _guard = context.user_lock().lock().await;
    let name = wanted.name.as_str();
    if Accounts::read(context).has_user(name) {
        Command::new("userdel", ["--", name]).run().await?;
    }
    // userdel takes the group of the same name along where login.defs says so.
    if Accounts::read(context).has_group(name) {
        Command::new("groupdel", ["--", name]).run().await?;
    }
    Ok(Vec::new())
}

/// Adds what is missing of user and group.
pub(crate) async fn apply(context: &HostContext, wanted: &User) -> Result<(), HostError> {
    let _guard = context.user_lock().lock().await;
    let accounts = Accounts::read(context);
    let name = wanted.name.as_str();
    if !accounts.has_group(name) {
        Command::new("groupadd", ["--system", name]).run().await?;
    }
    if !accounts.has_user(name) {
        let shell = NOLOGIN.into_iter().find(|shell| context.path(shell).exists()).unwrap_or("/bin/false");
        let options = ["--system", "--gid", name, "--no-create-home", "--home-dir", wanted.home.as_str(), "--shell", shell, name];
        Command::new("useradd", options).run().await?;
    }
    Ok(())
}
