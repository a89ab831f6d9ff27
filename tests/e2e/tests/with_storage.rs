//! Volumes in folders of nodes: made when the first pod comes, kept over a reboot, deleted with their claims or kept as their class says; a claim
//! deleted while the add-on is off goes when it is on again.
#![cfg(feature = "e2e")]
#![allow(missing_docs, clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use barque_e2e::{ClusterFile, Kubectl, Scenario, eventually, objects};

const TOPOLOGY: &str = "[[hosts]]\nname = \"m1\"\n[[hosts]]\nname = \"n1\"\n";
const LAYOUT: [(&str, &str); 2] = [("m1", "etcd, master, node"), ("n1", "node")];
const LABEL: &str = "barque.dev/addon=storage";
const BASE: &str = "var/lib/local-path-provisioner";
/// A helper's pod, the wait after a failed attempt, a kubelet that comes back.
const SOON: Duration = Duration::from_mins(4);

struct Case {
    scenario: Scenario,
    kubectl: Kubectl,
}

#[test]
fn volumes_lie_in_folders_of_nodes() -> Result<()> {
    let scenario = Scenario::new("stor", TOPOLOGY)?;
    let file = |settings: &str| ClusterFile::new(&scenario.lab, &LAYOUT).map(|file| file.spec(settings));
    scenario.write(&file("addons:\n  - name: storage\n    settings: {path: /var}")?)?;
    scenario.barque(&["validate"])?.code(2)?.says(&["path"])?;
    scenario.write(&file("addons:\n  - name: storage")?)?;
    scenario.up(&[])?.ok()?;
    scenario.load_toolbox(&["m1", "n1"])?;
    let case = Case { kubectl: scenario.kubectl()?, scenario };

    case.scenario.step("on: well, and the second run changes nothing");
    case.scenario.remote(&["addons", "status"])?.ok()?.says(&["every add-on is well"])?;
    case.scenario.up(&[])?.ok()?.says(&["nothing to change"])?;
    let volume = case.a_volume()?;
    case.what_is_refused()?;
    case.another_folder()?;
    case.off_and_on(&volume)
}

impl Case {
    fn root(&self, node: &str) -> Result<PathBuf> {
        Ok(self.scenario.lab.host(node)?.root.clone())
    }

    /// A claim; without a class it gets the default one.
    fn claim(&self, name: &str, more: &str) -> Result<()> {
        let claim = format!(
            "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: {name}, namespace: default}}\n\
             spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}{more}}}\n"
        );
        self.kubectl.apply(self.scenario.folder.path(), &format!("claim-{name}"), &claim)
    }

