//! Objects as they were: read before a change, brought back after it.

use std::time::Duration;

use kube::Api;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::KubeError;
use crate::client::{Client, FIELD_MANAGER};
use crate::object::{Wanted, essence, strip};

/// Controllers write an object's status at any time; each such write in between costs one attempt.
const ATTEMPTS: u32 = 8;

/// Pause after the first lost race; it grows by as much each time.
const PAUSE: Duration = Duration::from_millis(100);

impl Client {
    /// The object as it is, JSON, without its status and what the server counts, for [`Client::replace`]. `None` when there is no such
    /// object, namespace or kind. Who owns which field (`managedFields`) stays in it.
    pub async fn live(&self, object_json: &str) -> Result<Option<String>, KubeError> {
        let wanted = Wanted::parse(object_json)?;
        let Some(api) = self.api_if_known(&wanted).await? else { return Ok(None) };
        let Some(live) = api.get_opt(&wanted.name).await? else { return Ok(None) };
        let mut value = essence(&live)?;
        if let Some(owners) = &live.metadata.managed_fields {
            value["metadata"]["managedFields"] = json!(owners);
        }
        Ok(Some(value.to_string()))
    }

    /// Whether there is an object of this identity. Of what it holds nothing is read.
    pub async fn is_present(&self, object_json: &str) -> Result<bool, KubeError> {
        let wanted = Wanted::parse(object_json)?;
        let Some(api) = self.api_if_known(&wanted).await? else { return Ok(false) };
        Ok(api.get_metadata_opt(&wanted.name).await?.is_some())
    }

