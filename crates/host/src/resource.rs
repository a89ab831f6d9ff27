//! Observes and applies resources of every kind.

use barque_event::Failure;
use barque_model::{RunId, SecretBytes};
use barque_plan::{Difference, Observed, Resource};

use crate::context::HostContext;
use crate::error::HostError;
use crate::owner::Accounts;
use crate::{binary, directory, file, hosts_line, image, package, sysctl, unit, user};

/// Observes one resource.
pub async fn observe(context: &HostContext, resource: &Resource) -> Result<Observed, HostError> {
    let observed = observe_all(context, std::slice::from_ref(resource)).await?;
    Ok(observed.into_iter().next().unwrap_or(Observed::Absent))
}

/// Observes many resources, in their order; one call each of systemctl, dpkg-query and ctr serves them all.
pub async fn observe_all(context: &HostContext, resources: &[Resource]) -> Result<Vec<Observed>, HostError> {
    let units: Vec<_> =
        resources.iter().filter_map(|resource| if let Resource::Unit(unit) = resource { Some(unit) } else { None }).collect();
    let packages: Vec<_> =
        resources.iter().filter_map(|resource| if let Resource::Package(package) = resource { Some(package) } else { None }).collect();
    let images: Vec<_> =
        resources.iter().filter_map(|resource| if let Resource::Image(image) = resource { Some(image) } else { None }).collect();
    let files = {
        let (context, resources) = (context.clone(), resources.to_vec());
        tokio::task::spawn_blocking(move || observe_files(&context, &resources))
    };
    let (units, packages, images, files) = tokio::try_join!(
        unit::observe(context, &units),
        package::observe(context, &packages),
        image::observe(context, &images),
        joined(files)
    )?;
    let (mut units, mut packages, mut images) = (units.into_iter(), packages.into_iter(), images.into_iter());
    let merged = resources.iter().zip(files).map(|(resource, seen)| match resource {
        Resource::Unit(_) => units.next(),
        Resource::Package(_) => packages.next(),
        Resource::Image(_) => images.next(),
        _ => seen,
    });
    Ok(merged.map(|observed| observed.unwrap_or(Observed::Absent)).collect())
}

/// Kinds that need no program; `None` for the others.
fn observe_files(context: &HostContext, resources: &[Resource]) -> Result<Vec<Option<Observed>>, HostError> {
    let accounts = Accounts::read(context);
    let observe = |resource: &Resource| {
        Ok(Some(match resource {
            Resource::Directory(wanted) => directory::observe(context, &accounts, wanted)?,
            Resource::File(wanted) => file::observe(context, &accounts, wanted)?,
            Resource::Binary(wanted) => binary::observe(context, wanted)?,
            Resource::User(wanted) => user::observe(&accounts, wanted),
            Resource::Sysctl(wanted) => sysctl::observe(context, wanted)?,
            Resource::HostsLine(wanted) => hosts_line::observe(context, wanted)?,
            Resource::Unit(_) | Resource::Package(_) | Resource::Image(_) => return Ok(None),
        }))
    };
    resources.iter().map(observe).collect()
}

/// Makes a resource so. Answers with notes: what a person should know although it is no failure.
pub async fn apply(
    context: &HostContext,
    resource: &Resource,
    content: Option<&SecretBytes>,
    difference: &Difference,
    run: &RunId,
) -> Result<Vec<String>, Failure> {
    let applied = match resource {
        Resource::Unit(wanted) => unit::apply(context, wanted, difference).await.map(|()| Vec::new()),
        Resource::User(wanted) => user::apply(context, wanted).await.map(|()| Vec::new()),
        Resource::Package(wanted) => package::apply(context, wanted).await.map(|()| Vec::new()),
        Resource::Image(wanted) => image::apply(context, wanted).await.map(|()| Vec::new()),
        Resource::Directory(_) | Resource::File(_) | Resource::Binary(_) | Resource::Sysctl(_) | Resource::HostsLine(_) => {
            let (context, resource, content, run) = (context.clone(), resource.clone(), content.cloned(), run.clone());
            joined(tokio::task::spawn_blocking(move || apply_file(&context, &resource, content.as_ref(), &run))).await
        }
    };
    applied.map_err(Failure::from)
}

fn apply_file(context: &HostContext, resource: &Resource, content: Option<&SecretBytes>, run: &RunId) -> Result<Vec<String>, HostError> {
    match resource {
        Resource::Directory(wanted) => directory::apply(context, wanted)?,
        Resource::File(wanted) => file::apply(context, wanted, content, run)?,
        Resource::Binary(wanted) => binary::apply(context, wanted)?,
        Resource::Sysctl(wanted) => return sysctl::apply(context, wanted),
        Resource::HostsLine(wanted) => return hosts_line::apply(context, wanted),
        Resource::Unit(_) | Resource::User(_) | Resource::Package(_) | Resource::Image(_) => {}
    }
    Ok(Vec::new())
}

async fn joined<T>(task: tokio::task::JoinHandle<Result<T, HostError>>) -> Result<T, HostError> {
    task.await.map_err(std::io::Error::other)?
}
