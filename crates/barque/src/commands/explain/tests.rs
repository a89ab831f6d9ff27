#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use barque_catalog::{FileKind, certificates, entries, entry, file, stages};
use barque_event::Stage;
use barque_pki::{Authority, CertificateKind, Purpose};
use barque_render::{RenderFacts, component_files, directories, dns_settings, host_files, settings};

use super::*;

fn examples() -> Vec<Context> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut files: Vec<PathBuf> = fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "yaml"));
    files.sort();
    assert!(files.len() >= 3);
    files.into_iter().map(load).collect()
}

fn load(file: PathBuf) -> Context {
    let state = StateArguments { state_dir: None, identity: Some("unused".into()), passphrase_file: None };
    Context::load(crate::settings::local(&ClusterArguments { file, output: Output::Text }, &state).unwrap()).unwrap()
}

fn arguments(topic: &str) -> ExplainArguments {
    ExplainArguments {
        topic: topic.split(' ').map(str::to_owned).collect(),
        component: None,
        release: None,
        lang: None,
        file: None,
        output: Output::Text,
    }
}

fn explained(topic: &str, language: Language, context: Option<&Context>) -> String {
    let arguments = arguments(topic);
    let Found::Exact(found) = search(everything(), &arguments.topic) else { panic!("{topic}") };
    let answers: Vec<Answer> = found.iter().map(|item| answer(item, &arguments, language, context)).collect();
    anstream::adapter::strip_str(&explain_text(&answers, language)).to_string()
}

#[test]
fn nothing_is_set_in_the_examples_that_the_catalog_does_not_know() {
    for context in examples() {
        let facts = [false, true].map(|whole_units| RenderFacts { interface: Some("eth0".into()), whole_units });
        let Context { cluster, release, .. } = &context;
        let of_hosts = facts.iter().flat_map(|facts| cluster.hosts.iter().flat_map(|host| settings(cluster, release, host, facts)));
        let mut all: Vec<_> = of_hosts.collect();
        all.extend(dns_settings(cluster, release));
        assert!(all.len() > 100);
        for setting in all {
            let known = entry(setting.subject, setting.kind, &setting.name).is_some();
            let is_users = matches!(setting.subject, Subject::Component(component)
                if cluster.extra_args.get(&component).is_some_and(|flags| flags.contains_key(&setting.name)));
            assert!(known || is_users, "{} {}", setting.subject, setting.name);
        }
    }
}

#[test]
fn every_path_on_hosts_is_explained_with_its_mode_and_owner() {
    for context in examples() {
        let Context { cluster, release, .. } = &context;
        for host in &cluster.hosts {
            let mut paths: Vec<(String, u32, String, FileKind)> = directories(cluster, host)
                .into_iter()
                .map(|(path, mode, owner)| (path, mode, format!("{}:{}", owner.user, owner.group), FileKind::Directory))
                .collect();
            let facts = [false, true].map(|whole_units| RenderFacts { interface: None, whole_units });
            let files = facts
                .iter()
                .flat_map(|facts| {
                    Component::ALL.into_iter().flat_map(|component| component_files(cluster, release, host, component, facts))
                })
                .chain(host_files(cluster, host));
            paths.extend(files.map(|file| (file.path, file.mode, format!("{}:{}", file.owner.user, file.owner.group), FileKind::File)));
            for (path, mode, owner, kind) in paths {
                let entry = file(&path).unwrap_or_else(|| panic!("{path} is not explained"));
                assert_eq!((u32::from_str_radix(&entry.mode, 8).unwrap(), &entry.owner, entry.kind), (mode, &owner, kind), "{path}");
            }
        }
    }
}

#[test]
fn fields_that_decide_are_fields_of_the_cluster_file() {
    let fields: BTreeSet<String> = barque_spec::fields().into_iter().map(|field| field.path).collect();
    for subject in Subject::ALL {
        for entry in entries(subject) {
            for field in &entry.from {
                assert!(fields.contains(field), "{subject} {}: {field}", entry.name);
            }
        }
    }
}

#[test]
fn certificates_are_as_they_are_issued() {
    for kind in CertificateKind::ALL {
        let common_name = kind.common_name(Some("HOST"));
        let stem = kind.name(None);
        let lies_on_hosts = !matches!(kind, CertificateKind::Admin | CertificateKind::SuperAdmin);
        let entry = certificates()
            .iter()
            .find(|entry| entry.kind == stem && entry.files.is_empty() != lies_on_hosts)
            .unwrap_or_else(|| panic!("{kind:?} is not explained"));
        assert_eq!(entry.common_name, common_name);
        assert_eq!(entry.organization.as_deref(), kind.organization(), "{stem}");
        assert_eq!(entry.authority, kind.authority().name(), "{stem}");
        let usages: Vec<&str> = kind
            .purposes()
            .iter()
            .map(|purpose| match purpose {
                Purpose::Server => "server",
                Purpose::Client => "client",
            })
            .collect();
        assert_eq!(entry.usages, usages, "{stem}");
    }
    for authority in Authority::ALL {
        let entry = certificates().iter().find(|entry| entry.kind == authority.name()).unwrap();
        assert_eq!(entry.common_name, authority.common_name());
    }
}

#[test]
fn stages_are_those_of_the_engine() {
    let names: Vec<&str> = stages().iter().map(|stage| stage.name.as_str()).collect();
    assert_eq!(names, Stage::ALL.map(Stage::as_str));
}

#[test]
fn answers_for_people() {
    let ha = load(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/ha.yaml"));
    let english = [
        "kubelet max-pods",
        "kube-apiserver etcd-servers",
        "kube-apiserver goaway-chance",
        "keepalived vrrp_instance.priority",
        "coredns Deployment.replicas",
        "port 10250",
        "file /etc/kubernetes/kube-apiserver.env",
        "certificate etcd-peer",
        "stage etcd",
        "field spec.network.podCidr",
        "release 1.33",
        "vip-before-etcd",
    ]
    .map(|topic| explained(topic, Language::English, Some(&ha)))
    .join("\n\n----\n");
    insta::assert_snapshot!("english", english);
    let chinese = ["kubelet maxPods", "certificate etcd-peer", "devicemapper"]
        .map(|topic| explained(topic, Language::Chinese, Some(&ha)))
        .join("\n\n----\n");
    insta::assert_snapshot!("chinese", chinese);
}

#[test]
fn a_release_lists_what_it_has() {
    let Found::Some(found) = search(everything(), &["kubelet".to_owned()]) else { panic!("kubelet") };
    let release = Some(Minor::new(1, 32));
    let (there, missing): (Vec<Item>, Vec<Item>) = found.into_iter().partition(|item| is_in(item, release));
    let text = explain_list(&there, &missing, release, Language::English);
    let (list, rest) = text.split_once("\n\nnot in 1.32: ").unwrap();
    assert!(list.contains("kubelet maxPods") && rest.contains("kubelet mergeDefaultEvictionSettings"), "{text}");
}

#[test]
fn etcd_of_a_release_is_the_one_that_goes_with_it() {
    let gates = everything().into_iter().find(|item| item.address() == "etcd feature-gates").unwrap();
    assert!(is_in(&gates, Some(Minor::new(1, 37))) && !is_in(&gates, Some(Minor::new(1, 33))) && is_in(&gates, None));
}
