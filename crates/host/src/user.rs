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

/// Removes the user and its group; both may be gone.
pub(crate) async fn remove(context: &HostContext, wanted: &User) -> Result<Vec<String>, HostError> {
    let _guard = context.user_lock().lock().await;
    let name = wanted.name.as_str();
    if Accounts::read(context).has_user(name) {
        Command::new("userdel", [name]).run().await?;
    }
    // userdel takes the group of the same name along where login.defs says so.
    if Accounts::read(context).has_group(name) {
        Command::new("groupdel", [name]).run().await?;
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