    /// Deletes the object of this identity, whatever its content; what it owns is deleted in the background. Answers whether there was
    /// one.
    pub async fn delete(&self, object_json: &str) -> Result<bool, KubeError> {
        let wanted = Wanted::parse(object_json)?;
        let Some(api) = self.api_if_known(&wanted).await? else { return Ok(false) };
        match api.delete(&wanted.name, &DeleteParams::background()).await.map_err(KubeError::from) {
            Ok(_) => Ok(true),
            Err(KubeError::NotFound(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Brings an object back to what [`Client::live`] answered: fields that were added since go, and so do their owners. One that was
    /// deleted meanwhile is created. Answers whether there was anything to change. An object that is being deleted is a
    /// [`KubeError::Conflict`].
    pub async fn replace(&self, object_json: &str) -> Result<bool, KubeError> {
        let wanted = Wanted::parse(object_json)?;
        let api = self.api(&wanted).await?;
        let mut attempt = 1;
        loop {
            match put(&api, &wanted).await {
                Err(KubeError::Conflict(_)) if attempt < ATTEMPTS => tokio::time::sleep(PAUSE * attempt).await,
                Ok(true) => break,
                other => return other,
            }
            attempt += 1;
        }
        self.served(&wanted.object).await;
        let Some(owners) = wanted.object.pointer("/metadata/managedFields") else { return Ok(true) };
        // The write above made barque the owner of what it changed. Left so, a later server-side apply that leaves such a field out would
        // not remove it. Owners can be written like any other field, as long as nothing else changes in the same request.
        api.patch(&wanted.name, &owner_parameters(), &Patch::Merge(json!({ "metadata": { "managedFields": owners } }))).await?;
        Ok(true)
    }

    /// `None` for a kind that the server does not know: there is no object of it.
    async fn api_if_known(&self, wanted: &Wanted) -> Result<Option<Api<DynamicObject>>, KubeError> {
        match self.api(wanted).await {
            Ok(api) => Ok(Some(api)),
            Err(KubeError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn owner_parameters() -> PatchParams {
    PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() }
}

/// One attempt to write the whole object.
async fn put(api: &Api<DynamicObject>, wanted: &Wanted) -> Result<bool, KubeError> {
    let mut object = wanted.object.clone();
    strip(&mut object);
    let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    let Some(live) = api.get_opt(&wanted.name).await? else {
        api.create(&parameters, &dynamic(object)?).await?;
        return Ok(true);
    };
    if live.metadata.deletion_timestamp.is_some() {
        return Err(KubeError::Conflict(format!("`{}` is being deleted", wanted.name)));
    }
    if essence(&live)? == object {
        return Ok(false);
    }
    // With the version that was read: what somebody else writes in between is not overwritten unseen.
    object["metadata"]["resourceVersion"] = json!(live.metadata.resource_version);
    api.replace(&wanted.name, &parameters, &dynamic(object)?).await?;
    Ok(true)
}

fn dynamic(object: Value) -> Result<DynamicObject, KubeError> {
    serde_json::from_value(object).map_err(|error| KubeError::Invalid(format!("object cannot be read: {error}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::testing::FakeServer;

    fn owners(manager: &str) -> Value {
        json!([{"manager": manager, "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {"f:k": {}}}}])
    }

    fn live(data: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": data}, "metadata": {
            "name": "a", "namespace": "b", "uid": "u", "resourceVersion": "7", "creationTimestamp": "2026-01-01T00:00:00Z",
            "managedFields": owners("kubectl")}})
    }

    const IDENTITY: &str =
        r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "b"}, "data": {"k": "new"}}"#;

    #[tokio::test]
    async fn what_the_server_writes_is_left_out_and_owners_stay() {
        let server = FakeServer::with(Some(live("old")));
        let former: Value = serde_json::from_str(&server.client().live(IDENTITY).await.unwrap().unwrap()).unwrap();
        let mut expected = live("old");
        for member in ["uid", "resourceVersion", "creationTimestamp"] {
            expected["metadata"].as_object_mut().unwrap().remove(member);
        }
        assert_eq!(former, expected);
        assert_eq!(FakeServer::with(None).client().live(IDENTITY).await.unwrap(), None);
    }

    #[tokio::test]
    async fn the_former_object_is_written_with_the_present_version_and_gets_its_owners_back() {
        let server = FakeServer::with(Some(live("old")));
        let client = server.client();
        let former = client.live(IDENTITY).await.unwrap().unwrap();
        let mut changed = live("new");
        changed["metadata"]["resourceVersion"] = json!("9");
        changed["metadata"]["managedFields"] = owners("barque");
        changed["data"]["added"] = json!("x");
        server.set(Some(changed));
        server.conflicts(2);
        assert!(client.replace(&former).await.unwrap());
        let now = server.object().unwrap();
        assert_eq!((&now["data"], &now["metadata"]["managedFields"]), (&json!({"k": "old"}), &owners("kubectl")));
        let puts: Vec<Value> = server.calls("PUT").into_iter().map(|call| call.body["metadata"]["resourceVersion"].clone()).collect();
        assert_eq!(puts, [json!("9"), json!("9"), json!("9")], "two lost races and a success");
        let writes = server.calls("PUT").len() + server.calls("PATCH").len();
        assert!(!client.replace(&former).await.unwrap());
        assert_eq!(server.calls("PUT").len() + server.calls("PATCH").len(), writes, "nothing is written when all is as it was");
    }

    #[tokio::test]
    async fn an_object_that_is_gone_is_made_again() {
        let server = FakeServer::with(Some(live("old")));
        let client = server.client();
        let former = client.live(IDENTITY).await.unwrap().unwrap();
        server.set(None);
        assert!(client.replace(&former).await.unwrap());
        let created = &server.calls("POST")[0];
        assert!(created.uri.starts_with("/api/v1/namespaces/b/configmaps?"), "{}", created.uri);
        assert_eq!(created.body["data"], json!({"k": "old"}));
        assert!(created.body["metadata"].get("uid").is_none() && created.body["metadata"].get("resourceVersion").is_none());
    }

    #[tokio::test]
    async fn an_object_on_its_way_out_is_a_conflict_that_may_pass() {
        let mut leaving = live("new");
        leaving["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        let wanted = Wanted::parse(&live("old").to_string()).unwrap();
        let api = FakeServer::with(Some(leaving)).client().api(&wanted).await.unwrap();
        let error = put(&api, &wanted).await.unwrap_err();
        assert!(matches!(&error, KubeError::Conflict(text) if text.contains("being deleted")) && error.is_retryable(), "{error}");
    }

    #[tokio::test]
    async fn deleting_twice_is_deleting_once() {
        let server = FakeServer::with(Some(live("new")));
        let client = server.client();
        assert!(client.delete(IDENTITY).await.unwrap());
        assert_eq!(server.calls("DELETE")[0].body["propagationPolicy"], "Background");
        assert!(!client.delete(IDENTITY).await.unwrap());
    }
}
