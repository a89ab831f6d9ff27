//! Registries and their mirrors.

use barque_model::{DEFAULT_REGISTRY, DOCKER_HUB, Registry, RegistryCapability, RegistryEndpoint, Upstream, upstream_address};

use crate::field::Field;
use crate::file_registries::{CapabilityWord, MirrorEntry, RegistryEntry};
use crate::image_reference;
use crate::operator_files::OperatorFiles;
use crate::registry_access::Access;
use crate::registry_address::{is_host, url};
use crate::report::{Located, Place, Report};

const HOST_HINT: &str = "write the host alone, with a port if it has one, such as docker.io or registry.example:5000, or `_default`";

/// Understands `spec.registries`.
pub(crate) fn resolve(
    field: Field<Vec<Field<RegistryEntry>>>,
    parent: Place,
    files: &dyn OperatorFiles,
    report: &mut Report,
) -> Vec<Registry> {
    let Some(list) = field.located(parent) else { return Vec::new() };
    let mut found: Vec<Registry> = Vec::new();
    let mut hosts: Vec<String> = Vec::new();
    let mut tests: Vec<Located<String>> = Vec::new();
    for entry in list.value {
        let Some(Located { value: entry, place }) = entry.located(list.place) else { continue };
        let Some(host) = entry.host.at(place).and_then(|host| registry_host(&host, &hosts, report)) else {
            // What else the entry says is looked at all the same.
            registry(entry, place, String::new(), files, report);
            continue;
        };
        hosts.push(host.clone());
        if host == DEFAULT_REGISTRY {
            tests.extend(entry.test_image.clone().located(place));
        }
        found.extend(registry(entry, place, host, files, report));
    }
    for test in tests {
        let named = image_reference::host_of(&test.value);
        if let Some(host) = hosts.iter().find(|host| named == Some(host.as_str())) {
            let message = format!("`{}` is pulled by the entry of {host}, not by that of `_default`", test.value);
            report.error(test.place, message, format!("move `testImage` to the entry of {host}, or name an image of another registry"));
        }
    }
    found
}

fn registry_host(host: &Located<&String>, hosts: &[String], report: &mut Report) -> Option<String> {
    let text = host.value.as_str();
    if hosts.iter().any(|known| known == text) {
        report.error(host.place, format!("registry `{text}` is there twice"), "put what both say into one entry");
        return None;
    }
    if text == DEFAULT_REGISTRY {
        return Some(text.to_owned());
    }
    if !is_host(text) {
        report.error(host.place, format!("`{text}` is not a registry"), HOST_HINT);
        return None;
    }
    if matches!(text, "index.docker.io" | "registry-1.docker.io") {
        report.error(host.place, format!("images of Docker Hub carry `{DOCKER_HUB}`, not `{text}`"), format!("write `host: {DOCKER_HUB}`"));
        return None;
    }
    if !text.contains(['.', ':']) && text != "localhost" {
        let message = format!("no image is of the registry `{text}`: without a dot or a port it is read as a folder of Docker Hub");
        report.error(host.place, message, HOST_HINT);
        return None;
    }
    Some(text.to_owned())
}

fn registry(entry: RegistryEntry, place: Place, host: String, files: &dyn OperatorFiles, report: &mut Report) -> Option<Registry> {
    let has_mirrors = entry.mirrors.place.is_some();
    let is_empty = !has_mirrors && entry.upstream.place.is_none() && entry.test_image.place.is_none();
    let fallback = entry.fallback.clone();
    let asks_upstream = fallback.value?;
    let test_image = entry.test_image.located(place).and_then(|image| test_image(image, &host, report));
    let mirrors = entry.mirrors.located(place).map(|list| mirrors(list, files, report)).unwrap_or_default();
    if let Some(place) = fallback.place.filter(|_| !asks_upstream && !has_mirrors) {
        report.error(place, "neither a mirror nor the registry itself is asked", "name a mirror, or write `fallback: true`");
    }
    if let Some(place) = entry.upstream.place.filter(|_| !asks_upstream) {
        report.error(place, "the registry itself is never asked: `fallback` is `false`", "remove `upstream`, or write `fallback: true`");
    } else if let Some(place) = entry.upstream.place.filter(|_| host == DEFAULT_REGISTRY) {
        report.error(place, "`_default` stands for many registries", "give the registry that `upstream` is about an entry of its own");
    }
    // An empty host has been reported.
    if is_empty && asks_upstream && !host.is_empty() {
        report.error(
            place,
            format!("the entry of `{host}` changes nothing"),
            "name `mirrors`, `upstream` or `testImage`, or remove the entry",
        );
    }
    let resolves = mirrors.iter().any(|mirror| mirror.capabilities.contains(&RegistryCapability::Resolve));
    if !asks_upstream && !mirrors.is_empty() && !resolves {
        let place = fallback.place.unwrap_or(place);
        report.error(
            place,
            "nobody says which digest a tag stands for",
            "give one mirror the capability `resolve`, or write `fallback: true`",
        );
    }
    let plain_upstream = entry.upstream.at(place).and_then(|upstream| upstream.value.plain_http.value).unwrap_or(false);
    if let Some(place) = entry.upstream.at(place).and_then(|upstream| upstream.value.plain_http.place).filter(|_| plain_upstream) {
        let message = format!("registry `{host}` is asked without TLS: whoever is on the way can read and change images");
        report.warn(place, message, "use TLS where the registry has it");
    }
    let access = entry
        .upstream
        .located(place)
        .map(|Located { value, place }| Access::of_upstream(value, place).resolve(plain_upstream, files, report));
    let upstream = match (asks_upstream, host == DEFAULT_REGISTRY) {
        (false, _) => Upstream::NotAsked,
        (true, true) => Upstream::AsNamed,
        (true, false) => {
            let scheme = if plain_upstream { "http" } else { "https" };
            let mut endpoint = RegistryEndpoint::plain(format!("{scheme}://{}", upstream_address(&host)));
            if let Some(access) = access {
                access?.apply(&mut endpoint);
            }
            Upstream::Asked(endpoint)
        }
    };
    Some(Registry { host, mirrors, upstream, test_image })
}

