//! The Gateway API: a Gateway of a platform's people, routes of others; by name, path, header and weight, through the VIP; turned off without the loss of a
//! route.
#![cfg(feature = "e2e")]
#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use barque_e2e::{ClusterFile, Kubectl, Scenario, eventually, objects, run};

const TOPOLOGY: &str = "[[hosts]]\nname = \"lb1\"\n[[hosts]]\nname = \"m1\"\n[[hosts]]\nname = \"n1\"\n";
const LAYOUT: [(&str, &str); 3] = [("lb1", "loadBalancer"), ("m1", "etcd, master, node"), ("n1", "node")];
const NAME: &str = "shop.barque.test";
const SOON: Duration = Duration::from_mins(2);
const BOTH: &str = "addons:\n  - name: gateway-api\n  - name: ingress\n    settings: {gatewayApi: true}";

/// Two versions of a shop, a Gateway for every namespace with a label, and a route to the first version.
const SHOP: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: VERSION, namespace: default}
spec:
  replicas: 1
  selector: {matchLabels: {app: VERSION}}
  template:
    metadata: {labels: {app: VERSION}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: shop, image: barque.test/toolbox:1, imagePullPolicy: Never, ports: [{containerPort: 8080}]}]
---
apiVersion: v1
kind: Service
metadata: {name: VERSION, namespace: default}
spec: {selector: {app: VERSION}, ports: [{port: 80, targetPort: 8080}]}
---
";
const GATEWAY: &str = "
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web, namespace: default}
spec:
  gatewayClassName: traefik
  listeners:
    - name: http
      port: 80
      protocol: HTTP
      allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {web: \"yes\"}}}}
    - name: https
      port: 443
      protocol: HTTPS
      hostname: shop.barque.test
      tls: {certificateRefs: [{name: shop}]}
      allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {web: \"yes\"}}}}
";

struct Case {
    scenario: Scenario,
    kubectl: Kubectl,
    vip: String,
}

#[test]
fn routes_of_a_gateway_through_the_vip() -> Result<()> {
    let scenario = Scenario::new("gate", TOPOLOGY)?;
    let file = |settings: &str| ClusterFile::new(&scenario.lab, &LAYOUT).map(|file| file.spec(settings));
    scenario.step("without its kinds it is refused, at its place");
    scenario.write(&file("addons:\n  - name: ingress\n    settings: {gatewayApi: true}")?)?;
    scenario.barque(&["validate"])?.code(2)?.says(&["ingress", "gateway-api"])?;
    scenario.write(&file(BOTH)?)?;
    scenario.up(&[])?.ok()?;
    scenario.remote(&["addons", "status"])?.ok()?.says(&["every add-on is well"])?;
    scenario.up(&[])?.ok()?.says(&["nothing to change"])?;
    scenario.load_toolbox(&["m1", "n1"])?;
    let case = Case { kubectl: scenario.kubectl()?, vip: scenario.lab.vip().to_string(), scenario };
    case.serves()?;
    case.other_namespaces()?;
    case.beside_an_ingress()?;
    case.off()
}

impl Case {
    fn apply(&self, name: &str, text: &str) -> Result<()> {
        self.kubectl.apply(self.scenario.folder.path(), name, text)
    }

    /// A route to backends of the namespace `default`.
    fn route(&self, name: &str, namespace: &str, host: &str, rules: &str) -> Result<()> {
        let route = format!(
            "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n  \
             parentRefs: [{{name: web, namespace: default}}]\n  hostnames: [{host}]\n  rules:\n{rules}"
        );
        self.apply(&format!("route-{name}"), &route)
    }

    /// Status and body of what the VIP answers for a name.
    fn ask(&self, url: &str, more: &[&str]) -> Result<(u16, String)> {
        let name = url.split('/').nth(2).context("a URL with a host")?;
        let authority = self.scenario.folder.path().join("shop.crt").display().to_string();
        let to = format!("{name}:{}:{}", if url.starts_with("https") { 443 } else { 80 }, self.vip);
        let mut arguments = vec!["--silent", "--show-error", "--noproxy", "*", "--max-time", "10", "--write-out", "\n%{http_code}"];
        arguments.extend(["--cacert", &authority, "--resolve", &to, url]);
        arguments.extend(more);
        let output = run("curl", arguments)?.ok()?.stdout;
        let (body, status) = output.rsplit_once('\n').context("curl writes the status")?;
        Ok((status.trim().parse()?, body.trim().to_owned()))
    }

    /// Waits until `url` is answered by a pod of `deployment`.
    fn answers(&self, url: &str, more: &[&str], deployment: &str) -> Result<()> {
        eventually(url, SOON, || {
            let (status, body) = self.ask(url, more)?;
            ensure!(status == 200 && body.starts_with(&format!("{deployment}-")), "{status}: {body}");
            Ok(())
        })
    }

    fn is_404(&self, url: &str) -> Result<()> {
        eventually("nobody serves it", SOON, || {
            let (status, body) = self.ask(url, &[])?;
            ensure!(status == 404 && body.contains("Nothing is served"), "{url}: {status}: {body}");
            Ok(())
        })
    }

    fn serves(&self) -> Result<()> {
        self.scenario.step("a Gateway on the ports of the VIP; by name, path and header, over TLS");
        let script = "umask 077; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=$1 \
                      -addext subjectAltName=DNS:$1 -keyout $2.key -out $2.crt";
        let at = self.scenario.folder.path().join("shop").display().to_string();
        run("sh", ["-c", script, "sh", NAME, &at])?.ok()?;
        self.kubectl.run(&["create", "secret", "tls", "shop", &format!("--cert={at}.crt"), &format!("--key={at}.key")])?.ok()?;
        self.kubectl.run(&["label", "namespace", "default", "web=yes"])?.ok()?;
        self.apply("shop", &format!("{}{}{GATEWAY}", SHOP.replace("VERSION", "first"), SHOP.replace("VERSION", "second")))?;
        self.route(
            "shop",
            "default",
            NAME,
            "    - matches: [{path: {type: PathPrefix, value: /}, headers: [{name: version, value: \"2\"}]}]\n      backendRefs: [{name: second, port: 80}]\n    \
             - matches: [{path: {type: PathPrefix, value: /}}]\n      backendRefs: [{name: first, port: 80}]\n",
        )?;
        let https = format!("https://{NAME}/");
        self.answers(&https, &[], "first")?;
        self.answers(&https, &["-H", "version: 2"], "second")?;
        self.answers(&format!("http://{NAME}/"), &[], "first")?;
        self.is_404("http://other.barque.test/")?;
        eventually("the Gateway says that it is there, and where", SOON, || {
            let status = self.kubectl.json(&["get", "gateway", "web"])?["status"].take();
            let holds = |kind: &str| {
                let conditions = status["conditions"].as_array().into_iter().flatten();
                conditions.filter(|condition| condition["type"] == kind).any(|condition| condition["status"] == "True")
            };
            ensure!(holds("Accepted") && holds("Programmed") && status["addresses"][0]["value"] == self.vip.as_str(), "{status}");
            let route = self.kubectl.json(&["get", "httproute", "shop"])?["status"]["parents"][0]["conditions"].take();
            ensure!(route.as_array().is_some_and(|all| all.iter().all(|condition| condition["status"] == "True")), "{route}");
            Ok(())
        })?;

        self.scenario.step("shared out by weight");
        self.route(
            "shop",
            "default",
            NAME,
            "    - backendRefs: [{name: first, port: 80, weight: 1}, {name: second, port: 80, weight: 1}]\n",
        )?;
        eventually("both answer", SOON, || {
            let answers = (0..8).map(|_| Ok(self.ask(&https, &[])?.1)).collect::<Result<Vec<_>>>()?;
            let of = |name: &str| answers.iter().filter(|answer| answer.starts_with(name)).count();
            // Each of Traefik's pods takes turns by itself.
            ensure!(of("first-") >= 3 && of("second-") >= 3, "{answers:?}");
            Ok(())
        })
    }

    fn other_namespaces(&self) -> Result<()> {
        self.scenario
            .step("a route of a namespace that the Gateway does not take is not served, and neither is a backend that nobody has granted");
        self.kubectl.run(&["create", "namespace", "team"])?.ok()?;
        let rules = "    - backendRefs: [{name: first, namespace: default, port: 80}]\n";
        self.route("team", "team", "team.barque.test", rules)?;
        let url = "http://team.barque.test/";
        self.is_404(url)?;
        self.kubectl.run(&["label", "namespace", "team", "web=yes"])?.ok()?;
        eventually("taken, without its backend", SOON, || {
            let (status, _) = self.ask(url, &[])?;
            ensure!(status == 500, "{status}");
            Ok(())
        })?;
        let grant = "apiVersion: gateway.networking.k8s.io/v1beta1\nkind: ReferenceGrant\nmetadata: {name: team, namespace: default}\nspec:\n  \
                     from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: team}]\n  to: [{group: \"\", kind: Service, name: first}]\n";
        self.apply("grant", grant)?;
        self.answers(url, &[], "first")
    }

    fn beside_an_ingress(&self) -> Result<()> {
        self.scenario.step("an Ingress beside it, pods of level `restricted`, and one of them gone");
        self.kubectl.run(&["create", "ingress", "old", "--rule=old.barque.test/*=second:80"])?.ok()?;
        self.answers("http://old.barque.test/", &[], "second")?;
        let level = ["get", "namespace", "ingress", "-o", "jsonpath={.metadata.labels.pod-security\\.kubernetes\\.io/enforce}"];
        ensure!(self.kubectl.get(&level)? == "restricted");
        let pod = self.kubectl.get(&[
            "-n",
            "ingress",
            "get",
            "pods",
            "-l",
            "app.kubernetes.io/name=traefik",
            "-o",
            "jsonpath={.items[0].metadata.name}",
        ])?;
        self.kubectl.run_for("60s", &["-n", "ingress", "delete", "pod", &pod])?.ok()?;
        self.answers("http://team.barque.test/", &[], "first")?;
        eventually("the add-on is well", SOON, || self.scenario.remote(&["addons", "status"])?.ok().map(drop))
    }

    fn off(&self) -> Result<()> {
        self.scenario.step("off: Ingresses are served, Gateways are not; kinds of which somebody has objects stay, and it is said");
        self.scenario.write(&ClusterFile::new(&self.scenario.lab, &LAYOUT)?.spec("addons:\n  - name: ingress"))?;
        let says = ["CustomResourceDefinition httproutes.gateway.networking.k8s.io stays: HTTPRoute default/shop and 1 more"];
        self.scenario.remote(&["plan"])?.code(3)?.says(&says)?;
        self.scenario.up(&[])?.ok()?.says(&says)?;
        self.is_404("http://team.barque.test/")?;
        self.answers("http://old.barque.test/", &[], "second")?;
        let left = |label: &str| objects(&self.kubectl, label).map(|found| found.into_keys().collect::<Vec<_>>());
        let stay =
            ["gateways", "httproutes", "referencegrants"].map(|kind| format!("CustomResourceDefinition /{kind}.gateway.networking.k8s.io"));
        ensure!(left("barque.dev/addon=gateway-api")? == stay, "{:?}", left("barque.dev/addon=gateway-api")?);
        self.scenario.up(&[])?.ok()?.says(&["nothing to change", says[0]])?;

        self.scenario.step("on again: the routes that were kept are served as before");
        self.scenario.write(&ClusterFile::new(&self.scenario.lab, &LAYOUT)?.spec(BOTH))?;
        self.scenario.up(&[])?.ok()?;
        self.answers("http://team.barque.test/", &[], "first")?;

        self.scenario.step("off once more, without anybody's objects: nothing is left of it");
        for kind in ["httproute", "gateway", "referencegrant"] {
            self.kubectl.run_for("60s", &["delete", kind, "--all", "--all-namespaces"])?.ok()?;
        }
        self.scenario.write(&ClusterFile::new(&self.scenario.lab, &LAYOUT)?.spec("addons:\n  - name: ingress"))?;
        self.scenario.up(&[])?.ok()?;
        ensure!(left("barque.dev/addon=gateway-api")?.is_empty(), "{:?}", left("barque.dev/addon=gateway-api")?);
        self.scenario.remote(&["drift"])?.ok().map(drop)
    }
}
