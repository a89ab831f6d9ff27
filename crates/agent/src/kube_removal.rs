//! Deletes objects of add-ons that are not wanted any more.

use std::time::Duration;

use barque_event::Failure;
use barque_kube::KubeError;
use barque_model::ADDON_LABEL;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::Applied;
use crate::kube_calls::{failed, name_of};
use crate::kube_change::{Change, journal_failure};

/// How long an object may take to go. A namespace goes when all in it has ended, and pods are given half a minute.
const PATIENCE: Duration = Duration::from_mins(2);
/// How often it is looked whether it is gone.
const INTERVAL: Duration = Duration::from_millis(250);

/// Deletes what is still the add-on's, one after the other; each is in the journal as it was. What somebody else has taken over stays, and so
/// does a namespace with something of somebody else's in it; a note says so.
pub(crate) async fn remove(change: &Change<'_>, objects: &[String]) -> Result<Applied, Failure> {
    let mut applied = Applied { changed: false, notes: Vec::new() };
    for object in objects {
        let because = |error: KubeError| failed(&name_of(object), &error);
        let Some(prior) = change.client.live(object).await.map_err(because)? else { continue };
        let (wanted, live) = (parsed(object), parsed(&prior));
        let Some(addon) = addon_of(&wanted).filter(|addon| addon_of(&live) == Some(addon)) else {
            applied.notes.push(format!("{} stays: it does not belong to the add-on any more", name_of(object)));
            continue;
        };
        if wanted["kind"] == "Namespace" {
            let namespace = wanted["metadata"]["name"].as_str().unwrap_or_default();
            if let Some(other) = change.client.others_in_namespace(namespace, addon).await.map_err(because)? {
                applied.notes.push(format!("{} stays: {other} is in it, which is not of the add-on", name_of(object)));
                continue;
            }
        }
        let seq = change.journal.removal(change.step, object, prior).await.map_err(|error| journal_failure(&error))?;
        applied.changed |= change.end(seq, delete(change, object).await)?;
    }
    Ok(applied)
}

/// Deletes one, and waits until it is gone.
async fn delete(change: &Change<'_>, object: &str) -> Result<bool, Failure> {
    let because = |error: KubeError| failed(&name_of(object), &error);
    if !change.client.delete(object).await.map_err(because)? {
        return Ok(false);
    }
    let deadline = Instant::now() + PATIENCE;
    while change.client.live(object).await.map_err(because)?.is_some() {
        if Instant::now() >= deadline {
            let message = format!("{} is still there {} s after it was deleted", name_of(object), PATIENCE.as_secs());
            return Err(Failure::new(message).with_hint("something keeps it: look at its `metadata.finalizers` with `kubectl get -o yaml`"));
        }
        sleep(INTERVAL).await;
    }
    Ok(true)
}

fn parsed(object: &str) -> Value {
    serde_json::from_str(object).unwrap_or_default()
}

fn addon_of(object: &Value) -> Option<&str> {
    object["metadata"]["labels"][ADDON_LABEL].as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_belongs_to_the_add_on_that_its_label_names() {
        let labelled = format!(r#"{{"kind": "Service", "metadata": {{"name": "a", "labels": {{"{ADDON_LABEL}": "x"}}}}}}"#);
        assert_eq!(addon_of(&parsed(&labelled)), Some("x"));
        assert_eq!(addon_of(&parsed("{}")), None);
        assert_eq!(addon_of(&parsed("not JSON")), None);
    }
}
