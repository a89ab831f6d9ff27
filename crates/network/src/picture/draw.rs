//! Lays the frames out from top to bottom and draws them, with the arrows on their right.

use super::canvas::{Area, Canvas, Letters, width_of};
use super::groups::{Frame, Stream, frames, streams};
use super::link::Link;
use super::route::{Route, routes};
use crate::plan::NetworkPlan;
use crate::topology::Topology;

const BACKGROUND: &str = "#fcfcfb";
const BOX: &str = "#ffffff";
const LINE: &str = "#c4c4be";
const TITLE: Letters = Letters { size: 18.0, colour: "#1d1d1b", bold: true };
const HEADING: Letters = Letters { size: 14.0, colour: "#1d1d1b", bold: true };
const TEXT: Letters = Letters { size: 12.0, colour: "#3b3b38", bold: false };
const NAME: Letters = Letters { size: 12.0, colour: "#1d1d1b", bold: true };
/// Dark enough to be read, light enough to be told apart; the label says in words where an arrow comes from.
const COLOURS: [&str; 8] = ["#4b5563", "#0b6e99", "#7c4dae", "#a15c00", "#2d7d46", "#b03060", "#5b6b00", "#8a4b2a"];

const MARGIN: f64 = 24.0;
const HEADER: f64 = 58.0;
const FRAME_WIDTH: f64 = 716.0;
const FRAME_GAP: f64 = 22.0;
const PADDING: f64 = 14.0;
const LINE_HEIGHT: f64 = 17.0;
const BOXES_PER_ROW: usize = 5;
const BOX_WIDTH: f64 = 128.0;
const BOX_HEIGHT: f64 = 42.0;
const BOX_GAP: f64 = 12.0;
const SLOT: f64 = 20.0;
const LANE: f64 = 13.0;

/// A frame and where it is.
struct Placed<'a> {
    frame: &'a Frame,
    /// Lines of text under the heading.
    lines: Vec<String>,
    top: f64,
    height: f64,
    colour: &'static str,
}

/// The picture of a cluster, as an SVG document: its hosts by role, `links` between them, and the ranges of `plan`. The same input
/// gives the same bytes.
pub fn picture(topology: &Topology, plan: &NetworkPlan, links: &[Link]) -> String {
    let frames = frames(topology);
    let streams = streams(&frames, links);
    let (routes, slots) = routes(&streams, frames.len());
    let placed = place(topology, plan, &frames, &streams, &slots);
    let labels: Vec<String> = streams.iter().map(|stream| format!("from {}: {}", frames[stream.from].title(), stream.label)).collect();
    let label_width = routes.iter().map(|route| width_of(&labels[route.stream], TEXT.size)).fold(0.0, f64::max);
    let lanes = (MARGIN + FRAME_WIDTH + label_width + 34.0).ceil();
    let width = lanes + LANE * count(routes.len()) + MARGIN;
    let height = placed.last().map_or(HEADER, |last| last.top + last.height) + MARGIN;

    let mut canvas = Canvas::default();
    let title = format!("cluster {}: {} hosts", topology.name, topology.hosts.len());
    canvas.text(MARGIN, 34.0, &title, TITLE, width - MARGIN);
    canvas.text(MARGIN, 52.0, &subtitle(topology, plan), TEXT, width - MARGIN);
    for route in &routes {
        draw_route(&mut canvas, *route, &streams[route.stream], &placed, lanes, &labels[route.stream]);
    }
    for frame in &placed {
        draw_frame(&mut canvas, topology, frame);
    }
    canvas.finish(width, height, &title, BACKGROUND)
}

fn subtitle(topology: &Topology, plan: &NetworkPlan) -> String {
    let mtu: Vec<String> = plan.mtu.iter().map(|mtu| mtu.pods.to_string()).collect();
    format!("Kubernetes {}; flannel {}, MTU of pods {}", topology.kubernetes, topology.backend.as_str(), mtu.join(" and "))
}

fn place<'a>(topology: &Topology, plan: &NetworkPlan, frames: &'a [Frame], streams: &[Stream], slots: &[usize]) -> Vec<Placed<'a>> {
    let mut top = HEADER + 10.0;
    let mut placed = Vec::new();
    for (index, frame) in frames.iter().enumerate() {
        let mut lines = match frame {
            Frame::Outside => vec!["clients of the API and of services, the operator, registries".to_owned()],
            Frame::Hosts { .. } => Vec::new(),
            Frame::Ranges => range_lines(topology, plan),
        };
        let within = streams.iter().filter(|stream| (stream.from, stream.to) == (index, index));
        lines.extend(within.map(|stream| format!("among themselves: {}", stream.label)));
        let boxes = boxes(topology, frame).len();
        let rows = count(boxes.div_ceil(BOXES_PER_ROW)) * (BOX_HEIGHT + BOX_GAP);
        let content = 30.0 + count(lines.len()) * LINE_HEIGHT + rows + PADDING - if boxes > 0 { 4.0 } else { 8.0 };
        let height = content.max(count(slots[index]) * SLOT + 12.0);
        placed.push(Placed { frame, lines, top, height, colour: COLOURS[index % COLOURS.len()] });
        top += height + FRAME_GAP;
    }
    placed
}