fn mirrors(list: Located<Vec<Field<MirrorEntry>>>, files: &dyn OperatorFiles, report: &mut Report) -> Vec<RegistryEndpoint> {
    if list.value.is_empty() {
        report.error(list.place, "the list of mirrors is empty", "give one mirror or more, or remove the line");
    }
    let mut found: Vec<RegistryEndpoint> = Vec::new();
    for entry in list.value {
        let Some(Located { value: entry, place }) = entry.located(list.place) else { continue };
        let url_place = entry.url.place.unwrap_or(place);
        let Some(endpoint) = mirror(entry, place, files, report) else { continue };
        if found.iter().any(|other| other.url == endpoint.url) {
            report.error(url_place, format!("mirror `{}` is there twice", endpoint.url), "remove one of the two");
        }
        found.push(endpoint);
    }
    found
}

fn mirror(entry: MirrorEntry, place: Place, files: &dyn OperatorFiles, report: &mut Report) -> Option<RegistryEndpoint> {
    let plain = entry.plain_http.value?;
    let override_path = entry.override_path.clone();
    let address = entry.url.clone().located(place).and_then(|text| url(text, plain, report));
    let capabilities = entry.capabilities.clone().located(place).map(|list| capabilities(list, report));
    let is_plain = address.as_ref().is_some_and(|address| address.value.starts_with("http://"));
    let access = Access::of_mirror(entry, place).resolve(is_plain, files, report);
    let mut endpoint = RegistryEndpoint::plain(address?.value);
    let has_path = endpoint.url.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
    if let Some(place) = override_path.place.filter(|_| override_path.value == Some(true) && !has_path) {
        report.error(place, "`overridePath` is about the URL's path, and it has none", "add the path to the URL, or remove `overridePath`");
    }
    endpoint.override_path = override_path.value?;
    if let Some(capabilities) = capabilities {
        endpoint.capabilities = capabilities;
    }
    access?.apply(&mut endpoint);
    Some(endpoint)
}

fn capabilities(list: Located<Vec<Field<CapabilityWord>>>, report: &mut Report) -> Vec<RegistryCapability> {
    if list.value.is_empty() {
        report.error(list.place, "the mirror may be asked for nothing", "write `[pull, resolve]` or `[pull]`, or remove the line");
    }
    let mut found = Vec::new();
    for word in list.value {
        let Some(word) = word.located(list.place) else { continue };
        let capability = RegistryCapability::from(word.value);
        if found.contains(&capability) {
            report.error(word.place, format!("`{}` is there twice", capability.as_str()), "remove one of the two");
        } else {
            found.push(capability);
        }
    }
    found.sort_unstable();
    found
}

fn test_image(image: Located<String>, host: &str, report: &mut Report) -> Option<String> {
    let Located { value: text, place } = image_reference::checked(image, report)?;
    let named = image_reference::host_of(&text).unwrap_or_default();
    if named != host && host != DEFAULT_REGISTRY && !host.is_empty() {
        let message = format!("`{text}` is an image of {named}, not of {host}");
        report.error(place, message, format!("name an image of this entry's registry, such as `{host}/library/busybox:1.37`"));
        return None;
    }
    Some(text)
}
