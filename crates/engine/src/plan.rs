//! `plan`: what `up` would do, worked out the same way and then not done.

use std::collections::BTreeMap;

use barque_bundle::Bundle;
use barque_event::EventKind;
use barque_model::HostName;
use barque_pki::Vault;
use barque_plan::{Action, Plan, Resource, Step};
use barque_store::{LockOwner, OnStaleLock, StateDirectory};

use crate::bundle_check;
use crate::certificates::Certificates;
use crate::diff::object_edit;
use crate::order::{restarts, turns};
use crate::prepare::{Prepared, Wishes, named, prepare};
use crate::present::{live_objects, read_texts};
use crate::preview::{ObjectPreview, OtherStep, Planned, Preview};
use crate::preview_build::Material;
use crate::up::Pending;
use crate::{Context, EngineError, Events, Sessions, material};

/// Works out what `up` would do with the same wishes. Hosts are read only. Certificates that are missing or about to expire are issued into
/// the operator's own state, because a plan names their digests; only for that the state directory's lock is taken, as `owner`. The virtual
/// router identifier that `auto` chooses is kept there too.
pub async fn plan(context: &Context, owner: &LockOwner, wishes: &Wishes, events: &Events) -> Result<Planned, EngineError> {
    let bundle = bundle_check::open(context)?;
    let state = StateDirectory::open_or_create(&context.state)?;
    let vault = vault(context, &state, owner, events)?;
    let sessions = Sessions::connect_most(context, &state, events).await?;
    let result = preview(context, &sessions, &vault, &bundle, wishes).await;
    sessions.close().await;
    result
}

/// The vault as `up` would have it.
fn vault(context: &Context, state: &StateDirectory, owner: &LockOwner, events: &Events) -> Result<Vault, EngineError> {
    if let Some(vault) = material::open(context, state)? {
        let (vault, issued) = material::issue(context, Some(vault), jiff::Timestamp::now())?;
        if issued.is_empty() {
            return Ok(vault);
        }
    }
    let on_stale = if context.options.break_lock { OnStaleLock::Break } else { OnStaleLock::Refuse };
    let _lock = state.lock(owner, on_stale)?;
    let (vault, issued) = material::ensure(context, state, jiff::Timestamp::now())?;
    let (count, place) = (issued.len(), context.state.display());
    events.send(EventKind::Note { text: format!("issued {count} certificates and keys into `{place}`; the hosts were only read") });
    Ok(vault)
}

async fn preview(context: &Context, sessions: &Sessions, vault: &Vault, bundle: &Bundle, wishes: &Wishes) -> Result<Planned, EngineError> {
    let prepared = prepare(context, sessions, vault, bundle, wishes).await?;
    let (contents, wanted) = (prepared.contents(), wanted(&prepared));
    let material = Material {
        cluster: &context.cluster,
        plan: prepared.plan(),
        wanted: &wanted,
        contents: &contents,
        observed: &prepared.observed,
        ledger: &prepared.ledger,
        held: &prepared.held,
        to_send: &prepared.to_send,
        nodes: &prepared.cluster_facts.nodes,
    };
    let held_texts = held_object_texts(context, &Certificates::of(vault), &prepared);
    let objects: Vec<String> = material.object_texts().into_iter().chain(held_texts.values().cloned()).collect();
    let texts_wanted = material.texts_wanted();
    let (texts, live) = tokio::join!(read_texts(sessions, &texts_wanted), live_objects(sessions, &prepared.masters, &objects));
    let held_objects = prepared.held_objects.iter().map(|name| {
        let text = held_texts.get(name);
        ObjectPreview { name: name.clone(), content: text.and_then(|text| object_edit(text, live.get(text)?)) }
    });
    let held_objects = held_objects.collect();
    let plan = prepared.plan();
    let refusal = barque_plan::keeps_quorum(plan, &context.cluster, &prepared.etcd, &sessions.absent()).err();
    let preview = Preview {
        cluster: context.cluster.name.clone(),
        answering: sessions.agents().len(),
        changes: plan.changes(),
        resources: prepared.resources(),
        hosts: material.hosts(&texts),
        turns: turns(plan),
        restarts: restarts(plan),
        drained: drained(plan),
        snapshot: plan.steps.iter().find(|step| step.action == Action::Snapshot).and_then(|step| step.host.clone()),
        objects: material.objects(&live),
        removed_objects: material.removed_objects(),
        nodes: material.nodes(),
        held: material.held(&texts),
        held_objects,
        awaited: prepared.awaited.clone(),
        kept: prepared.kept.clone(),
        pending: sessions.problems().iter().cloned().map(Pending::from).collect(),
        refusal: refusal.map(|refusal| refusal.to_string()),
        obstacles: prepared.obstacles.clone(),
        limits: wishes.limits.clone(),
        left_out: changing(prepared.left_out.iter()),
        pulled_in: changing(prepared.pulled_in.iter().filter_map(|id| plan.steps.get(id.0 as usize))),
        gates: plan.steps.iter().filter(|step| is_gate(&step.action)).count(),
        bytes_to_send: prepared.to_send.values().sum(),
    };
    Ok(Planned { preview, saved: prepared.saved })
}

fn wanted(prepared: &Prepared) -> BTreeMap<HostName, Vec<Resource>> {
    let hosts = prepared.desired.iter().map(|(host, desired)| {
        let resources = desired.resources.iter().map(|wanted| wanted.resource.clone());
        (host.clone(), resources.collect())
    });
    hosts.collect()
}

/// The JSON of the held objects, by name.
fn held_object_texts(context: &Context, certificates: &Certificates, prepared: &Prepared) -> BTreeMap<String, String> {
    let objects = barque_render::objects(&context.cluster, &context.release);
    let of_addons = crate::addons::wanted(context, certificates).unwrap_or_default().into_iter().flat_map(|addon| addon.objects);
    let all = named(&objects.bootstrap, certificates).into_iter().chain(named(&objects.dns, certificates)).chain(of_addons);
    let held = all.filter(|object| prepared.held_objects.contains(&object.name));
    held.map(|object| (object.name, object.json)).collect()
}

/// Masters that leave the balance, in order.
fn drained(plan: &Plan) -> Vec<HostName> {
    let masters = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Drain { master, .. } => Some(master.clone()),
        _ => None,
    });
    masters.collect()
}

const fn is_gate(action: &Action) -> bool {
    matches!(action, Action::Gate { .. } | Action::AddressGate { .. } | Action::ClusterGate { .. } | Action::Return { .. })
}

/// Those steps that change something, for people.
fn changing<'a>(steps: impl Iterator<Item = &'a Step>) -> Vec<OtherStep> {
    let changing = steps.filter(|step| step.action.changes());
    changing.map(|step| OtherStep { host: step.host.clone(), title: step.title.clone() }).collect()
}
