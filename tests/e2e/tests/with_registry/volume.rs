//! A registry over a volume: a folder of a node. Users and certificate are changed, garbage is collected, images outlive the add-on.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use barque_e2e::{ClusterFile, Kubectl, Scenario, eventually};

use crate::images::{Client, Image, PASSWORD, USER};
use crate::secrets;

const TOPOLOGY: &str = "[[hosts]]\nname = \"m1\"\n[[hosts]]\nname = \"n1\"\n";
const LAYOUT: [(&str, &str); 2] = [("m1", "etcd, master, node"), ("n1", "node")];
const FOLDER: &str = "srv/images";
/// kubelet's look at a Secret, a pod's start.
const SOON: Duration = Duration::from_mins(4);

/// As docs/addons.md has it.
const VOLUME: &str = "
apiVersion: v1
kind: PersistentVolume
metadata: {name: images}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Retain
  storageClassName: \"\"
  claimRef: {namespace: registry, name: images}
  local: {path: /srv/images}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [n1]}]}]}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: images, namespace: registry}
spec: {accessModes: [ReadWriteOnce], storageClassName: \"\", volumeName: images, resources: {requests: {storage: 1Gi}}}
";

struct Case {
    scenario: Scenario,
    kubectl: Kubectl,
    toolbox: Image,
}

#[test]
fn images_lie_in_a_folder_of_a_node() -> Result<()> {
    let scenario = Scenario::new("regv", TOPOLOGY)?;
    scenario.write(&ClusterFile::new(&scenario.lab, &LAYOUT)?)?;
    secrets::files(&scenario, &["m1", "n1"])?;
    scenario.up(&[])?.ok()?;
    let case = Case { kubectl: scenario.kubectl()?, toolbox: Image::toolbox(&scenario)?, scenario };
    case.turned_on()?;
    case.users_and_certificate()?;
    case.garbage()?;
    case.off_and_on()
}

impl Case {
    fn file(&self, settings: &str) -> Result<()> {
        let lines = format!(
            "addons:\n  - name: registry\n    settings:\n      tlsSecret: registry-tls\n      usersSecret: registry-users\n{settings}      storage:\n        claim: {{name: images}}"
        );
        self.scenario.write(&ClusterFile::new(&self.scenario.lab, &LAYOUT)?.spec(&lines))
    }

    fn client(&self, user: &str, authority: &str) -> Result<Client> {
        let url = format!("https://{}:30500", self.scenario.lab.host("m1")?.address);
        Ok(Client { url, who: Some(format!("{user}:{PASSWORD}")), authority: self.scenario.folder.path().join(authority) })
    }

    /// Where a part of an image lies on the node.
    fn part(&self, digest: &str) -> Result<PathBuf> {
        let name = digest.trim_start_matches("sha256:");
        let root = &self.scenario.lab.host("n1")?.root;
        Ok(root.join(FOLDER).join("docker/registry/v2/blobs/sha256").join(&name[..2]).join(name).join("data"))
    }

    fn turned_on(&self) -> Result<()> {
        self.scenario.step("one pod, on the node that has the volume; the second run changes nothing");
        self.scenario.lab.get("n1", &format!("mkdir -p /{FOLDER}"))?;
        secrets::registry(&self.scenario, &self.kubectl)?;
        self.kubectl.apply(self.scenario.folder.path(), "volume", VOLUME)?;
        self.file("")?;
        self.scenario.up(&[])?.ok()?;
        let nodes = self.kubectl.get(&["-n", "registry", "get", "pods", "-o", "jsonpath={.items[*].spec.nodeName}"])?;
        ensure!(nodes == "n1", "pods on `{nodes}`");
        self.scenario.up(&[])?.ok()?.says(&["nothing to change"])?;
        self.client(USER, "authority.pem")?.push(&self.toolbox, "library/toolbox", "1")?;
        ensure!(self.part(&self.toolbox.digest)?.exists(), "the image is not in the node's folder");
        Ok(())
    }

    fn users_and_certificate(&self) -> Result<()> {
        self.scenario.step("another user is known without a restart");
        let config = self.toolbox.manifest_config()?;
        let fetch = |user: &str, authority: &str| self.client(user, authority)?.fetch("library/toolbox", &config);
        ensure!(fetch("second", "authority.pem").is_err(), "a user who is not there");
        secrets::users(&self.scenario, &self.kubectl, &["second"])?;
        eventually("the new user may pull", SOON, || fetch("second", "authority.pem"))?;
        ensure!(fetch(USER, "authority.pem").is_err(), "a user who is there no more");
        let restarts =
            self.kubectl.get(&["-n", "registry", "get", "pods", "-o", "jsonpath={.items[*].status.containerStatuses[*].restartCount}"])?;
        ensure!(restarts == "0", "restarts: {restarts}");
        secrets::users(&self.scenario, &self.kubectl, &[USER])?;

        self.scenario.step("a renewed certificate is shown after a restart, which is no drift");
        secrets::certificate(&self.scenario, &self.kubectl, "renewed")?;
        self.kubectl.run(&["-n", "registry", "rollout", "restart", "deployment", "registry"])?.ok()?;
        eventually("the new certificate is shown", SOON, || fetch(USER, "stranger.pem"))?;
        self.scenario.remote(&["drift"])?.ok()?;
        self.scenario.up(&[])?.ok()?.says(&["nothing to change"]).map(drop)
    }

    fn garbage(&self) -> Result<()> {
        self.scenario.step("what no tag leads to leaves the node when garbage is collected");
        let client = self.client(USER, "stranger.pem")?;
        let (former, present) = (self.toolbox.with("first")?, self.toolbox.with("second")?);
        client.push(&former, "library/moving", "1")?;
        client.push(&present, "library/moving", "1")?;
        self.file("      readOnly: true\n")?;
        self.scenario.up(&[])?.ok()?;
        self.kubectl.run(&["-n", "registry", "create", "job", "--from=cronjob/collect-garbage", "first"])?.ok()?;
        eventually("garbage is collected", SOON, || {
            let done = self.kubectl.get(&["-n", "registry", "get", "job", "first", "-o", "jsonpath={.status.succeeded}"])?;
            ensure!(done == "1", "succeeded: `{done}`");
            Ok(())
        })?;
        let own = former.layers()?.pop().context("a layer of its own")?;
        ensure!(!self.part(&own)?.exists() && !self.part(&former.digest)?.exists(), "it is still there");
        for digest in present.layers()?.iter().chain([&present.digest, &self.toolbox.digest]) {
            ensure!(self.part(digest)?.exists(), "{digest} has gone too");
        }
        self.file("")?;
        self.scenario.up(&[])?.ok().map(drop)
    }

    fn off_and_on(&self) -> Result<()> {
        self.scenario.step("turned off and on again: its images are there");
        self.scenario.barque(&["addons", "disable", "registry"])?.ok()?;
        self.scenario.up(&[])?.ok()?;
        ensure!(self.part(&self.toolbox.digest)?.exists(), "images have gone with the add-on");
        self.scenario.barque(&["addons", "enable", "registry"])?.ok()?;
        self.scenario.up(&[])?.ok()?;
        // The registry is well; that every node has its port is kube-proxy's next round.
        let (client, config) = (self.client(USER, "stranger.pem")?, self.toolbox.manifest_config()?);
        eventually("the node's port leads to the registry", SOON, || client.fetch("library/toolbox", &config))
    }
}
