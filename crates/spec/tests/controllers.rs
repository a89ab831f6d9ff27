//! The controllers of the add-on `ingress`.

#![allow(clippy::unwrap_used)]

use barque_addon::{Library, name_of};
use barque_model::{Cluster, Version};
use barque_spec::{Known, parse};
use serde_json::Value;

const KNOWN: Known<'static> = Known { kubernetes: &[Version::new(1, 37, 2)] };

fn cluster(settings: &str) -> Cluster {
    let text = format!("{}  addons:\n    - name: ingress\n      settings: {{{settings}}}\n", include_str!("../../../examples/ha.yaml"));
    parse(&text, "ha.yaml", &KNOWN).unwrap_or_else(|errors| panic!("{errors}")).cluster
}

fn objects(settings: &str) -> Vec<Value> {
    let cluster = cluster(settings);
    let chosen = cluster.addons.iter().find(|addon| addon.name.as_str() == "ingress").unwrap();
    Library::embedded().get("ingress").unwrap().render(&cluster, &chosen.settings).unwrap().objects
}

#[test]
fn the_frozen_one_has_objects_of_its_own() {
    let whole = objects("controller: ingress-nginx, defaultCertificate: web, redirectToHttps: true, accessLog: true");
    let own: Vec<&Value> =
        whole.iter().filter(|object| !name_of(object).contains("default-backend") && object["kind"] != "Namespace").collect();
    insta::assert_snapshot!(serde_json::to_string_pretty(&own).unwrap());
}

#[test]
fn node_ports_and_the_balancers_stay_where_they_are() {
    let service = |settings: &str| {
        let found = objects(settings).into_iter().find(|object| name_of(object) == "Service ingress/traefik").unwrap();
        (found["spec"]["ports"].clone(), found["spec"]["healthCheckNodePort"].clone(), found["spec"]["selector"].clone())
    };
    let (traefik, frozen) = (service(""), service("controller: ingress-nginx"));
    assert_eq!((&traefik.0, &traefik.1), (&frozen.0, &frozen.1));
    assert_eq!(frozen.2["app.kubernetes.io/name"], "ingress-nginx");
    assert_eq!(cluster("").ingress_front(), cluster("controller: ingress-nginx").ingress_front());
}

#[test]
fn each_class_has_the_name_that_people_know() {
    let class = |settings: &str| {
        let found = objects(settings).into_iter().find(|object| object["kind"] == "IngressClass").unwrap();
        format!("{} of {}", found["metadata"]["name"].as_str().unwrap(), found["spec"]["controller"].as_str().unwrap())
    };
    assert_eq!(class(""), "traefik of traefik.io/ingress-controller");
    assert_eq!(class("controller: ingress-nginx"), "nginx of k8s.io/ingress-nginx");
    assert_eq!(class("controller: ingress-nginx, ingressClass: web"), "web of k8s.io/ingress-nginx");
}