fn range_lines(topology: &Topology, plan: &NetworkPlan) -> Vec<String> {
    let pods = plan.pods.iter().map(|pods| {
        format!(
            "pods {}: a /{} for each node, {} pods on it, {} nodes at most",
            pods.range,
            pods.node_prefix,
            pods.pods_on_a_node(plan.max_pods),
            pods.nodes
        )
    });
    let services = plan.services.iter().map(|services| {
        let address = |address: Option<std::net::IpAddr>| address.map_or_else(|| "none".to_owned(), |address| address.to_string());
        format!(
            "services {}: {} addresses; the API is {}, DNS is {}",
            services.range,
            services.services,
            address(services.api_address),
            address(services.dns_address)
        )
    });
    let ports =
        format!("node ports {}: {} on every node; DNS domain {}", plan.node_ports.range(), plan.node_ports.ports, topology.dns_domain);
    pods.chain(services).chain(std::iter::once(ports)).collect()
}

/// Name and address of each box of a frame, the VIP first.
fn boxes(topology: &Topology, frame: &Frame) -> Vec<(String, String)> {
    let Frame::Hosts { hosts, has_vip, .. } = frame else { return Vec::new() };
    let vip = topology.vip.filter(|_| *has_vip);
    let vip = vip.map(|(address, port)| (format!("VIP, port {port}"), address.to_string()));
    vip.into_iter().chain(hosts.iter().map(|(name, address)| (name.to_string(), address.clone()))).collect()
}

fn draw_frame(canvas: &mut Canvas, topology: &Topology, placed: &Placed<'_>) {
    let Placed { frame, lines, top, height, colour } = placed;
    canvas.rectangle(Area { x: MARGIN, y: *top, width: FRAME_WIDTH, height: *height }, BACKGROUND, colour, 1.4);
    let room = FRAME_WIDTH - 2.0 * PADDING;
    let heading = match frame {
        Frame::Outside => "outside the cluster".to_owned(),
        Frame::Hosts { title, hosts, .. } => format!("{title} ({})", hosts.len()),
        Frame::Ranges => "pods and services".to_owned(),
    };
    canvas.text(MARGIN + PADDING, top + 22.0, &heading, HEADING, room);
    let mut y = top + 22.0;
    for line in lines {
        y += LINE_HEIGHT;
        canvas.text(MARGIN + PADDING, y, line, TEXT, room);
    }
    let is_vip = |index: usize| index == 0 && matches!(frame, Frame::Hosts { has_vip: true, .. });
    for (index, (name, address)) in boxes(topology, frame).iter().enumerate() {
        let x = MARGIN + PADDING + count(index % BOXES_PER_ROW) * (BOX_WIDTH + BOX_GAP);
        let box_top = y + 10.0 + count(index / BOXES_PER_ROW) * (BOX_HEIGHT + BOX_GAP);
        let stroke = if is_vip(index) { colour } else { LINE };
        canvas.rectangle(Area { x, y: box_top, width: BOX_WIDTH, height: BOX_HEIGHT }, BOX, stroke, if is_vip(index) { 2.0 } else { 1.0 });
        canvas.text(x + 8.0, box_top + 17.0, name, NAME, BOX_WIDTH - 14.0);
        canvas.text(x + 8.0, box_top + 33.0, address, TEXT, BOX_WIDTH - 14.0);
    }
}

fn draw_route(canvas: &mut Canvas, route: Route, stream: &Stream, placed: &[Placed<'_>], lanes: f64, label: &str) {
    let edge = MARGIN + FRAME_WIDTH;
    let slot = |frame: usize, slot: usize| placed[frame].top + 18.0 + count(slot) * SLOT;
    let (begin, end) = (slot(stream.from, route.from_slot), slot(stream.to, route.to_slot));
    let lane = lanes + count(route.lane) * LANE;
    let colour = placed[stream.from].colour;
    canvas.path(&[(edge, begin), (lane, begin), (lane, end), (edge + 9.0, end)], colour);
    canvas.dot(edge + 3.0, begin, colour);
    canvas.head(edge, end, colour);
    canvas.text(edge + 16.0, end - 4.0, label, Letters { colour, ..TEXT }, f64::INFINITY);
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}
