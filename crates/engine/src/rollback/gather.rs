//! Which runs are taken back, and what every host says that this restores.

use std::collections::{BTreeMap, BTreeSet};

use barque_agent::UndoAnswer;
use barque_model::{HostName, RunId};
use barque_plan::{Action, KubeUndo, MemberHealth, Plan, UndoInputs, UndoItem};
use barque_store::StateDirectory;
use futures::future::join_all;

use super::access::Access;
use super::files::Chosen;
use super::{HostUndo, RollbackError, RollbackReport, RollbackRequest, etcd, files, kube};
use crate::history::local;
use crate::survey::Survey;
use crate::{Context, EngineError, Sessions};

/// Before every run.
const ORIGIN: &str = "00000000T000000Z-0000";

/// All that a rollback is about to do.
pub(super) struct Undo {
    pub(super) report: RollbackReport,
    pub(super) plan: Plan,
    pub(super) items: BTreeMap<HostName, Vec<UndoItem>>,
    pub(super) access: Access,
    pub(super) health: Vec<MemberHealth>,
}

/// Asks the hosts and plans. Changes nothing.
pub(super) async fn gather(
    context: &Context,
    state: &StateDirectory,
    sessions: &Sessions,
    request: &RollbackRequest,
) -> Result<Undo, EngineError> {
    let survey = Survey::ask(sessions).await?;
    if !request.only.is_empty() {
        let chosen = files::choose(context, sessions, &survey, &request.only, request.to.as_ref()).await?;
        return Ok(single_files(&chosen));
    }
    let mut report = RollbackReport::default();
    let newest = survey.of_operators().into_iter().next_back().cloned();
    let Some(before) = request.to.clone().or(newest) else {
        return Ok(Undo { report, plan: files::plan(&[]), items: BTreeMap::new(), access: Access::default(), health: Vec::new() });
    };
    let runs = local::runs(state)?;
    if !survey.knows(&before) && !runs.iter().any(|local| local.run == before) {
        return Err(RollbackError::UnknownRun(before).into());
    }
    report.runs = survey.in_force().into_iter().rev().filter(|run| **run >= before).cloned().collect();
    agreed(request.agreed.as_deref(), &report.runs)?;
    let answers = ask(sessions, &before).await?;
    let whole = match ORIGIN.parse::<RunId>() {
        Ok(origin) => ask(sessions, &origin).await?,
        Err(_) => BTreeMap::new(),
    };
    let oldest = survey.runs().first().copied().into_iter().chain(runs.last().map(|local| &local.run)).min();
    kept(&before, &survey, &answers, &whole, oldest)?;
    report.everything = answers.iter().all(|(host, answer)| whole.get(host).is_some_and(|whole| same(answer, whole)));
    if request.forget && !report.everything {
        return Err(RollbackError::ForgetPart(oldest.cloned().unwrap_or(before)).into());
    }
    report.data = etcd::left_behind(answers.iter().map(|(host, answer)| (host, answer.items.as_slice())));
    if !report.data.is_empty() && !request.delete_data && !request.preview {
        return Err(RollbackError::Data(report.data).into());
    }
    let access = Access::find(context, state, sessions).await?;
    let later: Vec<RunId> = report.runs.iter().rev().filter(|run| **run > before).cloned().collect();
    let kube = kube::changes(sessions, &answers, &later).await?;
    let items: BTreeMap<HostName, Vec<UndoItem>> = answers.into_iter().map(|(host, answer)| (host, answer.items)).collect();
    let absent = sessions.absent();
    let mut inputs = UndoInputs {
        cluster: &context.cluster,
        items: &items,
        kube: &kube,
        before: &before,
        delete_data: request.delete_data,
        authority: &access.authority,
        unreachable: &absent,
    };
    let mut plan = barque_plan::undo(&inputs);
    // Objects of a cluster that ends go with its data, and nobody is asked for them.
    let mut objects = takes_objects_back(&plan);
    if objects && access.masters.is_empty() {
        report.irreversible.push(format!(
            "changes of {} cluster objects and nodes: there are no sealed keys in the state directory, and no master that answers has an administrator's file",
            kube.len()
        ));
        (inputs.kube, objects) = (&[], false);
        plan = barque_plan::undo(&inputs);
    }
    report.irreversible.extend(barque_plan::irreversible(&inputs));
    report.hosts = items.iter().filter(|(_, items)| !items.is_empty()).map(|(host, items)| HostUndo::of(host, items)).collect();
    report.objects = if objects { kube.iter().map(KubeUndo::name).collect() } else { Vec::new() };
    report.planned = u32::try_from(plan.changes()).unwrap_or(u32::MAX);
    if report.planned == 0 {
        // Nothing was touched, so nothing is waited for.
        plan.steps.clear();
    }
    if request.forget {
        report.irreversible.push(
            "with `--forget` barque's folder /var/lib/barque goes from the hosts with journals, former contents and etcd snapshots: this rollback cannot be taken back".into(),
        );
    }
    report.spec = local::spec_before(&runs, &before)
        .filter(|run| local::spec(state, run).is_ok_and(|text| text.as_deref() != Some(context.text.as_str())));
    report.before = Some(before);
    let health = etcd::health(context, sessions).await;
    Ok(Undo { report, plan, items, access, health })
}

