//! Brings resources back to what they were.

use std::io;

use barque_event::Failure;
use barque_model::RunId;
use barque_plan::{Observed, Prior, Resource};

use crate::context::HostContext;
use crate::error::HostError;
use crate::owner::Accounts;
use crate::{hosts_restore, image, package_remove, path_restore, resource, sysctl, unit_restore, user};

/// Brings `resource` back to `prior`. Answers with notes: what a person should know although it is no failure. Doing it twice is doing it
/// once.
///
/// What was there before barque is never removed, and what cannot be brought back ([`Prior::Other`]) is left as it is. A restored file is
/// what it was byte for byte, so that no run's identifier is written into it.
pub async fn restore(context: &HostContext, resource: &Resource, prior: &Prior, _run: &RunId) -> Result<Vec<String>, Failure> {
    let restored = match (resource, prior) {
        (_, Prior::Other { what }) => Ok(vec![format!("{} stays as it is: {what} was there before", resource.id())]),
        (Resource::Unit(wanted), _) => unit_restore::restore(context, wanted, prior).await,
        (Resource::User(wanted), Prior::Absent) => user::remove(context, wanted).await,
        // A run that took it away is taken back; one that stayed is left as it is.
        (Resource::User(wanted), _) => user::apply(context, wanted).await.map(|()| Vec::new()),
        (Resource::Package(wanted), _) => package_remove::remove(context, wanted, prior).await,
        (Resource::Image(wanted), Prior::Absent) => image::remove(context, wanted).await,
        (Resource::Image(wanted), _) => {
            Ok(vec![format!("the image {} stays: one of its name was there before, and its content is not kept", wanted.reference)])
        }
        (Resource::Sysctl(wanted), _) => sysctl::restore(context, wanted, prior),
        (Resource::File(_) | Resource::Binary(_) | Resource::Directory(_) | Resource::HostsLine(_), _) => {
            let (resource, prior) = (resource.clone(), prior.clone());
            blocking(context, move |context| match &resource {
                Resource::HostsLine(line) => hosts_restore::restore(context, line, &prior),
                Resource::Directory(directory) => path_restore::directory(context, &directory.path, &prior),
                Resource::File(barque_plan::File { path, .. }) | Resource::Binary(barque_plan::Binary { path, .. }) => {
                    path_restore::entry(context, path, &prior).map(|()| Vec::new())
                }
                _ => Ok(Vec::new()),
            })
            .await
        }
    };
    restored.map_err(Failure::from)
}

/// Says why `resource` is not as `prior` says, or nothing when it is, or is as near to it as it can be brought.
pub async fn restored(context: &HostContext, resource: &Resource, prior: &Prior) -> Result<Option<String>, HostError> {
    let remains = |remains: bool, what: &str| Ok(remains.then(|| what.to_owned()));
    match (resource, prior) {
        // What cannot be brought back is said before the rollback begins.
        (_, Prior::Other { .. }) | (Resource::Image(_), Prior::Image { .. }) => Ok(None),
        (Resource::Unit(_), _) => Ok(unit_restore::differs(&resource::observe(context, resource).await?, prior)),
        (Resource::User(wanted), Prior::User) => {
            remains(user::observe(&Accounts::read(context), wanted) != Observed::User, "the user or its group is not there")
        }
        (Resource::User(wanted), _) => Ok(user::remains(context, wanted)),
        (Resource::Package(wanted), _) => package_remove::remaining(context, wanted, prior).await,
        (Resource::Image(_), _) => remains(resource::observe(context, resource).await? != Observed::Absent, "the image is still there"),
        (Resource::Sysctl(wanted), _) => sysctl::differs(context, wanted, prior),
        (Resource::File(_) | Resource::Binary(_) | Resource::Directory(_) | Resource::HostsLine(_), _) => {
            let (resource, prior) = (resource.clone(), prior.clone());
            blocking(context, move |context| match &resource {
                Resource::HostsLine(line) => hosts_restore::differs(context, line, &prior),
                Resource::Directory(directory) => path_restore::directory_differs(context, &directory.path, &prior),
                Resource::File(barque_plan::File { path, .. }) | Resource::Binary(barque_plan::Binary { path, .. }) => {
                    path_restore::entry_differs(context, path, &prior)
                }
                _ => Ok(None),
            })
            .await
        }
    }
}

async fn blocking<T: Send + 'static>(
    context: &HostContext,
    work: impl FnOnce(&HostContext) -> Result<T, HostError> + Send + 'static,
) -> Result<T, HostError> {
    let context = context.clone();
    tokio::task::spawn_blocking(move || work(&context)).await.map_err(io::Error::other)?
}