    /// A pod of a user without rights, which adds a line to a file of the claim's volume.
    fn pod(&self, name: &str, node: &str, claim: &str, line: &str) -> Result<()> {
        let pod = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: default}}\nspec:\n  nodeSelector: {{kubernetes.io/hostname: {node}}}\n  \
             terminationGracePeriodSeconds: 1\n  securityContext: {{runAsNonRoot: true, runAsUser: 1234, fsGroup: 4321, seccompProfile: {{type: RuntimeDefault}}}}\n  \
             containers:\n    - name: writer\n      image: barque.test/toolbox:1\n      imagePullPolicy: Never\n      args: [append, /data/lines, {line}]\n      \
             securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}\n      volumeMounts: [{{name: data, mountPath: /data}}]\n  \
             volumes: [{{name: data, persistentVolumeClaim: {{claimName: {claim}}}}}]\n"
        );
        self.kubectl.apply(self.scenario.folder.path(), &format!("pod-{name}"), &pod)
    }

    /// Waits for what the pod prints: all lines of the file.
    fn prints(&self, pod: &str, lines: &str) -> Result<()> {
        eventually("the pod has its volume", SOON, || {
            let printed = self.kubectl.get(&["logs", pod])?;
            ensure!(printed == lines, "`{printed}`, and not `{lines}`");
            Ok(())
        })
    }

    /// The folder of the claim's volume, from the node's root.
    fn folder(&self, claim: &str) -> Result<String> {
        let volume = self.kubectl.get(&["get", "pvc", claim, "-o", "jsonpath={.spec.volumeName}"])?;
        let path = self.kubectl.get(&["get", "pv", &volume, "-o", "jsonpath={.spec.local.path}"])?;
        Ok(path.trim_start_matches('/').to_owned())
    }

    fn delete(&self, kind: &str, name: &str) -> Result<()> {
        self.kubectl.run_for("60s", &["delete", kind, name])?.ok().map(drop)
    }

    /// Its folder on the node.
    fn a_volume(&self) -> Result<PathBuf> {
        self.scenario.step("a claim without a class: its volume is on the node of its pod, and closed to other users of the host");
        ensure!(!self.root("n1")?.join(BASE).exists(), "a folder before it is needed");
        self.claim("first", "")?;
        self.pod("first", "n1", "first", "one")?;
        self.prints("first", "one")?;
        let folder = self.folder("first")?;
        ensure!(folder.starts_with(BASE), "{folder}");
        let there = self.root("n1")?.join(&folder);
        ensure!(fs_err::read_to_string(there.join("lines"))? == "one\n", "another file");
        let modes = self.scenario.lab.get("n1", &format!("stat -c '%a %u %g' /{BASE} /{folder} /{folder}/lines"))?;
        let modes: Vec<&str> = modes.lines().map(str::trim).collect();
        ensure!(modes == ["700 0 0", "2777 0 4321", "600 1234 4321"], "{modes:?}");
        ensure!(!self.root("m1")?.join(BASE).exists(), "a folder on another node");

        self.scenario.step("the node is without power for a moment: the volume is as it was");
        self.scenario.lab.kill("n1")?;
        self.scenario.lab.boot("n1")?;
        eventually("the pod runs again", SOON, || {
            let restarts = self.kubectl.get(&["get", "pod", "first", "-o", "jsonpath={.status.containerStatuses[0].restartCount}"])?;
            ensure!(restarts != "0" && fs_err::read_to_string(there.join("lines"))? == "one\none\n", "{restarts} restarts");
            Ok(())
        })?;

        self.scenario.step("a claim of the class that keeps: its volume outlives it; the volume of the other one goes with it");
        self.claim("kept", ", storageClassName: local-path-retain")?;
        self.pod("kept", "m1", "kept", "kept")?;
        self.prints("kept", "kept")?;
        let kept = self.root("m1")?.join(self.folder("kept")?);
        for name in ["first", "kept"] {
            self.delete("pod", name)?;
            self.delete("pvc", name)?;
        }
        eventually("the folder goes with its claim", SOON, || {
            ensure!(!there.exists(), "{} is there", there.display());
            let volumes = self.kubectl.get(&["get", "pv", "-o", "jsonpath={.items[*].status.phase}"])?;
            ensure!(volumes == "Released", "volumes: {volumes}");
            Ok(())
        })?;
        ensure!(fs_err::read_to_string(kept.join("lines"))? == "kept\n", "the kept volume has changed");
        eventually("helpers are gone", SOON, || {
            let helpers = self.kubectl.get(&["-n", "local-path-helpers", "get", "pods", "-o", "name"])?;
            ensure!(helpers.is_empty(), "{helpers}");
            Ok(())
        })?;
        Ok(kept)
    }

    fn what_is_refused(&self) -> Result<()> {
        self.scenario.step("a class that leads out of the folder is refused, and a claim for a device says why it waits");
        let class = "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: way-out}\nprovisioner: rancher.io/local-path\n\
                     parameters: {pathPattern: \"../../../etc\"}\n";
        let error = self.kubectl.apply(self.scenario.folder.path(), "class", class).err().map(|error| format!("{error:#}"));
        ensure!(error.as_deref().is_some_and(|error| error.contains("must not have the parameter pathPattern")), "{error:?}");
        self.claim("device", ", volumeMode: Block")?;
        let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: device, namespace: default}\nspec:\n  containers:\n    - name: device\n      \
                   image: barque.test/toolbox:1\n      imagePullPolicy: Never\n      args: [sleep]\n      volumeDevices: [{name: data, devicePath: /dev/data}]\n  \
                   volumes: [{name: data, persistentVolumeClaim: {claimName: device}}]\n";
        self.kubectl.apply(self.scenario.folder.path(), "pod-device", pod)?;
        eventually("an event says why", SOON, || {
            let events = self.kubectl.get(&["get", "events", "-o", "jsonpath={.items[*].message}"])?;
            ensure!(events.contains("block volume"), "{events}");
            Ok(())
        })?;
        self.delete("pod", "device")?;
        self.delete("pvc", "device")
    }

    fn another_folder(&self) -> Result<()> {
        self.scenario.step("a node with a folder of its own, and one without any");
        let settings = "addons:\n  - name: storage\n    settings:\n      defaultClass: none\n      nodePaths:\n        \
                        - {node: n1, paths: [/srv/disk/volumes]}\n        - {node: m1, paths: []}";
        self.scenario.write(&ClusterFile::new(&self.scenario.lab, &LAYOUT)?.spec(settings))?;
        self.scenario.up(&[])?.ok()?;
        self.claim("second", ", storageClassName: local-path")?;
        self.pod("second", "n1", "second", "two")?;
        self.prints("second", "two")?;
        let folder = self.folder("second")?;
        ensure!(folder.starts_with("srv/disk/volumes/"), "{folder}");
        let defaults = self.kubectl.get(&["get", "storageclass", "-o", "jsonpath={.items[*].metadata.annotations}"])?;
        ensure!(!defaults.contains("is-default-class\":\"true"), "{defaults}");
        self.claim("nowhere", ", storageClassName: local-path")?;
        self.pod("nowhere", "m1", "nowhere", "three")?;
        eventually("an event says that the node has none", SOON, || {
            let events = self.kubectl.get(&["get", "events", "-o", "jsonpath={.items[*].message}"])?;
            ensure!(events.contains("no local path available on node m1"), "{events}");
            Ok(())
        })?;
        self.delete("pod", "nowhere")?;
        self.delete("pvc", "nowhere")
    }

    fn off_and_on(&self, kept: &Path) -> Result<()> {
        self.scenario.step("off: its objects go; a pod goes on with its volume, and a volume waits for the add-on to be deleted");
        let folder = self.root("n1")?.join(self.folder("second")?);
        self.scenario.barque(&["addons", "disable", "storage"])?.ok()?;
        self.scenario.up(&[])?.ok()?;
        let removal = self.scenario.last_run()?;
        let left = objects(&self.kubectl, LABEL)?;
        ensure!(left.is_empty(), "left behind: {:?}", left.keys());
        self.prints("second", "two")?;
        self.delete("pod", "second")?;
        self.delete("pvc", "second")?;
        ensure!(folder.exists() && kept.exists(), "somebody has deleted it");
        self.scenario.up(&[])?.ok()?.says(&["nothing to change"])?;

        self.scenario.step("a rollback turns it on again: what waits is deleted, and what is to be kept is there");
        self.scenario.remote(&["rollback", &removal, "--yes"])?.ok()?;
        eventually("the folder goes, and its volume", SOON, || {
            ensure!(!folder.exists(), "{} is there", folder.display());
            let volumes = self.kubectl.get(&["get", "pv", "-o", "jsonpath={.items[*].status.phase}"])?;
            ensure!(volumes == "Released", "volumes: {volumes}");
            Ok(())
        })?;
        ensure!(fs_err::read_to_string(kept.join("lines"))? == "kept\n", "the kept volume has changed");
        Ok(())
    }
}