fn single_files(chosen: &[Chosen]) -> Undo {
    let (plan, items) = (files::plan(chosen), files::items(chosen));
    let report = RollbackReport {
        before: chosen.iter().map(|chosen| chosen.before.clone()).min(),
        hosts: items.iter().map(|(host, items)| HostUndo::of(host, items)).collect(),
        notes: files::notes(chosen),
        planned: u32::try_from(plan.changes()).unwrap_or(u32::MAX),
        ..RollbackReport::default()
    };
    Undo { report, plan, items, access: Access::default(), health: Vec::new() }
}

fn takes_objects_back(plan: &Plan) -> bool {
    plan.steps.iter().any(|step| matches!(step.action, Action::UndoObjects { .. }))
}

/// Refuses a run whose state before it a host cannot restore: what is left of its pruned runs goes back as a whole or not at all.
fn kept(
    before: &RunId,
    survey: &Survey,
    answers: &BTreeMap<HostName, UndoAnswer>,
    whole: &BTreeMap<HostName, UndoAnswer>,
    first: Option<&RunId>,
) -> Result<(), RollbackError> {
    for (host, answer) in answers {
        let oldest = survey.hosts.get(host).and_then(|runs| runs.runs.first()).map(|known| &known.run);
        let is_whole = whole.get(host).is_some_and(|whole| same(answer, whole));
        if let Some(oldest) = oldest.filter(|oldest| before < *oldest && !is_whole) {
            let (run, host, first) = (before.clone(), host.clone(), first.unwrap_or(oldest).clone());
            return Err(RollbackError::TooOld { run, host, oldest: oldest.clone(), first });
        }
    }
    Ok(())
}

/// Whether two answers restore the same.
fn same(left: &UndoAnswer, right: &UndoAnswer) -> bool {
    left.items.len() == right.items.len()
        && left
            .items
            .iter()
            .all(|item| right.items.iter().any(|other| other.prior == item.prior && other.resource.id() == item.resource.id()))
}

/// Refuses to take back other runs than those that the operator has seen.
fn agreed(agreed: Option<&[RunId]>, runs: &[RunId]) -> Result<(), RollbackError> {
    let Some(agreed) = agreed else { return Ok(()) };
    let (agreed, runs): (BTreeSet<&RunId>, BTreeSet<&RunId>) = (agreed.iter().collect(), runs.iter().collect());
    match agreed.symmetric_difference(&runs).next() {
        Some(run) => Err(RollbackError::Moved((*run).clone())),
        None => Ok(()),
    }
}

async fn ask(sessions: &Sessions, before: &RunId) -> Result<BTreeMap<HostName, UndoAnswer>, EngineError> {
    let agents = sessions.agents();
    let answers = join_all(agents.iter().map(|(host, agent)| async move { (host.clone(), agent.undo_items(before.clone()).await) })).await;
    let mut found = BTreeMap::new();
    for (host, answer) in answers {
        found.insert(host.clone(), answer.map_err(|error| EngineError::Observe { host, message: error.to_string() })?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use barque_agent::{HostRun, HostRuns};
    use barque_plan::{Prior, Resource, Sysctl};

    use super::*;

    fn run(second: u8) -> RunId {
        format!("20261125T0000{second:02}Z-0000").parse().unwrap()
    }

    fn answer(items: &[(&str, &str)]) -> UndoAnswer {
        let items = items.iter().map(|(name, value)| {
            let sysctl = Sysctl { key: (*name).to_owned(), value: "new".into(), required: true };
            UndoItem { resource: Resource::Sysctl(sysctl), prior: Prior::Sysctl { value: (*value).to_owned() }, run: run(1) }
        });
        UndoAnswer { items: items.collect(), kube: Vec::new() }
    }

    fn survey(seconds: &[u8]) -> Survey {
        let runs = seconds.iter().map(|second| HostRun {
            run: run(*second),
            changed: 1,
            open: 0,
            restores: false,
            taken_back: false,
            reason: None,
        });
        Survey { hosts: [("m1".parse().unwrap(), HostRuns { runs: runs.collect(), ..HostRuns::default() })].into() }
    }

    #[test]
    fn what_was_pruned_goes_back_as_a_whole_or_not_at_all() {
        let (survey, host): (Survey, HostName) = (survey(&[20, 30]), "m1".parse().unwrap());
        let whole = BTreeMap::from([(host.clone(), answer(&[("a", "0"), ("b", "0")]))]);
        let check =
            |second, items: &[(&str, &str)]| kept(&run(second), &survey, &[(host.clone(), answer(items))].into(), &whole, Some(&run(1)));
        assert_eq!(check(20, &[("a", "1")]), Ok(()));
        assert_eq!(check(25, &[("a", "1")]), Ok(()));
        assert_eq!(check(1, &[("b", "0"), ("a", "0")]), Ok(()));
        let too_old = RollbackError::TooOld { run: run(10), host: host.clone(), oldest: run(20), first: run(1) };
        assert_eq!(check(10, &[("a", "1")]), Err(too_old.clone()));
        assert_eq!(check(10, &[("a", "1"), ("b", "0")]), Err(too_old));
    }

    #[test]
    fn nothing_is_taken_back_that_was_not_agreed_to() {
        assert_eq!(agreed(None, &[run(2)]), Ok(()));
        assert_eq!(agreed(Some(&[run(2)]), &[run(2)]), Ok(()));
        assert_eq!(agreed(Some(&[run(2)]), &[run(3), run(2)]), Err(RollbackError::Moved(run(3))));
        assert_eq!(agreed(Some(&[run(2), run(3)]), &[run(2)]), Err(RollbackError::Moved(run(3))));
    }
}
